"""Train KG-CI-CAM: both experts, then the student that they teach; test all three.

    python -m studies.guidance vgg16_cub --data-root data/CUB_200_2011
    python -m studies.guidance resnet18_toy --baselines   # CAM, NL-CCAM and CI-CAM beside them

Started again with the same words it goes on where it stopped, between trainings or within one;
other words make other trainings beside the finished ones. Each has a folder with its log below
``--out``. ``table.md`` and ``dilemma.png`` (Top-1 Cls against GT-known) compare the test numbers of
what is finished; checkpoints and thresholds are chosen on val.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from studies.guidance.stages import (
    STAGE_COLUMNS,
    draw_dilemma,
    from_scratch,
    guidance_stages,
    guidance_table,
    on_data,
    step_seconds,
)
from studies.harness.run import run_trial, trial_folder
from wsol_mm.apis.command import KeyValues, one_line_errors
from wsol_mm.io import atomic_write


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", help="a student below configs/kg_ci_cam, such as vgg16_cub")
    parser.add_argument("--out", type=Path, help="folder (work_dirs/kg_ci_cam_<network>)")
    parser.add_argument(
        "--data-root", help="data set (the config's; for a toy network scenes are drawn)"
    )
    parser.add_argument(
        "--baselines", action="store_true", help="train CAM, NL-CCAM and CI-CAM before"
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=KeyValues,
        default={},
        metavar="KEY=VALUE",
        help="for every training",
    )
    parser.add_argument(
        "--no-pretrained", action="store_true", help="start from random weights everywhere"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of every error")
    args = parser.parse_args(argv)
    with one_line_errors(args.debug):
        out = args.out or Path("work_dirs") / f"kg_ci_cam_{args.network}"
        stages = guidance_stages(args.network, args.cfg_options, baselines=args.baselines)
        results, seconds = {}, {}
        for number, (name, stage) in enumerate(stages.items(), start=1):
            trial = on_data(from_scratch(stage) if args.no_pretrained else stage, args.data_root)
            folder = trial_folder(trial, out)
            print(f"[{number}/{len(stages)}] {name}: {folder}/log.txt", flush=True)
            results[name] = run_trial(trial, out)
            seconds[name] = step_seconds(folder / "train")
            found = (
                f"{STAGE_COLUMNS[key]} {results[name]['metrics'][key]:.1f}" for key in STAGE_COLUMNS
            )
            print("  " + ", ".join(found), flush=True)
            table = guidance_table(results, seconds)
            with atomic_write(out / "table.md") as temporary:
                temporary.write_text(table)
            picture = out / "dilemma.png"
            draw_dilemma({"": {key: [result] for key, result in results.items()}}, picture)
        print(f"\n{table}\nwritten: {out}/table.md, dilemma.png")


if __name__ == "__main__":
    main()
