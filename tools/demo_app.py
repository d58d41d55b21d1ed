"""A page to try localizers: drop a photograph, choose model, method and class, move the threshold.

    python tools/demo_app.py
    python tools/demo_app.py --models cam_efficientnet_lite0_in1k model.onnx \
        torchvision/resnet50=resnet50.pth configs/cam/resnet50_cub.py=epoch_50.pth

Needs gradio (the extra wsol_mm[demo]). The page is on this machine alone unless --host says else.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wsol_mm.apis.command import add_general_options, one_line_errors


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line; what cannot work is said before the toolboxes are imported."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models",
        nargs="+",
        metavar="NAME[=CHECKPOINT]",
        default=["cam_efficientnet_lite0_in1k"],
        help="what wsol_mm.Localizer takes; '=none' for random weights (EfficientNet-Lite0)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 for all networks (127.0.0.1)")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--device", help="cpu, cuda, ... (the best there is)")
    add_general_options(parser)
    args = parser.parse_args(argv)
    for part in (part for entry in args.models for part in entry.split("=", 1)):
        is_file = part.endswith((".py", ".onnx", ".pth")) and "::" not in part
        if is_file and "://" not in part and not Path(part).is_file():
            parser.error(f"--models: {part} does not exist")
    return args


def build_app(demo: Any) -> Any:
    """The page.

    Args:
        demo: A :class:`wsol_mm.apis.demo.Demo`.

    Returns:
        ``gradio.Blocks``; its API has ``/localize`` and ``/model_changed``.

    Raises:
        ImportError: gradio is missing.
    """
    try:
        import gradio
    except ImportError as error:
        raise ImportError(f"the demo needs gradio ({error}): pip install wsol_mm[demo]") from error
    from wsol_mm.apis.demo import BEST_CLASS, COLUMNS, METHODS, OWN_METHOD

    first = next(iter(demo.models))
    classes, threshold, said = demo.model_changed(first)
    with gradio.Blocks(title="wsol_mm", analytics_enabled=False) as app:
        gradio.Markdown("## Where is it? Boxes from a classifier")
        with gradio.Row():
            with gradio.Column():
                photograph = gradio.Image(type="pil", label="Photograph", height=380)
                with gradio.Row():
                    model = gradio.Dropdown(list(demo.models), value=first, label="Model")
                    method = gradio.Dropdown(list(METHODS), value=OWN_METHOD, label="Method")
                label = gradio.Dropdown(classes, value=BEST_CLASS, label="Class")
                slider = gradio.Slider(0, 0.99, threshold or 0, step=0.01, label="Threshold")
                with gradio.Row():
                    objects = gradio.Radio(["one", "all"], value="one", label="Objects")
                    heat = gradio.Slider(0, 1, 0.4, step=0.05, label="Heat")
            with gradio.Column():
                picture = gradio.Image(label="Localized", height=380, interactive=False)
                text = gradio.Markdown(said or "Drop a photograph.")
                table = gradio.Dataframe(headers=list(COLUMNS), label="Boxes", interactive=False)

        def show_model(name: str) -> tuple[Any, Any, str]:
            found, value, message = demo.model_changed(name)
            return (
                gradio.Dropdown(found, value=BEST_CLASS),
                gradio.Slider(value=0 if value is None else value),
                message,
            )

        inputs = [photograph, model, method, label, slider, objects, heat]
        model.change(show_model, model, [label, slider, text], api_name="model_changed")
        gradio.on(
            [control.change for control in inputs],
            demo.localize,
            inputs,
            [picture, table, text],
            api_name="localize",
            show_progress="minimal",
            trigger_mode="always_last",
        )
    return app


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    with one_line_errors(args.debug):
        from wsol_mm.apis.demo import Demo, read_models

        app = build_app(Demo(read_models(args.models), args.device))
        app.launch(server_name=args.host, server_port=args.port)


if __name__ == "__main__":
    main()
