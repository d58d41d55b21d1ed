"""--help and a wrong path are answered before any toolbox is imported, by studies as well."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted(
    path.relative_to(ROOT / "tools").as_posix() for path in (ROOT / "tools").rglob("*.py")
)
# these show or time networks all over
SLOW = {f"benchmarks.{name}" for name in ("operators", "refinement", "target_assignment", "wend")}
SLOW |= {"studies.context_pool", "studies.decomposition", "studies.method_pictures"}
SLOW |= {"studies.refinement", "studies.toy.wend_joint"}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for folder in ("benchmarks", "studies")
    for path in (ROOT / folder).rglob("*.py")
    if '__name__ == "__main__"' in path.read_text()
}
HEAVY = ("torch", "torchvision", "mmengine", "mmcv", "mmpretrain", "mmdet", "numba", "matplotlib")
RUN = """
import contextlib, io, json, runpy, sys
result = {}
for tool, *words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    sys.argv = [tool, *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            if tool.endswith(".py"):
                runpy.run_path(tool, run_name="__main__")
            else:
                runpy.run_module(tool, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code
    heavy = [name for name in HEAVY if name in sys.modules]
    result[" ".join([tool, *words])] = [code, heavy, out.getvalue(), err.getvalue()]
print(json.dumps(result))
"""


def run(*commands):
    script = f"HEAVY = {HEAVY}\n{RUN}"
    calls = json.dumps(
        [[str(ROOT / "tools" / tool) if ".py" in tool else tool, *w] for tool, *w in commands]
    )
    done = subprocess.run(
        [sys.executable, "-c", script, calls], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return list(json.loads(done.stdout).values())


def test_help_imports_no_toolbox_and_tells_of_debug():
    found = run(*((tool, "--help") for tool in TOOLS))
    assert len(found) == len(TOOLS) > 15
    for tool, (code, heavy, out, _) in zip(TOOLS, found, strict=True):
        assert (tool, code, heavy) == (tool, 0, [])
        assert "usage: " in out
        assert "--debug" in out, tool


def test_help_of_a_study_or_benchmark_imports_no_toolbox_and_no_pictures():
    modules = sorted(MODULES - SLOW)
    assert len(modules) > 15
    assert SLOW <= MODULES
    found = run(*((module, "--help") for module in modules))
    for module, (code, heavy, out, _) in zip(modules, found, strict=True):
        assert (module, code, heavy) == (module, 0, [])
        assert "usage: " in out


CAM = "configs/cam/resnet18_toy.py"

WRONG_PATHS = [
    (["train.py", "nowhere.py"], "config nowhere.py does not exist"),
    (["train.py", CAM, "--resume", "x.pth"], "--resume: checkpoint x.pth does not exist"),
    (["test.py", CAM, "x.pth"], "checkpoint x.pth does not exist: tools/train.py"),
    (["pseudo_boxes.py", CAM, "x.pth", "--out", "o.json"], "checkpoint x.pth does not exist"),
    (["refine_maps.py", CAM, "--maps", "no", "--out", "o"], "--maps no is not a folder"),
    (["eval_maps.py", "--maps", "no", "--truth", "no", "--out", "o"], "no does not exist"),
    (["joint_eval.py", "--boxes", "no", "--scores", "no", "--out", "o"], "no does not exist"),
    (["misc/check_dataset.py", "nowhere.py"], "config nowhere.py does not exist"),
    (["misc/print_config.py", "nowhere.py"], "config nowhere.py does not exist"),
    (["dataset_converters/cub_subset.py", "no", "o"], "no is not a folder in CUB's layout"),
    (["analysis_tools/analyze_logs.py", "plot_curve", "no"], "no has no training log"),
    (["analysis_tools/get_flops.py", "nowhere.py"], "config nowhere.py does not exist"),
    (["analysis_tools/browse_dataset.py", "nowhere.py"], "config nowhere.py does not exist"),
    (["model_converters/publish_model.py", "x.pth", "o"], "checkpoint x.pth does not exist"),
    (["model_converters/vit_to_mmpretrain.py", "no", "o"], "no does not exist"),
]


def test_a_wrong_path_is_said_at_once():
    found = run(*(command for command, _ in WRONG_PATHS))
    for (command, message), (code, heavy, _, err) in zip(WRONG_PATHS, found, strict=True):
        assert (command, code, heavy) == (command, 2, [])
        assert err.startswith("error: ")
        assert message in err
        assert err.count("\n") == 1
