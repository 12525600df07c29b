"""The Python example of docs/training.md runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from conftest import REPOSITORY


def test_the_example_runs(sample, tmp_path):
    page = (REPOSITORY / "docs" / "training.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, flags=re.M | re.S)
    (tmp_path / "photos").symlink_to(sample / "photos")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "runs" / "mine").iterdir()} == {"model.keras", "config.json"}
