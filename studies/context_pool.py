"""What the context pool of a trained CI-CAM holds, and what it does (Shao et al., ACM MM 2021).

    python -m studies.context_pool \\
        --model CI-CAM configs/ci_cam/efficientnet_lite0_cub.py CHECKPOINT --out work_dirs/pool

Writes, for any number of models on their configs' test split, into the folder OUT:

* context_pool.jpg: a column per class; of each model the pool's contexts, and under them the mean
  over the class's images of the map that enters the pool, the first branch's map of the true class;
  last, the mean mask of the true boxes;
* context_pool.csv: a line per class, and one of them all. Pearson's correlations over positions:
  H, of the localization maps H(M) and H(M^e) of the two branches, mean over images (1: the pool
  moves no box); of a context with the other classes' contexts, with a bump in the middle, with the
  class's mean map and with its mean box; and of the mean maps of different classes. `all` is the
  mean over images for H, over classes otherwise.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch import Tensor, nn
from tqdm import tqdm

from studies.decomposition import build_model, model_parser, named_configs, parsed, write_table
from studies.photographs.gallery import SIDE, write_grid
from wsol_mm.apis.class_count import take_classes_from_data
from wsol_mm.apis.command import one_line_errors
from wsol_mm.functional.cam import class_activation_maps
from wsol_mm.functional.context_pool import centre_prior, map_correlation, resize_maps, sum_by_class
from wsol_mm.models.heads import CausalCAMHead
from wsol_mm.models.heads.localizer_head import target_labels
from wsol_mm.models.true_box_masks import true_box_masks
from wsol_mm.visualization.drawing import overlay_map

HEAD = ("model", "class", "images", "H", "other contexts", "centre", "own map", "own box")
HEAD += ("other maps",)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = model_parser(__doc__, "context_pool.csv")
    parser.add_argument("--classes", type=int, default=6, help="columns of the picture, the first")
    return parsed(parser, argv, "classes")


@dataclass(frozen=True)
class Pool:
    """What the test split says of one model's pool of n classes.

    Attributes:
        classes: Names.
        images: int64 (n,), of each class.
        contexts: (n, h, w).
        maps: (n, h, w), mean first-branch map of the true class.
        boxes: (n, h, w), mean mask of the true boxes.
        correlation: float32 (n,), mean of H(M) with H(M^e) over the images of each class.
    """

    classes: Sequence[str]
    images: Tensor
    contexts: Tensor
    maps: Tensor
    boxes: Tensor
    correlation: Tensor


@torch.no_grad()
def look(model: nn.Module, loader: Iterable[Any], classes: Sequence[str]) -> Pool:
    """Pass a split through both branches of a model in eval mode."""
    head, count = model.head, len(classes)
    contexts = head.context_pool.contexts.cpu()
    images, correlation = torch.zeros(count, dtype=torch.int64), torch.zeros(count)
    maps, boxes = torch.zeros_like(contexts), torch.zeros_like(contexts)
    size = tuple(contexts.shape[1:])
    for batch in loader:
        data = model.data_preprocessor(batch, False)
        samples = data["data_samples"]
        labels = target_labels(samples, data["inputs"].device)
        branches = head.branches(model.extract_feat(data["inputs"]), labels)
        pairs = (
            (branches.features, branches.scores),
            (branches.enhanced, branches.enhanced_scores),
        )
        before, after = (head.combined_maps(*pair)[:, 0] for pair in pairs)
        own = class_activation_maps(branches.features, head.fc.weight, labels[:, None])[:, 0]
        labels = labels.cpu()
        images += labels.bincount(minlength=count)
        correlation.index_add_(0, labels, map_correlation(before, after).cpu())
        maps += sum_by_class(resize_maps(own, size).cpu(), labels, count)
        boxes += sum_by_class(true_box_masks(samples, size)[:, 0], labels, count)
    many = images.clamp(min=1)
    mean = many[:, None, None]
    return Pool(classes, images, contexts, maps / mean, boxes / mean, correlation / many)


def others(maps: Tensor) -> Tensor:
    """Mean correlation of each class's map with those of the other classes.

    Args:
        maps: (n, h, w).

    Returns:
        (n,); 0 for a single class.
    """
    count = len(maps)
    first = maps.repeat_interleave(count, dim=0)
    every = map_correlation(first, maps.repeat(count, 1, 1)).reshape(count, count)
    return every.fill_diagonal_(0).sum(dim=1) / max(count - 1, 1)


def rows(name: str, pool: Pool) -> list[list[str]]:
    """The lines of a model: of each class with an image, and of them all."""
    seen = pool.images > 0
    contexts, maps = pool.contexts[seen], pool.maps[seen]
    centre = centre_prior(tuple(contexts.shape[1:])).expand_as(contexts)
    columns = torch.stack(
        [
            pool.correlation[seen],
            others(contexts),
            map_correlation(contexts, centre),
            map_correlation(contexts, maps),
            map_correlation(contexts, pool.boxes[seen]),
            others(maps),
        ],
        dim=1,
    )
    weights = pool.images[seen]
    every = columns.mean(dim=0)
    every[0] = (columns[:, 0] * weights).sum() / weights.sum()
    names = [each for each, there in zip(pool.classes, seen.tolist(), strict=True) if there]
    lines = [
        [name, each, str(int(images)), *(f"{value:.4f}" for value in values)]
        for each, images, values in zip(names, weights, columns.tolist(), strict=True)
    ]
    return [*lines, [name, "all", str(int(weights.sum())), *(f"{v:.4f}" for v in every.tolist())]]


def heat(values: Tensor) -> np.ndarray:
    """A map from its least to its largest value, as a picture."""
    low, high = values.aminmax()
    scaled = ((values - low) / (high - low).clamp(min=1e-12)).double().numpy()
    return overlay_map(np.zeros((SIDE, SIDE, 3), np.uint8), scaled, alpha=1.0)


def label(*lines: str) -> np.ndarray:
    """A white cell with words."""
    cell = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for number, line in enumerate(lines):
        place = (4, SIDE // 2 + 18 * number)
        cv2.putText(cell, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return cell


def draw(pools: dict[str, Pool], classes: int, path: Path) -> None:
    """Contexts and mean maps of every model, and the mean boxes, which all models share."""
    first = next(iter(pools.values()))
    grid = []
    for name, pool in pools.items():
        for what, maps in (("contexts", pool.contexts), ("mean maps", pool.maps)):
            grid.append([label(name, what), *map(heat, maps[:classes])])
    grid.append([label("mean true boxes"), *map(heat, first.boxes[:classes])])
    names = [name.split(".")[-1].replace("_", " ")[:16] for name in first.classes[:classes]]
    write_grid(path, grid, ["", *names])


def measure(cfg: Config, checkpoint: str, name: str, trust: bool) -> Pool:
    """One model over its test split.

    Raises:
        ValueError: It has no pool.
    """
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        take_classes_from_data(cfg)
        loader = Runner.build_dataloader(cfg.test_dataloader, seed=0)
        model = build_model(cfg, checkpoint, trust=trust)
        if not isinstance(model.head, CausalCAMHead):
            raise ValueError(f"{cfg.filename}: expected a model whose head is a CausalCAMHead")
        return look(model, tqdm(loader, desc=name), loader.dataset.CLASSES)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    with one_line_errors(args.debug):
        pools: dict[str, Pool] = {}
        for name, cfg, checkpoint in named_configs(args):
            pools[name] = measure(cfg, checkpoint, name, args.trust_checkpoint)
            if pools[name].classes != next(iter(pools.values())).classes:
                raise ValueError(f"--model {name}: its classes are not those of the first model")
        lines = [line for name, pool in pools.items() for line in rows(name, pool)]
        draw(pools, args.classes, args.out / "context_pool.jpg")
        of_all = [line for line in lines if line[1] == "all"]
        table = args.out / "context_pool.csv"
        write_table(table, HEAD, lines, args.write_docs, "context_pool", of_all)
    for line in of_all:
        print(", ".join(f"{key} {value}" for key, value in zip(HEAD, line, strict=True)))
    print(f"context_pool.jpg and context_pool.csv in {args.out}")


if __name__ == "__main__":
    main()
