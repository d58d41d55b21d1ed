"""Train KG-CI-CAM: both experts, then the student that they teach; test all three.

    python tools/train_kg_ci_cam.py vgg16_cub
    python tools/train_kg_ci_cam.py resnet18_toy --baselines   # CAM, NL-CCAM and CI-CAM beside them

Started again with the same words it goes on where it stopped, between stages or within one. Each
stage trains in a folder of its own below ``--out``, with ``log.txt``. ``table.md`` and
``dilemma.png`` (Top-1 Cls against GT-known) compare the test numbers; checkpoints and thresholds
are chosen on val. The times are those of the logs: whatever else the machine did is in them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from wsol_mm.apis.command import one_line_errors
from wsol_mm.apis.guidance_stages import draw_dilemma, guidance_stages, guidance_table, run_stage
from wsol_mm.engine.atomic import atomic_write


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", help="a student below configs/kg_ci_cam, such as vgg16_cub")
    parser.add_argument("--out", type=Path, help="folder (work_dirs/kg_ci_cam_<network>)")
    parser.add_argument(
        "--baselines", action="store_true", help="train CAM, NL-CCAM and CI-CAM before"
    )
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="for every stage"
    )
    parser.add_argument(
        "--no-pretrained", action="store_true", help="start from random weights everywhere"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of every error")
    args = parser.parse_args(argv)
    with one_line_errors(args.debug):
        out = args.out or Path("work_dirs") / f"kg_ci_cam_{args.network}"
        stages = guidance_stages(args.network, out, args.cfg_options, baselines=args.baselines)
        results = {}
        for number, stage in enumerate(stages, start=1):
            print(f"[{number}/{len(stages)}] {stage.name}: {stage.folder}", flush=True)
            results[stage.name] = run_stage(stage, no_pretrained=args.no_pretrained)
        table = guidance_table(results)
        with atomic_write(out / "table.md") as temporary:
            temporary.write_text(table)
        draw_dilemma(results, out / "dilemma.png")
        print(table, end="")


if __name__ == "__main__":
    main()
