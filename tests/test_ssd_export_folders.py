"""The scripts beside exports where folders are as they come: closed, full of phone photos. And a SavedModel has one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest
from conftest import Ran, as_others, run
from folders import photo
from PIL import Image
from tiny import TINY

from ssd.run import Run
from ssdprep.labels import LabelMap

pytest.importorskip("tf2onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """An untrained detector as ONNX and as SavedModel, and what the latter's command said."""
    keras.utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("made") / "run"
    Run.new(TINY, LabelMap(("ace", "two words"))).save(folder)
    assert run("ssd.export", folder).code == 0
    said = run("ssd.export", folder, "--format", "savedmodel")
    assert said.code == 0, said.err
    return SimpleNamespace(folder=folder / "exports", said=said.out)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """What a phone leaves: a photo, one in a format that OpenCV has not, a GIF, and a JPEG that is called HEIC."""
    photo(tmp_path / "photos" / "a.jpg", (120, 90), seed=1)
    (tmp_path / "photos" / "b.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (tmp_path / "photos" / "c.gif").write_bytes(b"GIF89a")
    shutil.copy2(tmp_path / "photos" / "a.jpg", tmp_path / "photos" / "d.heic")
    return tmp_path / "photos"


def script(made: SimpleNamespace, name: str, model: str, *words: object, cwd: Path, closed: bool = False) -> Ran:
    """A script as a process that knows nothing of ours; closed: it may not write where a mode forbids it."""
    command = [sys.executable, "-I", made.folder / name, made.folder / model, *words]
    limit = as_others if closed else None
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, preexec_fn=limit)
    return Ran(done.returncode, done.stdout, done.stderr)


def test_what_cannot_be_read_in_a_folder_is_a_line_with_its_error(made, photos, tmp_path):
    done = script(made, "detect_opencv.py", "run.onnx", "photos", cwd=tmp_path)
    told = {Path(each["image"]).name: each for each in map(json.loads, done.out.splitlines())}
    assert list(told) == ["a.jpg", "b.HEIC", "c.gif", "d.heic"]
    assert ["error" in each for each in told.values()] == [False, True, True, False]
    assert told["a.jpg"]["objects"] == told["d.heic"]["objects"]
    assert done.code == 1
    assert {path.name for path in (tmp_path / "found").iterdir()} == {"a.jpg", "d.jpg"}


def test_a_picture_and_another_format_of_it_are_drawn_beside_each_other(made, tmp_path):
    both = photo(tmp_path / "photos" / "a.jpg"), tmp_path / "photos" / "a.gif"
    Image.open(both[0]).save(both[1])
    assert script(made, "detect_opencv.py", "run.onnx", "photos", cwd=tmp_path).code == 0
    assert {path.name for path in (tmp_path / "found").iterdir()} == {"a.jpg", "a_.jpg"}


@pytest.mark.skipif(sys.platform != "linux", reason="root obeys no mode elsewhere")
def test_a_folder_that_may_not_be_written_to_is_said_with_the_option(made, photos, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o555)
    words = "detect_opencv.py", "run.onnx", photos / "a.jpg"
    done = script(made, *words, cwd=tmp_path / "closed", closed=True)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].endswith("found cannot be made: --out")
    assert "Traceback" not in done.err
    assert script(made, *words, "--out", tmp_path / "new" / "below", cwd=tmp_path / "closed", closed=True).code == 0
    assert (tmp_path / "new" / "below" / "a.jpg").is_file()


@pytest.mark.parametrize("score", ["50", "-0.1", "nan"])
def test_a_score_is_from_0_to_1(made, photos, tmp_path, score):
    done = script(made, "detect_opencv.py", "run.onnx", photos, f"--threshold={score}", cwd=tmp_path)
    assert done.code == 2
    assert "argument --threshold" in done.err.splitlines()[-1]
    assert not (tmp_path / "found").exists()


def test_a_savedmodel_comes_with_a_script_that_finds_what_others_find(made, photos, tmp_path):
    script_path, model = made.folder / "detect_tensorflow.py", made.folder / "run-savedmodel"
    assert f"python {script_path} {model} PHOTOS" in made.said.splitlines()[-1]
    words = photos / "a.jpg", "--threshold", "0.2"
    ours = script(made, "detect_tensorflow.py", "run-savedmodel", *words, cwd=tmp_path)
    assert ours.code == 0, ours.err
    theirs = script(made, "detect_opencv.py", "run.onnx", *words, cwd=tmp_path)
    found, wanted = (json.loads(each.out)["objects"] for each in (ours, theirs))
    assert len(found) == len(wanted)  # what scores alike may change places
    assert [each["score"] for each in found] == pytest.approx([each["score"] for each in wanted], abs=1e-4)
    assert len(found) > 3
    other = script(made, "detect_tensorflow.py", "run.onnx", *words, cwd=tmp_path)
    assert "run its own" in " ".join(other.err.split())
