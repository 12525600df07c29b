"""The README's first command, whole: it ends with a detector that works, and leaves the sample set as it was."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, run


def digest(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_the_demo_ends_with_a_working_detector(tmp_path):
    """With half of the epochs: the figure that the full demo must reach, AP50 0.7 on held-out photos, is reached."""
    copy = tmp_path / "repository"
    shutil.copytree(REPOSITORY / "data", copy / "data", ignore=shutil.ignore_patterns("__pycache__"))
    before = digest(copy / "data")
    commands = Path(sys.executable).parent
    done = subprocess.run(
        ["sh", "data/demo.sh"],
        cwd=copy,
        env={**os.environ, "EPOCHS": "30", "PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr
    assert digest(copy / "data") == before
    work = copy / "build" / "demo"
    for picture in ("1-before-and-after.png", "2-augmented.png", "run/curves.png", "predictions/contact_sheet.jpg"):
        assert (work / picture).stat().st_size > 20_000, picture
        assert picture.split("/")[0] in done.stdout
    score = run("ssd.evaluate", work / "run", work / "photos-augmented-tfrecord", "--split", "test", "--json")
    assert score.json["AP50"] >= 0.7
    assert set(score.json["per_class"]) == {"apple", "banana", "milk carton"}
