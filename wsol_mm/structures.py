"""The data contract: names that several layers must agree on.

A data set yields plain dicts, a model returns data samples; these are the fields they share.

=========================  ==========================================  =======================
field                      shape, unit                                 who writes
=========================  ==========================================  =======================
``img_id``                 relative image name with extension          dataset
``gt_label``               int64, 0-based                              dataset
``gt_instances.bboxes``    (n, 4) float, original frame, xyxy,         dataset, for evaluation
                           exclusive end
``gt_mask``                (H, W) bool                                 ``LoadMasks``
``ignore_mask``            (H, W) bool                                 ``LoadMasks``
``homography_matrix``      (3, 3) float64, original to input frame     geometric transforms
``pred_score``             (K,) float, softmax                         localizer
``pred_maps``              (k, h, w) float32, raw, low resolution      localizer
``map_labels``             (k,) int64, ground-truth class first        localizer
``seed_map``               (h, w) float32, class map of the first      ``SDCAMHead``, for
                           of ``map_labels``                           ``SeedSign``
``ranking_view``           (3, h, w) uint8, view that ranks classes    ``RankingView``
``ranking``                ``second_view`` where such a view did,      ``TwoPassClassifier``
                           else absent
``pred_instances``         ``bboxes`` (m, 4) original frame,           detector
                           ``scores`` (m,), ``labels`` (m,)
=========================  ==========================================  =======================

``map_labels == [-1]`` marks a class-agnostic map that serves every class.
"""

# The one category of pseudo-box files and binary-class detectors.
OBJECT_CLASS = "object"

# What a config may let training see.
SUPERVISION = ("image", "pseudo_boxes", "boxes")

# Meta keys that evaluation needs, packed by every test pipeline.
META_KEYS = ("img_id", "img_path", "ori_shape", "img_shape", "homography_matrix")
