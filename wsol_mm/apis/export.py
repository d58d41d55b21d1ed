"""A Localizer as one file, ONNX or TorchScript, that needs neither configs nor this package."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wsol_mm.apis.classifiers import AnyClassifier
from wsol_mm.apis.export_graphs import BoxGraph, ExportError, graph_of
from wsol_mm.apis.localizer import Localizer
from wsol_mm.apis.onnx_model import write_metadata
from wsol_mm.engine.token_cache import weights_sha256
from wsol_mm.io import atomic_write
from wsol_mm.version import __version__

__all__ = ["PARITY", "ExportError", "export_onnx", "export_torchscript", "metadata_of"]

# Of the file's results to the model's, in units of the largest map value, or of one.
PARITY = 1e-4
# The TorchScript file's extra file, with its metadata.
EXTRA = "wsol_mm.json"
_FORMAT = 1
_OPSET = 18


def export_onnx(
    localizer: Localizer,
    path: str | Path,
    *,
    input_type: str = "uint8",
    dynamic_size: bool = False,
    **about: Any,
) -> float:
    """Write a Localizer as ONNX, and compare the file with it in onnxruntime.

    Inputs and outputs are those of :func:`wsol_mm.apis.export_graphs.graph_of`; the numbers of
    images and of classes for each are free. ``metadata_props`` hold :func:`metadata_of` as JSON,
    each key behind ``wsol_mm.``.

    Args:
        localizer: On the CPU.
        path: The file.
        input_type: ``uint8`` or ``float32``, of the images; values are 0..255 in both.
        dynamic_size: Height and width are free, too.
        about: Further metadata, such as ``model`` and ``checkpoint``.

    Returns:
        The largest difference on random images, see :data:`PARITY`.

    Raises:
        ImportError: The extra ``export`` is missing.
        ExportError: The model cannot be exported, takes one size only, or its file differs.
    """
    onnx, runtime = _onnx_packages()
    graph, example, sides = _prepare(localizer, input_type, dynamic_size)
    names = _names(graph)
    model = onnx_model(graph, example, *names, dynamic_size=dynamic_size)
    onnx.helper.set_model_props(
        model, write_metadata(metadata_of(localizer, sides, input_type, **about))
    )
    model.producer_name, model.producer_version = "wsol_mm", __version__
    content = model.SerializeToString()
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(*inputs: Tensor) -> list[Tensor]:
        feed = {name: value.numpy() for name, value in zip(names[0], inputs, strict=True)}
        return [torch.from_numpy(value) for value in session.run(None, feed)]

    difference = _compare(graph, run, example, dynamic_size)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return difference


def onnx_model(
    graph: nn.Module,
    example: tuple[Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    *,
    dynamic_size: bool = False,
) -> Any:
    """A graph as ``onnx.ModelProto``, for any number of images and classes.

    Args:
        graph: See :func:`wsol_mm.apis.export_graphs.graph_of`.
        example: ``images`` and, where it takes them, ``labels``.
        inputs, outputs: Their names.
        dynamic_size: As in :func:`export_onnx`.

    Raises:
        ExportError: The network is not of one forward pass, or takes one size only.
    """
    batch, count = torch.export.Dim("batch"), torch.export.Dim("count")
    free: dict[int, Any] = {0: batch}
    if dynamic_size:
        free |= {2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    shapes = {"images": free, "labels": {0: batch, 1: count}}
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                graph,
                example,
                dynamo=True,
                opset_version=_OPSET,
                input_names=inputs,
                output_names=outputs,
                dynamic_shapes={name: shapes[name] for name in inputs},
                custom_translation_table={torch.ops.aten.sort.stable: _stable_sort()},
                verbose=False,
            )
    except (RuntimeError, torch.onnx.OnnxExporterError) as error:
        raise ExportError(_why(error, dynamic_size)) from error
    return program.model_proto


def export_torchscript(
    localizer: Localizer, path: str | Path, *, input_type: str = "uint8", **about: Any
) -> float:
    """Write a Localizer as a TorchScript file, and compare the file with it.

    As :func:`export_onnx`, with :func:`metadata_of` as JSON in the extra file ``wsol_mm.json``; the
    height and width of the images are fixed. Outputs are a tuple in the order of the names.

    Returns:
        The largest difference on random images.

    Raises:
        ExportError: As of :func:`export_onnx`.
    """
    graph, example, sides = _prepare(localizer, input_type, False)
    with _quiet(), torch.no_grad():
        try:
            traced = torch.jit.trace(graph, example, check_trace=False)
        except RuntimeError as error:
            raise ExportError(_why(error, False)) from error
        traced = torch.jit.freeze(traced)
    difference = _compare(graph, traced, example, False)
    facts = json.dumps(metadata_of(localizer, sides, input_type, **about))
    with atomic_write(path) as temporary, _quiet():
        torch.jit.save(traced, str(temporary), _extra_files={EXTRA: facts})
    return difference


def metadata_of(
    localizer: Localizer, sides: tuple[int, int] | None, input_type: str, **about: Any
) -> dict[str, Any]:
    """What the file says about itself.

    Args:
        localizer: What is exported.
        sides: (width, height) of its input, None for free ones.
        input_type: Of the images.
        about: Further entries.

    Returns:
        ``format``, ``version`` (of this package), ``kind`` (``maps`` or ``boxes``), ``classes``,
        ``method``, ``weights_sha256`` (:func:`wsol_mm.engine.weights_sha256`), ``input``
        (``size`` as (width, height) or None, ``dtype``, ``layout``, ``squash``: whether images are
        squashed to ``size`` and nothing else), ``prepare`` (how :class:`wsol_mm.Localizer` makes
        the input), and for maps ``rule`` (attributes of
        :class:`wsol_mm.functional.box_rule.BoxRule`) and ``threshold_source``.
    """
    predictor, rule = localizer.predictor, localizer.rule
    if isinstance(predictor, AnyClassifier):
        prepare: dict[str, Any] = {"squash": list(predictor.preprocessing.size)}
        squash = True
    else:
        pipeline = predictor.pipeline
        prepare = {"scope": pipeline.scope, "steps": [dict(step) for step in pipeline.steps]}
        squash = pipeline.squashes()
    detects = getattr(predictor, "detects", False)
    facts = {
        "format": _FORMAT,
        "version": __version__,
        "kind": "boxes" if detects else "maps",
        "classes": list(localizer.classes),
        "method": predictor.method,
        "weights_sha256": weights_sha256(localizer.model),
        "input": {
            "size": None if sides is None else list(sides),
            "dtype": input_type,
            "layout": "NCHW, RGB, 0..255",
            "squash": squash,
        },
        "prepare": prepare,
    }
    if not detects:
        facts |= {"rule": rule.to_dict(), "threshold_source": localizer.threshold_source}
    return {**facts, **about}


def _prepare(
    localizer: Localizer, input_type: str, dynamic_size: bool
) -> tuple[nn.Module, tuple[Tensor, ...], tuple[int, int] | None]:
    """Graph, example inputs, and the (width, height) that the file will take."""
    if input_type not in ("uint8", "float32"):
        raise ValueError(f"input_type={input_type!r}: expected uint8 or float32")
    graph = graph_of(localizer)
    predictor = localizer.predictor
    size = (
        predictor.preprocessing.size
        if isinstance(predictor, AnyClassifier)
        else predictor.pipeline.input_size()
    )
    if size is None and not dynamic_size:
        raise ExportError(
            "the test pipeline gives images of different sizes: export with dynamic_size, or give "
            "the pipeline a Resize to one size"
        )
    images = _random_images(size or (224, 224), 2, getattr(torch, input_type), seed=0)
    second = -min(2, len(localizer.classes))
    labels = torch.tensor([[-1, second, 0]] * len(images))
    example = (images,) if isinstance(graph, BoxGraph) else (images, labels)
    return graph, example, None if dynamic_size else size


def _names(graph: nn.Module) -> tuple[list[str], list[str]]:
    if isinstance(graph, BoxGraph):
        return ["images"], ["boxes", "scores"]
    return ["images", "labels"], ["scores", "classes", "maps"]


def _random_images(size: tuple[int, int], count: int, dtype: torch.dtype, seed: int) -> Tensor:
    """(count, 3, height, width) of (width, height)."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 3, size[1], size[0])
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8).to(dtype)


def _compare(graph: nn.Module, run: Any, example: tuple[Tensor, ...], dynamic: bool) -> float:
    """The largest difference between file and model, on other images, other numbers of them."""
    first, *rest = example
    width, height = first.shape[3], first.shape[2]
    others = [(width, height, 3)] + [(width + 64, height + 32, 1)] * dynamic
    worst = 0.0
    for wide, high, count in others:
        images = _random_images((wide, high), count, first.dtype, seed=1)
        inputs = (images, *(labels[:1, :2].repeat(count, 1) for labels in rest))
        try:
            with _quiet(), torch.no_grad():
                found, wanted = run(*inputs), graph(*inputs)
        except Exception as error:
            raise ExportError(_why(error, dynamic)) from error
        for ours, theirs in zip(found, wanted, strict=True):
            if ours.shape != theirs.shape:
                raise ExportError(f"the file gives {tuple(ours.shape)}, not {tuple(theirs.shape)}")
            scale = max(1.0, float(theirs.abs().max()))
            worst = max(worst, float((ours - theirs).abs().max()) / scale)
    if not worst <= PARITY:
        raise ExportError(f"the file's results differ from the model's by {worst:.1e} of the scale")
    return worst


def _stable_sort() -> Any:
    """ONNX's TopK of all values, in which of equal ones the lower index comes first."""
    from onnxscript import opset18 as op

    def sort(values: Any, stable: bool, dim: int = -1, descending: bool = False) -> Any:  # noqa: ARG001
        count = op.Gather(op.Shape(values), op.Constant(value_ints=[dim]), axis=0)
        return op.TopK(values, count, axis=dim, largest=int(descending), sorted=1)

    return sort


def _onnx_packages() -> tuple[Any, Any]:
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError as error:
        raise ImportError(
            f"exporting to ONNX needs {error.name}: pip install wsol_mm[export], or pip install "
            "onnx onnxruntime onnxscript"
        ) from error
    return onnx, onnxruntime


def _why(error: Exception, dynamic_size: bool) -> str:
    """The one line of a long message that says something."""
    text = str(error).split("## Exception summary")[-1]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    hint = "; perhaps the network takes one size only: leave dynamic_size out" * dynamic_size
    return f"the network cannot be exported ({lines[0][:300] if lines else error!r}){hint}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters print and log."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(StringIO()),
            redirect_stderr(StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
