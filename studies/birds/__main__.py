"""Short runs on real birds: does every chain train, survive a kill, resume and test?

    python tools/dataset_converters/cub_subset.py CUB_200_2011 data/birds
    python -m studies.birds --data-root data/birds/CUB
    python -m studies.birds --data-root data/birds/CUB --families lcar
    python -m studies.birds                                # only the document, from kept results

Each training starts from random weights and is killed (SIGKILL, with its tools) once its first
checkpoint is there, before the validation of that epoch is over; then it resumes and is tested. A
handful of steps shows that the chain works and nothing about accuracy. Rows are data; finished
ones, in ``studies/results/birds``, are not run again. The table goes to docs/birds.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from studies.birds.rows import (
    BATCH,
    COMMON,
    FAMILIES,
    MAKERS,
    ROWS,
    Bird,
    make_trial,
    random_weights,
    slug,
)
from studies.harness.report import machine, write_block
from studies.harness.run import best_checkpoint, run_trial, trial_folder
from studies.harness.trial import ROOT, Trial, describe, resolved_config, trial_key, write_config
from wsol_mm.apis.command import one_line_errors
from wsol_mm.datasets import CUB
from wsol_mm.datasets.box_file import read_pseudo_boxes
from wsol_mm.functional.boxes import box_iou
from wsol_mm.io import atomic_write

DOCS = ROOT / "docs/birds.md"
KEPT = ROOT / "studies/results/birds"
# The offline run takes the maps of the first config and the refiners of the last.
CHAIN = (
    "lcar/sd_cam_vit_small_p16_cub",
    "lcar/lcar_vit_small_p16_cub_arm",
    "lcar/lcar_vit_small_p16_cub_sgrm",
    "lcar/lcar_vit_small_p16_cub",
)
OFFLINE = "maps of the first, `tools/refine_maps.py` with the last"
HEADS = "SD-CAM ViT-S/16"
BIRD_COLUMNS = {
    "top1_cls": "Top-1 Cls",
    "top1_loc": "Top-1 Loc",
    "gt_known": "GT-known",
    "max_box_acc_v2": "MaxBoxAccV2",
}
IOUS = {0.5: "", 0.7: "_iou70", 0.8: "_iou80", 0.9: "_iou90"}


def cut_off(marker: Path, target: Callable[..., Any], *args: Any) -> None:
    """Run something in a session of its own and kill all of it as soon as ``marker`` is there.

    Does nothing where the marker is there already; an error before it is left to the next try.
    """
    if marker.is_file():
        return
    process = get_context("fork").Process(target=_in_own_session, args=(target, args))
    process.start()
    try:
        while process.is_alive() and not marker.is_file():
            time.sleep(0.05)
    finally:
        if process.is_alive():
            os.killpg(process.pid, signal.SIGKILL)
        process.join()


def _in_own_session(target: Callable[..., Any], args: Sequence[Any]) -> None:
    os.setsid()
    try:
        target(*args)
    except Exception as error:
        sys.exit(f"before its first checkpoint: {error}")


def training_facts(work_dir: Path) -> dict[str, Any]:
    """Losses, time and the epoch that was resumed at, from the logs of all parts of a training."""
    steps: dict[int, dict[str, Any]] = {}
    parts = sorted(work_dir.glob("*/vis_data/scalars.json"))
    first = 1
    for log in parts:
        rows = [json.loads(line) for line in log.read_text().splitlines()]
        rows = [row for row in rows if "loss" in row]
        first = rows[0]["epoch"] if rows else first
        steps |= {row["step"]: row for row in rows}
    losses = [steps[number]["loss"] for number in sorted(steps)]
    epochs: dict[int, list[float]] = {}
    for row in steps.values():
        epochs.setdefault(row["epoch"], []).append(row["loss"])
    return {
        "parts": len(parts),
        "resumed_at_epoch": first if len(parts) > 1 else None,
        "epochs": max(epochs),
        "steps": len(losses),
        "losses": [round(loss, 4) for loss in losses],
        "loss_by_epoch": {
            str(epoch): round(statistics.mean(epochs[epoch]), 4) for epoch in sorted(epochs)
        },
        "step_seconds": round(statistics.median(row["time"] for row in steps.values()), 3),
    }


def images_per_second(test_dir: Path, images: int) -> float:
    """Images of a test by the time of its batches: loading, network and boxes."""
    log = sorted(test_dir.glob("*/*.json"))[-1]  # MMDetection writes no other at a test
    row = [json.loads(line) for line in log.read_text().splitlines()][-1]
    return round(images / (row["time"] * -(-images // BATCH)), 3)


def run_bird(bird: Bird, data_root: str, out: Path) -> dict[str, Any]:
    """Train, kill, resume, test."""
    trial = make_trial(bird, data_root)
    folder = trial_folder(trial, out)
    cut_off(folder / "train/last_checkpoint", run_trial, trial, out)
    result = run_trial(trial, out)
    (test,) = folder.glob("test-*")
    speed = images_per_second(test, result["stamp"]["images"])
    wanted = {key: result[key] for key in ("metrics", "stamp", "machine", "epoch")}
    facts = training_facts(folder / "train")
    facts |= {"weights": "random", "images_per_second": speed}
    return {**describe(trial), **facts, **wanted}


def box_quality(file: Path, data_root: str) -> dict[str, Any]:
    """Pseudo boxes of the training images against the true ones: share with an IoU of at least .5.

    Beside it, what the whole image and the best centred box of one relative size would get.
    """
    truth = CUB(data_root=data_root, split="train", supervision="boxes", pipeline=[])
    infos = [truth.get_data_info(index) for index in range(len(truth))]
    found = read_pseudo_boxes(str(file), {info["img_id"] for info in infos})
    content = json.loads(file.read_text())
    sizes = {image["file_name"]: (image["width"], image["height"]) for image in content["images"]}
    ious, centred, areas = [], [], []
    shares = np.linspace(0.05, 1, 96)[:, None]
    for info in infos:
        true = np.array([instance["bbox"] for instance in info["instances"]])
        boxes = found.get(info["img_id"], [])
        ious.append(box_iou(boxes, true).max() if boxes else 0.0)
        whole = np.array([*sizes[info["img_id"]]] * 2)
        areas += [np.prod(np.diff(np.reshape(box / whole, (2, 2)), axis=0)) for box in boxes]
        boxes = whole / 2 + shares * whole / 2 * [-1, -1, 1, 1]
        centred.append(box_iou(boxes, true).max(axis=1))
    hits = (np.array(centred) >= 0.5).mean(axis=0)
    return {
        "images": len(infos),
        "without_box": sum(info["img_id"] not in found for info in infos),
        "accuracy": 100 * float(np.mean(np.array(ious) >= 0.5)),
        "mean_iou": 100 * float(np.mean(ious)),
        "mean_area": 100 * float(np.mean(areas or 0)),
        "whole_image": 100 * float(hits[-1]),
        "best_centred": 100 * float(hits.max()),
        "best_centred_share": float(shares[hits.argmax(), 0]),
        "threshold": content["info"]["threshold"],
        "threshold_source": content["info"]["threshold_source"],
    }


def run_boxes(bird: Bird, data_root: str, out: Path) -> dict[str, Any]:
    """Make the pseudo boxes that detectors of this study read, and compare them with the truth."""
    trial = make_trial(bird, data_root)
    folder = trial_folder(trial, out)
    file = folder / f"boxes-{bird.threshold}.json"  # where the study looks for them
    if not file.is_file():
        words = ("--threshold", bird.threshold, "--split", "train", "--out", file)
        words = (folder / "config.py", best_checkpoint(folder / "train"), *words)
        run_tool("pseudo_boxes.py", folder / "log.txt", *words, "--batch-size", 8)
    return {"maker": bird.config, "key": trial_key(trial), **box_quality(file, data_root)}


def run_tool(tool: str, log: Path, *words: object) -> str:
    """Run a tool, its output into a log; the output."""
    command = [sys.executable, str(ROOT / "tools" / tool), *map(str, words)]
    log.parent.mkdir(parents=True, exist_ok=True)
    start = log.stat().st_size if log.is_file() else 0
    with log.open("a") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    output = log.read_bytes()[start:].decode(errors="replace")
    if done.returncode:
        last = output.strip().splitlines()[-1:]
        raise RuntimeError(f"{tool} ended with {done.returncode}, log {log}: {' '.join(last)}")
    return output


def run_chain(data_root: str, out: Path) -> dict[str, Any]:
    """LCAR with the trained heads: the whole chain inside the test, and offline on saved maps."""
    heads = make_trial(ROWS[HEADS], data_root)
    checkpoint = best_checkpoint(trial_folder(heads, out) / "train")
    folder = out / "lcar"
    log, maps, refined = folder / "log.txt", folder / "maps", folder / "refined"
    rows = []
    for name in CHAIN:
        option = f"configs/{name}.py"
        trial = Trial(option, {**COMMON, **random_weights(option)}, data_root=data_root)
        cfg = resolved_config(trial)
        path = write_config(cfg, folder / slug(name) / "config.py", {"data": Path(data_root)})
        file = path.with_name("result.json")
        words = (path, checkpoint, "--work-dir", path.parent, "--out", file, "--threshold", 0.5)
        run_tool("test.py", log, *words, *(("--dump-maps", maps) if name == CHAIN[0] else ()))
        stamp = json.loads(path.with_name("result_wsol.json").read_text())["stamp"]
        speed = images_per_second(path.parent, stamp["images"])
        rows.append({"name": name, "gt": gt_known(file), "images_per_second": speed})
    shutil.rmtree(refined, ignore_errors=True)
    text = run_tool("refine_maps.py", log, path, "--maps", maps, "--out", refined)
    seconds = float(re.findall(r"([\d.]+) s in this run", text)[-1])
    file = folder / "refined.json"
    words = ("--maps", refined / "maps", "--metadata", refined / "maps", "--out", file)
    words = (*words, "--normalization", "minmax", "--threshold", 0.5, "--iou-thrs", *IOUS)
    run_tool("eval_maps.py", log, *words)
    speed = round(stamp["images"] / seconds, 3)
    rows.append({"name": OFFLINE, "gt": gt_known(file), "images_per_second": speed})
    objects = json.loads((refined / "objects.json").read_text())["annotations"]
    masks = sum("segmentation" in entry for entry in objects)
    facts = {"masks": masks, "stamp": stamp, "key": trial_key(heads), "machine": machine()}
    facts["weights"] = "random"
    return {"rows": rows, **facts}


def gt_known(file: Path) -> dict[str, float]:
    """GT(.5), GT(.7), ... of a file of results."""
    content = json.loads(file.read_text())
    content = {key.removeprefix("wsol/"): value for key, value in content.items()}
    return {f"{iou:g}": content[f"gt_known{suffix}"] for iou, suffix in IOUS.items()}


def tasks(families: Sequence[str]) -> dict[str, Callable[[str, Path], dict[str, Any]]]:
    """What a result file of each name holds, in an order in which all inputs are there."""
    found: dict[str, Callable[[str, Path], dict[str, Any]]] = {}
    for family in families:
        for bird in FAMILIES[family]:
            found[slug(bird.name)] = lambda data, out, bird=bird: run_bird(bird, data, out)
            if bird in MAKERS:
                name = f"boxes_{slug(bird.name)}"
                found[name] = lambda data, out, bird=bird: run_boxes(bird, data, out)
    if "lcar" in families:
        found["lcar"] = run_chain
    return found


def kept(name: str) -> dict[str, Any] | None:
    """The kept result of this name."""
    file = KEPT / f"{name}.json"
    return json.loads(file.read_text()) if file.is_file() else None


def finished(name: str, data_root: str) -> bool:
    """Whether there is a result, and of the row as it is now."""
    result = kept(name)
    birds = {slug(bird.name): bird for bird in ROWS.values()} | {"lcar": ROWS[HEADS]}
    bird = birds[name.removeprefix("boxes_")]
    return result is not None and result["key"] == trial_key(make_trial(bird, data_root))


def training_table(birds: Sequence[Bird]) -> str:
    """Markdown table of trainings."""
    head = ["method", "pseudo boxes", "steps", "resumed at epoch", "loss: first, last step"]
    head += ["loss: first, last epoch", *BIRD_COLUMNS.values(), "s per step", "test images per s"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    makers = {f"configs/{maker.config}.py": maker.name for maker in MAKERS}
    for bird in birds:
        result = kept(slug(bird.name))
        if result is None:
            lines.append(f"| {bird.name} |" + " not run |" * (len(head) - 1))
            continue
        losses, epochs = result["losses"], [*result["loss_by_epoch"].values()]
        metrics = [result["metrics"].get(key) for key in BIRD_COLUMNS]
        resumed = result["resumed_at_epoch"] or "not killed"
        cells = [
            f"[{bird.name}](../{result['config']})",
            makers.get(result.get("inputs", {}).get("boxes", {}).get("config"), "-"),
            f"{result['steps']} in {result['epochs']} epochs",
            f"{resumed}",
            f"{losses[0]:.3f}, {losses[-1]:.3f}",
            f"{epochs[0]:.3f}, {epochs[-1]:.3f}",
            *("-" if number is None else f"{number:.1f}" for number in metrics),
            f"{result['step_seconds']:.2f}",
            f"{result['images_per_second']:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def boxes_table() -> str:
    """Markdown table of the pseudo boxes' accuracy."""
    head = ["maker", "IoU of at least .5", "mean IoU", "share of the image", "threshold"]
    head += ["images", "without a box", "whole image as box", "best centred box"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for bird in MAKERS:
        result = kept(f"boxes_{slug(bird.name)}")
        if result is None:
            lines.append(f"| {bird.name} |" + " not run |" * (len(head) - 1))
            continue
        numbers = (result[key] for key in ("accuracy", "mean_iou", "mean_area"))
        cells = [bird.name, *(f"{number:.1f}" for number in numbers)]
        cells += [f"{result['threshold']:.3f} ({result['threshold_source']})"]
        cells += [str(result["images"]), str(result["without_box"])]
        cells += [f"{result[key]:.1f}" for key in ("whole_image", "best_centred")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def chain_table() -> str:
    """Markdown table of the LCAR chain."""
    head = ["run", *(f"GT({iou:g})" for iou in IOUS), "images per s"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    result = kept("lcar")
    if result is None:
        return "not run"
    for row in result["rows"]:
        config = f"[{row['name']}](../configs/{row['name']}.py)"
        title = row["name"] if row["name"] == OFFLINE else config
        cells = [title, *(f"{row['gt'][f'{iou:g}']:.1f}" for iou in IOUS)]
        lines.append("| " + " | ".join([*cells, f"{row['images_per_second']:.2f}"]) + " |")
    lines.append(f"\nMasks in `objects.json`: {result['masks']} of {result['stamp']['images']}.")
    return "\n".join(lines)


def document(path: Path) -> None:
    """Write the tables of all kept results."""
    for family, birds in FAMILIES.items():
        text = training_table(birds)
        notes = [f"{bird.name}: {bird.notes}." for bird in birds if bird.notes]
        write_block(path, f"birds_{family}", "\n".join([text, "", *notes]))
    write_block(path, "birds_boxes", boxes_table())
    write_block(path, "birds_chain", chain_table())
    results = [json.loads(file.read_text()) for file in sorted(KEPT.glob("*.json"))]
    machines = {
        "; ".join(f"{key} {value}" for key, value in result["machine"].items())
        for result in results
        if "machine" in result
    }
    lines = [f"Machine: {text}." for text in sorted(machines)]
    write_block(path, "birds_machine", "\n\n".join(lines))


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing, print, write the document; 1 if a row failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", help="folder in CUB's layout, with CUBV2 beside it")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--rows", nargs="+", help="only the results of these names")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/birds"))
    parser.add_argument("--docs", type=Path, default=DOCS, help="document to write")
    args = parser.parse_args(argv)
    wanted = tasks(args.families)
    if args.rows and (unknown := sorted(set(args.rows) - set(wanted))):
        raise ValueError(f"--rows {unknown[0]}: expected some of {', '.join(wanted)}")
    wanted = {name: run for name, run in wanted.items() if not args.rows or name in args.rows}
    failed = 0
    for name, run in wanted.items() if args.data_root else ():
        start = time.time()
        if not finished(name, args.data_root):
            try:
                result = run(str(Path(args.data_root).resolve()), args.out.resolve())
            except Exception as error:  # the other rows can do without it
                failed += 1
                print(f"{name} failed: {error}", flush=True)
                continue
            KEPT.mkdir(parents=True, exist_ok=True)
            with atomic_write(KEPT / f"{name}.json") as temporary:
                temporary.write_text(json.dumps({"name": name, **result}, indent=1) + "\n")
        print(f"{name} finished ({time.time() - start:.0f} s)", flush=True)
    document(args.docs)
    done = sum(kept(name) is not None for name in wanted)
    print(json.dumps({"rows": len(wanted), "finished": done, "failed": failed}))
    return 1 if failed else 0


if __name__ == "__main__":
    with one_line_errors():
        sys.exit(main())
