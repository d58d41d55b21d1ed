"""Cut a small CUB-200-2011 out of a larger one: a few images of each class, and a val split.

    python tools/dataset_converters/cub_subset.py data/CUB_200_2011 data/birds --train 4 --val 2

OUT/CUB and OUT/CUBV2 are folders in CUB's layout that ``wsol_mm.CUB`` reads with its defaults:
``data_root=OUT/CUB``. Of each class at most ``--val`` training images become the val split, and at
most ``--train`` of the others the training split, of which one is always left. They are the first
ones, or drawn with ``--seed``. Images are not copied: ``images`` links to the source.
"""

import argparse
import random
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from wsol_mm.apis.command import add_general_options, one_line_errors

LISTS = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt")


def choose(
    source: Path, train: int, val: int, test: int, seed: int | None = None
) -> tuple[list[str], list[str], int]:
    """Images of the small CUB.

    Args:
        source: Folder in CUB's layout.
        train, val, test: Most images of each class; a class with fewer gives what it has, and of
            its training images always one to the training split.
        seed: Draw them; None: the first ones. A class's draw does not depend on other classes.

    Returns:
        Image ids of train and test, and of the val split, in the source's order; how many classes
        have fewer images than wanted.

    Raises:
        FileNotFoundError, ValueError: A list of ``source`` is missing or malformed.
    """
    from wsol_mm.datasets.cub import CUB
    from wsol_mm.datasets.lists import read_mapping

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
    short = 0
    for label, parts in groups.items():
        for flag, images in parts.items() if seed is not None else ():
            random.Random(f"{seed} {label} {flag}").shuffle(images)
        of_val = max(0, min(val, len(parts["1"]) - 1))
        apart.update(parts["1"][:of_val])
        kept.update(parts["1"][of_val : of_val + train], parts["0"][:test])
        short += len(parts["1"]) < train + val or len(parts["0"]) < test
    in_order = [[image for image in flags if image in chosen] for chosen in (kept, apart)]
    return in_order[0], in_order[1], short


def write_subset(source: Path, folder: Path, ids: Sequence[str]) -> None:
    """Write the lists of some images, and link the images' folder.

    Raises:
        FileExistsError: ``folder`` is there already.
    """
    from wsol_mm.datasets.cub import CUB
    from wsol_mm.datasets.lists import read_rows

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
    parser.add_argument("--train", type=int, default=4, help="most training images of a class")
    parser.add_argument("--val", type=int, default=2, help="most val images of a class")
    parser.add_argument("--test", type=int, default=2, help="most test images of a class")
    parser.add_argument("--seed", type=int, help="draw the images (default: the first ones)")
    add_general_options(parser)
    args = parser.parse_args(argv)
    with one_line_errors(args.debug):
        if not args.source.is_dir():
            raise FileNotFoundError(f"{args.source} is not a folder in CUB's layout")
        if min(args.train, args.val, args.test) < 1:
            raise ValueError("--train, --val and --test must be positive")
        kept, apart, short = choose(args.source, args.train, args.val, args.test, args.seed)
        write_subset(args.source, args.out / "CUB", kept)
        write_subset(args.source, args.out / "CUBV2", apart)
        print(f"{args.out}: {len(kept)} images in CUB, {len(apart)} in CUBV2")
        if short:
            print(f"{short} classes have fewer images than wanted and give what they have")


if __name__ == "__main__":
    main()
