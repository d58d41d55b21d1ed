"""Take class activation maps apart: CAM = |w| F S (BridgeGap, Kim et al., CVPR 2022, eq. 3).

    python -m studies.decomposition \\
        --model CAM configs/cam/vgg16_cub.py CHECKPOINT \\
        --model BridgeGap configs/bridgegap/vgg16_cub.py CHECKPOINT --out work_dirs/decomposition

Writes, for any number of models on their configs' test split, into the folder OUT:

* maps.png: one row per image: the image with its true boxes (green) and, for each model, its map of
  the true class, the norm map F and the similarity map S (the paper's Figures 1, 2 and 6);
* similarity.csv and .png: how S is distributed over the positions inside true boxes (Figure 7a);
* norm.csv and .png: how F, normalised in each image, is distributed over all positions (Figure 7b);
* shares.csv: mean of the normalised F and share of positive S, inside true boxes and outside. With
  the checkpoints of all epochs as models it shows what a training does to both.

F and S are of the features that the classifier's linear layer reads, after pooling them. The
histograms read the whole split; --cfg-options test_dataloader.dataset.indices=500 takes the first
500 images.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner
from torch import Tensor, nn
from tqdm import tqdm

from studies.harness.report import write_block
from wsol_mm.apis.class_count import take_classes_from_data
from wsol_mm.apis.command import load_config, one_line_errors
from wsol_mm.engine import read_checkpoint
from wsol_mm.functional import geometry
from wsol_mm.functional.alignment import norm_map, normalized_norm_map, similarity_maps
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.io import atomic_write
from wsol_mm.models.heads import CAMHead
from wsol_mm.visualization.drawing import GROUND_TRUTH, draw_boxes, image_grid, overlay_in_frame

# Name of the file, axis, edges of the bins.
SIMILARITY = ("similarity", "similarity inside true boxes", np.linspace(-1, 1, 101))
NORM = ("norm", "normalised norm", np.linspace(0, 1, 51))
# The three maps of a model; negative similarity speaks for background.
COLUMNS = {"CAM": "minmax", "F": "minmax", "S": "max"}
SHARES = ("F inside", "F outside", "S > 0 inside", "S > 0 outside")


def model_parser(description: str | None, table: str) -> argparse.ArgumentParser:
    """The options of a tool that looks into trained models.

    Args:
        description: Of the tool.
        table: File of its table.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        nargs=3,
        action="append",
        required=True,
        metavar=("NAME", "CONFIG", "CHECKPOINT"),
        help="a localizer with a linear classifier; may be given several times",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        default={},
        metavar="KEY=VALUE",
        help="override keys of every config: a.b=1; they are printed",
    )
    parser.add_argument("--write-docs", type=Path, help=f"document that gets {table} as a table")
    parser.add_argument("--trust-checkpoint", action="store_true", help="unpickle anything")
    parser.add_argument("--debug", action="store_true", help="show the traceback of every error")
    return parser


def parsed(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None, *counts: str
) -> argparse.Namespace:
    """The arguments, checked: every model has a name of its own, each of counts is positive."""
    args = parser.parse_args(argv)
    names = [name for name, _, _ in args.model]
    if len(set(names)) < len(names):
        parser.error(f"--model: two models have the same name: {', '.join(names)}")
    for name in counts:
        if getattr(args, name) < 1:
            parser.error(f"--{name} {getattr(args, name)}: expected 1 or more")
    return args


def named_configs(args: argparse.Namespace) -> list[tuple[str, Config, str]]:
    """Name, config and checkpoint of every model.

    Raises:
        FileNotFoundError: A config or a checkpoint does not exist.
    """
    plan = []
    for name, config, checkpoint in args.model:
        if not Path(checkpoint).is_file():
            raise FileNotFoundError(f"--model {name}: checkpoint {checkpoint} does not exist")
        run = {"config": config, "work_dir": None, "launcher": "none", "local_rank": 0}
        plan.append((name, load_config(argparse.Namespace(**{**vars(args), **run})), checkpoint))
    return plan


def write_table(
    path: Path,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    docs: Path | None,
    block: str,
    shown: Sequence[Sequence[str]] | None = None,
) -> None:
    """Rows as csv and, where a document is given, all or ``shown`` in its block of that name."""
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])
    if docs:
        lines = [head, ["---"] * len(head), *(rows if shown is None else shown)]
        text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        write_block(docs, block, text)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = model_parser(__doc__, "shares.csv")
    parser.add_argument("--images", type=int, default=6, help="rows of the picture, over the split")
    return parsed(parser, argv, "images")


def build_model(cfg: Config, checkpoint: str, *, trust: bool) -> nn.Module:
    """The model of a config with all its weights, in eval mode.

    Raises:
        ValueError: The head has no linear classifier on a map, or the weights are another model's.
    """
    settings = cfg.model.to_dict()
    if "data_preprocessor" in cfg:
        settings.setdefault("data_preprocessor", cfg.data_preprocessor.to_dict())
    model = MODELS.build(settings)
    if not isinstance(getattr(model, "head", None), CAMHead):
        raise ValueError(
            f"{cfg.filename}: expected a model whose head is a wsol_mm.CAMHead or derives from it"
        )
    content = read_checkpoint(checkpoint, "cpu", trust=trust)
    try:
        model.load_state_dict(content.get("state_dict", content))
    except RuntimeError as error:
        raise ValueError(f"{checkpoint} does not fit {cfg.filename}: {error}") from error
    return model.to(get_device()).eval()


@torch.no_grad()
def decompose(model: nn.Module, loader: Any) -> Iterator[tuple[Any, dict[str, Tensor], Tensor]]:
    """Yield each image's prediction, its three maps (h, w) and its normalised norm map (h, w)."""
    seen: list[Tensor] = []
    # What leaves `hidden` is what the linear layer reads, in heads derived from CAMHead as well.
    handle = model.head.hidden.register_forward_hook(lambda *call: seen.append(call[2]))
    try:
        for batch in loader:
            seen.clear()
            samples = model.test_step(batch)
            labels = torch.stack([sample.map_labels[:1] for sample in samples])
            similarity = similarity_maps(seen[0], model.head.fc.weight, labels)[:, 0]
            norms, norms01 = norm_map(seen[0]), normalized_norm_map(seen[0])
            for sample, norm, norm01, cosine in zip(
                samples, norms, norms01, similarity, strict=True
            ):
                maps = {"CAM": sample.pred_maps[0], "F": norm, "S": cosine}
                yield sample, maps, norm01
    finally:
        handle.remove()


def inside_boxes(sample: Any, shape: tuple[int, int]) -> np.ndarray:
    """Which positions of a map (h, w) have their centre in a true box; bool (h, w)."""
    if "gt_instances" not in sample:
        return np.zeros(shape, bool)
    boxes = np.asarray(sample.gt_instances.bboxes)
    return geometry.inside_boxes(boxes, sample.homography_matrix, sample.img_shape, shape)


def count(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Values in each bin; what rounding put just outside counts in the outer ones."""
    return np.histogram(values.clip(edges[0], edges[-1]), edges)[0]


@dataclass(frozen=True)
class Parts:
    """What the test split says of one model.

    Attributes:
        images: Their names in order.
        rows: For each pictured image's path the pictures of its row, image first.
        counts: Of the two histograms.
        shares: Of SHARES, means over all positions of the split in percent.
    """

    images: list[str]
    rows: dict[str, list[np.ndarray]]
    counts: dict[str, np.ndarray]
    shares: list[float]


def measure(cfg: Config, checkpoint: str, args: argparse.Namespace) -> Parts:
    """One model over its test split.

    Raises:
        ValueError: No image has a true box.
    """
    counts = {name: np.zeros(len(edges) - 1) for name, _, edges in (SIMILARITY, NORM)}
    names: list[str] = []
    rows: dict[str, list[np.ndarray]] = {}
    sums, areas = np.zeros((2, 2)), np.zeros(2)  # F and S; inside and outside
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        take_classes_from_data(cfg)
        loader = Runner.build_dataloader(cfg.test_dataloader, seed=0)
        model = build_model(cfg, checkpoint, trust=args.trust_checkpoint)
        total = len(loader.dataset)
        pictured = set(np.linspace(0, total - 1, min(args.images, total)).round().astype(int))
        parts = tqdm(decompose(model, loader), total=total, unit="img", desc=Path(checkpoint).name)
        for index, (sample, maps, norm01) in enumerate(parts):
            names.append(sample.img_id)
            arrays = {kind: values.double().cpu().numpy() for kind, values in maps.items()}
            inside, norm = inside_boxes(sample, arrays["S"].shape), norm01.cpu().numpy()
            counts["similarity"] += count(arrays["S"][inside], SIMILARITY[2])
            counts["norm"] += count(norm, NORM[2])
            for side, where in enumerate((inside, ~inside)):
                sums[:, side] += norm[where].sum(), (arrays["S"][where] > 0).sum()
                areas[side] += where.sum()
            if index in pictured:
                rows[sample.img_path] = draw(sample, arrays)
    if not counts["similarity"].any():
        raise ValueError(f"{cfg.filename}: no test image has a true box to look into")
    return Parts(names, rows, counts, (100 * sums / np.maximum(areas, 1)).ravel().tolist())


def draw(sample: Any, maps: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The image with its true boxes, then each map over it."""
    image = mmcv.imread(sample.img_path)
    boxes = sample.gt_instances.bboxes if "gt_instances" in sample else np.zeros((0, 4))
    overlays = [
        overlay_in_frame(
            image,
            maps[kind],
            sample.img_shape,
            sample.homography_matrix,
            BoxRule(threshold="oracle", normalization=method),
        )
        for kind, method in COLUMNS.items()
    ]
    return [draw_boxes(image, np.asarray(boxes, float), GROUND_TRUTH), *overlays]


def write_histogram(
    out: Path, kind: tuple[str, str, np.ndarray], counts: dict[str, np.ndarray]
) -> None:
    """The densities of all models as a table and as a plot."""
    name, axis, edges = kind
    density = {
        model: values / (values.sum() * (edges[1] - edges[0])) for model, values in counts.items()
    }
    table = np.stack([edges[:-1], edges[1:], *density.values()], axis=1)
    with (
        atomic_write(out / f"{name}.csv") as temporary,
        temporary.open("w", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["left", "right", *density])
        writer.writerows([f"{value:.6g}" for value in row] for row in table)
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    for model, values in density.items():
        axes.stairs(values, edges, label=model, fill=True, alpha=0.4)
    axes.set(xlabel=axis, ylabel="density")
    axes.legend()
    with atomic_write(out / f"{name}.png") as temporary:
        figure.savefig(temporary, dpi=150)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    with one_line_errors(args.debug):
        plan = named_configs(args)
        images: list[str] | None = None
        rows: dict[str, list[np.ndarray]] = {}
        counts: dict[str, dict[str, np.ndarray]] = {"similarity": {}, "norm": {}}
        shares: dict[str, list[float]] = {}
        for name, cfg, checkpoint in plan:
            parts = measure(cfg, checkpoint, args)
            if images is not None and parts.images != images:
                raise ValueError(
                    f"--model {name}: its test split has other images than {plan[0][0]}'s; "
                    "compare models of one data set"
                )
            images, shares[name] = parts.images, parts.shares
            for path, cells in parts.rows.items():
                rows[path] = rows.get(path, cells[:1]) + cells[1:]
            for kind, values in parts.counts.items():
                counts[kind][name] = values
        titles = ["image", *(f"{name} {column}" for name, *_ in plan for column in COLUMNS)]
        with atomic_write(args.out / "maps.png") as temporary:
            cv2.imwrite(str(temporary), image_grid(list(rows.values()), titles))
        for kind in (SIMILARITY, NORM):
            write_histogram(args.out, kind, counts[kind[0]])
        table = [[name, *(f"{value:.1f}" for value in found)] for name, found in shares.items()]
        write_table(
            args.out / "shares.csv", ["model", *SHARES], table, args.write_docs, "decomposition"
        )
    print(
        f"{len(images or [])} images: maps.png, similarity and norm .csv/.png, shares.csv "
        f"in {args.out}"
    )


if __name__ == "__main__":
    main()
