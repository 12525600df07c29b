"""A command that fails while photos are read ahead ends: its readers do not wait for ever for Python's lock."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY
from make_labelled import add_photo
from PIL import Image

from ssdprep.record import Box, Size

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Photos that take a while to read: large PNGs of noise."""
    pixels = np.random.default_rng(0).integers(0, 255, (1200, 1600, 3), np.uint8)
    for number in range(60):
        path = add_photo(tmp_path / "data", f"{number}.png", ("apple", Box(100, 100, 900, 800)), size=Size(1600, 1200))
        Image.fromarray(pixels).save(path, compress_level=1)
    return tmp_path / "data"


def test_a_training_that_loses_photos_ends_with_its_error(slow: Path, tmp_path: Path) -> None:
    options = ("--weights", "none", "--preset", "mobilenet_v2_035_ssd_224", "--epochs", "9", "--batch", "4")
    said = tmp_path / "said"
    with said.open("w") as errors:
        running = subprocess.Popen(
            [sys.executable, "-m", "ssd.train", str(slow), *options, "--out", str(tmp_path / "run")],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    deadline = time.monotonic() + 120
    while "to train on" not in said.read_text():
        assert running.poll() is None, said.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for path in slow.glob("*.png"):
        path.unlink()
    try:
        assert running.wait(120) == 2, said.read_text()
    finally:
        running.kill()
    assert "cannot be read: No such file" in said.read_text()
