"""Cut a small CUB-200-2011 out of a larger one: a few images of each class, and a val split.

    python tools/dataset_converters/cub_subset.py data/CUB_200_2011 data/birds --train 4 --val 2

OUT/CUB and OUT/CUBV2 are folders in CUB's layout that ``wsol_mm.CUB`` reads with its defaults:
``data_root=OUT/CUB``. Of each class, the first ``--val`` training images become the val split, the
next ``--train`` the training split. Images are not copied: ``images`` links to the source.
"""

import argparse
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from wsol_mm.apis.command import one_line_errors
from wsol_mm.datasets.cub import CUB
from wsol_mm.datasets.lists import read_mapping, read_rows

LISTS = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt")


def choose(source: Path, train: int, val: int, test: int) -> tuple[list[str], list[str]]:
    """Image ids of the small CUB (train and test) and of its val split, in the source's order.

    Raises:
        FileNotFoundError, ValueError: A list of ``source`` is missing or malformed, or a class has
            too few images.
    """
    hint = CUB.HINT
    labels = read_mapping(source / LISTS[1], ("image_id", "class_id"), hint)
    flags = read_mapping(source / LISTS[2], ("image_id", "is_training_image"), hint)
    groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: {"1": [], "0": []})
    for image, (flag, place) in flags.items():
        if flag not in ("0", "1") or image not in labels:
            raise ValueError(f"{place}: expected 0 or 1, and a line for the image in {LISTS[1]}")
        groups[labels[image][0]][flag].append(image)
    kept: set[str] = set()
    apart: set[str] = set()
    for label, parts in groups.items():
        if len(parts["1"]) < train + val or len(parts["0"]) < test:
            raise ValueError(
                f"{source}: class {label} has {len(parts['1'])} training and {len(parts['0'])} "
                f"test images, {train + val} and {test} are needed: lower --train, --val or --test"
            )
        apart.update(parts["1"][:val])
        kept.update(parts["1"][val : val + train], parts["0"][:test])
    return [image for image in flags if image in kept], [image for image in flags if image in apart]


def write_subset(source: Path, folder: Path, ids: Sequence[str]) -> None:
    """Write the lists of some images, and link the images' folder.

    Raises:
        FileExistsError: ``folder`` is there already.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists: remove it to make it anew")
    folder.mkdir(parents=True)
    wanted = set(ids)
    for name in LISTS:
        columns = ("image_id", "x", "y", "width", "height")[: 5 if name == LISTS[3] else 2]
        rows = [fields for _, fields in read_rows(source / name, columns, CUB.HINT)]
        lines = [" ".join(fields) + "\n" for fields in rows if fields[0] in wanted]
        (folder / name).write_text("".join(lines))
    shutil.copy(source / "classes.txt", folder)
    (folder / "images").symlink_to((source / "images").resolve(), target_is_directory=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="folder in CUB's layout")
    parser.add_argument("out", type=Path, help="folder to write CUB/ and CUBV2/ in")
    parser.add_argument("--train", type=int, default=4, help="training images per class")
    parser.add_argument("--val", type=int, default=2, help="val images per class")
    parser.add_argument("--test", type=int, default=2, help="test images per class")
    args = parser.parse_args(argv)
    with one_line_errors():
        if min(args.train, args.val, args.test) < 1:
            raise ValueError("--train, --val and --test must be positive")
        kept, apart = choose(args.source, args.train, args.val, args.test)
        write_subset(args.source, args.out / "CUB", kept)
        write_subset(args.source, args.out / "CUBV2", apart)
        print(f"{args.out}: {len(kept)} images in CUB, {len(apart)} in CUBV2")


if __name__ == "__main__":
    main()
