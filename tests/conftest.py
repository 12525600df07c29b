"""Fixtures that every test may use: the commands as processes, the real data where it is, small real photos."""

from __future__ import annotations

import json
import os
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


def run(*words: object, cwd: Path | None = None, env: dict[str, str] | None = None, timeout: float = 600) -> Ran:
    """Run a Python module as a process, the way a user does: ``run("ssdprep", "audit", folder)``."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
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
