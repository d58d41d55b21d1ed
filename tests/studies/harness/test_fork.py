"""Tools in forks: arguments, output, exit codes, the lock, and a study that is killed."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mmengine.device
import pytest
import torch

from studies.harness import fork
from studies.harness.fork import run_tool
from wsol_mm.io import file_lock

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def run(tmp_path):
    """Run the text of a tool; its exit code and what it printed."""

    def run(text, *words, threads=None):
        tool, log = tmp_path / "tool.py", tmp_path / "log.txt"
        tool.write_text(text)
        with file_lock(tmp_path / ".lock") as lock:
            code = run_tool(tool, words, log=log, lock=lock, threads=threads)
        return code, log.read_text()

    return run


def test_a_tool_sees_its_arguments_and_loaded_toolboxes(run):
    text = (
        "import sys, torch\n"
        "if __name__ == '__main__':\n"
        "    print(sys.argv[1:], 'mmpretrain.models' in sys.modules, torch.get_num_threads())\n"
        "    print(torch.cuda.is_initialized(), file=sys.stderr)\n"
    )
    code, printed = run(text, "a", "--b=1", threads=1)
    assert code == 0
    assert printed.splitlines() == ["['a', '--b=1'] True 1", "False"]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("raise SystemExit(3)", 3),
        ("raise ValueError('x')", 1),
        ("import os; os.kill(os.getpid(), 9)", -9),
    ],
)
def test_the_exit_code_is_the_tools(run, end, code):
    found, printed = run(f"print('here')\n{end}\n")
    assert found == code
    assert printed.startswith("here")
    assert ("ValueError: x" in printed) == (code == 1)


def test_where_cuda_is_lost_to_forks_the_tool_starts_afresh(monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True, raising=False)
    monkeypatch.setattr(mmengine.device, "get_device", lambda: "cuda")
    monkeypatch.setattr(fork.os, "execv", lambda *words: started.append(words) or sys.exit(0))
    monkeypatch.setattr(fork.os, "dup2", lambda *_: None)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    with (tmp_path / ".lock").open("w") as lock, pytest.raises(SystemExit):
        fork._main("tool.py", ["a"], str(tmp_path / "log.txt"), 1, lock.fileno())
    assert started == [(sys.executable, [sys.executable, "tool.py", "a"])]


def test_a_killed_study_leaves_the_lock_to_its_tool(tmp_path):
    tool, done = tmp_path / "tool.py", tmp_path / "done"
    tool.write_text(
        "import sys, time, pathlib\n"
        "pathlib.Path(sys.argv[1] + '.started').touch()\n"
        "time.sleep(3)\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
    )
    driver = tmp_path / "driver.py"
    driver.write_text(
        "from pathlib import Path\n"
        "from studies.harness.fork import run_tool\n"
        "from wsol_mm.io import file_lock\n"
        "if __name__ == '__main__':\n"
        f"    folder = Path({str(tmp_path)!r})\n"
        "    with file_lock(folder / '.lock') as lock:\n"
        "        words, log = [str(folder / 'done')], folder / 'log.txt'\n"
        "        run_tool(folder / 'tool.py', words, log=log, lock=lock)\n"
    )
    study = subprocess.Popen(
        [sys.executable, driver], env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path
    )
    deadline = time.time() + 120
    while not Path(f"{done}.started").exists():
        assert time.time() < deadline
        assert study.poll() is None
        time.sleep(0.05)
    study.send_signal(signal.SIGKILL)
    study.wait()
    assert not done.exists()
    with file_lock(tmp_path / ".lock"):  # waits for the tool
        assert done.exists()
