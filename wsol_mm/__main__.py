"""The tools of an installed package, where there is no folder tools/.

python -m wsol_mm                                # which there are
python -m wsol_mm infer photographs --out pictures
python -m wsol_mm dataset_converters/make_toy --out data/toy
"""

import runpy
import sys
from pathlib import Path

TOOLS = Path(__file__).parent / ".mim" / "tools"


def main() -> None:
    """Run the tool of the first argument with the others."""
    names = [path.relative_to(TOOLS).with_suffix("").as_posix() for path in TOOLS.rglob("*.py")]
    wanted = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if wanted in ("-h", "--help"):
        print(f"usage: python -m wsol_mm TOOL ...\n\ntools: {', '.join(sorted(names))}")
    elif wanted not in names:
        sys.exit(f"error: no tool {wanted}: expected one of {', '.join(sorted(names))}")
    else:
        tool = str(TOOLS / f"{wanted}.py")
        sys.argv = [tool, *sys.argv[2:]]
        runpy.run_path(tool, run_name="__main__")


if __name__ == "__main__":
    main()
