"""Hide random cells of a training image, so that a classifier must look at more than one part."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from numpy.typing import NDArray

from wsol_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class HideAndSeek(BaseTransform):
    """Replace each cell of a grid by the data set's mean colour with some probability.

    Singh and Lee, *Hide-and-Seek*, ICCV 2017. The preprocessor turns the mean into exact zeros,
    which is what the reference benchmark writes into the normalised image. So this stands directly
    before packing, behind crops and flips. Cells start at the left and upper edge; those at the
    other two may be cut off, and count as cells of their own.

    The image becomes float32, hidden cells or not, since batches need one dtype; with
    ``drop_rate=0`` it is left as it is and no random number is drawn.

    Args:
        grid_size: Side of a cell in pixels.
        drop_rate: Probability that a cell is hidden, in [0, 1].
        mean: Mean of the data preprocessor, in its order (red, green, blue).
        to_rgb: The data preprocessor's ``to_rgb``: it turns the image, which is loaded blue first.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        grid_size: int,
        drop_rate: float,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        to_rgb: bool = True,
    ) -> None:
        if grid_size < 1 or not 0 <= drop_rate <= 1:
            raise ValueError(
                "HideAndSeek: expected grid_size >= 1 and 0 <= drop_rate <= 1, got "
                f"{grid_size} and {drop_rate}"
            )
        self.grid_size = grid_size
        self.drop_rate = drop_rate
        self.mean = np.array(mean[::-1] if to_rgb else mean, dtype=np.float32)

    @cache_randomness
    def hidden_cells(self, rows: int, columns: int) -> NDArray[np.bool_]:
        """Which cells to hide, (rows, columns) bool, each on its own."""
        return np.random.random((rows, columns)) < self.drop_rate

    def transform(self, results: dict) -> dict:
        """Hide cells of ``results['img']``."""
        if not self.drop_rate:
            return results
        image = results["img"].astype(np.float32)
        height, width = image.shape[:2]
        cells = self.hidden_cells(-(-height // self.grid_size), -(-width // self.grid_size))
        hidden = np.repeat(np.repeat(cells, self.grid_size, axis=0), self.grid_size, axis=1)
        image[hidden[:height, :width]] = self.mean
        results["img"] = image
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(grid_size={self.grid_size}, drop_rate={self.drop_rate}, "
            f"mean={self.mean.tolist()})"
        )
