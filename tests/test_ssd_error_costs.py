"""What goes wrong, counted by hand: kinds of errors and what they cost, best scores, the confusion matrix, photos."""

from __future__ import annotations

import numpy as np
import pytest
from test_ssd_metrics import drawn, of_coco

from ssd import coco_average_precision
from ssd.decoder import detect
from ssd.evaluation.confusion import confusion
from ssd.evaluation.error_costs import KINDS, Kind, costs_of, errors_of, photo_costs
from ssd.evaluation.hits import Judged, judge
from ssd.evaluation.thresholds import best_threshold, curve_of, envelope

A, B = (0, 0, 100, 100), (200, 0, 300, 100)  # two objects far from each other
NEAR_A, NEAR_B = (40, 0, 140, 100), (240, 0, 340, 100)  # IoU 60 / 140 = 0.43
ON_A = (10, 0, 110, 100)  # IoU 90 / 110
NOWHERE = (500, 500, 600, 600)


def kinds(judged: Judged) -> list[str]:
    """Of each detection as it was given."""
    named = errors_of(judged).kinds
    return [("right" if k < 0 else KINDS[k].value) for k in named[np.argsort(judged.found.order)]]


def test_every_kind_of_error_has_its_name():
    truth = [[1, *A], [2, *B], [1, 600, 0, 700, 100]]
    found = [
        ([1, 0.9, *A], "right"),
        ([1, 0.8, *ON_A], "duplicate"),
        ([2, 0.7, *ON_A], "class"),
        ([2, 0.6, *NEAR_B], "place"),
        ([1, 0.5, *NEAR_B], "both"),
        ([1, 0.4, *NOWHERE], "background"),
    ]
    judged = judge([truth], [[row for row, _ in found]], 2)
    assert kinds(judged) == [kind for _, kind in found]
    errors = errors_of(judged)
    assert errors.counts == dict.fromkeys(KINDS, 1)
    assert judged.truth.boxes[errors.missed].tolist() == [[600, 0, 700, 100]]  # B is accounted for by its wrong place


@pytest.mark.parametrize(
    ("box", "label", "kind"),
    [
        ((0, 0, 200, 100), 1, "right"),  # IoU 1/2 is enough
        ((0, 0, 201, 100), 1, "place"),
        ((0, 0, 1000, 100), 1, "place"),  # IoU 1/10 is near
        ((0, 0, 1001, 100), 1, "background"),
        ((0, 0, 200, 100), 2, "class"),
        ((0, 0, 201, 100), 2, "both"),
        ((0, 0, 1000, 100), 2, "background"),  # of another class it takes more than 1/10
    ],
)
def test_the_bounds_of_near_and_on(box, label, kind):
    assert kinds(judge([[[1, *A]]], [[[label, 0.9, *box]]], 2)) == [kind]


def test_a_detection_is_of_the_wrong_place_before_it_is_of_the_wrong_class():
    """It overlaps an object of its class by 1/4, one of another class by 9/11."""
    truth = [[1, *A], [2, 70, 0, 170, 100]]
    assert kinds(judge([truth], [[[1, 0.9, 60, 0, 160, 100]]], 2)) == ["place"]


@pytest.mark.parametrize(
    ("truth", "found", "before", "costs"),
    [
        # AP50 counts precision at 101 recalls: 0, 0.01 ... 1
        ([[1, *A]], [[1, 0.9, *NOWHERE], [1, 0.8, *A]], 1 / 2, {Kind.BACKGROUND: 1 / 2}),
        (
            [[1, *A], [1, *B]],
            [[1, 0.9, *A], [1, 0.8, *ON_A], [1, 0.7, *B]],
            (51 + 50 * 2 / 3) / 101,
            {Kind.DUPLICATE: 50 / 3 / 101},
        ),
        ([[1, *A]], [[1, 0.9, *NEAR_A]], 0, {Kind.PLACE: 1}),
        ([[1, *A]], [[1, 0.9, *NEAR_A], [1, 0.8, *A]], 1 / 2, {Kind.PLACE: 1 / 2}),  # A is found: the first one goes
        ([[1, *A], [2, *B]], [[2, 0.9, *A], [2, 0.8, *B]], 1 / 4, {Kind.CLASS: 3 / 4}),
        ([[1, *A], [2, *B]], [[2, 0.9, *A], [1, 0.85, *A], [2, 0.8, *B]], 3 / 4, {Kind.CLASS: 1 / 4}),
        ([[1, *A], [2, *B]], [[2, 0.9, *NEAR_A], [2, 0.8, *B]], 1 / 4, {Kind.BOTH: 1 / 4, Kind.MISSED: 1 / 2}),
        ([[1, *A], [1, *B]], [[1, 0.9, *A]], 51 / 101, {Kind.MISSED: 50 / 101}),
        ([[1, *A], [2, *B]], [[1, 0.9, *A]], 1 / 2, {Kind.MISSED: 1 / 2}),  # of class 2 nothing is left to be found
    ],
)
def test_what_an_error_costs(truth, found, before, costs):
    judged = judge([truth], [found], 2)
    assert pytest.approx(before) == coco_average_precision([truth], [found], 2).AP50
    assert costs_of(judged, errors_of(judged)) == pytest.approx({**dict.fromkeys(KINDS, 0.0), **costs})
    assert photo_costs(judged, np.array([0])) == pytest.approx([1 - before])  # without its mistakes all is right


def test_of_several_on_one_object_the_most_certain_is_put_right():
    """Two boxes off A: the first finds it once it is moved, the second goes; what is right stays."""
    judged = judge([[[1, *A], [1, *B]]], [[[1, 0.9, *NEAR_A], [1, 0.7, -40, 0, 60, 100], [1, 0.8, *B]]], 1)
    assert kinds(judged) == ["place", "place", "right"]
    assert costs_of(judged, errors_of(judged))[Kind.PLACE] == pytest.approx(1 - 51 / 2 / 101)


def test_what_a_photo_costs():
    """Photo 1 has a wrong detection above all that is right, photo 2 an object that is not found, photo 0 nothing."""
    truth = [[[1, *A]], [[1, *A]], [[1, *A]]]
    found = [[[1, 0.8, *A]], [[1, 0.9, *NOWHERE], [1, 0.7, *A]], []]
    before = coco_average_precision(truth, found, 1).AP50
    without_1 = coco_average_precision(truth, [found[0], found[1][1:], []], 1).AP50
    without_2 = coco_average_precision(truth[:2], found[:2], 1).AP50
    costs = photo_costs(judge(truth, found, 1), np.arange(3))
    assert costs == pytest.approx([0, without_1 - before, without_2 - before])
    assert costs[1:].min() > 0.2


@pytest.mark.parametrize("seed", range(12))
def test_cures_never_harm_and_begin_at_cocos_ap50(seed):
    truth, found, n_classes, *_ = of_coco(drawn(seed))
    judged, score = judge(truth, found, n_classes), coco_average_precision(truth, found, n_classes)
    for c in np.flatnonzero(judged.wanted):
        assert envelope(judged, c).mean() == pytest.approx(score.per_class.AP50[c - 1], abs=1e-12)
    costs = costs_of(judged, errors_of(judged))
    assert all(-1e-12 <= cost <= 1 - score.AP50 + 1e-12 for cost in costs.values())
    counts = confusion(judged)
    assert counts[:-1].sum(axis=1)[1:].tolist() == judged.wanted[1:].tolist()  # every label once
    assert counts[:, 1:].sum() == len(judged.found.order)  # and every detection
    assert np.diagonal(counts)[1:].sum() == judged.right.sum()
    above = judged.above(np.full(n_classes, 0.5))
    few = judge(truth, [[row for row in rows if row[1] > 0.5] for rows in found], n_classes)
    assert kinds(above._replace(found=above.found._replace(order=np.arange(len(above.hit))))) == kinds(
        few._replace(found=few.found._replace(order=np.arange(len(few.hit))))
    )


def test_what_was_taken_for_what():
    truth = [[1, *A], [2, *B], [1, 600, 0, 700, 100]]
    found = [
        [1, 0.9, *A],
        [2, 0.8, *ON_A],  # a second opinion on A
        [1, 0.7, *B],  # B, taken for class 1
        [1, 0.6, *NEAR_B],  # on nothing
    ]
    assert confusion(judge([truth], [found], 2)).tolist() == [
        [0, 1, 0],  # background: once taken for class 1
        [1, 1, 0],  # class 1: one missed, one found
        [0, 1, 0],  # class 2: taken for class 1
        [0, 0, 1],  # found already
    ]


def test_a_label_goes_to_its_own_class_even_if_another_is_more_certain():
    assert confusion(judge([[[1, *A]]], [[[2, 0.9, *A], [1, 0.5, *ON_A]]], 2))[1].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("found", "best"),
    [
        # two objects: F1 is 2/3, 1/2, 4/5 from 0.9, 0.8, 0.7 on, and 2/3 from 0.2 on
        ([[1, 0.9, *A], [1, 0.8, *NOWHERE], [1, 0.7, *B], [1, 0.2, *NOWHERE], [1, 0.1, *ON_A]], (0.45, 2 / 3, 1, 0.8)),
        ([[1, 0.9, *A], [1, 0.8, *NOWHERE]], (0.85, 1, 0.5, 2 / 3)),
        ([[1, 0.9, *A]], (0.455, 1, 0.5, 2 / 3)),  # halfway to 0.01, below which nothing is looked at
        ([[1, 0.5, *A], [1, 0.5, *NOWHERE]], (0.255, 0.5, 0.5, 0.5)),  # equal scores come together
        ([[1, 0.9, *NOWHERE]], None),
        ([], None),
    ],
)
def test_the_best_score(found, best):
    assert best_threshold(curve_of(judge([[[1, *A], [1, *B]]], [found], 1), 1)) == (best and pytest.approx(best))


@pytest.mark.parametrize("right", [(True, True, True), (True, False, True), (True, True, False), (False, False, True)])
def test_the_best_score_shows_the_very_boxes_that_it_was_chosen_for(right):
    """The last of them too, in the decoder as in the diagnosis; scores as a network gives them."""
    anchors = np.array([[0.1 + 0.3 * i, 0.5, 0.1, 0.1] for i in range(3)])
    probs = np.array([[1 - s, s] for s in (0.9, 0.6, 0.3)], np.float32)

    def found(score: float) -> np.ndarray:
        return detect(probs, np.zeros((3, 4)), anchors, score=score, vote=True)

    rows = found(0.01)
    truth = [[1, *(box if is_right else box + 0.5)] for box, is_right in zip(rows[:, 2:], right, strict=True)]
    judged = judge([truth], [rows], 1)
    best = best_threshold(curve_of(judged, 1))
    assert found(best.score).tolist() == rows[: len(found(best.score))].tolist()
    for hits, shown in ((sum(right[: len(found(best.score))]), len(found(best.score))), _counts(judged, best.score)):
        assert (hits / shown, hits / 3) == pytest.approx((best.precision, best.recall))


def _counts(judged: Judged, score: float) -> tuple[int, int]:
    shown = judged.above([score])
    return int(shown.right.sum()), len(shown.right)


def test_a_class_without_objects_has_no_curve():
    with pytest.raises(ValueError, match="no object"):
        curve_of(judge([[]], [[[1, 0.9, *A]]], 1), 1)


def test_nothing_at_all():
    judged = judge([[], []], [[], []], 3)
    errors = errors_of(judged)
    assert all(np.isnan(cost) for cost in costs_of(judged, errors).values())
    assert confusion(judged).sum() == 0
    assert photo_costs(judged, np.arange(2)).tolist() == [0, 0]
    with pytest.raises(ValueError, match="images"):
        judge([[]], [], 3)
