"""Document 004's detector and the functions of its appendix 8.1, under their own names."""

from __future__ import annotations

import inspect
import shutil
from itertools import islice
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import run

import ssd
import ssdprep
from ssd import AnchorBoxes, L2Normalization, SSDInputEncoder, SSDLoss, build_model, decode_detections
from ssd.detector import anchors_of, build_detector
from ssd.facts import parameters
from ssd.keras_port import GEOMETRIES, predictor_sizes, with_anchors
from ssd.presets import preset
from ssd.run import Run
from ssdprep.labels import LabelMap
from ssdprep.record import SsdprepError

# Arguments as the appendix prints them; ours may take more, by name.
APPENDIX = {
    "convert_coordinates": "tensor start_index conversion",
    "intersection_area": "boxes1 boxes2 coords mode",
    "iou": "boxes1 boxes2 coords mode",
    "match_bipartite_greedy": "weight_matrix",
    "match_multi": "weight_matrix threshold",
    "SSDInputEncoder.generate_anchor_boxes_for_layer": "self feature_map_size aspect_ratios this_scale next_scale",
    "SSDInputEncoder.generate_encoding_template": "self batch_size",
    "SSDLoss.smooth_L1_loss": "self y_true y_pred",
    "SSDLoss.log_loss": "self y_true y_pred",
    "SSDLoss.compute_loss": "self y_true y_pred",
    "build_model": "image_size n_classes l2_reg min_scale max_scale aspect_ratios",
    "read_csv": "xml_path filename",
    "xml_to_csv": "",
    "image_augmentation": "filename data_csv img_dir img_sz translate rotate scale shear hor_flip ver_flip applyfilter",
    "image_batch_generator": "img_dir csv_data steps_per_epoch batch_size label_encoder img_sz translate rotate scale "
    "shear hor_flip ver_flip applyfilter",
    "data_generator": "img_dir xml_dir label_encoder batch_size steps_per_epoch img_sz translate rotate scale shear "
    "hor_flip ver_flip applyfilter",
    "decode_detections": "y_pred confidence_thresh iou_threshold top_k",
}


@pytest.mark.parametrize("name", APPENDIX)
def test_the_appendix_is_here(name: str) -> None:
    wanted = APPENDIX[name].split()
    package = ssdprep if name in ssdprep.__all__ else ssd
    thing = package
    for part in name.split("."):
        thing = getattr(thing, part)
    assert list(inspect.signature(thing).parameters)[: len(wanted)] == wanted
    assert all(
        p.default is not p.empty or p.kind is p.KEYWORD_ONLY
        for p in list(inspect.signature(thing).parameters.values())[len(wanted or "1") :]
    )


# The detector


@pytest.mark.parametrize(
    ("two", "total", "learnt", "boxes"), [(True, 3_836_924, 3_278_268, 6300), (False, 3_689_714, 3_131_058, 5250)]
)
def test_the_reports_code(two: bool, total: int, learnt: int, boxes: int) -> None:
    """Six boxes a cell as its code makes them, and the five that its text counts."""
    model = build_model((224, 224, 3), 2, two_boxes_for_ar1=two, freeze_backbone=True)
    assert parameters(model) == (total, learnt)
    assert model.output_shape == (None, boxes, 15)
    assert predictor_sizes(model) == [(n, n) for n in (28, 14, 7, 4, 2, 1)]


def test_the_302_variables_that_the_report_froze() -> None:
    """260 of the whole MobileNetV2, of which the detector uses a part, 18 of nine convolutions, 24 of twelve heads."""
    model = build_model((224, 224), 2)
    backbone = ssd.mobilenet_v2(include_top=False)
    new = [w for layer in model.layers if layer.name.startswith(("extra", "classes", "boxes")) for w in layer.weights]
    assert len(backbone.weights) + len(new) == 302


def test_arguments_of_build_model_reach_the_anchors() -> None:
    options = {
        "scales": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
        "steps": (8, 16, 32, 64, 112, 224),
        "clip_boxes": "pixels",
    }
    model = build_model((200, 208), 3, l2_reg=5e-4, aspect_ratios=(1, 2), variances=(0.1, 0.1, 0.2, 0.2), **options)
    encoder = SSDInputEncoder(
        200, 208, 3, predictor_sizes(model), aspect_ratios_global=(1, 2), **options,
    )  # fmt: skip
    said = model(np.zeros((1, 200, 208, 3), np.float32)).numpy()
    np.testing.assert_allclose(said[0, :, -8:], encoder([np.zeros((0, 5))])[0, :, -8:], atol=1e-6)
    assert len(model.losses) == 9 + 12  # weight decay of every new convolution
    plain = build_model((200, 208), 3)
    assert plain.losses == []


def test_scales_run_as_in_the_ports_code() -> None:
    model = build_model((224, 224), 2, normalize_coords=False, clip_boxes=False)
    side = [layer.arguments["this_scale"] for layer in model.layers if isinstance(layer, AnchorBoxes)]
    np.testing.assert_allclose(side, np.linspace(0.2, 0.9, 7)[:-1])
    said = model(np.zeros((1, 224, 224, 3), np.float32)).numpy()[0]
    np.testing.assert_allclose(said[0, -8:], [4, 4, 44.8, 44.8, 1, 1, 1, 1], rtol=1e-6)  # pixels


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_boxes_are_clipped_as_the_geometry_has_it(geometry: str) -> None:
    config = GEOMETRIES[geometry]
    model = build_model((224, 224), 2, scales=config.scales, aspect_ratios=config.aspect_ratios[0], geometry=geometry)
    said = model(np.zeros((1, 224, 224, 3), np.float32)).numpy()[0, :, -8:-4]
    np.testing.assert_allclose(said, anchors_of(build_detector(config, 2), config), atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"variances": (1, 1, 1)}, "four numbers"),
        ({"scales": (0.1, 0.2)}, "7 scales"),
        ({"steps": (8, 16)}, "6 steps, not 2"),
        ({"geometry": "x"}, "report or wide, not 'x'"),
        ({"image_size": (192, 224)}, "193 pixels"),
        ({"image_size": (224,)}, "height, width"),
        ({"image_size": (224, 224, 1)}, "height, width"),
        ({"n_classes": 0}, "1 or more, not 0"),
        ({"aspect_ratios": ()}, "aspect ratios"),
    ],
)
def test_wrong_arguments_of_build_model(wrong: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build_model(**{"image_size": (224, 224), "n_classes": 1, **wrong})


@pytest.mark.parametrize("geometry", ["report", "wide"])
def test_a_model_survives_its_file(geometry: str, tmp_path: Path) -> None:
    model = build_model((193, 224), 2, geometry=geometry, steps=(9, 17, 33, 50, 60, 70), clip_boxes=True)
    model.save(tmp_path / "model.keras")
    read = keras.models.load_model(tmp_path / "model.keras")
    picture = np.random.default_rng(0).uniform(0, 255, (2, 193, 224, 3)).astype(np.float32)
    assert np.array_equal(model(picture).numpy(), read(picture).numpy())


@pytest.mark.parametrize("name", ["mobilenet_v2_ssd_224", "vgg16_ssd300"])
def test_any_detector_takes_the_ports_form(name: str) -> None:
    run = Run.new(preset(name), LabelMap(("a", "b")))
    whole = with_anchors(run.model, run.config)
    picture = np.random.default_rng(0).uniform(0, 255, (1, *run.config.image_size, 3)).astype(np.float32)
    said, plain = whole(picture).numpy(), run.model(picture)
    np.testing.assert_allclose(said[..., 3:7], plain["offsets"], atol=1e-6)
    np.testing.assert_allclose(said[..., :3], keras.ops.softmax(plain["logits"]), atol=1e-6)
    np.testing.assert_allclose(said[0, :, 7:11], run.anchors, atol=1e-6)
    np.testing.assert_allclose(said[0, :, 11:], np.broadcast_to(run.config.variances, (len(run.anchors), 4)))


# The layers

ANCHORS = {
    "img_height": 100,
    "img_width": 200,
    "this_scale": 0.2,
    "next_scale": 0.45,
    "aspect_ratios": [1, 4],
    "two_boxes_for_ar1": True,
    "this_steps": (20, 30),
    "this_offsets": (0.25, 0.75),
    "clip_boxes": "pixels",
    "variances": [0.1, 0.1, 0.2, 0.2],
    "coords": "minmax",
    "normalize_coords": True,
}


def test_anchors_boxes_keep_every_argument() -> None:
    """The port forgets steps and offsets: a model read back has other anchors there."""
    layer = AnchorBoxes(**ANCHORS)
    read = AnchorBoxes.from_config(layer.get_config())
    assert {key: read.get_config()[key] for key in ANCHORS} == ANCHORS
    inputs = np.zeros((2, 3, 4, 7), np.float32)
    assert np.array_equal(layer(inputs), read(inputs))
    assert layer(inputs).shape == layer.compute_output_shape((2, 3, 4, 7)) == (2, 3, 4, 3, 8)
    assert set(ANCHORS) == set(inspect.signature(AnchorBoxes).parameters) - {"kwargs"}


def test_two_squares_have_two_geometric_means() -> None:
    layer = AnchorBoxes(**{**ANCHORS, "aspect_ratios": [1, 1]})
    inputs = np.zeros((2, 3, 4, 7), np.float32)
    assert layer.compute_output_shape(inputs.shape) == layer(inputs).shape == (2, 3, 4, 4, 8)


def test_anchor_boxes_are_those_of_the_encoder() -> None:
    encoder = SSDInputEncoder(100, 200, 1, (3, 4), scales=(0.2, 0.45), aspect_ratios_global=(1, 4))
    wanted = encoder.generate_anchor_boxes_for_layer((3, 4), (1, 4), 0.2, 0.45)
    layer = AnchorBoxes(100, 200, 0.2, 0.45, (1, 4), normalize_coords=True)
    np.testing.assert_allclose(layer(np.zeros((1, 3, 4, 1), np.float32))[0, ..., :4], wanted, rtol=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"this_scale": 0}, {"next_scale": -1.0}, {"variances": [1, 1]}, {"aspect_ratios": []}]
)
def test_wrong_anchors_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError):
        AnchorBoxes(**{**ANCHORS, **wrong})


def test_l2_normalization_by_hand(tmp_path: Path) -> None:
    layer = L2Normalization(gamma_init=10)
    out = np.asarray(layer(np.float32([[[[3, 4], [0, 0]]]])))
    np.testing.assert_allclose(out, [[[[6, 8], [0, 0]]]], rtol=1e-6)
    assert layer.count_params() == 2
    model = keras.Sequential([keras.Input((2, 3)), L2Normalization(gamma_init=5, axis=1)])
    model.save(tmp_path / "norm.keras")
    read = keras.models.load_model(tmp_path / "norm.keras")
    assert (read.layers[0].gamma_init, read.layers[0].axis) == (5, 1)
    x = np.random.default_rng(0).normal(size=(1, 2, 3)).astype(np.float32)
    assert np.array_equal(model(x), read(x))
    np.testing.assert_allclose(np.linalg.norm(read(x), axis=1), 5, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_l2_normalization_of_nothing_and_of_much_has_a_gradient(dtype: str) -> None:
    import tensorflow as tf

    layer = L2Normalization(dtype=dtype)
    x = tf.Variable(tf.cast([[[[0.0, 0.0], [3e4, 4e4]]]], dtype))
    with tf.GradientTape() as tape:
        out = layer(x)
        loss = tf.reduce_sum(tf.cast(out, tf.float32))
    assert out.dtype == dtype
    np.testing.assert_allclose(tf.cast(out, tf.float32)[0, 0, 1], [12, 16], rtol=1e-3)
    for gradient in tape.gradient(loss, [x, *layer.trainable_variables]):
        assert np.isfinite(tf.cast(gradient, tf.float32)).all()


# The data wrangler, and all of it together


@pytest.fixture(scope="module")
def photos(tmp_path_factory, sample) -> Path:
    """Eight of the sample's photos whose frame is certain."""
    folder = tmp_path_factory.mktemp("photos") / "set"
    whole = folder.with_name("whole")
    shutil.copytree(sample / "photos", whole)
    assert run("ssdprep", "fix-exif", whole, "--frame", "stored").code in (0, 1)
    folder.mkdir()
    for annotation in sorted(whole.glob("*.xml"))[:8]:
        for part in whole.glob(annotation.stem + ".*"):
            shutil.copy2(part, folder)
    return folder


@pytest.fixture(scope="module")
def encoder() -> SSDInputEncoder:
    sizes = [(n, n) for n in (12, 6, 3, 2, 1, 1)]
    return SSDInputEncoder(96, 96, 3, sizes, 0.2, 0.9, aspect_ratios_global=(1, 2, 3, 0.5, 0.33), variances=(1,) * 4)


def test_batches_are_endless_and_repeat_with_their_seed(photos, encoder) -> None:
    before = sorted(photos.iterdir())
    rows = ssdprep.read_csv(ssdprep.xml_to_csv(photos, photos.with_name("labels.csv")).path)
    options = {"img_sz": 96, "rotate": 5, "hor_flip": True, "seed": 3}
    one, two = ([*islice(image_batches(photos, rows, encoder, **options), 7)] for _ in range(2))
    for (x, y), (again_x, again_y) in zip(one, two, strict=True):
        assert (x.shape, x.dtype, y.dtype) == ((3, 96, 96, 3), np.float32, np.float32)
        assert y.shape == (3, *encoder.generate_encoding_template(1).shape[1:])
        assert np.array_equal(x, again_x)
        assert np.array_equal(y, again_y)
    assert not np.array_equal(one[0][0], one[3][0])  # another epoch: another order, drawn anew
    other = next(ssd.data_generator(photos, photos, encoder, 3, img_sz=96, seed=4))
    assert not np.array_equal(other[0], one[0][0])
    assert sorted(photos.iterdir()) == before


def image_batches(photos: Path, rows: list, encoder: SSDInputEncoder, **options):
    return ssd.image_batch_generator(photos, rows, 3, 3, encoder, **options)


def test_every_photo_comes_once_an_epoch(photos, encoder) -> None:
    rows = ssdprep.read_csv(ssdprep.xml_to_csv(photos, photos.with_name("labels.csv")).path)
    names = {row.filename for row in rows}
    batches = ssd.image_batch_generator(photos, rows, len(names), 1, encoder, img_sz=96)
    first, second = ([picture.tobytes() for x, _ in islice(batches, len(names)) for picture in x] for _ in range(2))
    assert len(set(first)) == len(names) > 5
    assert sorted(first) == sorted(second)
    assert first != second  # in another order


@pytest.mark.parametrize("wrong", [{"img_sz": 64}, {"steps_per_epoch": 0, "batch_size": 2}])
def test_batches_that_cannot_be(photos, encoder, wrong) -> None:
    given = {"img_sz": 96, "steps_per_epoch": 1, "batch_size": 1, **wrong}
    with pytest.raises(ValueError):
        ssd.image_batch_generator(photos, [("a.jpg", 1, 1, 3, 0, 1, 0, 1, "a")], label_encoder=encoder, **given)
    with pytest.raises(SsdprepError, match="names no photo"):
        ssd.image_batch_generator(photos, [], 1, 1, encoder, img_sz=96)


def test_document_004_from_photos_to_detections(photos, encoder) -> None:
    """XML to batches, the model, its loss, and what it sees: everything in the document's own words."""
    keras.utils.set_random_seed(0)
    model = build_model((96, 96, 3), 3, geometry="wide")
    assert predictor_sizes(model) == encoder.predictor_sizes
    model.compile(keras.optimizers.Adam(1e-3), loss=SSDLoss().compute_loss)
    batches = ssd.data_generator(photos, photos, encoder, batch_size=4, img_sz=96, hor_flip=True)
    history = model.fit(batches, steps_per_epoch=5, epochs=3, verbose=0, shuffle=False).history["loss"]
    assert np.isfinite(history).all()
    assert history[-1] < history[0]
    x, y = next(batches)
    (found, *_) = decode_detections(model.predict(x, verbose=0), 0.01, img_height=96, img_width=96)
    assert found.shape[1] == 6
    assert len(decode_detections(y, 0.5, img_height=96, img_width=96)) == 4


def test_public_names() -> None:
    """What a user of the port looks for; and every name that is told of loads."""
    from_ssd = """convert_coordinates intersection_area iou match_bipartite_greedy match_multi SSDInputEncoder
        AnchorBoxes L2Normalization SSDLoss build_model decode_detections decode_detections_fast mobilenet_v1
        mobilenet_v2 vgg16 presets voc_average_precision coco_average_precision data_generator image_batch_generator"""
    assert set(from_ssd.split()) <= set(ssd.__all__)
    assert {"read_csv", "xml_to_csv", "image_augmentation"} <= set(ssdprep.__all__)
    for package in (ssd, ssdprep):
        for name in package.__all__:
            assert getattr(package, name) is not None, name
