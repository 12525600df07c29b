"""Where nothing can be written: said before the work, with another place that can be, and that place works."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import run
from folders import APPLE, pair

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="root obeys no mode elsewhere")


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that may not be written to, with photos in ``set``; beside it is a home that may."""
    for stem in "abcdefgh":
        pair(tmp_path / "closed" / "set", stem, [APPLE] * 3)
    (tmp_path / "home").mkdir()
    (tmp_path / "closed").chmod(0o555)
    yield tmp_path / "closed"
    (tmp_path / "closed").chmod(0o755)


def said_in(folder: Path, *words: str, home: str = "home") -> str:
    """The cure that a command names in a closed folder."""
    path = {"HOME": str(folder.parent / home), "TMPDIR": str(folder.parent)}
    ran = run(*words, cwd=folder, obeys_modes=True, env=path)
    assert ran.code == 2, ran.out
    assert "may not be written to" in ran.err or "Permission denied" in ran.err
    return ran.err.splitlines()[-1].strip()


@pytest.mark.parametrize(
    ("words", "option", "name"),
    [
        (("audit", "set", "--html", "a page.html"), "--html", "'a page.html'"),
        (("preview", "set"), "--out", "set-preview.png"),
        (("preview", "set", "--out", "sheets/a.png"), "--out", "sheets/a.png"),
        (("xml2csv", "set", "--out", "a.csv"), "--out", "a.csv"),
        (("augment", "set", "--flip-h"), "--out", "set-augmented"),
        (("augment", "set", "--flip-h", "--preview"), "--out", "set-augmented.png"),
        (("tfrecord", "set"), "--out", "set-tfrecord"),
    ],
)
def test_the_cure_of_a_verb_works(closed: Path, words: tuple[str, ...], option: str, name: str) -> None:
    cure = said_in(closed, "ssdprep", *words)
    assert cure.endswith(f"{option} ~/{name}")
    place = closed.parent / "home" / shlex.split(name)[0]
    again = run("ssdprep", *words, option, place, cwd=closed)  # of an option that is given twice the last counts
    assert again.code in (0, 1), again.err
    assert place.exists()


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (("ssd.train", "set"), "--out ~/runs/set"),
        (("ssd.doctor", "set"), "--out ~/runs/doctor-set"),
        (("ssd.fit_anchors", "set"), "--out ~/set-anchors.json"),
        (("ssd.evaluate", "run", "set", "--html", "a.html"), "--html ~/a.html"),
        (("ssd.predict", "run", "set"), "--out ~/predictions"),
        (("ssd.predict", "run", "set", "--out", "../drawn", "--to-csv", "a.csv"), "--to-csv ~/a.csv"),
        (("ssd.predict", "run", "set", "--out", "../drawn", "--to-xml", "xmls"), "--to-xml ~/xmls"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
def test_the_detector_names_a_place_before_it_works(closed: Path, words: tuple[str, ...], cure: str) -> None:
    assert said_in(closed, *words).endswith(cure)


def test_a_name_that_is_taken_is_not_proposed_and_a_home_may_be_closed_too(closed: Path) -> None:
    words = ("ssdprep", "audit", "set", "--html", "a.html")
    (closed.parent / "home" / "a.html").write_text("mine")
    assert said_in(closed, *words).endswith("--html ~/a-2.html")
    assert said_in(closed, *words, home="closed").endswith(f"--html {closed.parent}/a.html")


def test_the_doctor_whose_picture_would_replace_another_file_names_a_folder(tmp_path: Path) -> None:
    pair(tmp_path / "set", "a")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "batch.png").write_bytes(b"mine")
    for out, cure in {"mine": "--out mine-2", "set": f"--out {tmp_path}/set-2"}.items():
        ran = run("ssd.doctor", "set", "--out", out, cwd=tmp_path)
        assert ran.code == 2
        assert ran.err.splitlines()[-1].endswith(cure)
