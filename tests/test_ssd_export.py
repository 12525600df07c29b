"""Every export is run in its own runtime, on the sample set, and says what Keras says."""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, run
from export_files import FILES, NMS
from make_photos import exif_block, stored
from PIL import Image

from ssd.exports.exporting import export_run
from ssdprep.formats.voc import dumps
from ssdprep.record import Box, Object, Record, Size, SsdprepError

pytest.importorskip("tf2onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")

RUNTIMES = {
    "onnx": {"onnxruntime", "OpenCV"},
    "pb": {"TensorFlow", "OpenCV"},
    "savedmodel": {"TensorFlow"},
    **{name: {"LiteRT"} for name in ("tflite", "tflite-fp16", "tflite-int8")},
}


@pytest.fixture
def photos(demo) -> Path:
    """The sample's photos, upright and split."""
    return demo / "build" / "demo" / "photos"


@pytest.fixture
def trained(exported) -> Path:
    """A detector that finds enough for what 8-bit integers lose to be small, in all formats."""
    return exported / "run"


@pytest.fixture(scope="module")
def told(exported) -> dict[str, dict]:
    """What the command said of each format; of those that suppress by themselves as "onnx --nms"."""
    return json.loads((exported / "told.json").read_text(encoding="utf-8"))


def folder_of(trained: Path) -> Path:
    return trained / "exports"


@pytest.mark.parametrize("name", FILES)
def test_every_format_says_what_keras_says(exported, told, name):
    answer = told[name]
    file, script = FILES[name]
    wanted = [file, f"{file}.json", *([script] if script else [])]
    assert answer["files"] == [f"run/exports/{each}" for each in wanted]
    assert all((exported / each).exists() for each in answer["files"])
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
def test_labels_size_and_thresholds_travel(trained, name):
    file, _ = FILES[name]
    about = json.loads((folder_of(trained) / f"{file}.json").read_text(encoding="utf-8"))
    assert about["labels"] == ["apple", "banana", "milk carton"]
    assert (about["height"], about["width"], about["nms_iou"]) == (224, 224, 0.45)
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
def test_suppression_inside_says_what_suppression_outside_says(trained, told, name):
    answer = told[f"{name} --nms"]
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
    with pytest.raises(SsdprepError, match=r"cannot have suppression inside.*leave out --nms"):
        export_run(trained, name, nms=True)


def test_onnx_has_plain_operations_only(trained):
    import onnx

    graph = onnx.load(folder_of(trained) / "run.onnx").graph
    assert {node.domain for node in graph.node} == {""}
    assert not {node.op_type for node in graph.node} & {"NonMaxSuppression", "Loop", "If", "Scan"}
    assert [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == [1, 3, 224, 224]


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs")  # the command keeps it to itself
def test_what_does_not_agree_is_not_written(trained, photos, tmp_path):
    """8-bit integers calibrated on photos that are all grey: the ranges are those of nothing."""
    grey = tmp_path / "grey"
    shutil.copytree(photos, grey)
    for stem in (grey / "ImageSets" / "Main" / "train.txt").read_text().split("\n"):
        for photo in [p for p in grey.glob(f"{stem}.*") if stem and p.suffix != ".xml"]:
            with Image.open(photo) as opened:
                blank, kind = Image.new("RGB", opened.size, (127, 127, 127)), opened.format
            blank.save(photo, kind)
    with pytest.raises(SsdprepError, match=r"does not say what Keras says .*AP50 falls"):
        export_run(trained, "tflite-int8", tmp_path / "out", data=grey)
    assert not (tmp_path / "out").exists()


def test_a_script_that_was_changed_is_left_alone(trained, tmp_path):
    (script := tmp_path / "detect_opencv.py").write_text("# mine\n")
    report = export_run(trained, "onnx", tmp_path)
    assert script.read_text() == "# mine\n"
    assert script not in report.files
    assert [(each.code, each.path) for each in report.findings] == [("EXP003", script)]
    assert export_run(trained, "onnx", tmp_path, force=True).findings == ()
    assert script.read_text() != "# mine\n"


def test_an_export_is_replaced_only_when_asked(trained, tmp_path):
    (file := tmp_path / "run.onnx").write_bytes(b"an earlier one")
    with pytest.raises(SsdprepError, match="--force"):
        export_run(trained, "onnx", tmp_path)
    assert file.read_bytes() == b"an earlier one"
    assert run("ssd.export", trained, "--format", "onnx", "--out", tmp_path, "--force").code == 0
    assert file.stat().st_size > 100_000


def test_photos_without_labels_and_no_photos_at_all(trained, photos, tmp_path):
    (tmp_path / "bare").mkdir()
    for photo in sorted(photos.glob("*.jpg"))[:4]:
        shutil.copy2(photo, tmp_path / "bare")
    first = export_run(trained, data=tmp_path / "bare", out=tmp_path / "a").to_dict()["runtimes"][0]
    assert first["pictures"] == 4
    assert first["AP50_before"] is None

    moved = tmp_path / "moved"
    shutil.copytree(trained, moved, ignore=shutil.ignore_patterns("exports"))
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps({**config, "data": str(tmp_path / "gone")}))
    done = run("ssd.export", moved)
    assert done.code == 0, done.err
    assert "checked on noise only" in done.out
    with pytest.raises(SsdprepError, match="--check DATA"):
        export_run(moved, "tflite-int8")


def test_a_missing_package_is_named_with_its_cure(trained, tmp_path):
    (tmp_path / "tf2onnx.py").write_text("raise ImportError('No module named tf2onnx')\n")
    path = f"{tmp_path}:{REPOSITORY}"
    done = run("ssd.export", trained, "--out", tmp_path / "out", env={"PYTHONPATH": path})
    assert done.code == 2
    assert "tf2onnx" in done.err
    assert 'pip install "ssdprep[export]"' in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "package"), [("onnx", "onnxruntime"), ("tflite", "ai_edge_litert")])
def test_every_package_that_is_needed_is_named(trained, tmp_path, monkeypatch, name, package):
    for module in [module for module in sys.modules if module.split(".")[0] == package]:
        monkeypatch.setitem(sys.modules, module, None)  # Python's own sign for what cannot be imported
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SsdprepError, match=rf"{package}.*pip install \"ssdprep\[export\]\""):
        export_run(trained, name, tmp_path / "out")
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


@pytest.mark.parametrize(
    ("same", "more", "labelled", "faulty", "doubtful"),
    [(1, 0, True, False, True), (1, 0, False, True, False), (3, 1, True, False, True), (3, 0, True, False, False)],
)
def test_detections_that_are_lost_at_no_cost_of_ap_are_told(same, more, labelled, faulty, doubtful):
    """A file of 8-bit integers that has 1 of 3 detections, and whose AP50 holds."""
    from ssd.exports.check import HALF, INT8, Agreement

    figures = [0.5, 0.5, 0.3, 0.3] if labelled else [math.nan] * 4
    agreement = Agreement("LiteRT", 4, 0.1, 0.1, 3, same, more, *figures, 1.0)
    assert bool(agreement.faults(INT8)) is faulty
    doubt = agreement.doubt(INT8, Path("a.tflite"))
    assert bool(doubt) is doubtful
    if doubt:
        assert f"3 detections, {same} of them and {more} others" in doubt.message
        assert "tflite-fp16" in doubt.remedy
    halved = Agreement("LiteRT", 4, 0.05, 0.02, 30, 30, 0, *figures, 1.0)
    assert halved.faults(HALF) == [], "an anchor that nobody sees may move"


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

    nothing = [(np.array([[0.9, 0.05, 0.05]], np.float32), boxes)]  # nor does Keras find anything
    blank = compare("it", lambda _: {"detections": np.zeros((1, 6), np.float32)}, nothing, picture, (), ("a", "b"))
    assert (blank.scores, blank.boxes, blank.faults(EXACT)) == (None, None, [])
    assert blank.doubt(EXACT, Path("run.onnx")).code == "EXP002"


# Same pixels, same boxes


def test_train_evaluate_predict_and_the_exported_file_see_the_same(trained, sample, tmp_path):
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
