"""What an evaluation finds wrong with the set, or with what the detector learnt from: each with its cause and cure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ssd.data import open_source, train_and_val
from ssd.evaluation.box_findings import shifted, turned
from ssd.evaluation.class_findings import exchanged, few_boxes, found_everywhere, never_found
from ssd.evaluation.colour_findings import colours_exchanged
from ssd.evaluation.hits import Judged
from ssd.pipeline import Example
from ssd.run import Origin, Run
from ssdprep.labels import LabelMap
from ssdprep.record import Finding, SsdprepError, Track, untracked


def findings_of(
    detector: Run,
    run: Path,
    data: Path,
    examples: Sequence[Example],
    found: Sequence[np.ndarray],
    judged: Judged,
    *,
    track: Track = untracked,
) -> tuple[Finding, ...]:
    """All of them. found: of each photo as `Run.detect` yields it; judged: the same beside the labels."""
    names = detector.labels.names
    of_turned, is_turned = turned(examples, found, judged)
    of_exchanged, found_as = exchanged(judged, names, data)
    of_colours = colours_exchanged(detector, examples, found, data, found_as, track=track)
    upright = np.bincount(judged.truth.classes[~is_turned[judged.truth.images]], minlength=len(judged.wanted))
    accounted = {*found_as, *np.flatnonzero(2 * upright < judged.wanted).tolist()}
    findings = (
        *of_colours,  # first: of several findings it is the cause
        *found_everywhere(judged, names, data, accounted),
        *never_found(judged, names, data, accounted, lambda: boxes_in_training(run, detector.labels)),
        *(of_exchanged if not of_colours else ()),  # classes told by their colour alone look so too
        *shifted(judged, is_turned, data),
        *of_turned,
        *few_boxes(judged, names, data),
    )
    return tuple(finding.about(data) for finding in findings)


def boxes_in_training(run: Path, labels: LabelMap) -> Mapping[str, int] | None:
    """Boxes of each class that a run learnt from: as it recorded them, else counted where its data still lies.

    None where neither can be had.
    """
    origin = Origin.of(run)
    if origin.boxes is not None:
        return origin.boxes
    if origin.data is None or not origin.data.is_dir():
        return None
    try:
        training, _ = train_and_val(open_source(origin.data, labels), origin.seed)
    except SsdprepError:  # the folder is there and is another data set by now
        return None
    ids = np.concatenate([np.zeros(0, np.int32), *(example.ids for example in training)])
    counted = np.bincount(ids, minlength=len(labels.names) + 1)[1:]
    return dict(zip(labels.names, counted.tolist(), strict=True))
