"""Maps of several views of an image (flipped, resized, cropped) as one map of one of them."""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["average_maps", "cubic_weights", "maps_in_frame"]

_A = -0.75  # of the cubic kernel, as in OpenCV and torch


def cubic_weights(positions: Tensor, size: int) -> Tensor:
    """Weights with which a row of values is read between its places, by cubic interpolation.

    Keys, IEEE TASSP 1981, eq. 4, with A = -0.75; the first and last value go on outside.

    Args:
        positions: (n,) float64; 0 is the first value, ``size - 1`` the last.
        size: Number of values.

    Returns:
        (n, size) float64; each row sums to 1.

    Example:
        >>> cubic_weights(torch.tensor([1.0, 0.5], dtype=torch.float64), 3).tolist()
        [[0.0, 1.0, 0.0], [0.5, 0.59375, -0.09375]]
    """
    base = positions.floor()
    weights = positions.new_zeros(len(positions), size)
    for tap in range(-1, 3):
        distance = (positions - base - tap).abs()
        near = ((_A + 2) * distance - (_A + 3)) * distance**2 + 1
        far = _A * (((distance - 5) * distance + 8) * distance - 4)
        value = torch.where(distance <= 1, near, far)
        place = (base + tap).clamp(0, size - 1).long()
        weights.scatter_add_(1, place[:, None], value[:, None])
    return weights


def maps_in_frame(
    maps: Tensor, shape: tuple[int, int], to_view: Tensor, frame: tuple[int, int]
) -> Tensor:
    """Bring maps of a view back into the frame that the view was taken from.

    Args:
        maps: (k, h, w) raw maps that cover the view.
        shape: (height, width) of the view in pixels.
        to_view: (3, 3) from pixels of the frame to pixels of the view: scale, flip and shift.
        frame: (height, width) of the frame in pixels.

    Returns:
        (k, height, width) float64, by cubic interpolation. Beyond the view its edge goes on.

    Raises:
        ValueError: ``to_view`` turns or shears.

    Example:
        A map of a view that is twice as large and mirrored:

        >>> maps = torch.tensor([[[1.0, 1.0, 3.0, 3.0]]])
        >>> mirrored = torch.tensor([[-2.0, 0, 4], [0, 2, 0], [0, 0, 1]])
        >>> maps_in_frame(maps, (2, 4), mirrored, (1, 2)).tolist()
        [[[3.1875, 0.8125]]]
    """
    matrix = to_view.to(maps.device, torch.float64)
    linear = matrix[:2, :2]
    if (linear - torch.diag(linear.diagonal())).abs().max() > 1e-9:
        raise ValueError(f"a view may be resized, flipped and cropped, not turned: {to_view}")
    weights = []
    for axis, length in enumerate(frame):  # rows of the frame are the second coordinate
        scale, offset = matrix[1 - axis, 1 - axis], matrix[1 - axis, 2]
        centres = torch.arange(length, dtype=torch.float64, device=maps.device) + 0.5
        cells = maps.shape[1 + axis]
        weights.append(cubic_weights((centres * scale + offset) * cells / shape[axis] - 0.5, cells))
    rows, columns = weights
    return rows @ maps.double() @ columns.T


def average_maps(
    maps: Sequence[Tensor], labels: Sequence[Tensor], first: int
) -> tuple[Tensor, Tensor]:
    """Average the maps of each class over views.

    Args:
        maps: Of each view (k, H, W), all in one frame; views may differ in k.
        labels: Of each view (k,) int64, the classes of its maps.
        first: The class whose map is wanted in any case, averaged over the views that have it.

    Returns:
        (m, H, W) of ``first`` and of the other classes that all views have, in the first view's
        order, and their classes (m,).

    Raises:
        ValueError: No view has a map of class ``first``.

    Example:
        >>> maps = [torch.tensor([[[1.0]], [[2.0]]]), torch.tensor([[[4.0]], [[3.0]]])]
        >>> labels = [torch.tensor([7, 5]), torch.tensor([5, 9])]
        >>> average_maps(maps, labels, first=7)
        (tensor([[[1.]],
        <BLANKLINE>
                [[3.]]]), tensor([7, 5]))
    """
    views = zip(labels, maps, strict=True)
    rows = [dict(zip(each.tolist(), own, strict=True)) for each, own in views]
    common = [label for label in rows[0] if all(label in own for own in rows)]
    wanted = [first, *(label for label in common if label != first)]
    if not any(first in own for own in rows):
        raise ValueError(f"no view has a map of class {first}: they have {[*map(list, rows)]}")
    means = [torch.stack([own[label] for own in rows if label in own]).mean(0) for label in wanted]
    return torch.stack(means), torch.tensor(wanted, device=labels[0].device)
