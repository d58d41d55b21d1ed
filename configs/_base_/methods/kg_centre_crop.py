# KG-CI-CAM's tests: squash, centre crop, ground truth clipped to it. NOT comparable with full-frame
# numbers: a constant box does well here. Published thresholds were chosen on the test set.


def _test(scale, crop_size, **protocol):
    protocol = dict(name="kg_ci_cam_centre_crop", **protocol) if protocol else None
    return dict(
        view=[
            dict(type="wsol_mm.Resize", scale=(scale, scale)),
            dict(type="wsol_mm.CenterCrop", crop_size=crop_size),
        ],
        evaluator=dict(protocol=protocol or "kg_ci_cam_centre_crop", threshold="oracle"),
    )


kg_centre_crop = dict(
    vgg16_cub=_test(344, 224),
    # threshold: the released code
    inception_v3_cub=_test(500, 299, frame=299, threshold=0.21),
    # threshold: Inception V3's; that of this network is not published
    resnet50_cub=_test(344, 224, threshold=0.21),
    # threshold: the released code; its other geometry for the ground truth is not imitated
    vgg16_ilsvrc=_test(288, 224, threshold=0.11),
    # thresholds: VGG-16's; those of these networks are not published
    inception_v3_ilsvrc=_test(404, 299, frame=299, threshold=0.11),
    resnet50_ilsvrc=_test(304, 224, threshold=0.11),
)
