"""Are red and blue exchanged on these photos? The detector is asked, on the same pixels with both exchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ssd.evaluation.diagnosis import truth_of
from ssd.evaluation.hits import judge
from ssd.overlaps import Floats
from ssd.pipeline import Example, evaluation_batches
from ssd.run import Run
from ssdprep.record import Finding, Severity, Track, untracked

BGR = "EVAL007"

_MOST, _LEAST = 48, 8  # photos that are looked at again, and that it takes
_GAIN, _SURENESS = 0.02, 3.0  # of the mean score of what is labelled; and that in standard errors


def colours_exchanged(
    run: Run,
    examples: Sequence[Example],
    found: Sequence[np.ndarray],
    data: Path,
    found_as: Mapping[int, int],
    *,
    track: Track = untracked,
) -> list[Finding]:
    """Photos whose objects are found more surely once red is blue. found: what was seen on each, as it is.

    found_as: classes whose labels look exchanged; where that explains more, it is not the colours.
    """
    labelled = [i for i, example in enumerate(examples) if len(example.ids)]
    places = np.unique(np.linspace(0, len(labelled) - 1, min(_MOST, len(labelled))).round().astype(int))
    chosen = [labelled[place] for place in places.tolist()]
    if len(chosen) < _LEAST:
        return []
    some = [examples[i] for i in chosen]
    swapped = list(_red_for_blue(run, some, track))
    classes = len(run.labels.names)
    before, after = (sureness(some, each, classes) for each in ([found[i] for i in chosen], swapped))
    renamed = [replace(e, ids=np.array([found_as.get(i, i) for i in e.ids.tolist()], np.int32)) for e in some]
    other = sureness(renamed, [found[i] for i in chosen], classes).mean() if found_as else 0.0
    gain = after - before
    mean, error = float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain)))
    if mean < _GAIN or mean < _SURENESS * error or after.mean() < other - _GAIN:
        return []
    return [
        Finding(
            BGR,
            Severity.WARNING,
            data,
            0,
            f"photos of this set seem to have red and blue exchanged: with both exchanged again, objects on"
            f" {len(some)} of them are found with a mean score of {after.mean():.2f} instead of {before.mean():.2f}",
            "OpenCV reads and writes BGR: whoever wrote these photos, or those that the detector learnt from, left out"
            " cv2.cvtColor(image, cv2.COLOR_BGR2RGB); write them again",
        )
    ]


def _red_for_blue(run: Run, examples: Sequence[Example], track: Track) -> Iterator[np.ndarray]:
    """What is seen on each photo, as if red were blue, and blue red; rows as `Run.detect` yields them."""
    pictures = (batch[..., ::-1] for batch in evaluation_batches(examples, run.config.image_size, batch=16))
    sizes = (example.size for example in track(examples, "red for blue", len(examples)))
    return run.detect_pictures(pictures, sizes)


def sureness(examples: Sequence[Example], found: Sequence[np.ndarray], n_classes: int) -> Floats:
    """How surely the objects of each photo are found, (photos,): the mean score of what found each, 0 for nothing."""
    judged = judge([truth_of(example) for example in examples], found, n_classes)
    scores = np.zeros(len(judged.truth.order))
    scores[judged.hit[judged.right]] = judged.found.scores[judged.right]
    sums = np.bincount(judged.truth.images, scores, minlength=len(examples))
    return sums / np.maximum(1, np.bincount(judged.truth.images, minlength=len(examples)))
