"""The lock between processes."""

import subprocess
import sys
import threading

from wsol_mm.io import file_lock


def test_a_lock_outlives_its_process_with_the_tool(tmp_path):
    """A restart waits for a tool whose parent was killed."""
    code = (
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "from wsol_mm.io import file_lock\n"
        f"with file_lock(Path({str(tmp_path / 'lock')!r})) as lock:\n"
        "    subprocess.Popen(['sleep', '2'], pass_fds=(lock.fileno(),))\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    free = threading.Event()

    def wait():
        with file_lock(tmp_path / "lock"):
            free.set()

    threading.Thread(target=wait).start()
    assert not free.wait(0.5)
    assert free.wait(10)
