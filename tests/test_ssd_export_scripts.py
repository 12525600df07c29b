"""The scripts that go beside an export, as processes that know nothing of ours: they find what predict finds."""

from __future__ import annotations

import ast
import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import run
from export_files import FILES, NMS
from PIL import Image

from ssd.geometry import iou

pytest.importorskip("tf2onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")

LOW = "0.2"  # a threshold at which a detector of twenty epochs finds much


@pytest.fixture
def photos(demo) -> Path:
    """The sample's photos, upright and split."""
    return demo / "build" / "demo" / "photos"


@pytest.fixture
def files(exported) -> Path:
    """The folder of all exports and scripts."""
    return exported / "run" / "exports"


@pytest.mark.parametrize("name", ["onnx", "tflite", "savedmodel"])
def test_scripts_find_the_same_with_suppression_inside_and_outside(files, photos, tmp_path, name):
    """With one score for all classes; then with those that the file tells, which one class has of its own."""
    some = tmp_path / "some"
    some.mkdir()
    for photo in sorted(photos.glob("*.jpg"))[:12]:
        shutil.copy2(photo, some)
    found = []
    for file, script in (FILES[name], NMS[name]):
        model = files / file
        found.append(alone(model.with_name(script), model, some, "--threshold", LOW, cwd=tmp_path))
    assert sum(len(each["objects"]) for each in found[0]) > 20
    for one, two in zip(*found, strict=True):
        assert [o["name"] for o in one["objects"]] == [o["name"] for o in two["objects"]]
        for here, there in zip(one["objects"], two["objects"], strict=True):
            assert here["score"] == pytest.approx(there["score"], abs=1e-5)
            assert here["box"] == pytest.approx(there["box"], abs=0.02)
    model = files / NMS[name][0]
    told = alone(model.with_name(NMS[name][1]), model, some, cwd=tmp_path)
    kept = [
        [o for o in each["objects"] if o["score"] > (0.25 if o["name"] == "milk carton" else 0.3)] for each in found[1]
    ]
    assert [each["objects"] for each in told] == kept


def alone(script: Path, model: Path, *words: object, cwd: Path, code: int = 0) -> list[dict]:
    """What a script prints that runs isolated: no PYTHONPATH, nothing beside it but the export."""
    done = subprocess.run(
        [sys.executable, "-I", str(script), str(model), *map(str, words)], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ["onnx", "pb", "tflite", "savedmodel"])
def test_the_script_finds_what_predict_finds(exported, files, sample, tmp_path, name):
    """On photos as they come, of every EXIF orientation that the sample has.

    A turned JPEG is not the same to the last bit: predict turns its blocks before they are decoded, OpenCV its pixels.
    """
    file, script = FILES[name]
    (tmp_path / "photos").mkdir()
    tags = {}
    for photo in sorted((sample / "photos").glob("*.jpg")):
        with Image.open(photo) as opened:
            if opened.format == "JPEG" and tags.setdefault(opened.getexif().get(0x0112, 1), photo) == photo:
                shutil.copy2(photo, tmp_path / "photos")
    assert len(tags) > 3
    backup = tmp_path / "photos" / ".ssdprep" / "backup" / "0001-fix-exif"  # originals that `ssdprep fix-exif` keeps
    backup.mkdir(parents=True)
    shutil.copy2(tags[1], backup)
    ours = run(
        "ssd.predict", exported / "run", tmp_path / "photos", "--threshold", LOW, "--out", tmp_path / "ours", "--json"
    )
    for part in (file, f"{file}.json", script):
        (shutil.copytree if (files / part).is_dir() else shutil.copy2)(files / part, tmp_path / part)
    theirs = alone(tmp_path / script, tmp_path / file, "photos", "--threshold", LOW, cwd=tmp_path)
    wanted = {Path(photo["image"]).name: photo["objects"] for photo in ours.json["photos"]}
    found = {Path(photo["image"]).name: photo["objects"] for photo in theirs}
    assert found.keys() == wanted.keys()
    assert sum(map(len, wanted.values())) > len(tags)
    plain = tags[1].name
    for photo, objects in wanted.items():
        ours_there, theirs_there = ([o["name"] for o in side] for side in (objects, found[photo]))
        corners = np.array([[o[k] for k in ("xmin", "ymin", "xmax", "ymax")] for o in objects]).reshape(-1, 4)
        boxes = np.array([o["box"] for o in found[photo]]).reshape(-1, 4)
        if photo == plain:
            assert ours_there == theirs_there
            assert np.abs(corners - boxes).max(initial=0) < 0.02
            assert [o["score"] for o in found[photo]] == pytest.approx([o["score"] for o in objects], abs=1e-4)
        else:
            alike = iou(corners, boxes, "corners") > 0.8
            alike &= np.array(ours_there)[:, None] == np.array(theirs_there)
            assert alike.any(axis=1).mean() > 0.8
        assert (tmp_path / "found" / photo).stat().st_size > 1000


def test_the_int8_script_runs(files, photos, tmp_path):
    told = alone(
        files / "detect_litert.py", files / "run-int8.tflite", photos, "--threshold", LOW,
        cwd=tmp_path,
    )  # fmt: skip
    assert sum(len(each["objects"]) for each in told) > 20


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("detect_opencv.py", set()),
        ("detect_litert.py", {"ai_edge_litert"}),
        ("detect_tensorflow.py", {"tensorflow"}),
        ("detect_tensorflow_nms.py", {"tensorflow"}),
        ("detect_onnxruntime_nms.py", {"onnxruntime"}),
        ("detect_litert_nms.py", {"ai_edge_litert"}),
    ],
)
def test_a_script_is_short_and_needs_nothing_of_ours(files, name, needs):
    text = (files / name).read_text(encoding="utf-8")
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"cv2", "numpy"} | needs
    assert text.count("\n") <= 80
    assert max(map(len, text.splitlines())) <= 120


def test_the_script_reads_films_and_says_what_it_cannot_read(files, photos, tmp_path):
    photo = cv2.resize(cv2.imread(str(min(photos.glob("*.jpg")))), (320, 240))
    film = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5, (320, 240))
    for _ in range(3):
        film.write(photo)
    film.release()
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    told = alone(
        files / "detect_opencv.py", files / "run.onnx", "film.avi", "broken.jpg", "none.mp4",
        cwd=tmp_path, code=1,
    )  # fmt: skip
    assert [each["image"] for each in told] == [*(f"film.avi#{i}" for i in range(3)), "broken.jpg", "none.mp4"]
    assert ["error" in each for each in told] == [False, False, False, True, True]
    assert [path.name for path in (tmp_path / "found").iterdir()] == ["film.mp4"]
    drawn = cv2.VideoCapture(str(tmp_path / "found" / "film.mp4"))
    assert (drawn.get(cv2.CAP_PROP_FRAME_COUNT), drawn.get(cv2.CAP_PROP_FPS)) == (3, 5)


def test_a_video_is_turned_as_its_tag_says(files, photos, tmp_path):
    """A phone held upright writes frames that lie on their side, and a matrix (ISO/IEC 14496-12, tkhd) that says so."""
    photo = cv2.resize(cv2.imread(str(min(photos.glob("*.jpg")))), (240, 320))
    film = cv2.VideoWriter(str(tmp_path / "film.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 5, (320, 240))
    film.write(cv2.rotate(photo, cv2.ROTATE_90_COUNTERCLOCKWISE))
    film.release()
    data = bytearray((tmp_path / "film.mp4").read_bytes())
    matrix = data.index(b"tkhd") + 44
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 240 << 16, 0, 1 << 30)
    (tmp_path / "film.mp4").write_bytes(data)
    cv2.imwrite(str(tmp_path / "photo.png"), photo)
    words = ("film.mp4", "photo.png", "--threshold", "0.05")
    film, still = alone(files / "detect_opencv.py", files / "run.onnx", *words, cwd=tmp_path)
    assert still["objects"]
    assert cv2.VideoCapture(str(tmp_path / "found" / "film.mp4")).read()[1].shape == (320, 240, 3)
    best = film["objects"][0]["box"], still["objects"][0]["box"]
    assert iou(np.array(best[:1]), np.array(best[1:]), "corners")[0, 0] > 0.8  # MPEG-4 is not without loss


def test_real_photos_of_every_orientation_are_seen_alike(files, real_data, tmp_path):
    """The reference photos of the field: one picture, stored in eight ways."""
    examples = real_data / "exif-orientation-examples"
    sources = [examples / f"Landscape_{i}.jpg" for i in range(1, 9)]
    told = alone(
        files / "detect_opencv.py", files / "run.onnx", *sources, "--threshold", "0.02",
        cwd=tmp_path,
    )  # fmt: skip
    first, *others = [each["objects"][0] for each in told]
    for other in others:
        assert other["score"] == pytest.approx(first["score"], abs=0.05)
    for source in sources:
        assert cv2.imread(str(tmp_path / "found" / source.name)).shape == (1200, 1800, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gone.onnx", "a.jpg"), "gone.onnx is not there"),
        (("a.jpg", "a.jpg"), "python -m ssd.export RUN"),
        (("run.tflite", "a.jpg"), "run.tflite is not there, or not for this script"),
    ],
)
def test_a_script_says_what_it_needs(files, tmp_path, words, said):
    (tmp_path / "a.jpg").write_bytes(b"no model")
    (tmp_path / "run.tflite").write_bytes(b'{"ssdprep": {}, "outputs": {"scores": ""}}')
    script = files / "detect_opencv.py"
    done = subprocess.run([sys.executable, "-I", script, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    helped = subprocess.run([sys.executable, "-I", script, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(word in helped for word in ("photos, folders, videos", "--threshold", "--show", "first camera"))


@pytest.mark.parametrize(("file", "other"), [(NMS, FILES), (FILES, NMS)], ids=["nms", "plain"])
def test_a_script_names_what_runs_a_file_that_it_does_not(files, photos, tmp_path, file, other):
    words = files / other["onnx"][1], files / file["onnx"][0], photos
    done = subprocess.run([sys.executable, "-I", *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "run its own" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_script_ends_quietly_where_nobody_reads(files, photos, tmp_path):
    words = [sys.executable, "-I", files / "detect_opencv.py", files / "run.onnx", photos]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_the_script_draws_over_nothing(files, photos, tmp_path):
    """Neither over photos, nor over drawings, those of photos that have the same name among them."""
    for folder in ("a", "b", "mine"):
        (tmp_path / folder).mkdir()
        shutil.copy2(min(photos.glob("*.jpg")), tmp_path / folder / "x.jpg")
    before = (tmp_path / "mine" / "x.jpg").read_bytes()
    script = files / "detect_opencv.py"
    alone(script, files / "run.onnx", "a", "b/x.jpg", "--out", "mine", "--threshold", LOW, cwd=tmp_path)
    assert sorted(path.name for path in (tmp_path / "mine_").iterdir()) == ["x.jpg", "x_.jpg"]
    assert {(tmp_path / folder / "x.jpg").read_bytes() for folder in ("a", "b", "mine")} == {before}
    assert (tmp_path / "mine_" / "x.jpg").read_bytes() != before
