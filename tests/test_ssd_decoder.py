"""Decoding: what the port makes of the same predictions, and suppression against its definition."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd import SSDInputEncoder, decode_detections, decode_detections_fast, iou
from ssd.decoder import decode_boxes, detect
from ssd.nms import greedy_nms

GOLDEN = Path(__file__).parent / "golden"
CASES = json.loads((GOLDEN / "decode_cases.json").read_text())
STORED = np.load(GOLDEN / "decode_cases.npz")
CONFIGS = {name: case["config"] for name, case in json.loads((GOLDEN / "encoder_cases.json").read_text()).items()}
CONFIGS["small_minmax_norm"] = {**CONFIGS["small_centroids_norm"], "coords": "minmax", "variances": [0.1] * 4}
SUPPRESSED = json.loads((GOLDEN / "nms.json").read_text())


def predictions(case: str) -> np.ndarray:
    confidences, offsets = STORED[f"{case}/conf"], STORED[f"{case}/off"]
    template = SSDInputEncoder(**CONFIGS[CASES[case]["config"]]).generate_encoding_template(len(offsets))
    return np.concatenate([confidences, offsets, template[..., -8:]], axis=-1)


@pytest.mark.parametrize("case", CASES)
def test_detections_are_those_of_the_port(case: str) -> None:
    """The port's rows come by class and, after top_k, in no order: ours are sorted as the golden ones are."""
    found = decode_detections(predictions(case), **CASES[case]["kwargs"])
    for i, rows in enumerate(found):
        assert (np.diff(rows[:, 1]) <= 0).all()
        by_class = rows[np.lexsort((-rows[:, 1], rows[:, 0]))]
        np.testing.assert_allclose(by_class, STORED[f"{case}/out{i}"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_fast_detections_are_those_of_the_port(case: str) -> None:
    for i, rows in enumerate(decode_detections_fast(predictions(case), **{**CASES[case]["kwargs"], "top_k": "all"})):
        np.testing.assert_allclose(rows, STORED[f"{case}/fast{i}"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("case", SUPPRESSED)
def test_suppression_is_that_of_the_port(case: dict) -> None:
    assert greedy_nms(case["boxes"], case["scores"], case["iou_threshold"]).tolist() == case["keep"]


def suppressed_one_by_one(
    boxes: np.ndarray, scores: np.ndarray, groups: np.ndarray, threshold: float, limit: int | None
) -> list[int]:
    left, kept = sorted(range(len(scores)), key=lambda i: (-scores[i], i)), []
    overlaps = iou(boxes, boxes, "corners")
    while left and (limit is None or len(kept) < limit):
        best, *left = left
        kept.append(best)
        left = [i for i in left if groups[i] != groups[best] or not overlaps[best, i] > threshold]
    return kept


@given(
    st.integers(0, 900),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.sampled_from([None, 1, 40]),
    st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_suppression_by_definition(n: int, groups: int, threshold: float, limit: int | None, seed: int) -> None:
    """More candidates than one block holds, many ties, chains of overlaps."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 40, (n, 2))
    boxes = np.concatenate([corner, corner + rng.integers(1, 20, (n, 2))], axis=1).astype(float)
    scores, names = rng.integers(0, 30, n) / 30, rng.integers(0, groups, n)
    got = greedy_nms(boxes, scores, threshold, groups=names, limit=limit)
    assert got.tolist() == suppressed_one_by_one(boxes, scores, names, threshold, limit)


def test_a_chain_of_overlaps() -> None:
    """Each box overlaps the next: every second one stays, however long the chain."""
    at = np.arange(600.0)
    boxes = np.stack([at, at * 0, at + 2.2, at * 0 + 1], axis=1)
    assert greedy_nms(boxes, -at, 0.3).tolist() == list(range(0, 600, 2))


ANCHORS = np.array([[0.25, 0.25, 0.2, 0.2], [0.26, 0.25, 0.2, 0.2], [0.7, 0.7, 0.4, 0.4]])
FIRST, SECOND, THIRD = [0.15, 0.15, 0.35, 0.35], [0.16, 0.15, 0.36, 0.35], [0.5, 0.5, 0.9, 0.9]


@pytest.mark.parametrize(
    ("probs", "wanted"),
    [
        ([[1, 0, 0]] * 3, []),
        ([[0.1, 0.9, 0], [0.2, 0.8, 0], [1, 0, 0]], [[1, 0.9, *FIRST]]),  # the second lies on the first
        ([[0.1, 0.9, 0], [0.2, 0, 0.8], [1, 0, 0]], [[1, 0.9, *FIRST], [2, 0.8, *SECOND]]),  # of another class
        ([[0.1, 0.4, 0.5], [1, 0, 0], [1, 0, 0]], [[2, 0.5, *FIRST], [1, 0.4, *FIRST]]),  # one anchor, two classes
        ([[0.5, 0.5, 0], [1, 0, 0], [0.5, 0, 0.5]], [[1, 0.5, *FIRST], [2, 0.5, *THIRD]]),  # ties: class, then anchor
        ([[0.5, 0.5, 0], [1, 0, 0], [0.5, 0.5, 0]], [[1, 0.5, *FIRST], [1, 0.5, *THIRD]]),
        ([[0.99, 0.01, 0]] * 3, []),  # the score itself is not above it
    ],
)
def test_detect_by_hand(probs: list, wanted: list) -> None:
    got = detect(probs, np.zeros((3, 4)), ANCHORS)
    assert got.shape == (len(wanted), 6)
    np.testing.assert_allclose(got, np.reshape(wanted, (-1, 6)), atol=1e-12)


def test_a_suppressed_box_has_a_say_in_where_the_kept_one_lies() -> None:
    """Its weight is its score times what its IoU has above the threshold; another class has no say."""
    probs = [[0.1, 0.9, 0], [0.1, 0.8, 0.1], [1, 0, 0]]
    overlap = 0.19 / 0.21
    own, other = 0.9 * (1 - 0.45), 0.8 * (overlap - 0.45)
    between = (own * np.array(FIRST) + other * np.array(SECOND)) / (own + other)
    np.testing.assert_allclose(
        detect(probs, np.zeros((3, 4)), ANCHORS, vote=True), [[1, 0.9, *between], [2, 0.1, *SECOND]], atol=1e-12
    )


def test_a_vote_does_not_depend_on_the_score_asked_for() -> None:
    probs, offsets, anchors = wild(300, 4)
    probs[:, 1:] **= 3  # some likely, many not
    everything = detect(probs, offsets, anchors, vote=True, top_k=None, candidates_per_class=None)
    plain = detect(probs, offsets, anchors, top_k=None, candidates_per_class=None)
    np.testing.assert_array_equal(everything[:, :2], plain[:, :2])
    assert np.abs(everything[:, 2:] - plain[:, 2:]).max() > 1e-3
    for score in (0.02, float(np.median(everything[:, 1]))):
        some = detect(probs, offsets, anchors, vote=True, score=score, top_k=None, candidates_per_class=None)
        np.testing.assert_allclose(some, everything[everything[:, 1] > score])


@pytest.mark.parametrize("wildest", [np.inf, np.nan, 1e4])
def test_votes_bear_boxes_of_any_size(wildest: float) -> None:
    offsets = np.zeros((3, 4))
    offsets[1, 2:] = wildest
    probs = [[0.1, 0.9, 0], [0.2, 0.8, 0], [0.3, 0.7, 0]]
    rows = detect(probs, offsets, ANCHORS, vote=True)
    np.testing.assert_allclose(rows[rows[:, 1] == 0.9], [[1, 0.9, *FIRST]])


def test_nothing_found_is_an_empty_table() -> None:
    assert detect(np.zeros((0, 3)), np.zeros((0, 4)), np.zeros((0, 4))).shape == (0, 6)
    background = np.zeros((2, 5, 15))
    background[..., 0] = 1
    for decode in (decode_detections, decode_detections_fast):
        assert [rows.shape for rows in decode(background, normalize_coords=False)] == [(0, 6), (0, 6)]


def wild(n: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions of a network that has learnt nothing: every class a little likely everywhere."""
    rng = np.random.default_rng(seed)
    logits = 0.1 * rng.normal(size=(n, classes))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    anchors = np.concatenate([rng.random((n, 2)), 0.05 + 0.2 * rng.random((n, 2))], axis=1)
    return probs.astype(np.float32), rng.normal(size=(n, 4)).astype(np.float32), anchors


@pytest.mark.parametrize("limit", [10, 400])
def test_candidates_of_each_class_are_limited_before_suppression(limit: int) -> None:
    probs, offsets, anchors = wild(700, 4)
    wanted = []
    for c in (1, 2, 3):
        best = np.sort(np.argsort(-probs[:, c], kind="stable")[:limit])
        corners = decode_boxes(offsets[best], anchors[best], [0.1, 0.1, 0.2, 0.2])
        kept = greedy_nms(corners, probs[best, c], 0.45)
        wanted.append(np.column_stack([np.full(len(kept), c), probs[best[kept], c], corners[kept]]))
    table = np.concatenate(wanted)
    table = table[np.argsort(-table[:, 1], kind="stable")]
    np.testing.assert_allclose(detect(probs, offsets, anchors, top_k=None, candidates_per_class=limit), table)
    np.testing.assert_allclose(detect(probs, offsets, anchors, top_k=7, candidates_per_class=limit), table[:7])


@pytest.mark.parametrize("top_k", [1, 20, 200])
def test_the_best_are_the_first_of_all(top_k: int) -> None:
    """Where few are wanted not all candidates are looked at; the answer is the same."""
    probs, offsets, anchors = wild(3000, 6)
    options = {"nms_iou": 0.3, "candidates_per_class": None}
    everything = detect(probs, offsets, anchors, top_k=None, **options)
    np.testing.assert_array_equal(detect(probs, offsets, anchors, top_k=top_k, **options), everything[:top_k])


def test_too_few_survive_among_the_foremost() -> None:
    """A thousand best candidates on one spot, a few lesser ones elsewhere."""
    anchors = np.tile([[0.5, 0.5, 0.2, 0.2]], (1000, 1))
    anchors = np.concatenate([anchors, [[0.1, 0.1, 0.1, 0.1], [0.9, 0.9, 0.1, 0.1]]])
    scores = np.concatenate([np.linspace(0.9, 0.8, 1000), [0.3, 0.2]])
    got = detect(
        np.stack([1 - scores, scores], axis=1), np.zeros((1002, 4)), anchors, top_k=3, candidates_per_class=None
    )
    np.testing.assert_allclose(got[:, 1], [0.9, 0.3, 0.2])


def test_detect_and_the_port_agree() -> None:
    probs, offsets, anchors = wild(500, 5)
    rest = np.concatenate([offsets, anchors, np.tile([0.1, 0.1, 0.2, 0.2], (500, 1))], axis=1)
    (wanted,) = decode_detections([np.concatenate([probs, rest], axis=1)], img_height=1, img_width=1)
    np.testing.assert_allclose(detect(probs, offsets, anchors, candidates_per_class=None), wanted)


def test_boxes_of_any_size_are_borne() -> None:
    """Offsets as a diverging network gives them overflow to infinity, not to an error."""
    offsets = np.array([[0, 0, 1e6, 1e6], [1e30, 0, -1e6, 0], [0, 0, 0, 0]], np.float32)
    got = detect([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]], offsets, ANCHORS)
    assert got[:, 1].tolist() == pytest.approx([0.9, 0.8, 0.7])
    np.testing.assert_allclose(got[2, 2:], THIRD)


def test_clipping_is_a_choice() -> None:
    row = np.array([[[0.1, 0.9, 0, 0, 0, 0, 0.5, 0.5, 1.5, 0.5, 1, 1, 1, 1]]])
    options = {"img_height": 100, "img_width": 200}
    np.testing.assert_allclose(decode_detections(row, **options)[0], [[1, 0.9, -50, 25, 250, 75]])
    for decode in (decode_detections, decode_detections_fast):
        np.testing.assert_allclose(decode(row, clip=True, **options)[0], [[1, 0.9, 0, 25, 200, 75]])


def test_an_anchor_speaks_once_in_the_fast_form() -> None:
    """It needs its class to be the likeliest, and takes a confidence equal to the threshold."""
    row = np.array([[[0.2, 0.3, 0.5, 0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1]]])
    np.testing.assert_allclose(decode_detections_fast(row, normalize_coords=False)[0][:, :2], [[2, 0.5]])
    assert len(decode_detections(row, normalize_coords=False)[0]) == 2


def test_without_a_threshold_nothing_is_suppressed() -> None:
    row = np.array([[0.1, 0.9, 0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1]])
    twice = np.stack([np.concatenate([row, row])])
    assert len(decode_detections_fast(twice, normalize_coords=False)[0]) == 1
    assert len(decode_detections_fast(twice, iou_threshold=None, normalize_coords=False)[0]) == 2


@pytest.mark.parametrize("decode", [decode_detections, decode_detections_fast])
def test_wrong_calls_are_refused(decode) -> None:
    y_pred = np.zeros((1, 2, 14))
    with pytest.raises(ValueError, match="img_height"):
        decode(y_pred)
    with pytest.raises(ValueError, match="img_height"):
        decode(y_pred, normalize_coords=False, clip=True)
    with pytest.raises(ValueError, match="coords"):
        decode(y_pred, input_coords="polar", img_height=1, img_width=1)
    for wrong in ("al", -1):
        with pytest.raises(ValueError, match="top_k"):
            decode(y_pred, top_k=wrong, img_height=1, img_width=1)
    with pytest.raises(ValueError, match="border_pixels"):
        decode(y_pred, border_pixels="some", img_height=1, img_width=1)


@pytest.mark.parametrize("decode", [decode_detections, decode_detections_fast])
@pytest.mark.parametrize("shape", [(5, 16), (1, 5, 13)])
def test_predictions_of_another_shape_are_refused(decode, shape) -> None:
    with pytest.raises(ValueError, match="C \\+ 12"):
        decode(np.zeros(shape), img_height=10, img_width=10)
