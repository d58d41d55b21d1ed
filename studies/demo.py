"""A photograph, then the whole pipeline on toy scenes: what `make demo` runs.

0. the pretrained localizer on a photograph of a cat that scikit-image ships: label, box, picture;
1. draw toy scenes, 2. train a CAM classifier from image labels, 3. make pseudo boxes with it,
4. train WEND's Faster R-CNN on them with the weighted-entropy loss, 5. join its boxes with the
classifier's scores, 6. print one table with the trivial predictors beside it and draw a picture.

Each step is one of this repository's tools, printed before it runs; a finished step is skipped
when the demo is started again. Ends with an error unless the cat is found, the classifier learned
the task and the detector beats the best centred box.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

from studies.harness.report import machine, write_block
from wsol_mm.io import atomic_write

CAM = "configs/cam/resnet18_toy.py"
DETECTOR = "configs/wend/faster_rcnn_r18_toy.py"
SHOWN = (
    "top1_cls",
    "top1_loc",
    "top5_loc",
    "gt_known",
    "max_box_acc_v2",
    "max_box_acc_v2_iou30",
    "max_box_acc_v2_iou50",
    "max_box_acc_v2_iou70",
    "multi_gt_known",
    "mean_boxes",
)


def run(done: Path, *command: object) -> None:
    """Run one tool, unless ``done``, which marks its success, is there."""
    words = [str(word) for word in command]
    print(f"\n$ python {shlex.join(words)}", flush=True)
    if done.exists():
        print(f"  skipped: {done} is there")
        return
    start = time.time()
    result = subprocess.run([sys.executable, *words], check=False)
    if result.returncode:
        sys.exit(f"demo stopped: the command above failed (exit code {result.returncode})")
    done.touch()
    print(f"  {time.time() - start:.0f} s", flush=True)


def table(rows: dict[str, dict[str, float]]) -> str:
    """Markdown table of metrics, one column per predictor."""
    lines = ["| metric | " + " | ".join(rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for metric in SHOWN:
        cells = [row.get(f"wsol/{metric}") for row in rows.values()]
        if any(cell is not None for cell in cells):
            shown = ["" if cell is None else f"{cell:.1f}" for cell in cells]
            lines.append(f"| {metric} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def stamp(details: Path) -> str:
    """The protocol record of a test, as one line."""
    full = json.loads(details.read_text())["stamp"]
    full["protocol"] = {
        key: value for key, value in full["protocol"].items() if key not in ("note", "comparable")
    }
    return json.dumps(full).replace('"', "")


def trivial(metrics: dict[str, float], name: str) -> dict[str, float]:
    """A trivial predictor's numbers under the names of the real metrics."""
    row = {"wsol/max_box_acc_v2": metrics[f"wsol/{name}"]}
    for iou in (30, 50, 70):
        row[f"wsol/max_box_acc_v2_iou{iou}"] = metrics[f"wsol/{name}_iou{iou}"]
    return {"wsol/gt_known": metrics[f"wsol/{name}_iou50"], **row}


def picture(folders: dict[str, Path], out: Path, count: int) -> None:
    """One row per test image: the pictures of each model side by side."""
    import cv2

    from wsol_mm.visualization.drawing import image_grid

    first, *others = [
        {path.relative_to(folder) for path in folder.rglob("*.png")} for folder in folders.values()
    ]
    names = sorted(first.intersection(*others))[:count]
    rows = [[cv2.imread(str(folder / name)) for folder in folders.values()] for name in names]
    with atomic_write(out) as temporary:
        cv2.imwrite(str(temporary), image_grid(rows, list(folders)))


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("work_dirs/demo"))
    parser.add_argument("--data", type=Path, default=Path("data/toy"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write-docs", type=Path, help="document that gets the table")
    args = parser.parse_args()
    start = time.time()
    out = args.out
    cam, det, boxes = out / "cam", out / "detector", out / "pseudo_boxes.json"
    data = [
        f"{loader}.dataset.data_root={args.data}"
        for loader in ("train_dataloader", "val_dataloader", "test_dataloader")
    ]

    photograph(out / "photograph")
    run(
        args.data / "images.txt",
        *("tools/dataset_converters/make_toy.py", "--out", args.data, "--seed", args.seed),
    )
    run(
        cam / "finished",
        *("tools/train.py", CAM, "--work-dir", cam, "--resume", "--seed", args.seed),
        *("--cfg-options", *data),
    )
    cam_checkpoint = last_checkpoint(cam)
    run(
        cam / "test.json",
        *("tools/test.py", CAM, cam_checkpoint, "--work-dir", cam / "test"),
        *("--out", cam / "test.json", "--show-dir", cam / "pictures"),
        *("--dump-scores", cam / "scores.npz", "--cfg-options", *data),
    )
    run(
        boxes,
        *("tools/pseudo_boxes.py", CAM, cam_checkpoint, "--split", "train", "--out", boxes),
        *("--work-dir", out / "boxes", "--cfg-options", *data),
    )
    run(
        det / "finished",
        *("tools/train.py", DETECTOR, "--work-dir", det, "--resume", "--seed", args.seed),
        *("--cfg-options", *data, f"train_dataloader.dataset.pseudo_boxes={boxes}"),
    )
    run(
        det / "test.json",
        *("tools/test.py", DETECTOR, last_checkpoint(det), "--work-dir", det / "test"),
        *("--out", det / "test.json", "--show-dir", det / "pictures", "--cfg-options", *data),
        f"test_evaluator.classifier_scores={cam / 'scores.npz'}",
    )

    cam_metrics = json.loads((cam / "test.json").read_text())
    det_metrics = json.loads((det / "test.json").read_text())
    rows = {
        "CAM": cam_metrics,
        "WEND Faster R-CNN": det_metrics,
        "best centred box": trivial(det_metrics, "trivial_centre"),
        "whole image": trivial(det_metrics, "trivial_whole"),
    }
    stamps = {"CAM": stamp(cam / "test_wsol.json"), "WEND": stamp(det / "test_wsol.json")}
    lines = [f"Stamp of {name}: {shown}." for name, shown in stamps.items()]
    text = "\n\n".join([table(rows), *lines])
    with atomic_write(out / "table.md") as temporary:
        temporary.write_text(text + "\n")
    picture({"CAM": cam / "pictures", "WEND": det / "pictures"}, out / "picture.png", count=6)
    print(f"\n{text}\n\ntable: {out / 'table.md'}   picture: {out / 'picture.png'}")
    print(f"{time.time() - start:.0f} s in all")
    check(rows)
    if args.write_docs:
        facts = "; ".join(f"{name} {value}" for name, value in machine().items())
        note = f"Test split of the toy scenes, seed {args.seed}, percent. {facts}."
        write_block(args.write_docs, "demo", f"{text}\n\n{note}")


def photograph(folder: Path) -> None:
    """Localize the cat of scikit-image with the pretrained classifier, and check label and box."""
    import cv2
    import skimage.data

    folder.mkdir(parents=True, exist_ok=True)
    image, boxes = folder / "cat.png", folder / "boxes.json"
    cv2.imwrite(str(image), skimage.data.chelsea()[..., ::-1])
    run(boxes, "tools/infer.py", image, "--out", folder / "pictures", "--json", boxes)
    content = json.loads(boxes.read_text())
    names = {entry["id"]: entry["name"] for entry in content["categories"]}
    (found,) = content["annotations"]
    name, box = names[found["category_id"]], [round(value) for value in found["bbox"]]
    print(f"  {name} at x, y, width, height {box}; picture in {folder / 'pictures'}")
    area = box[2] * box[3] / image_area(image)
    if "cat" not in name or not 0.2 < area < 0.95:
        sys.exit(f"demo failed: expected a cat in a box of its size, got {name} in {box}")


def image_area(path: Path) -> int:
    """Pixels of an image file."""
    import cv2

    height, width = cv2.imread(str(path)).shape[:2]
    return int(height * width)


def last_checkpoint(folder: Path) -> Path:
    """The newest checkpoint, which the reference benchmark evaluates too."""
    return Path((folder / "last_checkpoint").read_text().strip())


def check(rows: dict[str, dict[str, float]]) -> None:
    """Fail unless classifier and detector learned something."""
    accuracy = rows["CAM"]["wsol/top1_cls"]
    detector = rows["WEND Faster R-CNN"]["wsol/gt_known"]
    centred = rows["best centred box"]["wsol/gt_known"]
    if accuracy < 90:
        sys.exit(f"demo failed: the classifier reached {accuracy:.1f} % Top-1, expected 90 %")
    if detector < centred + 5:
        sys.exit(
            f"demo failed: the detector's GT-known {detector:.1f} % is not 5 points above the best "
            f"centred box ({centred:.1f} %)"
        )


if __name__ == "__main__":
    main()
