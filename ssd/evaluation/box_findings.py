"""What looks wrong with the place of labels: all lie to one side, or those of a photo fit after a turn or a flip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ssd.evaluation.hits import Judged
from ssd.geometry import iou
from ssd.overlaps import Bools, Floats
from ssd.pipeline import Example
from ssdprep import boxes as geometry
from ssdprep.record import Finding, Severity, Size

SHIFTED, TURNED = "EVAL005", "EVAL006"

SURE = 0.3  # score from which on a detection says where an object is
_NEAR = 0.1  # IoU of a label with the detection of its object, however shifted
_PAIRS, _SHIFT, _SURENESS = 20, 0.06, 5.0  # that it takes: pairs, share of the box's side, standard errors of a median
_FITS, _BETTER = 0.5, 0.3  # mean IoU of a photo's labels with what is found, once turned; and how much more that is
_PHOTOS = 2  # that fit after the same turn; one alone may be chance
_HOW = {
    2: "a flip left to right",
    3: "a half turn",
    4: "a flip top to bottom",
    5: "a flip along the diagonal",
    6: "a quarter turn clockwise",
    7: "a flip along the other diagonal",
    8: "a quarter turn counter-clockwise",
}


def shifted(judged: Judged, but: Bools, data: Path) -> list[Finding]:
    """Labels that lie to one side of what is found: the median offset, in sides of a box. ``but``: not these photos."""
    offsets = _offsets(judged, but)
    if len(offsets) < _PAIRS:
        return []
    middle = np.median(offsets, axis=0)
    spread = 1.4826 * np.median(np.abs(offsets - middle), axis=0)  # the standard deviation, if they are normal
    error = np.maximum(1.2533 * spread / np.sqrt(len(offsets)), 1e-9)
    if not ((np.abs(middle) >= _SHIFT) & (np.abs(middle) >= _SURENESS * error)).any():
        return []
    ways = (("its width to the left", "its width to the right"), ("its height up", "its height down"))
    parts = [
        f"{abs(value):.2f} of {way[value > 0]}"
        for value, way in zip(middle.tolist(), ways, strict=True)
        if abs(value) >= _SHIFT
    ]
    message = f"labels of this set look shifted: each box by {' and '.join(parts)}, against {len(offsets):,} detections"
    cure = (
        "draw some (ssdprep preview) to see which side is right; if the labels are, those that the detector learnt from"
        " are shifted: mend them and train again"
    )
    return [Finding(SHIFTED, Severity.WARNING, data, 0, message, cure)]


def turned(examples: Sequence[Example], found: Sequence[np.ndarray], judged: Judged) -> tuple[list[Finding], Bools]:
    """Photos whose labels fit what is found only once they are turned or flipped; and which these are, (photos,)."""
    offsets = _offsets(judged, np.zeros(len(examples), bool))
    shift = np.median(offsets, axis=0) if len(offsets) >= _PAIRS else np.zeros(2)
    ways = np.array([_way(example, rows, shift) for example, rows in zip(examples, found, strict=True)], int)
    counts = np.bincount(ways, minlength=9)
    is_turned = (ways > 1) & (counts[ways] >= _PHOTOS)
    findings = [
        Finding(
            TURNED,
            Severity.WARNING,
            Path(examples[i].source),
            0,
            f"its labels fit what is found on it after {_HOW[int(ways[i])]}, and do not as they are"
            f" ({counts[ways[i]]:,} photos of this set are so)",
            "labels and photo are in different frames: ssdprep fix-exif DATA, and look at both readings with"
            " ssdprep preview DATA --unresolved",
        )
        for i in np.flatnonzero(is_turned).tolist()
    ]
    return findings, is_turned


def _offsets(judged: Judged, but: Bools) -> Floats:
    """How far each label's centre lies from that of its detection, (n, 2), in sides of the detection."""
    found, truth, pairs = judged.found, judged.truth, judged.pairs
    near = (found.classes[pairs.found] == truth.classes[pairs.truth]) & (pairs.iou >= _NEAR)
    near &= (found.scores[pairs.found] >= SURE) & ~but[found.images[pairs.found]]
    f, t, overlap = (column[near] for column in pairs)
    order = np.argsort(-overlap, kind="stable")
    f, t = f[order], t[order]
    mutual = np.intersect1d(np.unique(f, return_index=True)[1], np.unique(t, return_index=True)[1])
    a, b = found.boxes[f[mutual]], truth.boxes[t[mutual]]
    return ((b[:, :2] + b[:, 2:]) - (a[:, :2] + a[:, 2:])) / 2 / np.maximum(a[:, 2:] - a[:, :2], 1e-9)


def _way(example: Example, rows: np.ndarray, shift: Floats) -> int:
    """The EXIF orientation after which the labels fit what is found; 1 where nothing helps.

    1 as well where they fit as they are, of whatever class, or once the shift of all labels (2,) is taken back.
    """
    rows = rows[rows[:, 1] >= SURE]
    if not len(example.ids) or not len(rows):
        return 1
    height, width = example.size
    labels = example.boxes.astype(np.float64) * [width, height, width, height]
    same = example.ids[:, None] == rows[None, :, 0]
    back = labels - np.tile((labels[:, 2:] - labels[:, :2]) * shift, 2)
    as_it_is = max(float(iou(boxes, rows[:, 2:], "corners").max(axis=1).mean()) for boxes in (labels, back))
    fits = {}
    for way in _HOW:
        stored = Size(height, width) if way >= 5 else Size(width, height)
        overlap = iou(geometry.upright(labels, way, stored), rows[:, 2:], "corners")
        fits[way] = float((overlap * same).max(axis=1).mean())
    best = max(fits, key=lambda way: fits[way])
    return best if fits[best] >= _FITS and fits[best] - as_it_is >= _BETTER else 1
