"""Fixtures that every test may use: the commands as processes, the real data where it is, small real photos."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of what a shell starts in the background, and its children
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("any machine", deadline=None)  # no test asserts a time
hypothesis.settings.load_profile("any machine")

REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Ran:
    """What a command left: exit code, both streams, and the JSON document where it printed one."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def as_others() -> None:
    """Root's right to write and look everywhere is taken from what is executed next; Linux."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def run(
    *words: object,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 600,
    obeys_modes: bool = False,
) -> Ran:
    """Run a Python module as a process, the way a user does: ``run("ssdprep", "audit", folder)``.

    obeys_modes: a file that may not be written by its mode is not, though it be root who runs the tests.
    """
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        preexec_fn=as_others if obeys_modes and os.geteuid() == 0 else None,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def cli() -> Callable[..., Ran]:
    """``cli("audit", folder, "--json")`` runs `ssdprep audit` as a process."""
    return lambda *words, **options: run("ssdprep", *words, **options)


@pytest.fixture
def module() -> Callable[..., Ran]:
    """``module("ssd.train", folder)`` runs any module as a process."""
    return run


def _folder_from(variable: str, what: str) -> Path:
    value = os.environ.get(variable)
    if not value or not Path(value).is_dir():
        pytest.skip(f"{variable} is not set: {what} are not here")
    return Path(value)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real labelled photos: cards, raccoon, bccd, exif-orientation-examples."""
    return _folder_from("SSDPREP_REAL_DATA", "real labelled photos")


@pytest.fixture(scope="session")
def weights() -> Path:
    """The folder of pretrained backbones."""
    return _folder_from("SSDPREP_WEIGHTS", "pretrained backbones")


@pytest.fixture(scope="session")
def sample() -> Path:
    """The repository's own sample set. Read only: copy it before changing anything."""
    return REPOSITORY / "data"


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[Path], None]], Path]:
    """``made_once("demo", make)``: a folder that ``make`` filled, once for all processes that run tests. Read only."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name: str, make: Callable[[Path], None]) -> Path:
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (shared / name).exists():
                made = shared / f"{name}.partial"
                shutil.rmtree(made, ignore_errors=True)
                made.mkdir()
                make(made)
                made.rename(shared / name)
        return shared / name

    return folder


@pytest.fixture(scope="session")
def demo(made_once) -> Path:
    """What the README's first command leaves, with a third of its epochs: data/, build/demo/, and said.txt."""

    def make(folder: Path) -> None:
        shutil.copytree(REPOSITORY / "data", folder / "data", ignore=shutil.ignore_patterns("__pycache__"))
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "data/demo.sh"],
            cwd=folder,
            env={**os.environ, "EPOCHS": "20", "PATH": path, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            timeout=1500,
        )
        assert done.returncode == 0, done.stderr
        (folder / "said.txt").write_text(done.stdout, encoding="utf-8")

    return made_once("demo", make)


@pytest.fixture(scope="session")
def exported(made_once, demo) -> Path:
    """The demo's detector as run/, with run/exports and told.json: see export_files. Read only."""
    from export_files import write_exports

    return made_once("exported", lambda folder: write_exports(folder, demo))
