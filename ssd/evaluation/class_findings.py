"""What looks wrong with classes: one is found everywhere, one never, two are exchanged, one was not trained."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ssd.evaluation.confusion import confusion
from ssd.evaluation.hits import Judged
from ssd.evaluation.thresholds import FEW, SCORE
from ssd.examples import Example, Stranger
from ssd.overlaps import Ints
from ssdprep.labels import LabelMap
from ssdprep.record import Finding, Severity
from ssdprep.wording import counted, listed, quoted

EVERYWHERE, NEVER, UNTRAINED, EXCHANGED, FEW_BOXES = "EVAL001", "EVAL002", "EVAL003", "EVAL004", "EVAL008"
UNKNOWN = "EVAL009"

_MORE, _WRONG = 0.3, 2 / 3  # of the surest detections beyond its share of the labels; of all that are wrong among them
_LEAST = 10  # detections that it takes to speak of all
_FAINT, _TOUCHES = 0.1, 0.1  # score and IoU from which on an object counts as noticed
_TAKEN, _TIMES = 0.4, 3  # share and number of a class's labels that are taken for one other, and not for its own


def unknown_classes(examples: Sequence[Example], labels: LabelMap, data: Path) -> tuple[Finding, ...]:
    """Classes of the labels that the detector has no output for, each at the first of its boxes, which are left out."""
    first: dict[str, Stranger] = {}
    boxes = Counter[str]()
    for stranger in (each for example in examples for each in example.strangers):
        first.setdefault(stranger.name, stranger)
        boxes[stranger.name] += 1
    known = listed(labels.names)
    anew = f"a detector that knows it: python -m ssd.train {quoted(data)}"
    findings = []
    for name, stranger in first.items():
        slip = f"{name}={near}" if (near := labels.near(name)) else ""
        repair = f"ssdprep repair {quoted(data)} --rename {shlex.quote(slip)}, if that is meant; or " if slip else ""
        if not stranger.line:  # records hold what stood in the photos' labels
            repair = "mend the photos that it was written from, then ssdprep tfrecord; or "
        message = f"class {name!r} is none of the detector's ({known}): {counted(boxes[name], 'box')} left out"
        findings.append(Finding(UNKNOWN, Severity.ERROR, stranger.path, stranger.line, message, f"{repair}{anew}"))
    return tuple(findings)


def found_everywhere(judged: Judged, names: Sequence[str], data: Path, but: set[int]) -> list[Finding]:
    """A class that fills the surest detections, as many as there are labels, far beyond its share, and wrongly.

    ``but``: ids of classes that another finding accounts for.
    """
    wanted = judged.wanted
    best = np.argsort(-judged.found.scores, kind="stable")[: wanted.sum()]
    if len(best) < _LEAST:
        return []
    wrong = best[~judged.right[best]]
    counts = np.bincount(judged.found.classes[best], minlength=len(wanted))
    faults = np.bincount(judged.found.classes[wrong], minlength=len(wanted))
    excess = counts / len(best) - wanted / wanted.sum()
    return [
        Finding(
            EVERYWHERE,
            Severity.WARNING,
            data,
            0,
            f"{names[c - 1]} is found nearly everywhere: of the {len(best):,} surest detections, as many as there are"
            f" labels, {counts[c] / len(best):.0%} are of it (of the labels {wanted[c] / wanted.sum():.0%}), and"
            f" {faults[c]:,} of these are wrong",
            "it had far more boxes to learn from than the others, or training ended too early: ssdprep audit shows the"
            " balance, ssdprep augment --balance mends it; then train longer, and watch each class, not the mean",
        )
        for c in np.flatnonzero((excess >= _MORE) & (faults >= _WRONG * len(wrong)) & (2 * faults >= counts)).tolist()
        if c not in but
    ]


def exchanged(judged: Judged, names: Sequence[str], data: Path) -> tuple[list[Finding], dict[int, int]]:
    """Classes whose labels are mostly found as the next, round in a ring; and by ids what each of them is found as."""
    counts = confusion(judged.above(np.full(judged.n_classes, SCORE)))[1:-1, 1:]
    findings, found_as = [], dict[int, int]()
    for ring in _rings(_taken_for(counts)):
        found_as |= {a + 1: b + 1 for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)}
        told = [
            f"{counts[a, b]:,} of {counts[a].sum():,} found as {names[b]}"
            for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)
        ]
        parts = "; ".join(f"{names[c]}: {said}" for c, said in zip(ring, told, strict=True))
        who = f"{names[ring[0]]} and {names[ring[1]]}" if len(ring) == 2 else ", ".join(names[c] for c in ring)
        findings.append(
            Finding(
                EXCHANGED,
                Severity.WARNING,
                data,
                0,
                f"labels of {who} look exchanged ({parts}), in this set or in what the detector learnt from",
                "look at photos of both (ssdprep preview); rename the labels where they are wrong"
                " (ssdprep repair --rename OLD=NEW), and train again if they were wrong there",
            )
        )
    return findings, found_as


def never_found(
    judged: Judged,
    names: Sequence[str],
    data: Path,
    but: set[int],
    trained_on: Callable[[], Mapping[str, int] | None],
) -> list[Finding]:
    """Classes none of whose objects is noticed, even faintly and roughly.

    ``but``: ids of classes that another finding accounts for. trained_on: boxes of each class in training, where they
    are known; asked where there is such a class.
    """
    pairs = judged.pairs
    noticed = judged.found.classes[pairs.found] == judged.truth.classes[pairs.truth]
    noticed &= (judged.found.scores[pairs.found] >= _FAINT) & (pairs.iou >= _TOUCHES)
    seen = {*judged.truth.classes[pairs.truth[noticed]].tolist(), *but}
    lost = [c for c in np.flatnonzero(judged.wanted).tolist() if c not in seen]
    trained = trained_on() if lost else None
    return [_never(names[c - 1], int(judged.wanted[c]), data, trained) for c in lost]


def _never(name: str, boxes: int, data: Path, trained: Mapping[str, int] | None) -> Finding:
    here = counted(boxes, "box")
    if trained is not None and not trained.get(name, 0):
        message = f"{name} ({here} here) had no box in training: it cannot be found"
        cure = "ssdprep split --force gives every class to every part; label more of it where it is rare; train again"
        return Finding(UNTRAINED, Severity.ERROR, data, 0, message, cure)
    learnt = f"; it had {counted(trained[name], 'box')} to learn from" if trained is not None else ""
    message = f"{name} is never found: none of its {here} is noticed from score {_FAINT:g} on{learnt}"
    cure = (
        "it is too rare, too small for the network (ssdprep audit says both), or looks otherwise in training: ssdprep"
        " augment --balance, a preset of larger input, more epochs"
    )
    return Finding(NEVER, Severity.WARNING, data, 0, message, cure)


def few_boxes(judged: Judged, names: Sequence[str], data: Path) -> list[Finding]:
    """Classes of too few boxes for a score of their own."""
    few = [f"{names[c - 1]} ({n})" for c, n in enumerate(judged.wanted.tolist()) if 0 < n < FEW]
    if not few:
        return []
    return [
        Finding(
            FEW_BOXES,
            Severity.INFO,
            data,
            0,
            f"fewer than {FEW} boxes of {', '.join(few)}: AP and the best score of these classes are partly chance",
            f"take {SCORE:g} for them, and label more photos for the test",
        )
    ]


def _taken_for(counts: Ints) -> dict[int, int]:
    """Of each class (from 0) the other one that most of its labels are found as."""
    others = counts.copy()
    np.fill_diagonal(others, 0)
    most, total = others.argmax(axis=1), counts.sum(axis=1)
    there = others[np.arange(len(others)), most]
    is_taken = (there > np.diagonal(counts)) & (there >= _TIMES) & (there >= _TAKEN * total)
    return {a: int(most[a]) for a in np.flatnonzero(is_taken).tolist()}


def _rings(following: Mapping[int, int]) -> list[list[int]]:
    """Cycles of the mapping, each from its smallest member on."""
    rings = []
    for start in following:
        ring = [start]
        while (after := following.get(ring[-1])) is not None and after not in ring:
            ring.append(after)
        if after == start == min(ring):
            rings.append(ring)
    return rings
