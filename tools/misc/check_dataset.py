"""Check every image, mask, box and list that a config's data sets read.

    python tools/misc/check_dataset.py configs/cam/resnet18_toy.py [--split val]

Exits with 1 when there are problems and lists the first of them.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from wsol_mm.apis.command import add_config_options, check_paths, one_line_errors, read_config

if TYPE_CHECKING:
    from wsol_mm.datasets import WSOLDataset

SPLITS = ("train", "val", "test")
SHOWN = 20


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config", help="config whose data sets are checked")
    parser.add_argument("--split", choices=SPLITS, help="check one data loader only")
    parser.add_argument("--workers", type=int, default=4, help="decoding threads (default 4)")
    add_config_options(parser)
    return parser.parse_args(argv)


def plain_datasets(cfg: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the data-set configs inside wrappers such as RepeatDataset and ConcatDataset."""
    if "datasets" in cfg:
        for inner in cfg["datasets"]:
            yield from plain_datasets(inner)
    elif "dataset" in cfg:
        yield from plain_datasets(cfg["dataset"])
    else:
        yield cfg


def check(dataset: WSOLDataset, title: str, workers: int) -> list[str]:
    """Decode every item of a data set, print what it holds, return the problems."""
    from tqdm import tqdm

    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(dataset.inspect_item, range(len(dataset)))
        bar = tqdm(found, total=len(dataset), desc=title, disable=None)
        items = list(bar)
    problems = [problem for item, _ in items for problem in item]
    notes = Counter(note for _, item in items for note in item)
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    images_of = Counter(info["gt_label"] for info in infos)
    print(f"{title}: {len(infos)} images, {len(images_of)} classes", end="")
    print(f" of {min(images_of.values())} to {max(images_of.values())} images", end="")
    if any("instances" in info for info in infos):
        boxes = [len(info.get("instances", [])) for info in infos]
        print(f", {sum(boxes)} boxes, {boxes.count(0)} images without a box", end="")
    else:
        print(", boxes are not read", end="")
    if any("mask_paths" in info for info in infos):
        masks = sum(len(info.get("mask_paths", [])) for info in infos)
        ignored = sum(bool(info.get("ignore_path")) for info in infos)
        print(f", {masks} masks, {ignored} ignore masks", end="")
    print(f"; {len(problems)} problems")
    for note, count in notes.items():
        print(f"{title}: note: {count} {note}")
    return problems


def class_problems(
    classes: Sequence[str], title: str, others: dict[str, Sequence[str]], model: dict[str, Any]
) -> list[str]:
    """Compare the classes of a data set with the training ones, and with the size of the head."""
    from wsol_mm.engine.class_check import check_names

    problems = []
    training = others.setdefault("train", classes) if title == "train" else others.get("train", ())
    try:
        check_names(classes, training, title, "the training data")
    except ValueError as error:
        problems.append(str(error))
    for key in ("head", "bbox_head"):
        head = model.get(key)
        size = head.get("num_classes") if isinstance(head, dict) else None
        if size is not None and size != len(classes):
            problems.append(
                f"{title}: {len(classes)} classes, but model.{key}.num_classes is {size}"
            )
    return problems


def check_loader(
    dataset_cfg: dict[str, Any],
    title: str,
    workers: int,
    seen: dict[str, str],
    classes: dict[str, Sequence[str]],
    model: dict[str, Any],
) -> list[str]:
    """Check the data sets of one loader.

    Args:
        dataset_cfg: Of the loader, wrappers included.
        title: Of the loader.
        workers: Decoding threads.
        seen: Image path -> the loader that reads it; extended.
        classes: Classes of the training data under `train`; set by that loader.
        model: Config of the model; empty for none.
    """
    from wsol_mm.datasets import WSOLDataset
    from wsol_mm.engine.class_check import data_classes
    from wsol_mm.registry import DATASETS

    problems = []
    for cfg in plain_datasets(dataset_cfg):
        cls = DATASETS.get(cfg["type"]) if isinstance(cfg["type"], str) else cfg["type"]
        if not (isinstance(cls, type) and issubclass(cls, WSOLDataset)):
            problems.append(f"{title}: {cfg['type']} is not a data set of wsol_mm")
            continue
        try:
            dataset = DATASETS.build({**cfg, "pipeline": [], "lazy_init": False})
        except (ValueError, OSError) as error:
            print(f"{title}: cannot be read")
            problems.append(str(error))
            continue
        problems.extend(class_problems(data_classes(dataset), title, classes, model))
        problems.extend(check(dataset, title, workers))
        for index in range(len(dataset)):
            path = dataset.get_data_info(index)["img_path"]
            other = seen.setdefault(path, title)
            if other != title:
                problems.append(f"{path}: is read for {other} and for {title}; keep them apart")
    return problems


def main(argv: list[str] | None = None) -> int:
    """Run the tool."""
    args = parse_args(argv)
    with one_line_errors(args.debug):
        check_paths(args.config)
        return run(args)


def run(args: argparse.Namespace) -> int:
    """Check, print, and return the exit code."""
    cfg = read_config(args.config)
    cfg.merge_from_dict(dict(args.cfg_options))
    splits = [args.split] if args.split else SPLITS
    loaders = {split: cfg.get(f"{split}_dataloader") for split in splits}
    problems: list[str] = []
    seen: dict[str, str] = {}
    classes: dict[str, Sequence[str]] = {}
    model = {} if cfg.get("classes_from_data") else cfg.get("model") or {}
    for title, loader in loaders.items():
        if loader is None:
            print(f"{title}: {args.config} has no {title}_dataloader")
        else:
            problems += check_loader(loader["dataset"], title, args.workers, seen, classes, model)
    if not any(loaders.values()):
        problems.append(f"{args.config} names no data set")
    problems = list(dict.fromkeys(problems))
    for problem in problems[:SHOWN]:
        print(f"  {problem}")
    if len(problems) > SHOWN:
        print(f"  … and {len(problems) - SHOWN} more")
    print("no problems" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
