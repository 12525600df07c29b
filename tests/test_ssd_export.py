"""Every export is run in its own runtime, its script as a process that knows nothing of ours, on the sample set."""

from __future__ import annotations

import ast
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY, run
from PIL import Image

from ssd.geometry import iou

pytest.importorskip("tf2onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")

FILES = {
    "onnx": ("run.onnx", "detect_opencv.py"),
    "pb": ("run.pb", "detect_opencv.py"),
    "tflite": ("run.tflite", "detect_litert.py"),
    "tflite-fp16": ("run-fp16.tflite", "detect_litert.py"),
    "tflite-int8": ("run-int8.tflite", "detect_litert.py"),
    "savedmodel": ("run-savedmodel", None),
}
RUNTIMES = {
    "onnx": {"onnxruntime", "OpenCV"},
    "pb": {"TensorFlow", "OpenCV"},
    "savedmodel": {"TensorFlow"},
    **{name: {"LiteRT"} for name in ("tflite", "tflite-fp16", "tflite-int8")},
}
LOW = "0.2"  # a threshold at which a detector of a dozen epochs finds something


@pytest.fixture(scope="module")
def photos(tmp_path_factory, sample) -> Path:
    """The sample's photos, made upright and split."""
    folder = tmp_path_factory.mktemp("photos") / "set"
    shutil.copytree(sample / "photos", folder)
    assert run("ssdprep", "fix-exif", folder, "--frame", "stored").code in (0, 1)
    assert run("ssdprep", "split", folder, "--val", "0.2", "--test", "0.2").code in (0, 1)
    return folder


@pytest.fixture(scope="module")
def trained(photos, sample) -> Path:
    """A detector that finds a little."""
    folder = photos.with_name("run")
    start = ("--preset", "mobilenet_v2_035_ssd_224", "--weights", sample / "start.h5")
    done = run("ssd.train", photos, *start, "--epochs", "12", "--out", folder)
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="module")
def exports(trained) -> dict[str, dict]:
    """What the command says of each format."""
    told = {}
    for name in FILES:
        done = run("ssd.export", trained, "--format", name, "--json")
        assert done.code == 0, done.err
        assert done.err == ""  # converters are talkative
        told[name] = json.loads(done.out)
    return told


def folder_of(trained: Path) -> Path:
    return trained / "exports"


@pytest.mark.parametrize("name", FILES)
def test_every_format_says_what_keras_says(trained, exports, name):
    answer = exports[name]
    file, script = FILES[name]
    wanted = [file, f"{file}.json", *([script] if script else [])]
    assert answer["files"] == [str(folder_of(trained) / each) for each in wanted]
    assert all(Path(each).exists() for each in answer["files"])
    assert {each["runtime"].split()[0] for each in answer["runtimes"]} == RUNTIMES[name]
    exact = name not in ("tflite-fp16", "tflite-int8")
    for each in answer["runtimes"]:
        assert each["pictures"] > 5
        assert each["AP50_before"] > 0.1
        assert each["AP50_after"] == pytest.approx(each["AP50_before"], abs=0.001 if exact else 0.05)
        if exact:
            assert each["scores"] < 1e-5
            assert each["boxes"] < 1e-5
            assert (each["same"], each["more"]) == (each["detections"], 0)


@pytest.mark.parametrize("name", FILES)
def test_labels_size_and_thresholds_travel(trained, exports, name):
    file, _ = FILES[name]
    about = json.loads((folder_of(trained) / f"{file}.json").read_text(encoding="utf-8"))
    assert about["labels"] == ["apple", "banana", "milk carton"]
    assert (about["height"], about["width"], about["score_threshold"], about["nms_iou"]) == (224, 224, 0.5, 0.5)
    inside = _inside(folder_of(trained) / file)
    assert inside == (about if name != "pb" else None)


def _inside(path: Path) -> dict | None:
    """The description that the file itself carries, read by the means of its own format."""
    if path.suffix == ".onnx":
        import onnxruntime

        held = onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
        return {key: json.loads(value) for key, value in held.items()}
    if path.suffix == ".tflite":
        from ai_edge_litert import schema_py_generated as schema

        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
        (entry,) = (e for e in model.metadata if e.name in (b"ssdprep", "ssdprep"))
        return json.loads(bytes(model.buffers[entry.buffer].data))
    if path.is_dir():
        return json.loads((path / "assets.extra" / "ssdprep.json").read_text(encoding="utf-8"))
    return None


def test_onnx_has_plain_operations_only(trained, exports):
    import onnx

    graph = onnx.load(folder_of(trained) / "run.onnx").graph
    assert {node.domain for node in graph.node} == {""}
    assert not {node.op_type for node in graph.node} & {"NonMaxSuppression", "Loop", "If", "Scan"}
    assert [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == [1, 3, 224, 224]


def alone(script: Path, model: Path, *words: object, cwd: Path) -> list[dict]:
    """What a script prints that runs isolated: no PYTHONPATH, nothing beside it but the export."""
    done = subprocess.run(
        [sys.executable, "-I", str(script), str(model), *map(str, words)], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ["onnx", "pb", "tflite"])
def test_the_script_finds_what_predict_finds(trained, exports, sample, tmp_path, name):
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
    ours = run("ssd.predict", trained, tmp_path / "photos", "--threshold", LOW, "--out", tmp_path / "ours", "--json")
    for part in (file, f"{file}.json", script):
        shutil.copy2(folder_of(trained) / part, tmp_path)
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


def test_the_int8_script_runs(trained, exports, photos, tmp_path):
    told = alone(
        folder_of(trained) / "detect_litert.py", folder_of(trained) / "run-int8.tflite", photos, "--threshold", LOW,
        cwd=tmp_path,
    )  # fmt: skip
    assert sum(len(each["objects"]) for each in told) > 20


@pytest.mark.parametrize(("name", "needs"), [("onnx", set()), ("tflite", {"ai_edge_litert"})])
def test_a_script_is_short_and_needs_nothing_of_ours(trained, exports, name, needs):
    text = (folder_of(trained) / FILES[name][1]).read_text(encoding="utf-8")
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"cv2", "numpy"} | needs
    assert text.count("\n") <= 80


def test_the_script_reads_films_and_says_what_it_cannot_read(trained, exports, photos, tmp_path):
    photo = cv2.resize(cv2.imread(str(min(photos.glob("*.jpg")))), (320, 240))
    film = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5, (320, 240))
    for _ in range(3):
        film.write(photo)
    film.release()
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    told = alone(
        folder_of(trained) / "detect_opencv.py", folder_of(trained) / "run.onnx", "film.avi", "broken.jpg", "none.mp4",
        cwd=tmp_path,
    )  # fmt: skip
    assert [each["image"] for each in told] == [*(f"film.avi#{i}" for i in range(3)), "broken.jpg", "none.mp4#0"]
    assert ["error" in each for each in told] == [False, False, False, True, True]
    assert len(list((tmp_path / "found").iterdir())) == 3


def test_the_script_draws_over_no_photo(trained, exports, photos, tmp_path):
    photo = tmp_path / min(photos.glob("*.jpg")).name
    shutil.copy2(min(photos.glob("*.jpg")), photo)
    before = photo.read_bytes()
    alone(folder_of(trained) / "detect_opencv.py", folder_of(trained) / "run.onnx", photo, "--out", ".", cwd=tmp_path)
    assert photo.read_bytes() == before


def test_what_does_not_agree_is_not_written(trained, photos, tmp_path):
    """8-bit integers calibrated on photos that are all grey: the ranges are those of nothing."""
    grey = tmp_path / "grey"
    shutil.copytree(photos, grey)
    for stem in (grey / "ImageSets" / "Main" / "train.txt").read_text().split("\n"):
        for photo in [p for p in grey.glob(f"{stem}.*") if stem and p.suffix != ".xml"]:
            with Image.open(photo) as opened:
                blank, kind = Image.new("RGB", opened.size, (127, 127, 127)), opened.format
            blank.save(photo, kind)
    done = run("ssd.export", trained, "--format", "tflite-int8", "--check", grey, "--out", tmp_path / "out")
    assert done.code == 2
    assert "does not say what Keras says" in done.err
    assert "AP50 falls" in done.err
    assert not (tmp_path / "out").exists()


def test_an_export_is_replaced_only_when_asked(trained, exports):
    again = run("ssd.export", trained, "--format", "tflite")
    assert again.code == 2
    assert "--force" in again.err
    assert run("ssd.export", trained, "--format", "tflite", "--force").code == 0


def test_photos_without_labels_and_no_photos_at_all(trained, photos, tmp_path):
    (tmp_path / "bare").mkdir()
    for photo in sorted(photos.glob("*.jpg"))[:4]:
        shutil.copy2(photo, tmp_path / "bare")
    done = run("ssd.export", trained, "--check", tmp_path / "bare", "--out", tmp_path / "a", "--json")
    assert done.code == 0, done.err
    assert done.json["runtimes"][0]["pictures"] == 4
    assert done.json["runtimes"][0]["AP50_before"] is None

    moved = tmp_path / "moved"
    shutil.copytree(trained, moved, ignore=shutil.ignore_patterns("exports"))
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps({**config, "data": str(tmp_path / "gone")}))
    done = run("ssd.export", moved)
    assert done.code == 0, done.err
    assert "checked on noise only" in done.out
    done = run("ssd.export", moved, "--format", "tflite-int8")
    assert done.code == 2
    assert "--check DATA" in done.err


@pytest.mark.parametrize(
    ("name", "package"), [("onnx", "tf2onnx"), ("onnx", "onnxruntime"), ("tflite", "ai_edge_litert")]
)
def test_a_missing_package_is_named_with_its_cure(trained, tmp_path, name, package):
    (tmp_path / f"{package}.py").write_text(f"raise ImportError('No module named {package}')\n")
    path = f"{tmp_path}:{REPOSITORY}"
    done = run("ssd.export", trained, "--format", name, "--out", tmp_path / "out", env={"PYTHONPATH": path})
    assert done.code == 2
    assert package in done.err
    assert 'pip install "ssdprep[export]"' in done.err
    assert not (tmp_path / "out").exists()


def test_a_shifted_box_and_a_swapped_class_are_seen():
    """The comparison itself, by hand: two anchors, one object."""
    from ssd.exports.check import EXACT, compare

    scores = np.array([[0.1, 0.9, 0.0], [0.9, 0.05, 0.05]], np.float32)
    boxes = np.array([[0.1, 0.1, 0.5, 0.5], [0.4, 0.4, 0.9, 0.9]], np.float32)
    picture = np.zeros((1, 8, 8, 3), np.float32)

    def told(given_scores, given_boxes):
        found = compare("it", lambda _: (given_scores, given_boxes), [(scores, boxes)], picture, (), ("a", "b"))
        return found, found.faults(EXACT)

    found, faults = told(scores, boxes)
    assert (found.scores, found.boxes, found.detections, found.same, found.more) == (0, 0, 1, 1, 0)
    assert math.isnan(found.AP50_before)
    assert faults == []
    found, faults = told(scores, boxes + 0.1)
    assert found.boxes == pytest.approx(0.1)
    assert (found.same, found.more) == (0, 1)
    assert [fault.split()[0] for fault in faults] == ["boxes", "1"]
    found, faults = told(scores[:, [0, 2, 1]], boxes)
    assert [fault.split()[0] for fault in faults] == ["scores", "1"]
    assert told(scores, boxes * np.nan)[1] != []
    assert told(scores[:1], boxes[:1])[0].scores == math.inf
