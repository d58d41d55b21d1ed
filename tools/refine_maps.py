"""Refine saved maps with the colours of their images: new maps, boxes and masks.

    python tools/test.py CONFIG CHECKPOINT --dump-maps maps/cam
    python tools/refine_maps.py CONFIG --maps maps/cam --refiners ARM SGRM --out maps/cam_refined

OUT/maps holds the refined maps at the size of the network's input, ready for tools/eval_maps.py
(``--maps OUT/maps --metadata OUT/maps --normalization minmax``); OUT/objects.json is a COCO file
with a box and a run-length mask of each object in the original image and an ``info`` block.

``--refiners`` names parts of a chain: each has the settings that the config's ``model.refiners``
gives it, which ``--cfg-options model.refiners.0.neighbours=8`` reaches, or its defaults where the
config has none. Maps dumped with a seed (``<img_id>.seed.npz``) let SeedSign choose their sides.

Run the same command again after a kill and it continues. Several machines or jobs share the work by
``--rank`` and ``--world-size`` (torchrun and slurm set them); the last to finish writes the json.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from wsol_mm.apis.command import add_config_options, check_paths, load_config, one_line_errors


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config that made the maps: data set and test pipeline")
    parser.add_argument("--maps", type=Path, required=True, help="folder with <img_id>.npy")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument(
        "--refiners",
        nargs="+",
        metavar="NAME",
        help="ARM, SeedSign, SGRM, DenseCRF, in order, as model.refiners has them, else with their "
        "defaults (all of model.refiners)",
    )
    parser.add_argument(
        "--threshold",
        default="otsu",
        help="of boxes and masks: a number in [0, 1), 'otsu' (default) or 'mean'",
    )
    parser.add_argument("--boxes", default="largest", choices=("largest", "all"))
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="on a CPU")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda: one process, batches")
    parser.add_argument("--batch-size", type=int, default=64, help="images at once on cuda")
    environment = os.environ
    parser.add_argument(
        "--rank",
        type=int,
        default=int(environment.get("RANK", environment.get("SLURM_PROCID", 0))),
    )
    parser.add_argument(
        "--world-size",
        type=int,
        default=int(environment.get("WORLD_SIZE", environment.get("SLURM_NTASKS", 1))),
    )
    add_config_options(parser)
    args = parser.parse_args(argv)
    args.launcher, args.local_rank, args.work_dir = "none", 0, None
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    with one_line_errors(args.debug):
        check_paths(args.config)
        if not args.maps.is_dir():
            raise FileNotFoundError(f"--maps {args.maps} is not a folder")
        from wsol_mm.apis.map_refinement import refine_maps

        refined = refine_maps(
            load_config(args),
            args.maps,
            args.out,
            refiners=args.refiners,
            split=args.split,
            threshold=args.threshold,
            components=args.boxes,
            processes=args.processes,
            device=args.device,
            batch_size=args.batch_size,
            rank=args.rank,
            world_size=args.world_size,
        )
        print("\n".join(refined.summary))


if __name__ == "__main__":
    main()
