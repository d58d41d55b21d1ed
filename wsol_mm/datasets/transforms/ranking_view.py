"""A second view of a test image, on which classes are ranked."""

from mmcv.transforms import BaseTransform
from mmpretrain.datasets.transforms import PackInputs

from wsol_mm.datasets.transforms.geometric import CenterCrop, Resize
from wsol_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RankingView(BaseTransform):
    """Keep the middle of the resized image as ``ranking_view``, a uint8 tensor (3, c, c).

    For ``wsol_mm.TwoPassClassifier``, the test released with CI-CAM (Shao et al., ACM MM 2021). The
    image itself goes on unchanged, and so does what is recorded of its geometry; the view is of the
    image as it is at this place of the pipeline.

    Args:
        short_side: Pixels that the shorter side is resized to.
        crop_size: Width and height c of the crop.

    Raises:
        ValueError: The crop is larger than the short side.
    """

    def __init__(self, short_side: int, crop_size: int) -> None:
        if crop_size > short_side:
            raise ValueError(
                f"RankingView: crop_size={crop_size} is larger than short_side={short_side}"
            )
        self.resize = Resize(scale=(short_side, 10_000), keep_ratio=True)
        self.crop = CenterCrop(crop_size)

    def transform(self, results: dict) -> dict:
        """Add ``results['ranking_view']``."""
        view = self.crop.transform(self.resize.transform(dict(results)))
        return {**results, "ranking_view": PackInputs.format_input(view["img"])}
