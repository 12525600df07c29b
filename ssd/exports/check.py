"""Does an exported file say what Keras says? Scores, boxes, detections and AP, picture by picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ssd.decoder import decode_boxes, detect_boxes
from ssd.evaluation.measuring import score as average_precision
from ssd.evaluation.thresholds import LOWEST, SCORE
from ssd.exports.runtime import Outputs, Predict
from ssd.geometry import iou
from ssd.pipeline import Example
from ssd.run import MAX_DETECTIONS, Run
from ssdprep.record import Finding, Severity

UNLIKE, NOT_COMPARED = "EXP001", "EXP002"
SAME_IOU = 0.9  # two detections of one class that overlap by this much are the same


class Tolerance(NamedTuple):
    """How far an export may be from Keras. None: not looked at; AP50 alone decides then, where photos are labelled."""

    scores: float | None  # largest difference of any class of any anchor
    boxes: float | None  # largest difference of any edge, in shares of the picture's side
    lost: float  # share of the detections that may have no partner
    AP50: float  # loss of AP50 where the photos are labelled
    remedy: str  # where it is further


# A score on the threshold may fall on either side; few photos swing AP. What is rounded moves anchors that nobody sees.
EXACT = Tolerance(1e-4, 1e-4, 0.01, 0.02, "another --format")
HALF = Tolerance(None, None, 0.05, 0.02, "--format tflite, whose weights are whole")
INT8 = Tolerance(None, None, 0.25, 0.05, "more training photos to calibrate on, or --format tflite-fp16")


@dataclass(frozen=True)
class Agreement:
    """What one runtime makes of the file, against Keras on the same pictures. AP is nan where nothing is labelled."""

    runtime: str
    pictures: int
    scores: float | None  # None: there was nothing to compare
    boxes: float | None
    detections: int  # of Keras, from score `SCORE` on
    same: int  # of those, how many the runtime has too
    more: int  # that only the runtime has
    AP50_before: float
    AP50_after: float
    AP_before: float
    AP_after: float
    milliseconds: float  # a picture, the network alone

    def faults(self, allowed: Tolerance) -> list[str]:
        """What is beyond the tolerance, in words."""
        told = []
        for noun, apart, limit in (("scores", self.scores, allowed.scores), ("boxes", self.boxes, allowed.boxes)):
            if apart is not None and limit is not None and not apart <= limit:
                told.append(f"{noun} differ by {apart:.2g}, more than {limit:g}")
        if (unlike := self._unlike(allowed)) and not self._is_judged_by_ap(allowed):
            told.append(unlike)
        if self.AP50_before - self.AP50_after > allowed.AP50:
            told.append(f"AP50 falls from {self.AP50_before:.3f} to {self.AP50_after:.3f}")
        return told

    def doubt(self, allowed: Tolerance, file: Path) -> Finding | None:
        """That nothing was compared; or that detections differ, which AP50 has let pass, for few hardly move it."""
        if self.scores is None and not self.more:
            message = f"{self.runtime}: nothing is found from score {SCORE:g} on, here and there: nothing was compared"
            remedy = "name photos on which it finds something: --check DATA"
            return Finding(NOT_COMPARED, Severity.WARNING, file, 0, message, remedy)
        unlike = self._unlike(allowed)
        if not unlike or not self._is_judged_by_ap(allowed):
            return None
        message = f"{self.runtime}: AP50 holds, but from score {SCORE:g} on there are {unlike}"
        remedy = f"look at what it finds (the script beside it); {allowed.remedy}"
        return Finding(UNLIKE, Severity.WARNING, file, 0, message, remedy)

    def _unlike(self, allowed: Tolerance) -> str:
        apart = self.detections - self.same + self.more
        told = f"{self.detections} detections, {self.same} of them and {self.more} others in the export"
        return told if apart > allowed.lost * max(1, self.detections) else ""

    def _is_judged_by_ap(self, allowed: Tolerance) -> bool:
        return allowed.scores is None and not math.isnan(self.AP50_before)

    def to_dict(self) -> dict[str, Any]:
        """JSON types; an undefined figure is null."""
        return {key: None if isinstance(v, float) and math.isnan(v) else v for key, v in asdict(self).items()}


def predictions_of_keras(run: Run, pictures: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Scores (n_boxes, C + 1) and boxes (n_boxes, 4) for each picture, decoded outside of the model in float64."""
    for start in range(0, len(pictures), 16):
        told = run.model(pictures[start : start + 16], training=False)
        for scores, offsets in zip(tf.nn.softmax(told["logits"]).numpy(), told["offsets"].numpy(), strict=True):
            yield scores, decode_boxes(offsets, run.anchors, run.config.variances)


def detections(scores: np.ndarray, boxes: np.ndarray, score: float) -> np.ndarray:
    """Rows class, score, corners, best first: what `ssd.decoder.detect` gives, from boxes that are decoded already."""
    corners = boxes.astype(np.float64)
    return detect_boxes(scores, lambda i: corners[i], score=score, top_k=MAX_DETECTIONS, vote=True)


def compare(
    runtime: str,
    predict: Predict,
    keras: Sequence[tuple[np.ndarray, np.ndarray]],
    pictures: np.ndarray,
    examples: Sequence[Example],
    names: Sequence[str],
) -> Agreement:
    """One runtime against the predictions of Keras on the same pictures; ``examples`` [] where they are no photos.

    Of a file that suppresses by itself, scores and boxes are compared of the detections that both have.
    """
    from time import perf_counter

    predict(pictures[0])  # the first call of most runtimes prepares
    begun = perf_counter()
    given = [predict(picture) for picture in pictures]
    seconds = (perf_counter() - begun) / len(pictures)
    before, after = [detections(*each, SCORE) for each in keras], [_rows(each, SCORE) for each in given]
    pairs = [_pairs(one, two) for one, two in zip(before, after, strict=True)]
    if "detections" in given[0]:
        apart = _rows_apart(before, after, pairs)
    else:
        both = list(zip(keras, given, strict=True))
        apart = max(_apart(a[0], b["scores"]) for a, b in both), max(_apart(a[1], b["boxes"]) for a, b in both)
    figures = [math.nan] * 4
    if any(len(example.ids) for example in examples):
        one = _ap([detections(*each, LOWEST) for each in keras], examples, names)
        two = _ap([_rows(each, LOWEST) for each in given], examples, names)
        figures = [one.AP50, two.AP50, one.AP, two.AP]
    same = sum(map(len, pairs))
    return Agreement(
        runtime,
        len(pictures),
        *apart,
        sum(map(len, before)),
        same,
        sum(map(len, after)) - same,
        *figures,
        seconds * 1000,
    )


def _rows(answer: Outputs, score: float) -> np.ndarray:
    """The detections above a score in what a file answers."""
    if "detections" not in answer:
        return detections(answer["scores"], answer["boxes"], score)
    rows = answer["detections"].astype(np.float64)
    return rows[(rows[:, 0] > 0) & (rows[:, 1] > score)]


def _rows_apart(
    before: Sequence[np.ndarray], after: Sequence[np.ndarray], pairs: Sequence[list[tuple[int, int]]]
) -> tuple[float | None, float | None]:
    """The largest differences of score and of edge between detections that are the same; None where there is none."""
    partners = [(b[i, 1:], a[j, 1:]) for b, a, each in zip(before, after, pairs, strict=True) for i, j in each]
    if not partners:
        return None, None
    one, two = map(np.array, zip(*partners, strict=True))
    return _apart(one[:, :1], two[:, :1]), _apart(one[:, 1:], two[:, 1:])


def _apart(one: np.ndarray, two: np.ndarray) -> float:
    """The largest difference; of values beyond 1 in shares of them. What is no number in both is the same."""
    if one.shape != two.shape:
        return math.inf
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(one - two) / np.maximum(1.0, np.abs(one))
    return float(np.where((one == two) | (np.isnan(one) & np.isnan(two)), 0.0, np.nan_to_num(apart, nan=np.inf)).max())


def _pairs(one: np.ndarray, two: np.ndarray) -> list[tuple[int, int]]:
    """Which detections of one have a partner of their class and place in the other: indices of both."""
    if not len(one) or not len(two):
        return []
    free = (iou(one[:, 2:], two[:, 2:], "corners") >= SAME_IOU) & (one[:, None, 0] == two[None, :, 0])
    pairs = []
    for i, row in enumerate(free):  # best first; each partner is taken once
        partners = np.flatnonzero(row)
        if len(partners):
            free[:, partners[0]] = False
            pairs.append((i, int(partners[0])))
    return pairs


def _ap(side: Sequence[np.ndarray], examples: Sequence[Example], names: Sequence[str]) -> Any:
    """The figures of detections in shares of the sides."""
    scales = [[1, 1, *example.size[::-1], *example.size[::-1]] for example in examples]
    clipped = [np.concatenate([rows[:, :2], np.clip(rows[:, 2:], 0.0, 1.0)], axis=1) for rows in side]
    found = [rows * scale for rows, scale in zip(clipped, scales, strict=True)]
    return average_precision(examples, found, names)
