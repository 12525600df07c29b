"""Work on several cores: in order, bounded, and gone with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from conftest import REPOSITORY

from ssdprep.parallel import cores, in_order


def slow_square(number: int, quick: int = 0) -> int:
    """Later items are done first."""
    time.sleep(0 if number >= quick else 0.02)
    return number * number


def refuse(number: int) -> int:
    """The third one fails."""
    if number == 2:
        raise OSError("no third")
    return number


def noted(number: int, folder: Path) -> int:
    """Leave a trace of having run."""
    (folder / str(number)).touch()
    return number


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("at_once", [1, 7])
def test_results_come_in_order(jobs, at_once):
    found = list(in_order(partial(slow_square, quick=3), range(40), jobs=jobs, at_once=at_once))
    assert found == [n * n for n in range(40)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_exception_comes_through_in_its_place(jobs):
    results = in_order(refuse, range(5), jobs=jobs)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(OSError, match="no third"):
        next(results)


def test_work_is_taken_only_as_results_are(tmp_path):
    results = in_order(partial(noted, folder=tmp_path), range(1000), jobs=2)
    assert next(results) == 0
    time.sleep(0.3)
    assert len(list(tmp_path.iterdir())) <= 10
    results.close()


def test_no_item_no_worker():
    assert list(in_order(slow_square, [], jobs=2)) == []
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_workers_leave_with_a_killed_parent(tmp_path):
    (tmp_path / "forever.py").write_text(
        "import os, sys, time\nfrom ssdprep.parallel import in_order\n\n\n"
        "def wait(n):\n    print(os.getpid(), flush=True)\n    time.sleep(600)\n\n\n"
        "if __name__ == '__main__':\n    list(in_order(wait, range(2), jobs=2))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "forever.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    parent.wait()
    assert parent.stdout.read() == ""  # ends when the last worker, which holds the other end, has left
    parent.stdout.close()
    assert len(set(workers)) == 2


def test_a_script_without_a_main_guard_is_told_so(tmp_path):
    (tmp_path / "bare.py").write_text(
        "from ssdprep.parallel import in_order\nfrom os.path import basename\nlist(in_order(basename, 'ab', jobs=2))\n"
    )
    done = subprocess.run(
        [sys.executable, "bare.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "if __name__ == '__main__':" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_never_hear_ctrl_c_and_the_parent_hears_it_afterwards() -> None:
    """Not even before their first line of Python, where nothing could answer it."""
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append("ctrl-c"))
    try:
        masks = list(in_order(_blocked, range(3), jobs=2))
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert masks == [True] * 3
    assert heard == ["ctrl-c"]


def _blocked(_: int) -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
