"""Training targets: the dense NumPy form against the port's, the tensor form against the dense one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ssd import SSDInputEncoder, boxes_tf, convert_coordinates, iou
from ssd.decoder import decode_boxes
from ssd.encoder import DegenerateBoxError, encode_targets

GOLDEN = Path(__file__).parent / "golden"
CASES = json.loads((GOLDEN / "encoder_cases.json").read_text())
STORED = np.load(GOLDEN / "encoder_cases.npz")
SMALL = CASES["small_centroids_norm"]["config"]


def encoder_of(name: str) -> SSDInputEncoder:
    """The port clips to W - 1, which ours does on request only."""
    clip = {"clip_boxes": "pixels"} if name.endswith("_clip_REFERENCE") else {}
    return SSDInputEncoder(**{**CASES[name]["config"], **clip})


@pytest.mark.parametrize("name", CASES)
def test_targets_are_those_of_the_port(name: str) -> None:
    case, encoder = CASES[name], encoder_of(name)
    encoded = encoder(case["ground_truth"])
    assert list(encoded.shape) == case["shape"]
    assert encoded.dtype == np.float64
    if f"{name}/anchors" in STORED.files:
        np.testing.assert_allclose(encoded[0, :, -8:-4], STORED[f"{name}/anchors"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(encoder.scales, case["scales"], atol=1e-9)
    for i, target in enumerate(encoded):
        classes, offsets = target[:, :-12], target[:, -12:-8]
        positive, neutral = STORED[f"{name}/{i}/pos"], STORED[f"{name}/{i}/neutral"]
        wanted = np.zeros_like(classes)
        wanted[:, 0] = 1
        wanted[positive, 0] = wanted[neutral, 0] = 0
        wanted[positive, STORED[f"{name}/{i}/cls"]] = 1
        np.testing.assert_array_equal(classes, wanted)
        wanted = np.zeros_like(offsets)
        wanted[positive] = STORED[f"{name}/{i}/off"]
        np.testing.assert_allclose(offsets, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["small_centroids_norm", "small_corners_abs"])
def test_diagnostics_are_the_anchors_that_answer(name: str) -> None:
    case, encoder = CASES[name], encoder_of(name)
    encoded, matched = encoder(case["ground_truth"], diagnostics=True)
    np.testing.assert_array_equal(encoded, encoder(case["ground_truth"]))
    np.testing.assert_array_equal(
        np.delete(matched, range(-12, -8), axis=2), np.delete(encoded, range(-12, -8), axis=2)
    )
    corners = decode_boxes(matched[..., -12:-8], matched[..., -8:-4], matched[..., -4:], encoder.coords)
    anchors = encoded[..., -8:-4]
    if encoder.coords != "corners":
        anchors = convert_coordinates(anchors, 0, f"{encoder.coords}2corners")
    np.testing.assert_allclose(corners, anchors, rtol=0, atol=1e-12)
    assert (encoded[..., -12:-8] != 0).any()


@pytest.mark.parametrize("name", sorted(set(CASES) - {"small_corners_abs", "small_bipartite"}))
def test_tensor_targets_are_the_dense_ones(name: str) -> None:
    """Where several anchors overlap an object equally, rounding to float32 decides which is its own: left out here."""
    encoder, config = encoder_of(name), CASES[name]["config"]
    rng = np.random.default_rng(0)
    height, width = encoder.image_size
    truth = [_random_objects(rng, n, height, width, config["n_classes"]) for n in (1, 3, 8, 0)]
    encoded = encoder(truth)
    sides = [width, height, width, height]
    for rows, target in zip(truth, encoded, strict=True):
        class_index, offsets = encode_targets(
            rows[:, 1:] / sides,
            rows[:, 0],
            target[:, -8:-4],
            variances=encoder.variances,
            pos_iou=encoder.pos_iou_threshold,
            neg_iou=encoder.neg_iou_limit,
        )
        weights = iou(convert_coordinates(rows[:, 1:] / sides, 0, "corners2centroids"), target[:, -8:-4])
        best = weights > weights.max(axis=1, keepdims=True) - 1e-6
        clear = ~best[best.sum(axis=1) > 1].any(axis=0)
        dense = np.where(target[:, :-12].any(axis=1), target[:, :-12].argmax(axis=1), -1)
        np.testing.assert_array_equal(class_index[clear], dense[clear])
        np.testing.assert_allclose(offsets[clear], target[clear, -12:-8], rtol=1e-4, atol=1e-4)


def _random_objects(rng: np.random.Generator, n: int, height: int, width: int, classes: int) -> np.ndarray:
    corner = rng.random((n, 2)) * [width * 0.6, height * 0.6]
    sides = (0.05 + 0.35 * rng.random((n, 2))) * [width, height]
    return np.concatenate([rng.integers(1, classes + 1, (n, 1)), corner, corner + sides], axis=1)


def test_targets_are_those_of_ssd_pytorch() -> None:
    stored = np.load(GOLDEN / "multibox_loss_perimage.npz")
    for k, case in json.loads((GOLDEN / "multibox_loss_perimage.json").read_text()).items():
        for i, target in enumerate(case["targets"]):
            rows = np.array(target)
            got = encode_targets(rows[:, :4], rows[:, 4] + 1, stored["priors"], neg_iou=0.5)
            np.testing.assert_array_equal(got.class_index, stored[f"{k}/conf_t"][i])
            positive = got.class_index.numpy() > 0
            np.testing.assert_allclose(got.offsets[positive], stored[f"{k}/loc_t"][i][positive], rtol=1e-5, atol=1e-5)


# Four anchors side by side, each a quarter of the image wide and as high as the image.
ANCHORS = np.array([[(2 * i + 1) / 8, 0.5, 0.25, 1.0] for i in range(4)], np.float32)
ON_FIRST, ON_THIRD = [0.0, 0.0, 0.25, 1.0], [0.5, 0.0, 0.75, 0.8]
BLANK = [0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("boxes", "ids", "classes"),
    [
        ([], [], [0, 0, 0, 0]),
        ([ON_FIRST], [7], [7, 0, 0, 0]),
        ([ON_FIRST, ON_THIRD], [7, 2], [7, 0, 2, 0]),
        ([[0.0, 0.0, 0.5, 1.0]], [5], [5, 5, 0, 0]),  # IoU 0.5 with two
        ([[0.0, 0.0, 0.75, 1.0]], [5], [5, -1, -1, 0]),  # IoU 1/3 with three: the first is its own
        ([[0.3, 0.4, 0.3, 0.9]], [5], [0, 0, 0, 0]),  # no area
        ([[1.5, 0.0, 1.8, 1.0]], [5], [0, 0, 0, 0]),  # beyond the image
        ([[0.6, 0.5, 0.601, 0.501]], [5], [0, 0, 5, 0]),  # a pixel
        ([[np.nan] * 4, ON_FIRST], [5, 7], [7, 0, 0, 0]),  # no number
    ],
)
def test_targets_by_hand(boxes: list, ids: list, classes: list) -> None:
    boxes, ids = np.reshape(boxes, (-1, 4)).astype(np.float32), np.array(ids, np.int32)
    padded = np.concatenate([boxes, [BLANK, [np.nan] * 4]]).astype(np.float32), np.concatenate([ids, [0, -1]])
    graph = tf.function(
        lambda b, c: encode_targets(b, c, ANCHORS),
        input_signature=[tf.TensorSpec([None, 4]), tf.TensorSpec([None], tf.int32)],
    )
    for got in (
        encode_targets(boxes, ids, ANCHORS),
        encode_targets(*padded, ANCHORS),
        graph(boxes, ids),
        graph(padded[0], padded[1].astype(np.int32)),
    ):
        assert got[0].dtype == tf.int32
        assert got[0].numpy().tolist() == classes
        assert np.isfinite(got[1]).all()
        assert not got[1].numpy()[np.array(classes) <= 0].any()


def test_a_batch_is_its_images() -> None:
    rng = np.random.default_rng(1)
    images = [_random_objects(rng, n, 1, 1, 5) for n in (3, 0, 5, 1)]
    anchors = np.concatenate([rng.random((300, 2)), 0.1 + rng.random((300, 2)) / 3], axis=1)
    batch = np.zeros((4, 6, 5))
    for row, image in zip(batch, images, strict=True):
        row[: len(image)] = image
    together = tf.function(lambda b, c: encode_targets(b, c, anchors))(batch[..., 1:], batch[..., 0])
    for i, image in enumerate(images):
        alone = encode_targets(image[:, 1:], image[:, 0], anchors)
        np.testing.assert_array_equal(together[0][i], alone.class_index)
        np.testing.assert_allclose(together[1][i], alone.offsets, atol=1e-6)


def test_targets_are_made_within_a_data_set() -> None:
    def objects():
        yield np.array([ON_FIRST]), [3]
        yield np.zeros((0, 4)), []

    data = tf.data.Dataset.from_generator(
        objects, output_signature=(tf.TensorSpec([None, 4]), tf.TensorSpec([None], tf.int32))
    ).map(lambda boxes, ids: encode_targets(boxes, ids, ANCHORS))
    classes, offsets = next(iter(data.batch(2)))
    assert classes.numpy().tolist() == [[3, 0, 0, 0], [0, 0, 0, 0]]
    assert offsets.shape == (2, 4, 4)


@pytest.mark.parametrize("coords", ["centroids", "corners", "minmax"])
@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("border", ["half", "include", "exclude"])
def test_decoding_gives_the_objects_back(coords: str, normalized: bool, border: str) -> None:
    """Whatever the format and the unit. A border rule counts in pixels even where anchors are normalised: the port adds
    1 to a width of at most 1 there."""
    encoder = SSDInputEncoder(**{**SMALL, "coords": coords, "normalize_coords": normalized, "border_pixels": border})
    box = np.array([10.0, 12.0, 41.0, 40.0])
    (target,) = encoder([[[2, *box]]])
    held = target[target[:, 2] == 1]
    assert len(held)
    got = decode_boxes(held[:, -12:-8], held[:, -8:-4], held[:, -4:], coords) * ([96, 64] * 2 if normalized else 1)
    edge = {"half": 0, "include": 0.5, "exclude": -0.5}[border] if coords == "centroids" else 0
    np.testing.assert_allclose(got, np.tile(box + np.array([-edge, -edge, edge, edge]), (len(held), 1)), atol=1e-9)


def test_tensor_offsets_come_back() -> None:
    rng = np.random.default_rng(0)
    boxes, anchors = (np.concatenate([rng.random((50, 2)), 0.1 + rng.random((50, 2))], axis=1) for _ in range(2))
    variances = (0.1, 0.1, 0.2, 0.2)
    offsets = boxes_tf.encode_offsets(boxes, anchors, variances)
    corners = boxes_tf.convert_coordinates(boxes, 0, "centroids2corners")
    np.testing.assert_allclose(boxes_tf.decode_boxes(offsets, anchors, variances), corners, atol=1e-12)
    np.testing.assert_allclose(decode_boxes(offsets, anchors, variances), corners, atol=1e-12)


def test_neutral_anchors_of_bipartite_matching() -> None:
    """Only an object's own anchor is positive; others count as neutral from the lower limit on, even above 0.5."""
    options = {**SMALL, "matching_type": "bipartite"}
    box = [2, 2.0, 2.0, 38.0, 36.0]
    alone, many = SSDInputEncoder(**options)([[box]])[0], SSDInputEncoder(**SMALL)([[box]])[0]
    assert alone[:, 2].sum() == 1
    assert many[:, 2].sum() > 1
    np.testing.assert_array_equal(alone[:, 0], many[:, 0])


def test_template_and_layers() -> None:
    encoder = SSDInputEncoder(**SMALL)
    template = encoder.generate_encoding_template(3)
    assert template.shape == (3, 120, 16)
    assert not template[..., :4].any()
    np.testing.assert_array_equal(template[..., 4:8], template[..., 8:12])
    assert (template[..., 12:] == [0.1, 0.1, 0.2, 0.2]).all()
    first = encoder.generate_anchor_boxes_for_layer((4, 6), [0.5, 1.0, 2.0], 0.2, 0.5)
    assert first.shape == (4, 6, 4, 4)
    np.testing.assert_array_equal(template[0, :96, 8:12], first.reshape(-1, 4))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scales": [0.1, 0.2]}, "scales"),
        ({"scales": [0.1, 0.2, 0.0]}, "scales"),
        ({"min_scale": 0.0}, "min_scale"),
        ({"min_scale": 0.9}, "min_scale"),
        ({"aspect_ratios_global": None}, "aspect ratios"),
        ({"aspect_ratios_global": [1.0, -2.0]}, "aspect ratios"),
        ({"aspect_ratios_per_layer": [[1.0]]}, "aspect_ratios"),
        ({"steps": [16]}, "steps"),
        ({"offsets": [0.5, 0.5, 0.5]}, "offsets"),
        ({"variances": [0.1, 0.2]}, "variances"),
        ({"variances": [0.1, 0.1, 0.2, 0.0]}, "variances"),
        ({"matching_type": "all"}, "matching_type"),
        ({"border_pixels": "some"}, "border_pixels"),
        ({"coords": "polar"}, "coords"),
        ({"background_id": 4}, "background_id"),
    ],
)
def test_configurations_that_do_not_fit(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SSDInputEncoder(**{**SMALL, **wrong})


@pytest.mark.parametrize("box", [[5, 5, 5, 9], [5, 5, 9, 5], [9, 5, 5, 9], [5, 5, np.nan, 9]])
def test_boxes_without_area_are_refused(box: list) -> None:
    with pytest.raises(DegenerateBoxError, match="no width or no height"):
        SSDInputEncoder(**SMALL)([[[1, 0, 0, 9, 9], [1, *box]]])


@pytest.mark.parametrize("name", [0, 4, -1, 1.5])
def test_classes_that_do_not_exist_are_refused(name: float) -> None:
    with pytest.raises(ValueError, match="class"):
        SSDInputEncoder(**SMALL)([[[name, 0, 0, 9, 9]]])


def test_ground_truth_has_five_columns() -> None:
    with pytest.raises(ValueError, match="shape"):
        SSDInputEncoder(**SMALL)([np.ones((2, 4))])
