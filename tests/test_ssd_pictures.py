"""The pictures of docs/how-ssd-works.md are what the code draws."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from conftest import REPOSITORY
from PIL import Image


def test_the_pictures_are_drawn_by_the_code(tmp_path):
    """To a few pixels: fonts are not the same everywhere."""
    done = subprocess.run(
        [sys.executable, REPOSITORY / "tests" / "make_ssd_pictures.py", tmp_path], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert drawn == ["ssd-anchors.png", "ssd-decoding.png", "ssd-matching.png", "ssd-mining.png"]
    for name in drawn:
        new, old = (
            np.asarray(Image.open(folder / name).convert("L"), float)
            for folder in (tmp_path, REPOSITORY / "docs" / "images")
        )
        assert new.shape == old.shape
        assert np.abs(new - old).mean() < 1, name
