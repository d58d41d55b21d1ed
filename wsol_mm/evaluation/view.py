"""The evaluation frame as a view of the original image."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsol_mm.evaluation.protocols import Protocol
from wsol_mm.functional.geometry import transform_boxes
from wsol_mm.functional.pxap import nearest_indices


class View:
    """Brings boxes and masks of the original image into the evaluation frame.

    Where the input shows the whole image (a squash, the reference's geometry), the ratio of the
    sizes itself is used, so that no rounding of the recorded matrix can move a coordinate.

    Args:
        sample: ``ori_shape`` (h, w), and with maps ``img_shape`` and ``homography_matrix``; boxes
            alone live in the original image and need neither.
        protocol: Frame, rounding and geometry.
    """

    def __init__(self, sample: Mapping[str, Any], protocol: Protocol) -> None:
        self.protocol = protocol
        height, width = (int(side) for side in sample["ori_shape"][:2])
        self.size = np.array([width, height], dtype=np.float64)
        matrix = sample.get("homography_matrix")
        if matrix is None:
            if "pred_maps" in sample:
                raise ValueError(
                    "homography_matrix is missing, so the map cannot be laid over the image: "
                    "use the wsol_mm transforms and pack META_KEYS"
                )
            self.squash = True
            return
        matrix = np.asarray(matrix, dtype=np.float64)
        scale = matrix.diagonal()[:2]
        if (scale <= 0).any() or np.abs(matrix - np.diag(matrix.diagonal()))[:, :2].max() > 1e-9:
            raise ValueError(
                f"homography_matrix {matrix.tolist()} flips, turns or shears the image: test "
                "pipelines may only resize and crop"
            )
        in_height, in_width = (int(side) for side in sample["img_shape"][:2])
        in_size = np.array([in_width, in_height], dtype=np.float64)
        corner = matrix[:2, 2]
        self.squash = bool(np.abs([corner, corner + scale * self.size - in_size]).max() < 0.01)
        self.matrix = np.diag([*(protocol.frame / in_size), 1.0]) @ matrix

    @property
    def to_frame(self) -> NDArray[np.float64]:
        """(4,) scale of x and y, then their offset, from the original image into the frame."""
        if self.squash:
            return np.array([*(self.protocol.frame / self.size), 0.0, 0.0])
        return np.array([*self.matrix.diagonal()[:2], *self.matrix[:2, 2]])

    def boxes(self, boxes: NDArray[Any]) -> NDArray[np.float64]:
        """(n, 4) boxes of the original image, in the frame, under the protocol's rounding."""
        protocol = self.protocol
        moved = np.array(boxes, dtype=np.float64).reshape(-1, 4)
        if protocol.plus_one:
            moved = np.minimum(moved, np.tile(self.size - 1, 2))
        if self.squash:
            moved = moved * protocol.frame / np.tile(self.size, 2)
        else:
            moved = transform_boxes(moved, self.matrix)
        if protocol.geometry == "input":
            moved = moved.clip(0, protocol.frame - 1 if protocol.plus_one else protocol.frame)
        if protocol.rounding == "truncate":
            # The margin undoes the rounding of the product, so that 3 does not become 2.
            moved = np.trunc(moved + np.copysign(1e-6, moved)) + 0.0
        return moved

    def to_image(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 4) boxes of the frame, in the original image, cut to integers inside of it.

        With ``plus_one`` they end at the last pixel at most.
        """
        ends = np.tile(self.size - 1 if self.protocol.plus_one else self.size, 2)
        if self.squash:
            moved = boxes * np.tile(self.size, 2) / self.protocol.frame
        else:
            moved = transform_boxes(boxes, np.linalg.inv(self.matrix))
        # The margin undoes the rounding of the product, so that 3 does not become 2.
        return np.trunc(moved + 1e-6).clip(0, ends)

    def mask(self, mask: NDArray[Any]) -> NDArray[np.bool_]:
        """(H, W) mask of the original image, in the frame, by the nearest-neighbour rule."""
        mask = mask.astype(bool)
        height, width = mask.shape
        frame = self.protocol.frame
        if self.squash:
            columns, rows = nearest_indices(frame, width), nearest_indices(frame, height)
        else:
            if (width, height) != tuple(self.size):
                raise ValueError(
                    f"the mask is {width} x {height}, the image {self.size.astype(int).tolist()}"
                )
            moved = (np.arange(frame)[:, None] - self.matrix[:2, 2]) / self.matrix.diagonal()[:2]
            columns, rows = np.floor(moved).clip(0, self.size - 1).astype(np.int64).T
        return np.asarray(mask[np.ix_(rows, columns)])


def as_array(value: Any) -> NDArray[Any]:
    """A numpy array from an array, a tensor or a box structure of mmdet."""
    value = getattr(value, "tensor", value)
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)
