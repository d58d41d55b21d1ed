"""Look at a config's data behind its augmentations, with true boxes and masks where there are any.

    python tools/analysis_tools/browse_dataset.py configs/cam/resnet50_cub.py -o pictures -n 20
    python tools/analysis_tools/browse_dataset.py CONFIG --phase val --not-show -o pictures

A localizer is not trained on the boxes and masks that are shown; a detector on nothing else.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from wsol_mm.apis.command import add_config_options, check_paths, one_line_errors


def parse_args() -> argparse.Namespace:
    """Command line; options are the parents'."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config file")
    parser.add_argument("--output-dir", "-o", type=Path, help="folder for <img_id>.png")
    parser.add_argument("--not-show", action="store_true", help="open no window")
    parser.add_argument("--phase", "-p", choices=("train", "val", "test"), default="train")
    parser.add_argument("--show-number", "-n", type=int, help="how many (all)")
    parser.add_argument("--show-interval", "-i", type=float, default=2, help="seconds of each (2)")
    add_config_options(parser)
    return parser.parse_args()


def main() -> None:
    """Run the tool."""
    args = parse_args()
    with one_line_errors(args.debug):
        check_paths(args.config)
        if args.not_show and args.output_dir is None:
            raise ValueError("--not-show leaves nothing to do without --output-dir")
        from mmengine.config import Config
        from mmengine.registry import DATASETS, init_default_scope
        from mmpretrain.visualization import UniversalVisualizer
        from tqdm import tqdm

        from wsol_mm.apis.browsing import dataset_config, draw_item, read_item

        cfg = Config.fromfile(args.config)
        cfg.merge_from_dict(dict(args.cfg_options))
        init_default_scope(cfg.get("default_scope", "mmpretrain"))
        dataset = DATASETS.build(dataset_config(cfg, args.phase))
        visualizer = UniversalVisualizer()
        visualizer.dataset_meta = dataset.metainfo
        number = min(len(dataset), args.show_number or len(dataset))
        for index in tqdm(range(number), unit="img"):
            packed = dataset[index]
            item = read_item(packed)
            sample = packed["data_samples"]
            out = args.output_dir and str(args.output_dir / f"{item.name.lstrip('/')}.png")
            visualizer.visualize_cls(
                draw_item(item)[..., ::-1],
                sample,
                draw_gt=hasattr(sample.get("gt_label"), "tolist"),
                draw_pred=False,
                show=not args.not_show,
                wait_time=args.show_interval,
                out_file=out,
                name=item.name,
            )


if __name__ == "__main__":
    main()
