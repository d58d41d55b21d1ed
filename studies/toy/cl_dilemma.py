"""Draw the classification-localization dilemma on toy scenes from finished effect rows.

    python -m studies.effects --group kg_rho0 kg_rho0.5 kg_rho0.95 --out work_dirs/effects
    python -m studies.toy.cl_dilemma --results work_dirs/effects/results

Top-1 Cls against GT-known of CI-CAM, the experts and the students, a panel for each co-occurrence
of context and class: means over the seeds that are finished, bars of one standard deviation. Prints
how many seeds are behind each point; nothing is trained.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from studies.guidance.stages import draw_dilemma
from studies.harness.store import finished_result
from studies.toy.causal import RHOS, guidance_trials
from wsol_mm.apis.command import one_line_errors

KEPT = Path(__file__).resolve().parents[2] / "studies/results/effects"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, nargs="+", default=[KEPT], help="folders of them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("docs/cl_dilemma.png"))
    args = parser.parse_args(argv)
    with one_line_errors():
        panels = {}
        for rho in RHOS:
            found = {}
            for name, trial in guidance_trials(rho).items():
                seeded = (replace(trial, seed=seed) for seed in args.seeds)
                results = [finished_result(each, *args.results) for each in seeded]
                found[name] = [result for result in results if result is not None]
                print(f"co-occurrence {rho}, {name}: {len(found[name])} of {len(args.seeds)} seeds")
            if any(found.values()):
                panels[f"co-occurrence {rho}"] = found
        if not panels:
            folders = ", ".join(map(str, args.results))
            raise FileNotFoundError(
                f"no result in {folders}: run python -m studies.effects --group kg_rho0.5 first, "
                "or name its OUT/results"
            )
        draw_dilemma(panels, args.out)
        print(f"written: {args.out}")


if __name__ == "__main__":
    main()
