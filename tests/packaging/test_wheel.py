"""What a user gets from the built wheel alone, with configs of their own outside the repository."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CONVNEXT_CAM = """
_base_ = "wsol_mm::cam/resnet18_toy.py"
model = dict(
    backbone=dict(
        _delete_=True,
        type="mmpretrain.ConvNeXt",
        arch=dict(depths=[1, 1, 1, 1], channels=[8, 16, 24, 32]),
        out_indices=(3,),
        gap_before_final_norm=False,
    ),
    head=dict(in_channels=32),
)
"""

RETINANET_WE = """
_base_ = "mmdet::_base_/models/retinanet_r50_fpn.py"
default_scope = "mmdet"
detector = _base_.model
detector.backbone = dict(
    type="mmpretrain.ResNet", depth=18, base_channels=8, out_indices=(0, 1, 2, 3)
)
detector.neck.update(in_channels=[8, 16, 32, 64], out_channels=16)
detector.bbox_head.update(num_classes=1, in_channels=16, feat_channels=16)
model = dict(
    _delete_=True,
    type="wsol_mm.BinaryClassDetector",
    detector=detector,
    eta=0.5,
    loss_we=dict(type="wsol_mm.WeightedEntropyLoss", gamma=6, alpha=0.1, tau1=0.3, tau2=0.3),
)
data = dict(type="wsol_mm.ToyScenes", data_root="data/toy", metainfo=dict(classes=("object",)))
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        split="train",
        supervision="boxes",
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="mmdet.LoadAnnotations", with_bbox=True),
            dict(type="mmdet.PackDetInputs"),
        ],
        **data,
    ),
)
test_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        split="test",
        test_mode=True,
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="wsol_mm.Resize", scale=(96, 96)),
            dict(type="mmdet.LoadAnnotations", with_bbox=True),
            dict(
                type="mmdet.PackDetInputs",
                meta_keys=("img_id", "ori_shape", "img_shape", "homography_matrix", "gt_label"),
            ),
        ],
        **data,
    ),
)
test_evaluator = dict(type="wsol_mm.WSOLMetric")
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=1)
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.001))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Folder with the unpacked wheel, built from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    # a copy, so that setuptools' scratch folders stay out of the repository
    tree = folder / "tree"
    tree.mkdir()
    for name in ("wsol_mm", "configs", "tools", "requirements", "studies", "benchmarks", "tests"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=ignore)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "model-index.yml"):
        shutil.copy(ROOT / name, tree)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"),
            *("-w", folder, tree),
        ],
        check=True,
    )
    (wheel,) = folder.glob("wsol_mm-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    # what numba compiled of the same sources here, if it has: 20 s
    compiled = folder / "site" / "wsol_mm" / "functional" / "__pycache__"
    compiled.mkdir(exist_ok=True)
    for file in (ROOT / "wsol_mm" / "functional" / "__pycache__").glob("*.nb[ci]"):
        shutil.copy(file, compiled)
    return folder / "site"


def test_the_wheel_holds_what_users_import_and_no_studies(site):
    top = {path.name for path in site.iterdir() if path.suffix != ".dist-info"}
    assert top == {"wsol_mm", "wsol_mm_operators.pth"}
    assert {"configs", "tools", "model-index.yml"} <= {
        p.name for p in (site / "wsol_mm/.mim").iterdir()
    }
    assert not [path for path in site.rglob("*") if path.name in ("studies", "benchmarks", "tests")]


def test_wheel_brings_the_start_up_file_for_mmcv_operators(site):
    lines = (site / "wsol_mm_operators.pth").read_text().splitlines()
    assert [line.split(";")[0] for line in lines if not line.startswith("#")] == ["import sys"]
    record = next(site.glob("wsol_mm-*.dist-info")) / "RECORD"  # what uninstalling removes
    assert "\nwsol_mm_operators.pth," in "\n" + record.read_text()


@pytest.fixture(scope="module")
def workplace(site, tmp_path_factory) -> Path:
    """A user's folder outside the repository with a few toy scenes in it."""
    folder = tmp_path_factory.mktemp("user")
    run(
        site,
        folder,
        *("wsol_mm/.mim/tools/dataset_converters/make_toy.py", "--out", "data/toy"),
        *("--train", "12", "--val", "6", "--test", "6"),
    )
    return folder


# Runs scripts one after the other, each in a fork of a process that has the toolboxes imported.
FORKS = """
import json, os, runpy, sys
import wsol_mm.apis.command, wsol_mm.models
for script, *words in json.loads(sys.argv[1]):
    print(script, flush=True)
    child = os.fork()
    if not child:
        sys.argv, sys.path[0] = [script, *words], os.path.dirname(script)
        runpy.run_path(script, run_name="__main__")
        sys.exit()
    if os.waitpid(child, 0)[1]:
        sys.exit(1)
"""


def run(site: Path, folder: Path, script: str, *arguments: str) -> str:
    """Run a tool of the wheel in ``folder``; only the wheel provides ``wsol_mm``."""
    return python(site, folder, str(site / script), *arguments)


def python(site: Path, folder: Path, *arguments: str) -> str:
    """What Python prints in ``folder``, with the wheel on its path."""
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def train_and_test(site: Path, folder: Path, name: str, text: str, *options: str) -> str:
    """Train one epoch of a config of the user's, then test it."""
    (folder / f"{name}.py").write_text(text)
    train, test = (str(site / f"wsol_mm/.mim/tools/{tool}.py") for tool in ("train", "test"))
    work_dir = ("--work-dir", f"out/{name}", "--cfg-options", "log_level=INFO", *options)
    calls = [
        (train, f"{name}.py", "--no-pretrained", *work_dir),
        (test, f"{name}.py", f"out/{name}/epoch_1.pth", *work_dir),
    ]
    printed = python(site, folder, "-c", FORKS, json.dumps(calls))
    return printed.partition(f"{test}\n")[2]


def test_wheel_holds_configs_and_tools(site):
    assert (site / "wsol_mm/.mim/configs/wend/faster_rcnn_r50_cub.py").is_file()
    assert (site / "wsol_mm/.mim/tools/train.py").is_file()
    assert (site / "wsol_mm/.mim/model-index.yml").is_file()
    assert not (site / "tests").exists()


@pytest.mark.slow
def test_convnext_behind_a_cam_base(site, workplace):
    printed = train_and_test(
        site,
        workplace,
        "convnext_cam",
        CONVNEXT_CAM,
        "train_cfg.max_epochs=1",
        "train_dataloader.batch_size=4",
        "train_dataloader.num_workers=0",
        "val_dataloader.num_workers=0",
        "test_dataloader.num_workers=0",
    )
    assert "max_box_acc_v2" in printed


@pytest.mark.slow
def test_retinanet_with_weighted_entropy(site, workplace):
    printed = train_and_test(site, workplace, "retinanet_we", RETINANET_WE)
    assert "gt_known" in printed


def mim(site: Path, folder: Path, command: str, config: str, *arguments: str) -> str:
    """``mim train`` or ``mim test`` of the wheel; without openmim the tool that it would run.

    mim finds the package by its distribution, the script in ``.mim/tools`` and, of words that it
    does not know, passes everything on.
    """
    if find_spec("mim") is None:
        script = f"wsol_mm/.mim/tools/{command}.py"
        if arguments[:1] == ("--checkpoint",):
            arguments = arguments[1:]
        config, *rest = config, *arguments
        positional = rest[:1] if command == "test" else []
        return run(
            site,
            folder,
            script,
            config,
            *positional,
            "--launcher",
            "none",
            *rest[len(positional) :],
        )
    (folder / "mim_cli.py").write_text("from mim.cli import cli\ncli()\n")
    words = (command, "wsol_mm", config, "--gpus", "0", *arguments)
    return run(site, folder, str(folder / "mim_cli.py"), *words)


def test_mim_finds_the_package_and_its_scripts(site):
    (found,) = [d for d in distributions(path=[str(site)]) if d.name.replace("-", "_") == "wsol_mm"]
    assert found.read_text("top_level.txt").split()[0] == "wsol_mm"
    for tool in ("train.py", "test.py", "analysis_tools/browse_dataset.py"):
        shown = run(site, site, f"wsol_mm/.mim/tools/{tool}", "--help")
        # mim would add --gpus or --device
        assert "--gpus" not in shown
        assert "--launcher" in shown or "analysis" in tool
    configs = Counter(path.name for path in (site / "wsol_mm/.mim/configs").rglob("*.py"))
    assert configs["resnet18_toy.py"] > 1  # why users give mim a config of their own
    assert configs["faster_rcnn_r18_toy_oracle.py"] == 1


@pytest.mark.slow
def test_mim_trains_and_tests_a_config_of_one_line(site, workplace):
    (workplace / "my_cam.py").write_text('_base_ = "wsol_mm::cam/resnet18_toy.py"\n')
    options = ["--work-dir", "out/my_cam", "--cfg-options", "train_cfg.max_epochs=1"]
    options += ["train_dataloader.batch_size=4", "train_dataloader.num_workers=0"]
    options += [f"{split}_dataloader.num_workers=0" for split in ("val", "test")]
    mim(site, workplace, "train", "my_cam.py", *options)
    checkpoint = ("--checkpoint", "out/my_cam/epoch_1.pth")
    mim(site, workplace, "test", "my_cam.py", *checkpoint, "--out", "my_cam.json", *options)
    assert 0 <= json.loads((workplace / "my_cam.json").read_text())["wsol/gt_known"] <= 100
