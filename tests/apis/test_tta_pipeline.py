"""Views from a test pipeline, and what of a config changes with them."""

import numpy as np
import pytest
from mmcv.transforms import Compose
from mmengine.config import Config

from wsol_mm.apis.test_time_augmentation import tta_pipeline, use_tta

PACK = dict(type="wsol_mm.PackWSOLInputs")
CROP = dict(type="wsol_mm.CenterCrop", crop_size=20)
RESIZE = dict(type="wsol_mm.Resize", scale=(32, 24))


def views(steps):
    """Size and homography of every view of a 40 x 30 image."""
    loaded = dict(img=np.zeros((30, 40, 3), np.uint8), ori_shape=(30, 40), img_shape=(30, 40))
    (varied,) = [step for step in steps if step["type"] == "TestTimeAug"]
    before = steps[: steps.index(varied)]
    packed = Compose([*before, varied])(loaded | dict(img_id="a", img_path="a", gt_label=0))
    return [(s.img_shape, np.asarray(s.homography_matrix)) for s in packed["data_samples"]]


@pytest.mark.parametrize(
    ("steps", "sizes"),
    [
        ([RESIZE, PACK], [(24, 32), (36, 48)]),
        ([dict(RESIZE, scale=24), PACK], [(24, 24), (36, 36)]),
        ([RESIZE, CROP, PACK], [(20, 20), (30, 30)]),
        ([dict(type="wsol_mm.Pad", size=(50, 60)), PACK], [(60, 50), (90, 75)]),
    ],
)
def test_each_scale_comes_as_it_is_and_mirrored(steps, sizes):
    found = views(tta_pipeline(steps, (1.5, 1)))
    assert [shape for shape, _ in found] == [size for size in sizes for _ in range(2)]
    for (shape, plain), (_, mirrored) in zip(found[::2], found[1::2], strict=True):
        flip = np.array([[-1, 0, shape[1]], [0, 1, 0], [0, 0, 1]])
        np.testing.assert_allclose(mirrored, flip @ plain)


def test_a_pipeline_without_geometry_is_resized_behind_its_reading():
    steps = [dict(type="LoadImageFromFile"), dict(type="wsol_mm.LoadMasks"), PACK]
    read, varied = tta_pipeline(steps, (1, 2))
    assert read == steps[0]
    assert [step["scale_factor"] for step in varied["transforms"][0]] == [1.0, 2]
    assert varied["transforms"][2:] == [[steps[1]], [PACK]]


@pytest.mark.parametrize("scales", [(0.5, 2), (), (1, 0), (1, -1)])
def test_scales_without_meaning_are_refused(scales):
    with pytest.raises(ValueError, match=r"expected positive numbers, one of them 1"):
        tta_pipeline([RESIZE, PACK], scales)


def test_a_detectors_pipeline_is_refused_but_its_own_views_are_obeyed():
    cfg = Config.fromfile("configs/wend/faster_rcnn_r18_toy_oracle.py")
    with pytest.raises(ValueError, match="ends in PackDetInputs"):
        use_tta(cfg)
    cfg.tta_model, cfg.tta_pipeline = dict(type="mmdet.DetTTAModel"), [dict(type="X")]
    use_tta(cfg)
    assert cfg.test_dataloader.dataset.pipeline == [dict(type="X")]
    assert cfg.custom_hooks[-1].tta_cfg.type == "mmdet.DetTTAModel"


def test_val_which_chooses_the_threshold_sees_the_same_views_as_the_test():
    cfg = Config.fromfile("configs/cam/resnet18_toy.py")
    cfg.tta_scales = (1, 0.5)
    use_tta(cfg)
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        scales = loader.dataset.pipeline[-1]["transforms"][0]
        assert [step["scale_factor"] for step in scales] == [1.0, 0.5]
    assert cfg.custom_hooks[-1].type == "wsol_mm.TTAHook"
