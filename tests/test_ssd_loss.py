"""The loss: golden values, both forms alike, and finite for all that a network can say."""

from __future__ import annotations

import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ssd import SSDLoss, boxes_tf, convert_coordinates, intersection_area
from ssd.loss import GIOU_WEIGHT, giou_loss, multibox_loss

GOLDEN = Path(__file__).parent / "golden"
CASES = json.loads((GOLDEN / "loss_cases.json").read_text())
STORED = np.load(GOLDEN / "loss_cases.npz")
PER_IMAGE = json.loads((GOLDEN / "multibox_loss_perimage.json").read_text())


def case_of(name: str, dtype: str = "float64") -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions with the eight columns that the loss does not look at."""
    return tuple(
        np.pad(STORED[f"{name}/{part}"], ((0, 0), (0, 0), (0, 8)), constant_values=7).astype(dtype)
        for part in ("y_true", "y_pred")
    )


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize(("dtype", "suffix", "tolerance"), [("float64", "f64", 1e-9), ("float32", "f32", 1e-5)])
@pytest.mark.parametrize("name", CASES)
def test_loss_is_that_of_the_port(name: str, dtype: str, suffix: str, tolerance: float, graph: bool) -> None:
    loss = SSDLoss(**CASES[name]["args"])
    compute = tf.function(loss.compute_loss) if graph else loss.compute_loss
    got = compute(*case_of(name, dtype))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, CASES[name][f"loss_per_item_{suffix}"], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_parts_are_those_of_the_port(name: str) -> None:
    true, predicted = case_of(name)
    loss = SSDLoss()
    np.testing.assert_allclose(
        loss.log_loss(true[..., :-12], predicted[..., :-12]), STORED[f"{name}/log_loss"], rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(
        loss.smooth_L1_loss(true[..., -12:-8], predicted[..., -12:-8]), STORED[f"{name}/smooth_l1"], rtol=0, atol=1e-9
    )


def as_logits(name: str) -> tuple[np.ndarray, ...]:
    """A case in the form that training has: logits, offsets, class index, true offsets."""
    true, predicted = case_of(name)
    classes = true[..., :-12]
    index = np.where(classes.any(axis=-1), classes.argmax(axis=-1), -1)
    return np.log(predicted[..., :-12]) + 3.0, predicted[..., -12:-8], index, true[..., -12:-8]


@pytest.mark.parametrize("mining", ["batch", "image"])
@pytest.mark.parametrize("name", [name for name in CASES if name != "zero_probabilities"])
def test_logits_give_the_same_loss(name: str, mining: str) -> None:
    """But for probabilities below 1e-15, which the form on probabilities cuts off and which logits know exactly."""
    with np.errstate(divide="ignore"):
        arguments = as_logits(name)
    logits = np.maximum(arguments[0], -1e4)  # log 0
    classes, boxes = multibox_loss(logits, *arguments[1:], **CASES[name]["args"], mining=mining)
    wanted = SSDLoss(**CASES[name]["args"], mining=mining).compute_loss(*case_of(name))
    assert float(classes + boxes) == pytest.approx(float(tf.reduce_mean(wanted)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("case", PER_IMAGE)
def test_mining_within_each_image_is_that_of_ssd_pytorch(case: str) -> None:
    stored = np.load(GOLDEN / "multibox_loss_perimage.npz")
    classes, boxes = multibox_loss(
        stored[f"{case}/conf"], stored[f"{case}/loc"], stored[f"{case}/conf_t"], stored[f"{case}/loc_t"], mining="image"
    )
    assert float(classes) == pytest.approx(PER_IMAGE[case]["loss_c"], rel=1e-5)
    assert float(boxes) == pytest.approx(PER_IMAGE[case]["loss_l"], rel=1e-5)


def even_logits(n: int, images: int = 1) -> np.ndarray:
    return np.zeros((images, n, 2), np.float32)  # every anchor costs log 2


@pytest.mark.parametrize(
    ("index", "mining", "cost"),
    [
        ([[1, 0, 0, 0, 0, 0]], "batch", 4),  # the positive and three negatives
        ([[1, 0, 0, -1, -1, -1]], "batch", 3),  # only two are background
        ([[1, 1, 0, 0, 0, 0]], "batch", 6 / 2),
        ([[0, 0, 0, 0, 0, 0]], "batch", 0),
        ([[-1, -1, -1, -1, -1, -1]], "batch", 0),
        ([[1, -1, 0], [0, 0, 0]], "batch", 4),  # the batch may mine in the other image
        ([[1, -1, 0], [0, 0, 0]], "image", 2),  # an image without objects teaches nothing
        ([[1, 0, 0, 0, 0], [1, 1, 0, 0, 0]], "image", (1 + 3 + 2 + 3) / 3),
    ],
)
def test_class_loss_by_hand(index: list, mining: str, cost: float) -> None:
    index = np.array(index)
    logits, offsets = even_logits(index.shape[1], len(index)), np.zeros((*index.shape, 4), np.float32)
    classes, boxes = multibox_loss(logits, offsets, index, offsets, mining=mining)
    assert float(classes) == pytest.approx(cost * math.log(2), abs=1e-6)
    assert float(boxes) == 0


def test_box_loss_by_hand() -> None:
    """Half the square below 1, linear beyond; only where an object is; divided by the positives; alpha counts."""
    predicted = np.array([[[0.5, -1.0, 3.0, 0.0], [9.0, 9.0, 9.0, 9.0], [0.0, 0.0, 0.0, -2.0]]], np.float32)
    _, boxes = multibox_loss(even_logits(3), predicted, [[1, 0, 1]], np.zeros((1, 3, 4), np.float32), alpha=2.0)
    assert float(boxes) == pytest.approx(2.0 * (0.125 + 0.5 + 2.5 + 1.5) / 2)


def test_the_hardest_negatives_are_kept() -> None:
    logits = np.zeros((1, 6, 2), np.float32)
    logits[0, :, 1] = [0, 1, 5, 2, 4, 3]  # how sure it is of an object that is not there
    classes, _ = multibox_loss(logits, np.zeros((1, 6, 4)), [[1, 0, 0, 0, 0, 0]], np.zeros((1, 6, 4)))
    assert float(classes) == pytest.approx(sum(math.log1p(math.exp(v)) for v in (0, 5, 4, 3)), rel=1e-6)


def test_offsets_without_object_are_never_looked_at() -> None:
    offsets = np.full((1, 3, 4), np.nan, np.float32)
    offsets[0, 0] = 0.0
    with tf.GradientTape() as tape:
        predicted = tf.Variable(offsets)
        loss = sum(multibox_loss(even_logits(3), predicted, [[1, 0, -1]], offsets))
    assert np.isfinite(loss)
    assert np.isfinite(tf.convert_to_tensor(tape.gradient(loss, predicted))).all()


INDICES = {
    "no objects": [[0] * 8, [0] * 8],
    "all neutral": [[-1] * 8, [-1] * 8],
    "all objects": [[1] * 8, [2] * 8],
    "one image without": [[1, 0, 0, -1, 0, 0, 0, 0], [0] * 8],
}
ONE_PIXEL = math.log(1 / 300 / 0.9) / 0.2  # the offset of a one-pixel box to an anchor of 270 pixels


@pytest.mark.parametrize("mining", ["batch", "image"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4, 1e30], ids=["even", "usual", "huge", "absurd"])
@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())
def test_loss_and_gradients_are_finite(index: list, size: float, dtype: str, mining: str) -> None:
    rng = np.random.default_rng(0)
    most = min(10 * size, float(tf.as_dtype(dtype).max))
    logits, offsets = (
        tf.Variable(tf.cast(np.clip(rng.normal(size=(2, 8, n)) * size, -most, most), dtype)) for n in (3, 4)
    )
    targets = np.full((2, 8, 4), ONE_PIXEL, np.float32)
    with tf.GradientTape() as tape:
        loss = sum(multibox_loss(logits, offsets, index, targets, mining=mining))
    assert loss.dtype == (dtype if dtype == "float64" else "float32")
    assert np.isfinite(loss)
    for gradient in tape.gradient(loss, [logits, offsets]):
        assert np.isfinite(tf.cast(tf.convert_to_tensor(gradient), tf.float32)).all()


@pytest.mark.parametrize("mining", ["batch", "image"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("smallest", [0.0, 1e-7], ids=["zero", "tiny"])
def test_probabilities_may_be_zero(smallest: float, dtype: str, mining: str) -> None:
    """A float16 probability of 1e-7 has the derivative 1e7, which float16 does not know: it is held at the largest."""
    index = np.array(INDICES["one image without"])
    true = np.zeros((2, 8, 15), dtype)
    true[..., :3] = np.eye(3)[np.maximum(index, 0)] * (index >= 0)[..., None]
    probabilities = np.zeros((2, 8, 15), dtype)
    probabilities[..., :3] = [smallest, smallest, 1.0]
    with tf.GradientTape() as tape:
        predicted = tf.Variable(probabilities)
        loss = SSDLoss(mining=mining).compute_loss(true, predicted)
    assert loss.dtype == tf.float32
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, predicted)).all()


@pytest.mark.parametrize("mining", ["batch", "image"])
def test_gradients_on_probabilities_and_logits_agree(mining: str) -> None:
    logits, offsets, index, targets = as_logits("plain")
    logits, offsets = tf.Variable(logits), tf.Variable(offsets)
    with tf.GradientTape(persistent=True) as tape:
        stable = sum(multibox_loss(logits, offsets, index, targets, mining=mining))
        padded = tf.concat([tf.nn.softmax(logits), offsets, tf.zeros((*offsets.shape[:2], 8), tf.float64)], axis=-1)
        plain = tf.reduce_mean(SSDLoss(mining=mining).compute_loss(case_of("plain")[0], padded))
    for one, two in zip(tape.gradient(stable, [logits, offsets]), tape.gradient(plain, [logits, offsets]), strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(one), tf.convert_to_tensor(two), atol=1e-9)


def test_keras_trains_with_it() -> None:
    """Compiled and fitted the usual way; Keras' mean over the batch is the loss of the batch."""
    true, predicted = case_of("plain", "float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((40, 16)), keras.layers.Dense(16, kernel_initializer="identity")])
    model.compile(keras.optimizers.SGD(1e-3), loss=SSDLoss().compute_loss)
    assert model.evaluate(predicted, true, batch_size=3, verbose=0) == pytest.approx(CASES["plain"]["mean"], rel=1e-5)
    history = model.fit(predicted, true, batch_size=3, epochs=3, verbose=0).history["loss"]
    assert history[2] < history[0]


def test_unknown_mining_is_refused() -> None:
    with pytest.raises(ValueError, match="mining"):
        SSDLoss(mining="world")


@pytest.mark.parametrize("wrong", [{"mining": "world"}, {"box_loss": "gIoU"}])
def test_an_unknown_word_is_no_default(wrong: dict[str, str]) -> None:
    blank = tf.zeros((1, 1, 2)), tf.zeros((1, 1, 4)), tf.zeros((1, 1), tf.int32), tf.zeros((1, 1, 4))
    with pytest.raises(ValueError, match="giou"):
        multibox_loss(*blank, **wrong)


VARIANCES = (0.1, 0.1, 0.2, 0.2)


def as_offsets(boxes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Corners (n, 4) as offsets from anchors (n, 4), centroids."""
    return boxes_tf.encode_offsets(convert_coordinates(boxes, 0, "corners2centroids"), anchors, VARIANCES).numpy()


@pytest.mark.parametrize(
    ("other", "loss"),
    [
        ((0.0, 0.0, 1.0, 1.0), 0.0),
        ((0.5, 0.0, 1.5, 1.0), 2 / 3),  # a third shared, no hull beyond the union
        ((1.0, 1.0, 2.0, 2.0), 1.5),  # nothing shared, half of the hull empty
        ((9.0, 0.0, 10.0, 1.0), 1.8),
    ],
)
def test_giou_by_hand(other: tuple[float, ...], loss: float) -> None:
    boxes, anchors = np.array([(0.0, 0.0, 1.0, 1.0), other]), np.array([(0.3, 0.4, 2.0, 0.5)] * 2)
    one, two = as_offsets(boxes, anchors)
    assert float(giou_loss(one, two, VARIANCES)) == pytest.approx(loss, abs=1e-9)


@given(arrays(np.float64, (5, 12), elements=st.floats(0.05, 0.9)))
def test_giou_does_not_depend_on_the_anchor(values: np.ndarray) -> None:
    one, other, anchors = values[:, :4], values[:, 4:8], values[:, 8:]
    one, other = (np.concatenate([each[:, :2], each[:, :2] + each[:, 2:]], axis=1) for each in (one, other))
    shared = intersection_area(one, other, coords="corners", mode="element-wise")
    union = np.prod(one[:, 2:] - one[:, :2], axis=1) + np.prod(other[:, 2:] - other[:, :2], axis=1) - shared
    hull = np.prod(np.maximum(one, other)[:, 2:] - np.minimum(one, other)[:, :2], axis=1)
    got = giou_loss(as_offsets(one, anchors), as_offsets(other, anchors), VARIANCES)
    np.testing.assert_allclose(got, 1 - shared / union + (hull - union) / hull, atol=1e-9)


def test_giou_teaches_whatever_the_network_says() -> None:
    true = np.zeros((1, 3, 4), np.float32)
    predicted = tf.Variable(np.float32([[[0, 0, 1e6, 1e6], [1e6, -1e6, -1e6, 0], [9, 9, 1, 1]]]))
    with tf.GradientTape() as tape:
        loss = sum(multibox_loss(even_logits(3), predicted, [[1, 1, 1]], true, box_loss="giou"))
    gradient = tf.convert_to_tensor(tape.gradient(loss, predicted))
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[0, 2]).min() > 0


def test_giou_counts_where_objects_are() -> None:
    true = np.zeros((1, 3, 4), np.float32)
    predicted = np.float32([[[5, 0, 0, 0], [9, 9, 9, 9], [0, 0, 0, 0]]])  # half of its width off; none; on its object
    _, boxes = multibox_loss(even_logits(3), predicted, [[1, 0, 1]], true, box_loss="giou", alpha=3.0)
    assert float(boxes) == pytest.approx(3.0 * GIOU_WEIGHT * (2 / 3) / 2, rel=1e-6)
