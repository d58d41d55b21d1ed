"""Where scalars, configs and pictures of maps go: TensorBoard if it is there, WandB, MLflow."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import HOOKS, VISUALIZERS, DefaultScope
from mmpretrain.structures import DataSample

from wsol_mm.visualization import WSOLVisualizationHook

ROOT = Path(__file__).resolve().parents[2]
RUNTIMES = {"mmpretrain": "cam/resnet18_toy.py", "mmdet": "wend/faster_rcnn_r18_toy_oracle.py"}


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "bird.png"
    cv2.imwrite(str(path), np.full((60, 80, 3), 128, np.uint8))
    meta = dict(img_id="a/bird.png", img_path=str(path), ori_shape=(60, 80), img_shape=(30, 40))
    found = DataSample(metainfo=meta | dict(homography_matrix=np.diag([0.5, 0.5, 1.0])))
    found.set_field(torch.eye(4)[None], "pred_maps")
    return found


def log(folder, sample, scope="mmpretrain", **options):
    """What a run writes at its start, in an epoch and at its end, through a config's visualizer."""
    cfg = Config.fromfile(ROOT / "configs" / RUNTIMES[scope])
    cfg.merge_from_dict({f"visualizer.{key}": value for key, value in options.items()})
    cfg.work_dir = str(folder)
    name = f"run of {folder}"
    MMLogger.get_instance(name, log_file=str(folder / "run.log"))
    with DefaultScope.overwrite_default_scope(scope):
        visualizer = VISUALIZERS.build({**cfg.visualizer, "name": name, "save_dir": str(folder)})
    visualizer.add_config(cfg)
    visualizer.add_scalars({"loss": 0.5}, step=1, file_path=str(folder / "scalars.json"))
    visualizer.add_scalar("wsol/gt_known", 61.0, 2)
    hook = HOOKS.build(cfg.default_hooks.visualization)
    assert isinstance(hook, WSOLVisualizationHook)
    runner = SimpleNamespace(visualizer=visualizer, epoch=2)
    hook.after_val_iter(runner, 0, outputs=[sample])
    visualizer.close()


@pytest.mark.parametrize("scope", RUNTIMES)
def test_tensorboard_gets_scalars_config_and_maps(sample, tmp_path, scope):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log(tmp_path, sample, scope)
    found = events.EventAccumulator(str(tmp_path / "vis_data"), {"images": 0}).Reload()
    assert {"loss", "wsol/gt_known"} <= set(found.Tags()["scalars"])
    assert [event.value for event in found.Scalars("wsol/gt_known")] == [61.0]
    (image,) = found.Images("a%2Fbird.png")
    assert (image.step, image.width, image.height) == (2, 80, 60)
    pixels = cv2.imdecode(np.frombuffer(image.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    assert pixels[3, 3, 2] > pixels[3, 76, 2]  # RGB there and here: hot in the corner of the eye
    assert (tmp_path / "vis_data/scalars.json").is_file()


@pytest.mark.parametrize("scope", RUNTIMES)
def test_without_tensorboard_the_local_files_are_all(sample, tmp_path, scope, monkeypatch, capfd):
    for name in [name for name in sys.modules if name.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    log(tmp_path, sample, scope)
    names = {path.name for path in (tmp_path / "vis_data").rglob("*") if path.is_file()}
    assert names == {"config.py", "scalars.json", "a%2Fbird.png_2.png"}
    assert "ensorboard" not in "".join(capfd.readouterr())


class Calls(ModuleType):
    """A module that notes how it is called."""

    def __init__(self, name, **fields):
        super().__init__(name)
        self.calls = []
        self.__dict__.update(fields)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self.calls.append((name, args, kwargs))

    def of(self, name):
        return [(args, kwargs) for called, args, kwargs in self.calls if called == name]


def test_wandb_takes_the_place_of_tensorboard_by_one_option(sample, tmp_path, monkeypatch):
    config, run = Calls("config"), Calls("run")
    wandb = Calls("wandb", config=config, run=run, Image=lambda pixels: pixels)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    options = {"vis_backends.1.type": "WandbVisBackend"}
    log(tmp_path, sample, **options, **{"vis_backends.1.init_kwargs.project": "birds"})
    ((_, settings),) = wandb.of("init")
    assert settings["project"] == "birds"
    assert config.of("update")[0][0][0]["model"]["head"]["type"] == "wsol_mm.CAMHead"
    logged = {key: value for args, _ in wandb.of("log") for key, value in args[0].items()}
    assert (logged["loss"], logged["wsol/gt_known"]) == (0.5, 61.0)
    assert logged["a%2Fbird.png"].shape == (60, 80, 3)
    assert not list(tmp_path.rglob("events.out*"))


def test_mlflow_takes_the_place_of_tensorboard_by_one_option(sample, tmp_path, monkeypatch):
    mlflow = Calls("mlflow", MlflowException=RuntimeError)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    options = {"vis_backends.1.type": "MLflowVisBackend", "vis_backends.1.tracking_uri": uri}
    log(tmp_path, sample, **options)
    assert mlflow.of("set_tracking_uri") == [((uri,), {})]
    assert mlflow.of("log_metrics")[0][0][0] == {"loss": 0.5}
    assert mlflow.of("log_metric") == [(("wsol/gt_known", 61.0, 2), {})]
    (((picture, name), _),) = mlflow.of("log_image")
    assert (picture.shape, name) == ((60, 80, 3), "a%2Fbird.png")
    assert "scalars.json" in {Path(args[0]).name for args, _ in mlflow.of("log_artifact")}
