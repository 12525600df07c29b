"""How well a detector finds what is there: its detections on a set of examples, scored as COCO and VOC do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssd.data import Source, open_source, readable
from ssd.evaluation.class_findings import unknown_classes
from ssd.evaluation.diagnosis import Diagnosis, diagnose, truth_of
from ssd.evaluation.findings import findings_of
from ssd.learnt import Learnt, validation_of
from ssd.metrics import CocoScore, coco_average_precision, voc_average_precision
from ssd.pipeline import Example
from ssd.run import Origin, Run
from ssd.training.history import HISTORY, NO_COURSE, Course
from ssd.training.unfinished import not_finished
from ssdprep.imagesets import read_lists
from ssdprep.record import Finding, Report, SsdprepError, Track, merged, untracked
from ssdprep.walk import PHOTOS, walk

_OF_PHOTO = PHOTOS | {".xml"}  # what a finding on one photo names
COCO = tuple(name for name in CocoScore.__dataclass_fields__ if name != "per_class")  # the twelve figures


@dataclass(frozen=True)
class ClassScore:
    """One class: its boxes in the set, and how well they are found; nan where it has none."""

    name: str
    boxes: int
    AP50: float
    AP: float
    voc07: float
    voc10: float
    difficult: int = 0  # of the boxes; VOC leaves them out, COCO does not


@dataclass(frozen=True)
class Scores:
    """The figures of a set: COCO's twelve; VOC's mean over the classes at IoU 0.5, of 2007 and of 2010 and later."""

    images: int
    coco: CocoScore
    voc07: float
    voc10: float
    per_class: tuple[ClassScore, ...]

    @property
    def AP50(self) -> float:  # noqa: N802
        """COCO's, over all classes."""
        return self.coco.AP50

    @property
    def AP(self) -> float:  # noqa: N802
        """COCO's, over all classes: the mean over IoU 0.50 to 0.95."""
        return self.coco.AP


@dataclass(frozen=True)
class Evaluation(Report):
    """Everything that one evaluation found out: figures, what goes wrong, and what looks wrong with the set itself."""

    run: Path
    data: Path
    split: str  # train, val, test or all
    names: tuple[str, ...]
    scores: Scores
    diagnosis: Diagnosis
    findings: tuple[Finding, ...] = ()
    page: Path | None = None  # the HTML page that was written
    course: Course = NO_COURSE  # of training
    strangers: int = 0  # boxes left out for a class that the detector does not know

    @property
    def source(self) -> str:
        """The data and its split, in words."""
        return f"{self.data}, {'all photos' if self.split == 'all' else f'split {self.split}'}"

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types; a figure that is not defined is null."""
        scores, seen = self.scores, self.diagnosis
        per_class = zip(scores.per_class, seen.classes, strict=True)
        return {
            "run": str(self.run),
            "data": self.source,
            "images": scores.images,
            "boxes_of_unknown_classes": self.strangers,
            **_figures(AP50=scores.AP50, AP=scores.AP, voc07=scores.voc07, voc10=scores.voc10),
            "coco": _figures(**{name: getattr(scores.coco, name) for name in COCO}),
            "per_class": {
                score.name: {
                    "boxes": score.boxes,
                    "difficult": score.difficult,
                    **_figures(AP50=score.AP50, AP=score.AP, voc07=score.voc07, voc10=score.voc10),
                    **each.to_dict(),
                }
                for score, each in per_class
            },
            **seen.to_dict(self.names),
            "page": str(self.page) if self.page else None,
        }


def evaluate_folder(
    run: Path, data: Path, split: str | None = None, *, html: Path | None = None, track: Track = untracked
) -> Evaluation:
    """Score the detector in a run folder on a data set.

    ``split`` None: test where there is one, else what the run set aside of its own data, else all of it where nothing
    of it is for training.
    html: where to write it all as one page with charts and the worst photos. Raises `SsdprepError` where there is no
    run, no data, no such split, no box in it of a class that the detector knows, where it learnt from val and that is
    all there is to measure, or ``html`` is no place for it.
    """
    from ssd.evaluation.page import GENERATOR, check_place, write_page

    if html is not None:
        check_place(html, GENERATOR)
    detector = Run.load(run)
    source = open_source(data, detector.labels, track=track)
    origin = Origin.of(run)
    learnt = Learnt.of(run)
    name, part = _part(origin, learnt, source, split)
    examples, bad = readable(part, track=track)
    of_data = merged(_concerning(name, part, source), bad)
    strange = unknown_classes(examples, detector.labels, data)
    if not any(len(example.ids) for example in examples):
        known = " of a class that the detector knows" if strange else ""
        other = "photos with labelled objects, or another --split; ssd.predict shows what is found on any photo"
        raise SsdprepError(
            f"{data}, split {name}: no photo has a box{known}, so nothing can be measured",
            strange[0].remedy if strange else other,
        )
    scores, found = evaluate(detector, examples, track=track)
    diagnosis = diagnose(examples, found, detector.labels.names)
    doubts = findings_of(detector, run, data, examples, found, diagnosis.judged, track=track)
    again = learnt.finding(examples, data, split) if learnt else ()
    findings = (*not_finished(run), *again, *strange, *of_data, *doubts)
    report = Evaluation(
        run,
        data,
        name,
        detector.labels.names,
        scores,
        diagnosis,
        findings,
        html,
        course=Course.of(run / HISTORY),
        strangers=sum(len(example.strangers) for example in examples),
    )
    if html is not None:
        write_page(report, examples, html, track=track)
    return report


def _part(origin: Origin, learnt: Learnt | None, source: Source, split: str | None) -> tuple[str, Sequence[Example]]:
    """The split that is meant, and its photos; "val" is what the run set aside where its own data has no such split."""
    is_its_own = origin.is_of(source.path)
    learnt_all = is_its_own and origin.with_val
    rest = "test" if source.splits.get("train") or learnt_all else "all"  # never training unasked: an error, rather
    name = split or ("test" if "test" in source.splits else "val" if is_its_own and not learnt_all else rest)
    if learnt_all and (name == "val" or (name == "test" and not source.splits.get("test"))):
        raise SsdprepError(
            f"this detector learnt from all photos of {source.path} but a test split (ssd.train --with-val)",
            "photos that it has not seen, in a folder of their own; or the run that its options were chosen by",
        )
    if name == "val" and is_its_own:
        part = validation_of(learnt, source, origin.seed)
        if not part:
            raise SsdprepError(
                f"the photos that this detector was validated on are no longer in {source.path}, by their names",
                "--split all, which says how many it learnt from; or photos that it has not seen",
            )
        return name, part
    return name, source.split(name)


def _concerning(name: str, part: Sequence[Example], source: Source) -> Sequence[Finding]:
    """The findings of a data set but those on photos of its other parts, also where a photo there cannot be used."""
    if name == "all" or not source.findings:
        return source.findings
    below = walk(source.path)
    listed = read_lists(source.path, below.lists, below.photos, set(below.photos)).splits
    here = {Path(e.source).stem for e in part} | {Path(photo).stem for photo in listed.get(name, ())}
    there = {Path(photo).stem for photos in listed.values() for photo in photos}
    there |= {Path(e.source).stem for e in source.splits["all"]}
    elsewhere = there - here
    return [f for f in source.findings if f.path.suffix.lower() not in _OF_PHOTO or f.path.stem not in elsewhere]


def evaluate(run: Run, examples: Sequence[Example], *, track: Track = untracked) -> tuple[Scores, list[np.ndarray]]:
    """Score a run on labelled photos; what it found, (M, 6) for each photo as `Run.detect` yields it, comes beside."""
    found = list(run.detect(examples, track=track))
    return score(examples, found, run.labels.names), found


def score(examples: Sequence[Example], found: Sequence[np.ndarray], names: Sequence[str]) -> Scores:
    """The figures of detections, in pixels of the upright photos.

    VOC leaves objects marked difficult out of the count; COCO knows no such mark and counts them.
    """
    truth, difficult = [truth_of(e) for e in examples], [e.difficult for e in examples]
    coco = coco_average_precision(truth, found, len(names))
    voc07, voc10 = (
        voc_average_precision(truth, found, len(names), difficult=difficult, method=method)
        for method in ("11point", "area")
    )
    ids = np.concatenate([np.zeros(0, np.int32), *(e.ids for e in examples)])
    boxes = np.bincount(ids, minlength=len(names) + 1)
    hard = np.bincount(ids[np.concatenate([np.zeros(0, bool), *difficult])], minlength=len(names) + 1)
    figures = zip(coco.per_class.AP50, coco.per_class.AP, voc07.per_class, voc10.per_class, strict=True)
    per_class = tuple(
        ClassScore(name, int(boxes[i]), *map(float, each), int(hard[i]))
        for i, (name, each) in enumerate(zip(names, figures, strict=True), start=1)
    )
    return Scores(len(examples), coco, float(voc07.mean), float(voc10.mean), per_class)


def _figures(**values: float) -> dict[str, float | None]:
    return {key: None if math.isnan(value) else value for key, value in values.items()}
