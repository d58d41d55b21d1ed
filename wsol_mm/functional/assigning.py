"""Targets of detectors for a whole batch at once: which prior, point or query learns which box.

The same rules as one image at a time, on boxes padded to the largest number in the batch. An
assignment is (b, n) int64: -1 left out, 0 background, ``i + 1`` the image's box ``i``.
"""

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def pad_rows(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Stack tensors of different length, filled up with zeros.

    Args:
        rows: b tensors (n_i, ...) of one dtype and device; at least one.

    Returns:
        ``(padded, present)``: (b, n, ...) with n the largest length, at least 1, and (b, n) bool.

    Example:
        >>> padded, present = pad_rows([torch.tensor([1, 2]), torch.tensor([], dtype=torch.int64)])
        >>> padded.tolist(), present.tolist()
        ([[1, 2], [0, 0]], [[True, True], [False, False]])
    """
    lengths = [len(row) for row in rows]
    longest = max(1, *lengths)
    flat = torch.cat(list(rows))
    if lengths.count(longest) == len(lengths):
        present = torch.ones(len(rows), longest, dtype=torch.bool, device=flat.device)
        return flat.reshape(len(rows), longest, *flat.shape[1:]), present
    present = torch.arange(longest) < torch.tensor(lengths)[:, None]
    where = present.flatten().nonzero()[:, 0].to(flat.device)
    padded = flat.new_zeros(len(rows) * longest, *flat.shape[1:])
    padded[where] = flat
    return padded.reshape(len(rows), longest, *flat.shape[1:]), present.to(flat.device)


def assign_by_iou(
    overlaps: Tensor,
    boxes: Tensor,
    priors: Tensor | None = None,
    *,
    positive: float,
    negative: tuple[float, float],
    least: float = 0.0,
    match_low_quality: bool = True,
    all_best: bool = True,
) -> Tensor:
    """Boxes of priors by their overlap, as Faster R-CNN's two stages assign them.

    A prior learns the box it overlaps most if that is ``positive`` or more, and is background if it
    lies in ``negative``. With ``match_low_quality`` the best prior of a box learns this box
    whatever its overlap, from ``least`` on; of several such boxes, the last.

    Args:
        overlaps: (b, g, n) IoU of boxes and priors; negative where a prior is to be left out.
        boxes: (b, g) bool, False for padding.
        priors: (b, n) bool, False for padding; None if there is none.
        positive: Least overlap of a positive.
        negative: Overlaps of background, end excluded.
        least: Least overlap of the best prior of a box.
        match_low_quality: Whether each box gets its best prior.
        all_best: All best priors of a box, or the first.

    Returns:
        (b, n) int64 assignment. In an image without boxes every prior is background.

    Source: Ren et al., NeurIPS 2015 (Faster R-CNN); the order of the steps is MMDetection's.

    Example:
        >>> overlaps = torch.tensor([[[0.8, 0.6, 0.4, 0.1], [0.0, 0.1, 0.35, 0.0]]])
        >>> here = torch.ones(1, 2, dtype=torch.bool)
        >>> assign_by_iou(overlaps, here, positive=0.7, negative=(0.0, 0.3)).tolist()
        [[1, -1, 2, 0]]
    """
    outside = ~boxes[:, :, None]
    if priors is not None:
        outside = outside | ~priors[:, None]
    overlaps = overlaps.masked_fill(outside, -1.0)
    highest, owner = overlaps.max(dim=1)
    low, high = negative
    assigned = torch.where((highest >= low) & (highest < high), 0, -1)
    assigned = torch.where(highest >= positive, owner + 1, assigned)
    if match_low_quality:
        top, first = overlaps.max(dim=2)
        if all_best:
            best = overlaps == top[:, :, None]
        else:
            best = torch.arange(overlaps.shape[2], device=overlaps.device) == first[:, :, None]
        best &= (top >= least)[:, :, None] & ~outside
        numbers = torch.arange(1, overlaps.shape[1] + 1, device=overlaps.device)
        last = torch.where(best, numbers[:, None], 0).amax(dim=1)
        assigned = torch.where(last > 0, last, assigned)
    assigned = assigned.masked_fill(~boxes.any(dim=1, keepdim=True), 0)
    return assigned if priors is None else assigned.masked_fill(~priors, -1)


def sample_priors(
    assigned: Tensor,
    keys: Tensor,
    *,
    number: int,
    positive_share: float,
    most_per_positive: float = -1,
) -> tuple[Tensor, Tensor]:
    """Random positives and negatives of every image, without replacement.

    Of each kind those with the smallest keys are taken, so keys that are drawn uniformly make every
    subset of its size equally likely.

    Args:
        assigned: (b, n) assignment.
        keys: (b, n) floats in [0, 1).
        number: Samples of an image.
        positive_share: At most this share of them are positives; negatives fill the rest.
        most_per_positive: At most so many negatives for each positive, one positive if there is
            none; below 0 for no bound.

    Returns:
        ``(positives, negatives)``, (b, n) bool.

    Example:
        >>> assigned = torch.tensor([[1, 2, 1, 0, 0, -1]])
        >>> keys = torch.tensor([[0.5, 0.1, 0.9, 0.7, 0.2, 0.0]])
        >>> positives, negatives = sample_priors(assigned, keys, number=3, positive_share=0.5)
        >>> positives.nonzero()[:, 1].tolist(), negatives.nonzero()[:, 1].tolist()
        ([1], [3, 4])
    """
    positives, negatives = assigned > 0, assigned == 0
    there = positives.sum(dim=1, keepdim=True)
    taken = there.clamp(max=int(number * positive_share))
    room = number - taken
    if most_per_positive >= 0:
        room = torch.minimum(room, (most_per_positive * taken.clamp(min=1)).long())
    # one sort for both kinds: the keys of negatives start at 1; doubles, so that adding is exact
    kinds = negatives.double() + 2 * (assigned < 0).double()
    order = (keys.double() + kinds).argsort(dim=1)
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, places)
    return positives & (rank < taken), negatives & (rank - there < room)


def assign_points(
    points: Tensor,
    ranges: Tensor,
    boxes: Tensor,
    present: Tensor,
    radii: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Boxes of points: a point learns the smallest box that it lies in.

    Args:
        points: (p, 2) x, y.
        ranges: (p, 2) least and greatest of a point's longest distance to a side of its box.
        boxes: (b, g, 4) x0, y0, x1, y1.
        present: (b, g) bool, False for padding.
        radii: (p,) a point counts only within this distance of the box's centre, along both axes;
            None for the whole box.

    Returns:
        ``(assigned, sides)``: (b, p) int64 assignment, 0 or a box, and (b, p, 4) distances to the
        left, top, right and bottom of this box, of the first for background; 0 in images without
        boxes.

    Source: Tian et al., ICCV 2019 (FCOS).

    Example:
        >>> points = torch.tensor([[4.0, 4.0], [12.0, 4.0]])
        >>> ranges = torch.tensor([[-1.0, 100.0]]).expand(2, 2)
        >>> boxes = torch.tensor([[[0.0, 1.0, 10.0, 9.0]]])
        >>> assigned, sides = assign_points(points, ranges, boxes, torch.tensor([[True]]))
        >>> assigned.tolist(), sides[0, 0].tolist()
        ([[1, 0]], [4.0, 3.0, 6.0, 5.0])
    """
    corners = boxes[:, None]
    spots = points[None, :, None]
    sides = torch.cat([spots - corners[..., :2], corners[..., 2:] - spots], dim=-1)
    if radii is None:
        inside = sides.amin(dim=-1) > 0
    else:
        centre = (corners[..., :2] + corners[..., 2:]) / 2
        reach = radii[None, :, None, None]
        start = torch.maximum(centre - reach, corners[..., :2])
        end = torch.minimum(centre + reach, corners[..., 2:])
        inside = (torch.minimum(spots - start, end - spots) > 0).all(dim=-1)
    longest = sides.amax(dim=-1)
    inside &= (longest >= ranges[None, :, None, 0]) & (longest <= ranges[None, :, None, 1])
    inside &= present[:, None]
    areas = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    smallest, owner = torch.where(inside, areas[:, None], torch.inf).min(dim=2)
    assigned = torch.where(smallest < torch.inf, owner + 1, 0)
    sides = sides.take_along_dim(owner[:, :, None, None], dim=2)[:, :, 0]
    return assigned, torch.where(present.any(dim=1)[:, None, None], sides, 0)


def match_queries(cost: Tensor, present: Tensor) -> Tensor:
    """One query for each box, at the least total cost.

    With one box that is its cheapest query, for all such images at once; images with more boxes go
    through scipy's Hungarian matching one by one.

    Args:
        cost: (b, q, g) of giving a box to a query.
        present: (b, g) bool, False for padding, which follows the boxes.

    Returns:
        (b, q) int64 assignment, 0 or a box.

    Raises:
        ValueError: The cost of a box is not finite.

    Source: Carion et al., ECCV 2020 (DETR).

    Example:
        >>> cost = torch.tensor([[[3.0, 0.0], [1.0, 0.0]], [[1.0, 2.0], [2.0, 9.0]]])
        >>> match_queries(cost, torch.tensor([[True, False], [True, True]])).tolist()
        [[0, 1], [2, 1]]
    """
    cost = cost.detach()
    if not (cost.isfinite() | ~present[:, None]).all():
        raise ValueError("the cost of matching queries and boxes is not finite: training diverged")
    counts = present.sum(dim=1)
    first = cost[:, :, 0].argmin(dim=1, keepdim=True)
    assigned = torch.zeros(cost.shape[:2], dtype=torch.int64, device=cost.device)
    assigned.scatter_(1, first, (counts == 1).long()[:, None])
    if cost.shape[2] > 1:
        for image, count in enumerate(counts.tolist()):
            if count > 1:
                queries, owners = linear_sum_assignment(cost[image, :, :count].cpu().numpy())
                chosen = torch.from_numpy(queries).to(cost.device)
                assigned[image, chosen] = torch.from_numpy(owners + 1).to(cost.device)
    return assigned
