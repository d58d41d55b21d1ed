"""Print a config with all its bases and overrides.

python tools/misc/print_config.py CONFIG [--cfg-options KEY=VALUE ...] [--save FILE.py]
"""

import argparse
from pathlib import Path

from mmengine.config import Config, DictAction

from wsol_mm.apis.command import one_line_errors
from wsol_mm.io import atomic_write


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="config file")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    parser.add_argument("--save", type=Path, help="also write it to this .py file")
    args = parser.parse_args()
    with one_line_errors():
        cfg = Config.fromfile(args.config)
        cfg.merge_from_dict(dict(args.cfg_options))
        print(cfg.pretty_text)
        if args.save:
            with atomic_write(args.save) as temporary:
                temporary.write_text(cfg.pretty_text)


if __name__ == "__main__":
    main()
