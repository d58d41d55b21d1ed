"""Parameters, multiply-adds and activations of a config's network, by mmengine's counters.

python tools/analysis_tools/get_flops.py configs/cam/resnet50_cub.py
python tools/analysis_tools/get_flops.py configs/wend/fcos_r50_cub.py --shape 256 320 --table
"""

from __future__ import annotations

import argparse

from wsol_mm.apis.command import add_config_options, check_paths, one_line_errors


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    parser.add_argument(
        "--shape", type=int, nargs="+", help="height and width of the input (the test pipeline's)"
    )
    parser.add_argument("--table", action="store_true", help="also of every module")
    add_config_options(parser)
    args = parser.parse_args()
    with one_line_errors(args.debug):
        check_paths(args.config)
        if args.shape and (len(args.shape) > 2 or min(args.shape) < 1):
            raise ValueError(f"--shape {args.shape}: expected a height and a width in pixels")
        from mmengine.config import Config

        from wsol_mm.apis.complexity import complexity

        cfg = Config.fromfile(args.config)
        cfg.merge_from_dict(dict(args.cfg_options))
        found = complexity(cfg, (args.shape[0], args.shape[-1]) if args.shape else None)
        if args.table:
            print(found["out_table"])
        height, width = found["shape"]
        print(f"config: {args.config}\ninput: 3 x {height} x {width}")
        print(f"multiply-adds: {found['flops_str']} (what papers call FLOPs)")
        print(f"parameters: {found['params_str']}\nactivations: {found['activations_str']}")


if __name__ == "__main__":
    main()
