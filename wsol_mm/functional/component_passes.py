"""Compiled passes of the component tree: pixels in grey order, joined by union-find.

Three passes, each linear in the number of pixels up to the union-find:

1. *Ascending*, 4-connected, the frame is component 0: every hole of every level. A hole that meets
   the frame at value ``v`` is a lake of depth ``v``, which gives the image with all lakes filled.
2. *Descending*, 8-connected, on the filled image: the outermost components of every level. The
   filled component has no holes, so the polygon area of its contour is a plain sum over 2x2 blocks
   (1 for four pixels, 1/2 for three), and the largest contour is never an inner one.
3. *Descending* on the image itself, only in lakes where pass 1 saw a hole close a ring: the
   islands, components that are not outermost.

A pixel is joined by table look-up: the pattern of its earlier neighbours tells how many separate
pieces it touches, nearly always one, and which neighbours stand for them. A box lives over an
interval of levels; its IoU is computed once, from a log, when it changes or is merged away.

All compiled functions stand in this one file because numba's cache follows single files. Indices
are unsigned in the innermost loops, which spares numba's test for negative ones.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Neighbours clockwise from the upper left, as (dx, dy); bit k of a pattern stands for entry k.
_AROUND = ((-1, -1), (0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0))
_LOG2 = np.array([0] + [n.bit_length() - 1 for n in range(1, 257)], dtype=np.int64)

_STEPS = np.array(_AROUND, np.int64)

# Columns of the state of a component.
_X0, _Y0, _X1, _Y1, _SINCE, _AREA, _FIRST, _PARENT = range(8)
# The last rows of the same array are a log of finished boxes; the first five columns agree.
_UNTIL = 5
_LOG = 2048


def _pieces(pattern: int, four: bool) -> list[int]:
    """One neighbour of each connected piece of ``pattern`` that touches the centre pixel."""
    left = [k for k in range(8) if pattern >> k & 1]
    found = []
    while left:
        piece = [left.pop(0)]
        for k in piece:
            for other in list(left):
                dx = abs(_AROUND[k][0] - _AROUND[other][0])
                dy = abs(_AROUND[k][1] - _AROUND[other][1])
                if dx + dy == 1 if four else max(dx, dy) == 1:
                    left.remove(other)
                    piece.append(other)
        touching = [k for k in piece if not four or k % 2]
        found += touching[:1]
    return found


def _joins(four: bool) -> NDArray[np.int64]:
    """Per pattern, octal digits from the right: number of pieces, then one neighbour of each."""
    table = np.zeros(256, np.int64)
    for pattern in range(256):
        pieces = _pieces(pattern, four)
        table[pattern] = len(pieces) + sum(k << 3 * i for i, k in enumerate(pieces, 1))
    return table


def _gains() -> NDArray[np.uint8]:
    """Per pattern: half units of contour area that a new pixel adds, from its four 2x2 blocks."""
    area = np.zeros(256, np.uint8)
    for pattern in range(256):
        on = [pattern >> (k % 8) & 1 for k in range(10)]
        area[pattern] = sum(on[k - 1] + on[k] + on[k + 1] >= 2 for k in (2, 4, 6, 8))
    return area


_JOIN8 = _joins(four=False)
_JOIN4 = _joins(four=True)
_AREA_GAIN = _gains()


@njit(cache=True, nogil=True)
def _earlier(grey, height, width, out):  # type: ignore[no-untyped-def]
    """Pattern of the neighbours that come before each pixel: brighter, or equal and above/left."""
    for y in range(1, height + 1):
        up, mid, low, row = grey[y - 1], grey[y], grey[y + 1], out[y]
        for x in range(1, width + 1):
            v = mid[x]
            row[x] = (
                np.uint8(up[x - 1] >= v)
                | np.uint8(up[x] >= v) << 1
                | np.uint8(up[x + 1] >= v) << 2
                | np.uint8(mid[x + 1] > v) << 3
                | np.uint8(low[x + 1] > v) << 4
                | np.uint8(low[x] > v) << 5
                | np.uint8(low[x - 1] > v) << 6
                | np.uint8(mid[x - 1] >= v) << 7
            )


@njit(cache=True, nogil=True)
def sort_pixels(grey, height, width, shift, order, start):  # type: ignore[no-untyped-def]
    """Counting sort, brightest first; value v occupies ``order[start[v]:start[v - 1]]``.

    Four bands of rows are counted side by side: a smooth map's equal neighbours would otherwise
    wait for each other's counter.
    """
    band = height // 4
    at = np.zeros(1024, np.int64)
    for y in range(1, band + 1):
        row0, row1 = grey[y], grey[y + band]
        row2, row3 = grey[y + 2 * band], grey[y + 3 * band]
        for x in range(1, width + 1):
            at[np.uint64(row0[x])] += 1
            at[np.uint64(row1[x] + 256)] += 1
            at[np.uint64(row2[x] + 512)] += 1
            at[np.uint64(row3[x] + 768)] += 1
    for y in range(4 * band + 1, height + 1):
        row3 = grey[y]
        for x in range(1, width + 1):
            at[row3[x] + 768] += 1
    total = 0
    for v in range(255, -1, -1):
        start[v] = total
        for k in range(v, 1024, 256):
            count = at[k]
            at[k] = total
            total += count
    for y in range(1, band + 1):
        row0, row1 = grey[y], grey[y + band]
        row2, row3 = grey[y + 2 * band], grey[y + 3 * band]
        p0 = y << shift
        p1, p2, p3 = p0 + (band << shift), p0 + (2 * band << shift), p0 + (3 * band << shift)
        for x in range(1, width + 1):
            k0, k1 = np.uint64(row0[x]), np.uint64(row1[x] + 256)
            k2, k3 = np.uint64(row2[x] + 512), np.uint64(row3[x] + 768)
            i0, i1, i2, i3 = at[k0], at[k1], at[k2], at[k3]
            at[k0], at[k1], at[k2], at[k3] = i0 + 1, i1 + 1, i2 + 1, i3 + 1
            order[np.uint64(i0)] = p0 + x
            order[np.uint64(i1)] = p1 + x
            order[np.uint64(i2)] = p2 + x
            order[np.uint64(i3)] = p3 + x
    for y in range(4 * band + 1, height + 1):
        row3 = grey[y]
        for x in range(1, width + 1):
            k = row3[x] + 768
            order[at[k]] = (y << shift) + x
            at[k] += 1


@njit(cache=True, nogil=True)
def _iou(x0, y0, x1, y1, gt, size, plus_one):  # type: ignore[no-untyped-def]
    """Best IoU over ``gt`` (fifth column: area) of a box given by the pixels at its edges."""
    one = 1.0 if plus_one else 0.0
    x1 += 1
    y1 += 1
    if plus_one:
        x1 = min(x1, size[1] - 1)
        y1 = min(y1, size[0] - 1)
    area = (x1 - x0 + one) * (y1 - y0 + one)
    best = 0.0
    for k in range(gt.shape[0]):
        w = min(float(x1), gt[k, 2]) - max(float(x0), gt[k, 0]) + one
        h = min(float(y1), gt[k, 3]) - max(float(y0), gt[k, 1]) + one
        if w > 0.0 and h > 0.0:
            inter = w * h
            union = area + gt[k, 4] - inter
            if union > 0.0:
                best = max(best, inter / union)
    return best


@njit(cache=True, nogil=True)
def _note(log, table, gt, size, plus_one):  # type: ignore[no-untyped-def]
    """Enter the IoU of logged boxes for the levels they lived: two power-of-two spans each."""
    for i in range(log.shape[0]):
        x0, y0 = np.int64(log[i, _X0]), np.int64(log[i, _Y0])
        x1, y1 = np.int64(log[i, _X1]), np.int64(log[i, _Y1])
        value = _iou(x0, y0, x1, y1, gt, size, plus_one)
        since, until = np.int64(log[i, _SINCE]), np.int64(log[i, _UNTIL])
        low, high = min(since, until), max(since, until)
        k = _LOG2[high - low]
        other = high - (1 << k)
        table[k, low] = max(table[k, low], value)
        table[k, other] = max(table[k, other], value)


@njit(cache=True, nogil=True)
def _settle(table):  # type: ignore[no-untyped-def]
    """Push every noted span down to single levels; the result is ``table[0]``."""
    for k in range(table.shape[0] - 1, 0, -1):
        half = 1 << (k - 1)
        for i in range(257 - 2 * half):
            value = table[k, i]
            table[k - 1, i] = max(table[k - 1, i], value)
            table[k - 1, i + half] = max(table[k - 1, i + half], value)


@njit(cache=True, nogil=True)
def _find(state, node):  # type: ignore[no-untyped-def]
    """The root of a component, halving the way to it."""
    up = np.int64(state[node, _PARENT])
    while up != node:
        state[node, _PARENT] = state[up, _PARENT]
        node = up
        up = np.int64(state[node, _PARENT])
    return node


@njit(cache=True, nogil=True)
def _create(state, root, x0, y0, x1, y1, v, first):  # type: ignore[no-untyped-def]
    """A component of one pixel."""
    state[root, _X0] = x0
    state[root, _Y0] = y0
    state[root, _X1] = x1
    state[root, _Y1] = y1
    state[root, _SINCE] = v
    state[root, _AREA] = 0
    state[root, _FIRST] = first
    state[root, _PARENT] = root


@njit(cache=True, nogil=True)
def _outside(state, root, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Whether a box reaches beyond the box of ``root``."""
    return (
        (x0 < state[root, _X0])
        | (y0 < state[root, _Y0])
        | (x1 > state[root, _X1])
        | (y1 > state[root, _Y1])
    )


@njit(cache=True, nogil=True)
def _end(state, root, v, at):  # type: ignore[no-untyped-def]
    """Log the box of ``root``, which ends at value ``v``, unless it began there."""
    for k in range(5):
        state[at, k] = state[root, k]
    state[at, _UNTIL] = v
    at += state[root, _SINCE] != v
    state[root, _SINCE] = v
    return at


@njit(cache=True, nogil=True)
def _widen(state, root, x0, y0, x1, y1, v, at):  # type: ignore[no-untyped-def]
    """The box of ``root`` ends here, and a wider one begins."""
    at = _end(state, root, v, at)
    state[root, _X0] = min(state[root, _X0], x0)
    state[root, _Y0] = min(state[root, _Y0], y0)
    state[root, _X1] = max(state[root, _X1], x1)
    state[root, _Y1] = max(state[root, _Y1], y1)
    return at


@njit(cache=True, nogil=True)
def _merge(state, gone, root, v, at):  # type: ignore[no-untyped-def]
    """Component ``gone`` ends at value ``v``; all it had goes to ``root`` (0: is given up)."""
    at = _end(state, gone, v, at)
    state[gone, _PARENT] = root
    if root:
        x0, y0 = state[gone, _X0], state[gone, _Y0]
        x1, y1 = state[gone, _X1], state[gone, _Y1]
        if _outside(state, root, x0, y0, x1, y1):
            at = _widen(state, root, x0, y0, x1, y1, v, at)
        state[root, _AREA] += state[gone, _AREA]
        state[root, _FIRST] = min(state[root, _FIRST], state[gone, _FIRST])
    return at


@njit(cache=True, nogil=True)
def _ascend(  # type: ignore[no-untyped-def]
    order, start, pattern, label, step, shift, top, table, gt, size, plus_one
):
    """Step 1. Returns the depth of each label's lake and the boxes of the lakes with islands.

    Label 0 is the frame, its depth -1. Boxes are kept grown by one pixel, and ``_AREA`` counts the
    times a hole has closed a ring.
    """
    room = size[0] * size[1] // 2 + 2
    state = np.empty((room + _LOG, 8), np.int32)
    depth = np.empty(room, np.int32)
    into = np.zeros(room, np.int32)
    depth[0] = -1
    state[0, _PARENT] = 0
    labels = 1
    at = room
    column = (1 << shift) - 1
    for v in range(top):
        for i in range(start[v - 1] - 1 if v else order.size - 1, start[v] - 1, -1):
            p = np.int64(order[i])
            here = np.uint64(p)
            join = _JOIN4[255 - pattern[here]]
            n = join & 7
            x = (p & column) - 1
            y = (p >> shift) - 1
            if n == 0:
                label[here] = labels
                _create(state, labels, x - 1, y - 1, x + 1, y + 1, v, p)
                labels += 1
                continue
            root = np.int64(label[np.uint64(p + step[np.uint64(join >> 3 & 7)])])
            if root:
                root = _find(state, root)
            if n > 1:
                for _ in range(1, n):
                    join >>= 3
                    gone = _find(
                        state, np.int64(label[np.uint64(p + step[np.uint64(join >> 3 & 7)])])
                    )
                    if gone == root:
                        state[root, _AREA] += 1
                        continue
                    if gone < root:
                        gone, root = root, gone
                    at = _merge(state, gone, root, v, at)
                    depth[gone] = v
                    into[gone] = root
                if at > room + _LOG - 8:
                    _note(state[room:at], table, gt, size, plus_one)
                    at = room
            label[here] = root
            if root and _outside(state, root, x - 1, y - 1, x + 1, y + 1):
                at = _widen(state, root, x - 1, y - 1, x + 1, y + 1, v, at)
                if at > room + _LOG - 8:
                    _note(state[room:at], table, gt, size, plus_one)
                    at = room
    _note(state[room:at], table, gt, size, plus_one)
    lakes = 0
    for node in range(1, labels):
        if state[node, _PARENT] == node:
            _end(state, node, top, room)
            _note(state[room : room + 1], table, gt, size, plus_one)
            depth[node] = top
        elif into[node]:
            depth[node] = depth[into[node]]
        if into[node] == 0 and state[node, _AREA] > 0:
            state[lakes] = state[node]
            lakes += 1
    return depth[:labels], state[:lakes]


@njit(cache=True, nogil=True)
def _gain(state, root, gained, record, winner, tie):  # type: ignore[no-untyped-def]
    """Add area to ``root``; the largest area so far, who has it, and whether others may, too."""
    area = np.int64(state[root, _AREA]) + gained
    state[root, _AREA] = area
    if area >= record and root > 0:
        tie = np.bool_(area == record and (tie or root != winner))
        record = area
        winner = root
    return record, winner, tie


@njit(cache=True, nogil=True)
def _descend(  # type: ignore[no-untyped-def]
    order, start, pattern, label, step, shift, top, table, largest, boxes, gt, size, plus_one
):
    """Steps 2 and 3; step 3 has an empty ``largest``, and leaves ``boxes`` alone.

    Label 0 is the outside: in step 3 the pixels that no lake contains, none in step 2.
    """
    room = (size[0] + 1) // 2 * ((size[1] + 1) // 2) + 2
    state = np.empty((room + _LOG, 8), np.int32)
    _create(state, 0, 0, 0, size[1], size[0], top, 0)
    labels = 1
    at = room
    column = (1 << shift) - 1
    # ``last`` is the root of the pixel before; its new area waits in ``gained`` while it stays.
    last, gained = np.int64(0), np.int64(0)
    record, winner, tie = np.int64(-1), np.int64(0), np.bool_(False)
    for v in range(top, 0, -1):
        for i in range(start[v], start[v - 1]):
            p = np.int64(order[i])
            here = np.uint64(p)
            bits = pattern[here]
            join = _JOIN8[bits]
            n = join & 7
            x = (p & column) - 1
            y = (p >> shift) - 1
            if n == 0:
                label[here] = labels
                _create(state, labels, x, y, x, y, v, p)
                tie = tie or record == 0
                if record < 0:
                    record, winner = np.int64(0), np.int64(labels)
                labels += 1
                continue
            root = np.int64(label[np.uint64(p + step[np.uint64(join >> 3 & 7)])])
            if root != last or n > 1:
                record, winner, tie = _gain(state, last, gained, record, winner, tie)
                root = _find(state, root)
                for _ in range(1, n):
                    join >>= 3
                    gone = _find(
                        state, np.int64(label[np.uint64(p + step[np.uint64(join >> 3 & 7)])])
                    )
                    if gone != root:
                        if gone < root:
                            gone, root = root, gone
                        at = _merge(state, gone, root, v, at)
                if at > room + _LOG - 8:
                    _note(state[room:at], table, gt, size, plus_one)
                    at = room
                last, gained = root, np.int64(0)
            label[here] = root
            gained += _AREA_GAIN[bits]
            if root and (
                (x < state[root, _X0])
                | (x > state[root, _X1])
                | (y > state[root, _Y1])
                | (p < state[root, _FIRST])
            ):
                if _outside(state, root, x, y, x, y):
                    at = _widen(state, root, x, y, x, y, v, at)
                    if at > room + _LOG - 8:
                        _note(state[room:at], table, gt, size, plus_one)
                        at = room
                state[root, _FIRST] = min(state[root, _FIRST], p)
        record, winner, tie = _gain(state, last, gained, record, winner, tie)
        gained = np.int64(0)
        if largest.size == 0:
            continue
        if start[v] == start[v - 1]:
            largest[v - 1] = largest[v]
            boxes[v - 1] = boxes[v]
            continue
        winner = _find(state, winner)
        if tie:
            winner, tie = _last_of(state, labels, record)
        boxes[v - 1, 0] = state[winner, _X0]
        boxes[v - 1, 1] = state[winner, _Y0]
        boxes[v - 1, 2] = state[winner, _X1] + 1
        boxes[v - 1, 3] = state[winner, _Y1] + 1
        largest[v - 1] = _iou(
            np.int64(state[winner, _X0]),
            np.int64(state[winner, _Y0]),
            np.int64(state[winner, _X1]),
            np.int64(state[winner, _Y1]),
            gt,
            size,
            plus_one,
        )
    _note(state[room:at], table, gt, size, plus_one)
    for node in range(1, labels):
        if state[node, _PARENT] == node:
            _end(state, node, 0, room)
            _note(state[room : room + 1], table, gt, size, plus_one)


@njit(cache=True, nogil=True)
def _last_of(state, labels, area):  # type: ignore[no-untyped-def]
    """Of the components of this area the one whose first pixel is last; whether there are more."""
    winner, first, seen = np.int64(0), -1, 0
    for root in range(1, labels):
        if state[root, _AREA] == area and state[root, _PARENT] == root:
            seen += 1
            if state[root, _FIRST] > first:
                first = state[root, _FIRST]
                winner = np.int64(root)
    return winner, seen > 1


@njit(cache=True, nogil=True)
def _inside(lakes, grey, order, start, image):  # type: ignore[no-untyped-def]
    """Cut the boxes of ``lakes`` out of ``grey``, in ``image`` and in the order of pixels.

    The rest of ``image`` becomes brighter than any pixel: foreground from the beginning.
    """
    image[:] = 256
    for k in range(lakes.shape[0]):
        left, right = lakes[k, _X0] + 2, lakes[k, _X1] + 1
        for y in range(lakes[k, _Y0] + 2, lakes[k, _Y1] + 1):
            image[y, left:right] = grey[y, left:right]
    flat = image.reshape(-1)
    chosen = np.empty_like(order)
    begin = np.empty_like(start)
    n = 0
    for v in range(255, -1, -1):
        begin[v] = n
        for i in range(start[v], start[v - 1] if v else order.size):
            chosen[n] = order[i]
            n += flat[order[i]] < 256
    return chosen[:n], begin


@njit(cache=True, nogil=True)
def iou_curves(grey, gt, plus_one, largest, boxes):  # type: ignore[no-untyped-def]
    """The whole computation; fills ``largest`` and its boxes, returns the curve over any contour.

    Boxes of levels at which nothing is left stay as they came.
    """
    height, width = grey.shape
    size = (height, width)
    shift = 1
    while (1 << shift) < width + 2:
        shift += 1
    stride = 1 << shift
    padded = np.empty((height + 2, stride), np.int16)
    padded[0] = -1
    padded[height + 1] = -1
    top = 0
    for y in range(height):
        row = padded[y + 1]
        row[0] = -1
        row[width + 1] = -1
        for x in range(width):
            row[x + 1] = grey[y, x]
            top = max(top, int(grey[y, x]))
    table = np.zeros((9, 256))
    empty = _iou(0, 0, -1, -1, gt, size, plus_one)
    table[0, top:] = empty
    largest[top:] = empty
    if top == 0:
        return table[0]
    pattern = np.empty((height + 2, stride), np.uint8)
    order = np.empty(height * width, np.int32)
    start = np.empty(257, np.int64)
    label = np.zeros((height + 2, stride), np.int32)
    step = np.empty(8, np.int64)
    for k in range(8):
        step[k] = _STEPS[k, 0] + stride * _STEPS[k, 1]
    flat = pattern.reshape(-1)
    labels = label.reshape(-1)
    _earlier(padded, height, width, pattern)
    sort_pixels(padded, height, width, shift, order, start)
    depth, lakes = _ascend(order, start, flat, labels, step, shift, top, table, gt, size, plus_one)
    if lakes.shape[0]:
        image = np.empty_like(padded)
        some, begin = _inside(lakes, padded, order, start, image)
        _earlier(image, height, width, pattern)
        other = np.zeros_like(labels)
        none = np.empty(0)
        _descend(some, begin, flat, other, step, shift, top, table, none, boxes, gt, size, plus_one)
    if depth.size > 1:
        for y in range(1, height + 1):
            row = padded[y]
            lake = label[y]
            for x in range(1, width + 1):
                row[x] = max(row[x], depth[lake[x]])
        _earlier(padded, height, width, pattern)
        sort_pixels(padded, height, width, shift, order, start)
    _descend(
        order, start, flat, labels, step, shift, top, table, largest, boxes, gt, size, plus_one
    )
    _settle(table)
    return table[0]
