"""Turn the released boxes of C2AM or PSOL into one pseudo-box file.

    python tools/dataset_converters/boxes_to_coco.py c2am FOLDER --dataset CUB \
        --data-root data/CUB_200_2011 --out data/pseudo_boxes/c2am_cub.json

Both publish many json files, ``*_bbox.json``, each from a path on the authors' machine to
``[x, y, w, h]`` as shares of the image's width and height. Paths are matched with the data set by
their last two parts, class folder and file name without its suffix. A path that is not in the
split, a box outside its image, and two different boxes of one image are refused. Boxes without
area, which the authors' extraction leaves where it found nothing, become images without a box.
"""

import argparse
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from wsol_mm.apis.command import add_general_options, one_line_errors

SOURCES = {
    "c2am": "threshold chosen by the authors on the boxes they report; squash to 480, crop 448",
    "psol": "DDT, cut at 0 by the authors; squash to 448",
}
# Shares are rounded by json and by the authors' division.
TOLERANCE = 1e-3

Share = tuple[float, float, float, float]


def image_key(path: str) -> str:
    """Class folder and stem of an image path, which all machines share.

    Example:
        >>> image_key("/home/x/CUB/train/003.Ani/a.b.jpg")
        '003.Ani/a.b'
    """
    pure = PurePosixPath(path.replace("\\", "/"))
    return f"{pure.parent.name}/{pure.stem}"


def check_share(value: Any, place: str) -> Share:
    """A box of shares, ``x, y, w, h``.

    Raises:
        ValueError: It is no box, or lies outside its image; the message names the entry.
    """
    if (
        not isinstance(value, list)
        or len(value) != 4
        or not all(isinstance(number, int | float) and math.isfinite(number) for number in value)
    ):
        raise ValueError(f"{place}: expected [x, y, w, h] as shares of the image, got {value}")
    x, y, w, h = map(float, value)
    if min(x, y, w, h) < -TOLERANCE or max(x + w, y + h) > 1 + TOLERANCE:
        raise ValueError(
            f"{place}: box {value} lies outside its image (shares of width and height)"
        )
    return x, y, w, h


def read_entries(files: list[Path]) -> Iterator[tuple[str, str, Share]]:
    """Path, place for error messages, and box of every entry of all files."""
    from wsol_mm.datasets.box_file import read_json

    for file in files:
        for path, value in read_json(file, "fetch the authors' files again").items():
            place = f"{file}: '{path}'"
            yield path, place, check_share(value, place)


def read_boxes(files: list[Path], known: dict[str, str]) -> dict[str, Share]:
    """Boxes of all files by ``img_id``.

    Args:
        files: The authors' json files.
        known: :func:`image_key` -> ``img_id`` of the split.

    Raises:
        ValueError: An image is not in the split, or has two different boxes.
    """
    boxes: dict[str, Share] = {}
    for path, place, share in read_entries(files):
        img_id = known.get(image_key(path))
        if img_id is None:
            raise ValueError(
                f"{place}: '{image_key(path)}' is no image of this split; is the file that of "
                "another data set or split?"
            )
        # ranks that fill up their last batch repeat images
        if boxes.setdefault(img_id, share) != share:
            raise ValueError(f"{place}: another box than {list(boxes[img_id])} given before")
    return boxes


def image_size(info: dict[str, Any]) -> tuple[int, int]:
    """Width and height, from the list or the file's header, as a viewer shows the image."""
    if "width" in info:
        return info["width"], info["height"]
    from PIL import ExifTags, Image

    with Image.open(info["img_path"]) as image:
        width, height = image.size
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    return (height, width) if turned else (width, height)


def convert(source: str, folder: Path, dataset: Any) -> dict[str, Any]:
    """The COCO dictionary of a folder of released boxes.

    Args:
        source: ``c2am`` or ``psol``.
        folder: Of the json files, searched with its sub-folders.
        dataset: A data set of ``wsol_mm.datasets``; its images are listed in its order.

    Returns:
        See :func:`wsol_mm.apis.box_files.coco_json`; ``info`` names the maker, the files and
        a hash over them.

    Raises:
        FileNotFoundError: There is no file.
        ValueError: An entry is refused, or the split has two images of one key.
    """
    from tqdm import tqdm

    from wsol_mm.apis.box_files import coco_json, file_sha256

    files = sorted(folder.rglob("*_bbox.json"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no *_bbox.json: give the folder with the boxes")
    infos = {}
    known: dict[str, str] = {}
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        infos[info["img_id"]] = info
        key = image_key(info["img_id"])
        if known.setdefault(key, info["img_id"]) != info["img_id"]:
            raise ValueError(f"images '{known[key]}' and '{info['img_id']}' share the key '{key}'")
    boxes = read_boxes(files, known)
    done = {}
    for img_id, info in tqdm(infos.items(), desc="sizes", disable=None):
        width, height = image_size(info)
        found = []
        if img_id in boxes:
            x, y, w, h = boxes[img_id]
            x0, y0, x1, y1 = x * width, y * height, (x + w) * width, (y + h) * height
            x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, width), min(y1, height)
            found = [[x0, y0, x1, y1]] if x1 > x0 and y1 > y0 else []
        done[img_id] = {"width": width, "height": height, "boxes": found}
    digest = hashlib.sha256("".join(map(file_sha256, files)).encode())
    return coco_json(
        done,
        {
            "maker": f"{source}/released",
            "files": len(files),
            "files_sha256": digest.hexdigest(),
            "split": dataset.split,
            "threshold": None,
            "threshold_source": SOURCES[source],
            "without_entry": len(infos) - len(boxes),
        },
    )


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", choices=sorted(SOURCES), help="who released the boxes")
    parser.add_argument("folder", type=Path, help="folder of their *_bbox.json files")
    parser.add_argument("--dataset", required=True, choices=("CUB", "ILSVRC"))
    parser.add_argument("--data-root", required=True, type=Path)
    parser.add_argument("--split", default="train", choices=("train", "val", "test"))
    parser.add_argument("--out", required=True, type=Path, help="COCO json to write")
    add_general_options(parser)
    args = parser.parse_args()
    with one_line_errors(args.debug):
        run(args)


def run(args: argparse.Namespace) -> None:
    """Convert, write and print what there is."""
    if args.out.exists():
        raise ValueError(f"{args.out} exists: delete it to make it anew")
    for path in (args.folder, args.data_root):
        if not path.is_dir():
            raise FileNotFoundError(f"{path} is not a folder")
    from mmengine.registry import DATASETS

    import wsol_mm.datasets  # noqa: F401 - registers them
    from wsol_mm.apis.box_files import write_json

    dataset = DATASETS.build(
        {
            "type": f"wsol_mm.{args.dataset}",
            "data_root": str(args.data_root),
            "split": args.split,
            "pipeline": [],
        }
    )
    content = convert(args.source, args.folder, dataset)
    write_json(args.out, content)
    boxes, images = len(content["annotations"]), len(content["images"])
    print(
        f"{args.out}: {boxes} boxes for {images} images, {images - boxes} without a box, of which "
        f"{content['info']['without_entry']} have no entry; {content['info']['files']} files"
    )


if __name__ == "__main__":
    main()
