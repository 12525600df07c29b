"""Every export is run in its own runtime, its script as a process that knows nothing of ours, on the sample set."""

from __future__ import annotations

import ast
import json
import math
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY, run
from make_photos import exif_block, stored
from PIL import Image

from ssd.geometry import iou
from ssdprep.formats.voc import dumps
from ssdprep.record import Box, Object, Record, Size

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
NMS = {
    "onnx": ("run-nms.onnx", "detect_onnxruntime_nms.py"),
    "tflite": ("run-nms.tflite", "detect_litert_nms.py"),
    "savedmodel": ("run-nms-savedmodel", None),
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
    """A detector that finds enough for what 8-bit integers lose to be small."""
    folder = photos.with_name("run")
    start = ("--preset", "mobilenet_v2_035_ssd_224", "--weights", sample / "start.h5")
    done = run("ssd.train", photos, *start, "--epochs", "24", "--out", folder)
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


@pytest.fixture(scope="module")
def suppressing(trained) -> dict[str, dict]:
    """The same of the formats that suppress by themselves; two classes have scores of their own."""
    told = {}
    for name in NMS:
        done = run("ssd.export", trained, "--format", name, "--nms", "-t", "0.3", "-t", "milk carton=0.25", "--json")
        assert done.code == 0, done.err
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
        assert each["AP50_after"] == pytest.approx(each["AP50_before"], abs=0.02 if exact else 0.05)
        if exact:
            assert each["scores"] < 1e-5
            assert each["boxes"] < 1e-5
            assert (each["same"], each["more"]) == (each["detections"], 0)


@pytest.mark.parametrize("name", FILES)
def test_labels_size_and_thresholds_travel(trained, exports, name):
    file, _ = FILES[name]
    about = json.loads((folder_of(trained) / f"{file}.json").read_text(encoding="utf-8"))
    assert about["labels"] == ["apple", "banana", "milk carton"]
    assert (about["height"], about["width"], about["nms_iou"]) == (224, 224, 0.5)
    assert about["thresholds"] == dict.fromkeys(about["labels"], 0.5)
    assert _inside(folder_of(trained) / file) == about


def _inside(path: Path) -> dict:
    """The description that the file itself carries, read by the means of its own format."""
    if path.suffix == ".onnx":
        import onnxruntime

        held = onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
        return json.loads(held["ssdprep"])
    if path.suffix == ".pb":
        import tensorflow as tf

        graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
        (image,) = (node for node in graph.node if node.op == "Placeholder")
        return json.loads(image.attr["_ssdprep"].s)
    if path.suffix == ".tflite":
        from ai_edge_litert import schema_py_generated as schema

        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
        (entry,) = (e for e in model.metadata if e.name in (b"ssdprep", "ssdprep"))
        return json.loads(bytes(model.buffers[entry.buffer].data))
    return json.loads((path / "assets.extra" / "ssdprep.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NMS)
def test_suppression_inside_says_what_suppression_outside_says(trained, suppressing, name):
    answer = suppressing[name]
    file, script = NMS[name]
    assert [Path(each).name for each in answer["files"]] == [file, f"{file}.json", *([script] if script else [])]
    (each,) = answer["runtimes"]  # OpenCV is not among them: it has no such operation
    assert (each["same"], each["more"]) == (each["detections"], 0)
    assert each["detections"] > 0
    assert max(each["scores"], each["boxes"]) < 1e-5
    assert each["AP_after"] == pytest.approx(each["AP_before"], abs=1e-3)
    about = _inside(folder_of(trained) / file)
    assert about["thresholds"] == {"apple": 0.3, "banana": 0.3, "milk carton": 0.25}
    assert list(about["outputs"]) == ["detections"]


@pytest.mark.parametrize("name", ["pb", "tflite-int8"])
def test_suppression_is_refused_where_it_cannot_be(trained, name):
    done = run("ssd.export", trained, "--format", name, "--nms")
    assert done.code == 2
    assert "cannot have suppression inside" in done.err
    assert "leave out --nms" in done.err


@pytest.mark.parametrize("name", ["onnx", "tflite"])
def test_scripts_find_the_same_with_suppression_inside_and_outside(
    trained, exports, suppressing, photos, tmp_path, name
):
    """With one score for all classes; then with those that the file tells, which one class has of its own."""
    some = tmp_path / "some"
    some.mkdir()
    for photo in sorted(photos.glob("*.jpg"))[:12]:
        shutil.copy2(photo, some)
    found = []
    for file, script in (FILES[name], NMS[name]):
        model = folder_of(trained) / file
        found.append(alone(model.with_name(script), model, some, "--threshold", LOW, cwd=tmp_path))
    assert sum(len(each["objects"]) for each in found[0]) > 20
    for one, two in zip(*found, strict=True):
        assert [o["name"] for o in one["objects"]] == [o["name"] for o in two["objects"]]
        for here, there in zip(one["objects"], two["objects"], strict=True):
            assert here["score"] == pytest.approx(there["score"], abs=1e-5)
            assert here["box"] == pytest.approx(there["box"], abs=0.02)
    model = folder_of(trained) / NMS[name][0]
    told = alone(model.with_name(NMS[name][1]), model, some, cwd=tmp_path)
    kept = [
        [o for o in each["objects"] if o["score"] > (0.25 if o["name"] == "milk carton" else 0.3)] for each in found[1]
    ]
    assert [each["objects"] for each in told] == kept


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
    assert [path.name for path in (tmp_path / "found").iterdir()] == ["film.mp4"]
    drawn = cv2.VideoCapture(str(tmp_path / "found" / "film.mp4"))
    assert (drawn.get(cv2.CAP_PROP_FRAME_COUNT), drawn.get(cv2.CAP_PROP_FPS)) == (3, 5)


def test_a_video_is_turned_as_its_tag_says(trained, exports, photos, tmp_path):
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
    film, still = alone(folder_of(trained) / "detect_opencv.py", folder_of(trained) / "run.onnx", *words, cwd=tmp_path)
    assert still["objects"]
    assert cv2.VideoCapture(str(tmp_path / "found" / "film.mp4")).read()[1].shape == (320, 240, 3)
    best = film["objects"][0]["box"], still["objects"][0]["box"]
    assert iou(np.array(best[:1]), np.array(best[1:]), "corners")[0, 0] > 0.8  # MPEG-4 is not without loss


def test_real_photos_of_every_orientation_are_seen_alike(trained, exports, real_data, tmp_path):
    """The reference photos of the field: one picture, stored in eight ways."""
    examples = real_data / "exif-orientation-examples"
    sources = [examples / f"Landscape_{i}.jpg" for i in range(1, 9)]
    told = alone(
        folder_of(trained) / "detect_opencv.py", folder_of(trained) / "run.onnx", *sources, "--threshold", "0.02",
        cwd=tmp_path,
    )  # fmt: skip
    first, *others = [each["objects"][0] for each in told]
    for other in others:
        assert other["score"] == pytest.approx(first["score"], abs=0.05)
    for source in sources:
        assert cv2.imread(str(tmp_path / "found" / source.name)).shape == (1200, 1800, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [(("gone.onnx", "a.jpg"), "gone.onnx is no file of ssd.export"), (("a.jpg", "a.jpg"), "python -m ssd.export RUN")],
)
def test_a_script_says_what_it_needs(trained, exports, tmp_path, words, said):
    (tmp_path / "a.jpg").write_bytes(b"no model")
    script = folder_of(trained) / "detect_opencv.py"
    done = subprocess.run([sys.executable, "-I", script, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    helped = subprocess.run([sys.executable, "-I", script, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(word in helped for word in ("photos, folders, videos", "--threshold", "--show", "first camera"))


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
        answer = {"scores": given_scores, "boxes": given_boxes}
        found = compare("it", lambda _: answer, [(scores, boxes)], picture, (), ("a", "b"))
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


def test_a_file_that_suppresses_is_judged_by_its_detections():
    from ssd.exports.check import EXACT, compare

    scores = np.array([[0.1, 0.9, 0.0], [0.9, 0.05, 0.05]], np.float32)
    boxes = np.array([[0.1, 0.1, 0.5, 0.5], [0.4, 0.4, 0.9, 0.9]], np.float32)
    picture = np.zeros((1, 8, 8, 3), np.float32)

    def told(*rows):
        answer = {"detections": np.array([*rows, [0] * 6], np.float32)}
        return compare("it", lambda _: answer, [(scores, boxes)], picture, (), ("a", "b"))

    right = [1, 0.9, 0.1, 0.1, 0.5, 0.5]
    assert told(right).faults(EXACT) == []
    assert told([1, 0.9, 0.1, 0.1, 0.5, 0.501]).faults(EXACT)[0].startswith("boxes differ")
    assert told([1, 0.8, 0.1, 0.1, 0.5, 0.5]).faults(EXACT)[0].startswith("scores differ")
    assert told(right, [2, 0.7, 0.1, 0.1, 0.5, 0.5]).more == 1
    assert told([2, *right[1:]]).faults(EXACT) != []
    assert told().same == 0


# Same pixels, same boxes


def test_train_evaluate_predict_and_the_exported_file_see_the_same(trained, exports, sample, tmp_path):
    """A JPEG that a tag turns, a PNG with transparency, a grey photo, and a TFRecord of all three."""
    import onnxruntime
    import tensorflow as tf

    from ssd.data import open_source
    from ssd.exports.check import detections
    from ssd.pipeline import decode, evaluation_batches, to_input
    from ssd.prediction.predicting import predict_photos
    from ssd.prediction.sources import pictures, sources_in
    from ssd.run import Run
    from ssdprep.images import upright_bytes

    photos = tmp_path / "photos"
    photos.mkdir()
    picture = Image.open(sample / "photos" / "IMG_2098.jpg").convert("RGB").resize((320, 240))
    sideways = Image.fromarray(stored(np.asarray(picture), 6))
    sideways.save(photos / "a-turned.jpg", quality=90, exif=b"Exif\0\0" + exif_block(6))
    clear = picture.copy()
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    clear.save(photos / "b-alpha.png")
    picture.convert("L").save(photos / "c-grey.jpg", quality=90)
    for photo in photos.iterdir():
        thing = Object("apple", Box(40, 60, 200, 200))
        record = Record(photo, None, (thing,))
        photo.with_suffix(".xml").write_bytes(dumps(record, folder="photos", filename=photo.name, size=Size(320, 240)))
    assert run("ssdprep", "tfrecord", photos, "--out", tmp_path / "records").code == 0
    run_ = Run.load(trained)
    size = run_.config.image_size
    of_photos, of_records = (open_source(path, run_.labels).split("all") for path in (photos, tmp_path / "records"))
    assert sorted(Path(e.source).name for e in of_records) == [Path(e.source).name for e in of_photos]
    of_records = sorted(of_records, key=lambda e: e.source)

    first = [to_input(decode(upright_bytes(Path(e.source)).data), size).numpy() for e in of_photos]
    assert np.ptp(first[0]) > 100
    evaluated = [
        np.concatenate([b.numpy() for b in evaluation_batches(es, size, batch=2)]) for es in (of_photos, of_records)
    ]
    predicted = [each.input for each in pictures(sources_in([photos]), size, ahead=2)]
    for tensors in (*evaluated, predicted):
        assert all(np.array_equal(one, two) for one, two in zip(first, tensors, strict=True))

    told = predict_photos(trained, [photos], tmp_path / "out", threshold=0.2, draw=False).photos
    session = onnxruntime.InferenceSession(folder_of(trained) / "run.onnx")
    expected = [np.array([[s, *o.box] for s, o in zip(p.scores, p.objects, strict=True)]) for p in told]
    assert sum(map(len, expected)) > 2
    for rows, tensor, record, photo in zip(
        expected, first, run_.detect(of_records, score=0.2), run_.detect(of_photos, score=0.2), strict=True
    ):
        outputs = session.run(["scores", "boxes"], {"image": tf.transpose(tensor, (2, 0, 1))[None].numpy()})
        exported = detections(outputs[0][0], outputs[1][0], 0.2)[:, 1:]
        exported[:, 1:] = np.clip(exported[:, 1:], 0, 1) * [320, 240, 320, 240]
        np.testing.assert_allclose(record[:, 1:], rows, atol=1e-4)
        np.testing.assert_allclose(photo[:, 1:], rows, atol=1e-4)
        apart = np.abs(exported[:, None] - rows[None]).max(axis=2)  # scores as near as rounding may change places
        # An overlap on the very threshold may fall on either side of it, and so let one box or another live.
        for nearest in (apart.min(axis=0), apart.min(axis=1)):
            assert np.count_nonzero(nearest >= 2e-3) <= max(1, len(rows) // 50)


# Every preset


@pytest.mark.parametrize("name", ["mobilenet_v1_ssd_300", "ssdlite_mobilenet_v2_320"])
def test_other_backbones_leave_as_onnx(tmp_path, name):
    """One preset of each further kind, with weights of chance; VGG's layers are test_ssd_export_layers' own."""
    import keras

    from ssd.exports import check, onnx
    from ssd.exports.graph import exported
    from ssd.presets import preset
    from ssd.run import Run
    from ssdprep.labels import LabelMap

    keras.utils.set_random_seed(1)
    untrained = Run.new(preset(name), LabelMap(("a", "b")))
    onnx.write(exported(untrained), tmp_path / "it.onnx", {"ssdprep": "here"}, None)
    noise = np.random.default_rng(0).integers(0, 256, (1, *untrained.config.image_size, 3)).astype(np.float32)
    keras_says = list(check.predictions_of_keras(untrained, noise))
    runtimes = onnx.runtimes(tmp_path / "it.onnx")
    assert {each.split()[0] for each in runtimes} == {"onnxruntime", "OpenCV"}
    for runtime, predict in runtimes.items():
        found = check.compare(runtime, predict, keras_says, noise, (), untrained.labels.names)
        assert found.faults(check.EXACT) == []
