"""The README's first command, whole: it ends with a detector that works, and leaves the sample set as it was."""

from __future__ import annotations

import hashlib
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
def test_the_demo_ends_with_a_working_detector(demo):
    """With a third of the epochs: the figure that the full demo must reach, AP50 0.7 on held-out photos, is reached."""
    assert digest(demo / "data") == digest(REPOSITORY / "data")
    work, said = demo / "build" / "demo", (demo / "said.txt").read_text(encoding="utf-8")
    for picture in ("1-before-and-after.png", "2-augmented.png", "run/curves.png", "predictions/contact_sheet.jpg"):
        assert (work / picture).stat().st_size > 20_000, picture
        assert picture.split("/")[0] in said
    score = run("ssd.evaluate", work / "run", work / "photos-augmented-tfrecord", "--split", "test", "--json")
    assert score.json["AP50"] >= 0.7
    assert set(score.json["per_class"]) == {"apple", "banana", "milk carton"}
