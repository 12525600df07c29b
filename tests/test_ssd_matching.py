"""Matching: the port's numbers, tables counted by hand, and the tensor form against the NumPy one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd import match_bipartite_greedy, match_multi
from ssd.matching import BACKGROUND, NEUTRAL, match

CASES = json.loads((Path(__file__).parent / "golden" / "matching.json").read_text())
GREEDY = [case for case in CASES if case["fn"] == "match_bipartite_greedy"]
in_graph = tf.function(match, input_signature=[tf.TensorSpec([None, None], tf.float64)])


@pytest.mark.parametrize("case", [case for case in GREEDY if not case.get("defect")])
def test_greedy_is_that_of_the_port(case: dict) -> None:
    assert match_bipartite_greedy(case["weights"]).tolist() == case["out"]


@pytest.mark.parametrize(
    ("case", "ours"),
    list(zip([case for case in GREEDY if case.get("defect")], [[0, -1], [1, -1], [-1, 2]], strict=True)),
)
def test_greedy_leaves_out_what_overlaps_nothing(case: dict, ours: list) -> None:
    """The port zeroes a matched row and column instead of taking them out: when only zeros are left it matches row 0
    again, to anchor 0, and every other row left keeps anchor 0 as well. Ours have no anchor."""
    assert match_bipartite_greedy(case["weights"]).tolist() == ours != case["out"]


@pytest.mark.parametrize("case", [case for case in CASES if case["fn"] == "match_multi"])
def test_multi_is_that_of_the_port(case: dict) -> None:
    rows, columns = match_multi(case["weights"], case["threshold"])
    assert rows.tolist() == case["gt"]
    assert columns.tolist() == case["anchor"]


def test_greedy_with_more_objects_than_anchors() -> None:
    assert match_bipartite_greedy([[0.2], [0.9], [0.5]]).tolist() == [-1, 0, -1]


def test_no_objects() -> None:
    nothing = np.zeros((0, 5))
    assert match_bipartite_greedy(nothing).tolist() == []
    assert [part.tolist() for part in match_multi(nothing, 0.5)] == [[], []]
    assert match(nothing).numpy().tolist() == [BACKGROUND] * 5
    assert in_graph(nothing).numpy().tolist() == [BACKGROUND] * 5


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [
        ([[0.0, 0.0, 0.9, 0.0]], [-1, -1, 0, -1]),
        ([[0.0, 0.1, 0.2, 0.0]], [-1, -1, 0, -1]),  # the best anchor, however little it overlaps
        ([[0.6, 0.5, 0.49, 0.3, 0.29]], [0, 0, -2, -2, -1]),  # thresholds themselves count
        ([[0.9, 0.8, 0.0], [0.85, 0.0, 0.0]], [0, 0, -1]),  # the second object's only anchor is taken
        ([[0.9, 0.8, 0.4], [0.85, 0.7, 0.0]], [0, 1, -2]),  # a bipartite match beats a greater overlap
        ([[0.5, 0.5], [0.5, 0.5]], [0, 1]),  # ties: lowest row, lowest column
        ([[0.0, 0.0], [0.0, 0.0]], [-1, -1]),
        ([[0.0, 0.7, 0.2], [0.0, 0.8, 0.7], [0.0, 0.9, 0.1]], [-1, 2, 1]),  # 2 takes 1, 1 takes 2, 0 goes without
    ],
)
def test_match_by_hand(weights: list, wanted: list) -> None:
    table = np.array(weights)
    assert match(table).numpy().tolist() == wanted
    assert in_graph(table).numpy().tolist() == wanted
    padded = np.concatenate([table, np.zeros((3, table.shape[1]))])
    assert match(padded).numpy().tolist() == wanted  # padded objects own no anchor


def by_numpy(weights: np.ndarray, pos: float, neg: float) -> np.ndarray:
    objects = np.where(weights.max(axis=0, initial=0.0) >= neg, NEUTRAL, BACKGROUND)
    rows, columns = match_multi(weights, pos)
    objects[columns] = rows
    own = match_bipartite_greedy(weights)
    objects[own[own >= 0]] = np.flatnonzero(own >= 0)
    return objects


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_tensors_match_as_numpy_does(data: st.DataObject) -> None:
    m, n = data.draw(st.integers(0, 6)), data.draw(st.integers(1, 12))
    tenths = st.integers(0, 10).map(lambda v: v / 10)  # many ties
    weights = np.array(data.draw(st.lists(tenths, min_size=m * n, max_size=m * n))).reshape(m, n)
    assert in_graph(weights).numpy().tolist() == by_numpy(weights, 0.5, 0.3).tolist()


def test_a_batch_matches_image_by_image() -> None:
    rng = np.random.default_rng(0)
    weights = rng.random((2, 3, 5, 40)) * (rng.random((2, 3, 5, 1)) < 0.7)
    graph = tf.function(
        lambda w: match(w, 0.9, 0.8), input_signature=[tf.TensorSpec([None, None, None, None], tf.float64)]
    )
    got = graph(weights).numpy()
    assert got.shape == (2, 3, 40)
    for i, j in np.ndindex(2, 3):
        assert got[i, j].tolist() == by_numpy(weights[i, j], 0.9, 0.8).tolist()


def test_many_objects_of_equal_overlap_end() -> None:
    """Every object wants the same anchors in the same order: one is fixed in each round."""
    weights = np.tile(np.linspace(0.9, 0.1, 30), (20, 1))
    assert in_graph(weights).numpy().tolist() == by_numpy(weights, 0.5, 0.3).tolist()


def test_weights_are_a_matrix() -> None:
    for matcher in (match_bipartite_greedy, lambda weights: match_multi(weights, 0.5)):
        with pytest.raises(ValueError, match="matrix"):
            matcher([0.9, 0.1])
