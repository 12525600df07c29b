"""Box formats, intersection and IoU: one golden table for NumPy and for tensors."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from ssd import boxes_tf, geometry

GOLDEN = Path(__file__).parent / "golden"
CONVERSIONS = json.loads((GOLDEN / "convert_coordinates.json").read_text())
IOUS = json.loads((GOLDEN / "iou.json").read_text())
BOTH = pytest.mark.parametrize("rooms", [geometry, boxes_tf], ids=["numpy", "tensors"])


def doubles(values: object) -> np.ndarray:
    return np.array(values, dtype=np.float64)


@BOTH
@pytest.mark.parametrize("case", CONVERSIONS)
def test_conversions_are_those_of_the_port(rooms: ModuleType, case: dict) -> None:
    given_boxes = doubles(case["input"])
    got = rooms.convert_coordinates(given_boxes, case["start_index"], case["conversion"], case["border_pixels"])
    np.testing.assert_allclose(got, case["output"], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(given_boxes, case["input"])


@BOTH
@pytest.mark.parametrize("case", IOUS)
def test_overlaps_are_those_of_the_port(rooms: ModuleType, case: dict) -> None:
    """The port leaves the border out of the intersection, so that a box has IoU < 1 with itself: not matched."""
    options = case["coords"], case["mode"], case["border_pixels"]
    one, two = doubles(case["boxes1"]), doubles(case["boxes2"])
    np.testing.assert_allclose(
        rooms.intersection_area(one, two, *options), case["intersection_area"], rtol=0, atol=1e-9
    )
    wanted = np.nan_to_num(doubles(case.get("iou", case.get("iou_consistent"))), nan=0.0)
    np.testing.assert_allclose(rooms.iou(one, two, *options), wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("border", ["half", "include", "exclude"])
def test_a_box_is_itself_under_every_border_rule(border: geometry.Border) -> None:
    box = [10.0, 20.0, 40.0, 35.0]
    assert geometry.iou(box, box, "corners", border_pixels=border) == 1.0


@BOTH
@pytest.mark.parametrize(
    ("one", "two", "wanted"),
    [
        ([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7),
        ([0, 0, 2, 2], [2, 0, 4, 2], 0.0),  # they touch
        ([0, 0, 4, 4], [1, 1, 2, 2], 1 / 16),
        ([1, 1, 1, 1], [1, 1, 1, 1], 0.0),  # 0 / 0
        ([3, 3, 3, 5], [0, 0, 9, 9], 0.0),
    ],
)
def test_iou_by_hand(rooms: ModuleType, one: list, two: list, wanted: float) -> None:
    assert float(np.squeeze(rooms.iou(doubles([one]), doubles([two]), "corners"))) == pytest.approx(wanted)


@BOTH
def test_wrong_calls_are_refused(rooms: ModuleType) -> None:
    boxes = np.ones((2, 4))
    for conversion in ("corners2corners", "corners2polar", "corners", "centroids2"):
        with pytest.raises(ValueError, match="conversion"):
            rooms.convert_coordinates(boxes, 0, conversion)
    for start in (1, -3):
        with pytest.raises(ValueError, match=r"four columns from .*\(2, 4\)"):
            rooms.convert_coordinates(boxes, start, "corners2centroids")
    with pytest.raises(ValueError, match="border_pixels"):
        rooms.convert_coordinates(boxes, 0, "corners2centroids", "quarter")
    with pytest.raises(ValueError, match="coords"):
        rooms.iou(boxes, boxes, "polar")
    with pytest.raises(ValueError, match="mode"):
        rooms.iou(boxes, boxes, "corners", "inner_product")


@pytest.mark.parametrize("shape", [(2, 3, 4), (), (5,), (2, 5)])
def test_boxes_have_rank_one_or_two(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        geometry.iou(np.ones(shape), np.ones((1, 4)))


def test_element_wise_pairs_must_fit() -> None:
    with pytest.raises(ValueError, match="paired"):
        geometry.iou(np.ones((2, 4)), np.ones((3, 4)), "corners", "element-wise")


def test_nothing_overlaps_nothing() -> None:
    assert geometry.iou(np.zeros((0, 4)), np.ones((3, 4))).shape == (0, 3)
    assert boxes_tf.iou(np.zeros((0, 4)), np.ones((3, 4))).shape == (0, 3)


def test_tensors_come_in_batches_and_unknown_numbers() -> None:
    rng = np.random.default_rng(0)
    corners = np.sort(rng.random((2, 5, 2, 2)), axis=2).reshape(2, 5, 4)
    others = np.sort(rng.random((7, 2, 2)), axis=1).reshape(7, 4)
    graph = tf.function(
        lambda a, b: boxes_tf.iou(a, b, "corners"),
        input_signature=[tf.TensorSpec([None, None, 4], tf.float64), tf.TensorSpec([None, 4], tf.float64)],
    )
    wanted = np.stack([geometry.iou(image, others, "corners") for image in corners])
    np.testing.assert_allclose(graph(corners, others), wanted, atol=1e-12)
    np.testing.assert_allclose(boxes_tf.iou(corners, others, "corners"), wanted, atol=1e-12)


number = st.floats(-1e3, 1e3, allow_nan=False)
side = st.floats(1e-3, 1e3)
box = st.tuples(number, number, side, side)


@given(st.lists(box, min_size=1, max_size=6), st.sampled_from(["corners", "minmax"]))
def test_conversions_come_back(centroids: list, other: str) -> None:
    there = geometry.convert_coordinates(centroids, 0, f"centroids2{other}")
    back = geometry.convert_coordinates(there, 0, f"{other}2centroids")
    np.testing.assert_allclose(back, centroids, rtol=1e-9, atol=1e-9)


@given(st.lists(box, min_size=1, max_size=4), st.lists(box, min_size=1, max_size=4))
def test_iou_is_symmetric_and_a_share(one: list, two: list) -> None:
    there = geometry.iou(one, two)
    assert (there >= 0).all()
    assert (there <= 1 + 1e-9).all()
    np.testing.assert_allclose(there, geometry.iou(two, one).T, atol=1e-12)
    np.testing.assert_allclose(np.diag(geometry.iou(one, one)), 1.0, rtol=1e-6)
