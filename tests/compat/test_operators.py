"""The stand-in's operators, through mmcv's own functions, against plain formulas.

Where mmcv was compiled (``mmcv._ext`` is not ours) the same tests hold the compiled operators to
the formulas, and each operator of ``COMPARED`` is run by both.
"""

import inspect
import itertools
import re
from pathlib import Path

import mmcv._ext
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmcv import ops
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
from torch.autograd import gradcheck

from benchmarks.operators import operators_of
from wsol_mm.compat import mmcv_ext

COMPILED = not mmcv._ext.__file__.endswith("mmcv_ext.py")
stand_in_only = pytest.mark.skipif(COMPILED, reason="compiled for CUDA only")
compiled_only = pytest.mark.skipif(not COMPILED, reason="mmcv has no compiled operators here")


@pytest.fixture(
    params=[
        "cpu",
        pytest.param(
            "cuda",
            marks=[
                pytest.mark.cuda,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
            ],
        ),
    ]
)
def device(request):
    torch.manual_seed(0)
    return request.param


def some_boxes(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes on a coarse grid (many ties, some empty) and scores of three levels."""
    draw = torch.Generator().manual_seed(seed)
    corner = torch.randint(0, 6, (count, 2), generator=draw)
    side = torch.randint(0, 5, (count, 2), generator=draw)
    scores = torch.randperm(count, generator=draw) / count
    return torch.cat([corner, corner + side], dim=1).float(), scores


def plain_iou(one: np.ndarray, other: np.ndarray, offset: int) -> float:
    side = [min(one[i + 2], other[i + 2]) - max(one[i], other[i]) + offset for i in (0, 1)]
    inter = max(side[0], 0) * max(side[1], 0)
    areas = [(b[2] - b[0] + offset) * (b[3] - b[1] + offset) for b in (one, other)]
    union = sum(areas) - inter
    return float(np.float32(inter) / np.float32(union)) if union else 0.0


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.0])
def test_nms(device, offset, threshold):
    boxes, scores = some_boxes(60)
    threshold = float(np.float32(threshold))  # so that an IoU of 3 / 10 is at it, not above it
    kept = []
    for i in scores.argsort(descending=True).tolist():
        if all(plain_iou(boxes[i].numpy(), boxes[j].numpy(), offset) <= threshold for j in kept):
            kept.append(i)
    dets, indices = ops.nms(boxes.to(device), scores.to(device), threshold, offset=offset)
    assert indices.tolist() == kept
    assert torch.equal(dets.cpu(), torch.cat([boxes, scores[:, None]], 1)[kept])


def test_nms_of_a_tie_keeps_one_and_of_an_iou_at_the_threshold_both(device):
    same = torch.tensor([[0.0, 0, 4, 4]] * 3, device=device)
    assert len(ops.nms(same, torch.ones(3, device=device), 0.5)[1]) == 1
    half = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 2]], device=device)  # IoU 1 / 2
    assert len(ops.nms(half, torch.ones(2, device=device), 0.5)[1]) == 2


def test_nms_of_no_boxes(device):
    none, scores = torch.zeros(0, 4, device=device), torch.zeros(0, device=device)
    assert ops.nms(none, scores, 0.5)[0].shape == (0, 5)
    assert ops.soft_nms(none, scores)[0].shape == (0, 5)


@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
@pytest.mark.parametrize("offset", [0, 1])
def test_soft_nms(device, method, offset):
    boxes, scores = some_boxes(30)
    boxes[:, 2:] += 1  # two empty boxes have IoU 0 / 0, which the compiled one spreads as nan
    left = {i: float(s) for i, s in enumerate(scores)}
    expected = []
    while left:
        best = max(left, key=left.get)
        expected.append((best, left.pop(best)))
        for i in list(left):
            iou = plain_iou(boxes[best].numpy(), boxes[i].numpy(), offset)
            above = iou >= 0.3
            decay = {
                "naive": 1 - above,
                "linear": 1 - iou * above,
                "gaussian": np.exp(-(iou**2) / 0.5),
            }
            left[i] *= decay[method]
            if left[i] < 0.05:
                del left[i]
    dets, indices = ops.soft_nms(
        boxes.to(device), scores.to(device), 0.3, 0.5, 0.05, method, offset
    )
    assert indices.tolist() == [i for i, _ in expected]
    np.testing.assert_allclose(dets[:, 4].cpu(), [s for _, s in expected], rtol=1e-5)
    assert torch.equal(dets[:, :4].cpu(), boxes[indices.cpu()])


def test_nms_match_groups_every_box_with_the_one_that_suppresses_it(device):
    boxes, scores = some_boxes(30)
    rest = scores.argsort(descending=True).tolist()
    expected = []
    while rest:
        group = [
            j
            for j in rest
            if j == rest[0] or plain_iou(boxes[rest[0]].numpy(), boxes[j].numpy(), 0) >= 0.4
        ]
        expected.append(group)
        rest = [j for j in rest if j not in group]
    groups = ops.nms_match(torch.cat([boxes, scores[:, None]], 1).to(device), 0.4)
    assert [group.tolist() for group in groups] == expected


@pytest.mark.parametrize(("mode", "offset"), itertools.product(["iou", "iof"], [0, 1]))
def test_bbox_overlaps(device, mode, offset):
    one, other = some_boxes(7)[0], some_boxes(5, seed=1)[0]
    one[:, 2:] += 1  # no empty boxes: 0 / 0 depends on the device
    other[:, 2:] += 1
    ious = ops.bbox_overlaps(one.to(device), other.to(device), mode, False, offset).cpu()
    for i, j in itertools.product(range(7), range(5)):
        expected = plain_iou(one[i].numpy(), other[j].numpy(), offset)
        if mode == "iof":
            area = lambda b: float((b[2] - b[0] + offset) * (b[3] - b[1] + offset))  # noqa: E731
            expected *= (area(one[i]) + area(other[j])) / (1 + expected) / area(one[i])
        assert ious[i, j] == pytest.approx(expected, abs=1e-6)
    aligned = ops.bbox_overlaps(one[:5].to(device), other.to(device), mode, True, offset)
    torch.testing.assert_close(aligned.cpu(), ious[:5].diagonal())


def plain_bilinear(image: torch.Tensor, y: float, x: float) -> torch.Tensor:
    """Value (C,) of ``image`` (C, H, W) at a point; borders repeat for one pixel, then 0."""
    height, width = image.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return image.new_zeros(len(image))
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    top = image[:, y0, x0] * (1 - x + x0) + image[:, y0, x1] * (x - x0)
    bottom = image[:, y1, x0] * (1 - x + x0) + image[:, y1, x1] * (x - x0)
    return top * (1 - y + y0) + bottom * (y - y0)


def plain_roi_align(image, roi, size, scale, ratio, aligned):
    """One roi by the definition: the mean of ratio x ratio bilinear samples per bin."""
    x1, y1, x2, y2 = (float(v) * scale - 0.5 * aligned for v in roi)
    width, height = x2 - x1, y2 - y1
    if not aligned:
        width, height = max(width, 1.0), max(height, 1.0)
    step_y, step_x = height / size, width / size
    rows = ratio or int(np.ceil(step_y))
    cols = ratio or int(np.ceil(step_x))
    out = image.new_zeros(len(image), size, size)
    for i, j in itertools.product(range(size), repeat=2):
        for a, b in itertools.product(range(rows), range(cols)):
            y = y1 + (i + (a + 0.5) / rows) * step_y
            x = x1 + (j + (b + 0.5) / cols) * step_x
            out[:, i, j] += plain_bilinear(image, y, x) / (rows * cols)
    return out


ROIS = torch.tensor(
    [[0, 2.0, 1, 13, 11], [1, -6, -4, 9, 30], [1, 5, 5, 5.5, 5.5], [0, 4, 4, 4, 4]],
    dtype=torch.float64,
)


@pytest.mark.parametrize(("ratio", "aligned"), itertools.product([0, 1, 2], [True, False]))
def test_roi_align(device, ratio, aligned):
    images = torch.randn(2, 3, 9, 7, dtype=torch.float64)
    got = ops.roi_align(images.to(device), ROIS.to(device), (2, 2), 0.5, ratio, "avg", aligned)
    for roi, value in zip(ROIS, got.cpu(), strict=True):
        expected = plain_roi_align(images[int(roi[0])], roi[1:], 2, 0.5, ratio, aligned)
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize(("ratio", "aligned"), itertools.product([0, 2], [True, False]))
def test_roi_align_gradient(device, ratio, aligned):
    images = torch.randn(2, 2, 5, 4, dtype=torch.float64, device=device, requires_grad=True)
    rois = ROIS.to(device)
    assert gradcheck(
        lambda x: ops.roi_align(x, rois, (2, 2), 0.5, ratio, "avg", aligned),
        images,
        nondet_tol=1e-9,
    )


def test_rois_of_none(device):
    images = torch.randn(2, 3, 9, 7, device=device, requires_grad=True)
    none = torch.zeros(0, 5, device=device)
    pooled = [ops.roi_align(images, none, (2, 2))]
    if not COMPILED or device == "cuda":
        pooled.append(ops.roi_pool(images, none, (2, 2)))
    for output in pooled:
        assert output.shape == (0, 3, 2, 2)
        (grad,) = torch.autograd.grad(output.sum(), images)
        assert not grad.any()


@stand_in_only
def test_roi_align_refuses_the_maximum():
    with pytest.raises(RuntimeError, match="averages only"):
        ops.roi_align(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5), (2, 2), 1.0, 0, "max")


@stand_in_only
def test_roi_pool(device):
    images = torch.randn(2, 3, 9, 7, dtype=torch.float64)
    got = ops.roi_pool(images.to(device), ROIS.to(device), (2, 2), 0.5).cpu()
    for roi, value in zip(ROIS, got, strict=True):
        x1, y1, x2, y2 = roi[1] * 0.5, roi[2] * 0.5, (roi[3] + 1) * 0.5, (roi[4] + 1) * 0.5
        for i, j in itertools.product(range(2), repeat=2):
            rows = range(
                int(np.floor(y1 + i * (y2 - y1) / 2)), int(np.ceil(y1 + (i + 1) * (y2 - y1) / 2))
            )
            cols = range(
                int(np.floor(x1 + j * (x2 - x1) / 2)), int(np.ceil(x1 + (j + 1) * (x2 - x1) / 2))
            )
            inside = [
                images[int(roi[0]), :, y, x]
                for y, x in itertools.product(rows, cols)
                if 0 <= y < 9 and 0 <= x < 7
            ]
            expected = torch.stack(inside).amax(0) if inside else torch.zeros(3).double()
            assert torch.equal(value[:, i, j], expected)


@stand_in_only
def test_roi_pool_gradient(device):
    images = torch.randperm(40).double().view(2, 2, 5, 2).to(device).requires_grad_()
    rois = ROIS.to(device)
    assert gradcheck(lambda x: ops.roi_pool(x, rois, (2, 2), 0.5), images, nondet_tol=1e-9)


def plain_deform_conv(image, offset, weight, mask, stride, padding, dilation, groups):
    """(O, h, w) of one image by the definition; ``groups`` both of channels and of offsets."""
    out_channels, per_group, kernel, _ = weight.shape
    size = [(s + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for s in image.shape[1:]]
    padded = F.pad(image, (1, 1, 1, 1))  # beyond the border samples fade to 0 within one pixel
    out = image.new_zeros(out_channels, *size)
    for o, y, x in itertools.product(range(out_channels), range(size[0]), range(size[1])):
        group = o * groups // out_channels
        for k in range(kernel * kernel):
            tap = group * kernel * kernel + k
            dy, dx = offset[2 * tap, y, x], offset[2 * tap + 1, y, x]
            at_y = float(y * stride - padding + dilation * (k // kernel) + dy) + 1
            at_x = float(x * stride - padding + dilation * (k % kernel) + dx) + 1
            if not (0 < at_y < image.shape[1] + 1 and 0 < at_x < image.shape[2] + 1):
                continue
            channels = slice(group * per_group, (group + 1) * per_group)
            value = plain_bilinear(padded[channels], at_y, at_x) * mask[tap, y, x]
            out[o, y, x] += (value * weight[o, :, k // kernel, k % kernel]).sum()
    return out


def deform_inputs(device, stride, padding, dilation, groups):
    size = [(s + 2 * padding - dilation - 1) // stride + 1 for s in (5, 4)]
    shapes = ((2, 4, 5, 4), (2, groups * 8, *size), (2, groups * 4, *size), (2, 4 // groups, 2, 2))
    return [torch.randn(shape, dtype=torch.float64, device=device) for shape in shapes]


GEOMETRIES = [(1, 0, 1, 1), (2, 1, 1, 2), (1, 1, 2, 2)]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_deform_conv(device, geometry):
    image, offset, mask, weight = deform_inputs(device, *geometry)
    got = ops.deform_conv2d(image, offset, weight, *geometry, geometry[-1])
    bias = torch.randn(2, dtype=torch.float64, device=device)
    modulated = ops.modulated_deform_conv2d(
        image, offset, mask, weight, bias, *geometry, geometry[-1]
    )
    image, offset, mask, weight = (t.cpu() for t in (image, offset, mask, weight))
    for n in range(2):
        one = plain_deform_conv(image[n], offset[n], weight, torch.ones_like(mask[n]), *geometry)
        torch.testing.assert_close(got[n].cpu(), one)
        one = plain_deform_conv(image[n], offset[n], weight, mask[n], *geometry)
        torch.testing.assert_close(modulated[n].cpu(), one + bias.cpu()[:, None, None])


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_deform_conv_gradient(device, geometry):
    image, offset, mask, weight = (t.requires_grad_() for t in deform_inputs(device, *geometry))
    tail = (*geometry, geometry[-1])
    check = {"nondet_tol": 1e-9}
    assert gradcheck(lambda *t: ops.deform_conv2d(*t, *tail), (image, offset, weight), **check)
    bias = torch.randn(2, dtype=torch.float64, device=device, requires_grad=True)
    inputs = (image, offset, mask, weight, bias)
    assert gradcheck(lambda *t: ops.modulated_deform_conv2d(*t, *tail), inputs, **check)
    assert gradcheck(lambda *t: ops.modulated_deform_conv2d(*t, None, *tail), inputs[:-1], **check)


@stand_in_only
@pytest.mark.parametrize("weighted", [False, True])
def test_sigmoid_focal_loss(device, weighted):
    logits = torch.randn(5, 3, dtype=torch.float64, device=device, requires_grad=True)
    target = torch.tensor([0, 1, 2, 3, 1], device=device)  # 3 is the background
    weight = torch.rand(3, dtype=torch.float64, device=device) if weighted else None
    positive = F.one_hot(target, 4)[:, :3].double()
    p = logits.sigmoid()
    p_t = torch.where(positive > 0, p, 1 - p)
    alpha_t = 0.25 * positive + 0.75 * (1 - positive)
    expected = -alpha_t * (1 - p_t) ** 2 * p_t.log()
    if weighted:
        expected = expected * torch.cat([weight, weight.new_ones(1)])[target][:, None]
    got = ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, weight, "none")
    torch.testing.assert_close(got, expected)
    assert gradcheck(lambda x: ops.sigmoid_focal_loss(x, target, 2.0, 0.25, weight, "mean"), logits)


@stand_in_only
@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_focal_loss(device, weighted):
    logits = torch.randn(5, 3, dtype=torch.float64, device=device, requires_grad=True)
    target = torch.tensor([0, 1, 2, -1, 1], device=device)  # a negative target is ignored
    weight = torch.rand(3, dtype=torch.float64, device=device) if weighted else None
    p = logits.softmax(1)[range(5), target.clamp(min=0)]
    expected = -0.25 * (1 - p) ** 2 * p.log() * (target >= 0)
    if weighted:
        expected = expected * weight[target.clamp(min=0)]
    got = ops.softmax_focal_loss(logits, target, 2.0, 0.25, weight, "none")
    torch.testing.assert_close(got, expected)
    (grad,) = torch.autograd.grad(
        ops.softmax_focal_loss(logits, target, 2.0, 0.25, weight, "sum"), logits
    )
    torch.testing.assert_close(grad, torch.autograd.grad(expected.sum(), logits)[0])


@stand_in_only
def test_focal_losses_of_certain_logits_are_finite(device):
    logits = torch.tensor([[200.0, -200.0]] * 2, device=device, requires_grad=True)
    target = torch.tensor([0, 1], device=device)
    for loss in (ops.sigmoid_focal_loss, ops.softmax_focal_loss):
        value = loss(logits, target, 2.0, 0.25, None, "sum")
        (grad,) = torch.autograd.grad(value, logits)
        assert value.isfinite()
        assert grad.isfinite().all()


@stand_in_only
def test_multi_scale_deformable_attention(device):
    shapes = torch.tensor([[4, 3], [2, 2]], device=device)
    start = torch.tensor([0, 12], device=device)
    value = torch.randn(2, 16, 2, 3, dtype=torch.float64)
    places = torch.rand(2, 5, 2, 2, 2, 2, dtype=torch.float64) * 1.4 - 0.2
    weights = torch.rand(2, 5, 2, 2, 2, dtype=torch.float64)
    expected = torch.zeros(2, 5, 2, 3, dtype=torch.float64)
    for n, q, h, level, k in itertools.product(*map(range, (2, 5, 2, 2, 2))):
        rows, cols = shapes[level].tolist()
        keys = value[n, start[level] : start[level] + rows * cols, h].T.reshape(3, rows, cols)
        x, y = (places[n, q, h, level, k] * torch.tensor([cols, rows]) - 0.5).tolist()
        if -1 < x < cols and -1 < y < rows:
            sampled = plain_bilinear(F.pad(keys, (1, 1, 1, 1)), y + 1, x + 1)
            expected[n, q, h] += weights[n, q, h, level, k] * sampled
    inputs = [t.to(device).requires_grad_() for t in (value, places, weights)]

    def attend(value, places, weights):
        return MultiScaleDeformableAttnFunction.apply(value, shapes, start, places, weights, 64)

    torch.testing.assert_close(attend(*inputs).cpu(), expected.flatten(2))
    assert gradcheck(attend, inputs, nondet_tol=1e-9)


def overlaps_of_pairs():
    """IoU and share of the first box, all pairs; no empty boxes (see test_bbox_overlaps)."""
    one, other = some_boxes(7)[0], some_boxes(5, seed=1)[0]
    one[:, 2:] += 1
    other[:, 2:] += 1
    return [
        ops.bbox_overlaps(one, other, mode, False, o) for mode in ("iou", "iof") for o in (0, 1)
    ]


def softly_kept():
    """Boxes and indices by every method; no empty boxes (see test_soft_nms)."""
    boxes, scores = some_boxes(60)
    boxes[:, 2:] += 1
    cases = itertools.product(["naive", "linear", "gaussian"], [0, 1])
    return [ops.soft_nms(boxes, scores, 0.3, 0.5, 0.05, *case) for case in cases]


def kept():
    """Boxes and indices, ties at the threshold among them."""
    boxes, scores = some_boxes(60)
    cases = itertools.product([0.3, 0.5], [0, 1])
    return [ops.nms(boxes, scores, threshold, offset=offset) for threshold, offset in cases]


def matched():
    """Groups of boxes."""
    boxes, scores = some_boxes(30)
    return ops.nms_match(torch.cat([boxes, scores[:, None]], 1), 0.4)


def aligned_rois():
    """Features of rois and the gradient of the image."""
    images = torch.randn(2, 3, 9, 7, requires_grad=True)
    found = []
    for ratio, aligned in itertools.product([0, 2], [True, False]):
        output = ops.roi_align(images, ROIS.float(), (2, 2), 0.5, ratio, "avg", aligned)
        found += [output, *torch.autograd.grad(output.square().sum(), images)]
    return found


def convolved(operator, masked):
    """Outputs of every geometry and the gradients of all inputs."""
    found = []
    for geometry in GEOMETRIES:
        image, offset, mask, weight = deform_inputs("cpu", *geometry)
        bias = torch.randn(2, dtype=torch.float64)
        inputs = [image, offset, mask, weight, bias] if masked else [image, offset, weight]
        inputs = [t.requires_grad_() for t in inputs]
        output = operator(*inputs, *geometry, geometry[-1])
        found += [output, *torch.autograd.grad(output.square().sum(), inputs)]
    return found


COMPARED = {
    "nms": kept,
    "softnms": softly_kept,
    "nms_match": matched,
    "bbox_overlaps": overlaps_of_pairs,
    "roi_align": aligned_rois,
    "deform_conv": lambda: convolved(ops.deform_conv2d, masked=False),
    "modulated_deform_conv": lambda: convolved(ops.modulated_deform_conv2d, masked=True),
}


@compiled_only
@pytest.mark.parametrize("name", COMPARED)
def test_stand_in_equals_the_compiled_operators(name):
    pair = []
    for module in (mmcv._ext, mmcv_ext):
        torch.manual_seed(0)
        with operators_of(module):
            pair.append(COMPARED[name]())
    torch.testing.assert_close(*pair)


# what the tests above call an operator, where mmcv's function has another name
CALLED = {
    "softnms": "ops.soft_nms",
    "deform_conv": "ops.deform_conv2d",
    "modulated_deform_conv": "ops.modulated_deform_conv2d",
    "ms_deform_attn": "MultiScaleDeformableAttnFunction.apply",
}


def has_cuda_test(operator: str) -> bool:
    """Whether a test here calls ``operator`` on the ``device`` that it is given."""
    called = re.compile(rf"\b{re.escape(CALLED.get(operator, f'ops.{operator}'))}\b")
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    sources = [inspect.getsource(t) for t in tests if "device" in inspect.signature(t).parameters]
    return any(called.search(source) for source in sources)


def test_the_table_of_the_docs_is_that_of_the_operators_and_their_tests():
    page = (Path(__file__).parents[2] / "docs/installation.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| `") and line.count("|") == 7
    ]
    operators = {re.sub(r"_(forward|backward).*", "", name) for name in mmcv_ext.__all__}
    operators = {name for name in operators if not name.startswith("get_")}
    named = [re.findall(r"`(\w+)`", row[0]) for row in rows]
    assert sorted(itertools.chain(*named)) == sorted(operators)
    for names, (*_, compiled, on_cpu, on_cuda) in zip(named, rows, strict=True):
        assert {name in COMPARED for name in names} == {compiled == "equal"}
        assert on_cpu == "yes"
        assert all(has_cuda_test(name) for name in names) == (on_cuda != "not tested")
    assert not has_cuda_test("carafe")


def test_other_operators_say_how_to_compile():
    with pytest.raises(
        RuntimeError, match=r"mmcv operator carafe_forward: .* --no-build-isolation"
    ):
        mmcv_ext.carafe_forward(torch.zeros(1))
    assert not hasattr(mmcv_ext, "__nothing__")
