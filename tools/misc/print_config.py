"""Print a config with all its bases and overrides.

python tools/misc/print_config.py CONFIG [--cfg-options KEY=VALUE ...] [--save FILE.py]
"""

import argparse
from pathlib import Path

from wsol_mm.apis.command import add_config_options, check_paths, one_line_errors, read_config
from wsol_mm.io import atomic_write


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="config file")
    add_config_options(parser)
    parser.add_argument("--save", type=Path, help="also write it to this .py file")
    args = parser.parse_args()
    with one_line_errors(args.debug):
        check_paths(args.config)
        cfg = read_config(args.config)
        cfg.merge_from_dict(dict(args.cfg_options))
        print(cfg.pretty_text)
        if args.save:
            with atomic_write(args.save) as temporary:
                temporary.write_text(cfg.pretty_text)


if __name__ == "__main__":
    main()
