"""In which frame were these boxes drawn? And the same record, upright.

The stored frame is the pixel array in the file, the upright frame is that array after its EXIF orientation is applied.
LabelImg drew in the one up to 1.8.3, and in the other from 1.8.4 on. docs/exif.md has the table that `decide` is.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ssdprep.metadata import effective
from ssdprep.record import TOLERANCE, Box, Dataset, Finding, Record, Severity, Size
from ssdprep.settled import Drawn, Note, holds, note_about, notes_about

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ssdprep.boxes import Boxes

    Rows = Sequence[Sequence[float]] | Boxes  # (N, 4)

UNRESOLVED, CONFLICT = "ORI001", "ORI002"

Frame = Literal["auto", "stored", "upright"]
Turn = Literal["cw", "ccw"]

_OTHER: dict[Drawn, Drawn] = {"stored": "upright", "upright": "stored"}
_TURNED = {"cw": 6, "ccw": 8}  # the orientation that does what a quarter turn did


class Verdict(StrEnum):
    """What is known about the frame of a file's boxes."""

    ALREADY_UPRIGHT = "already_upright"
    STORED_FRAME = "stored_frame"
    UPRIGHT_FRAME = "upright_frame"
    NO_BOXES = "no_boxes"
    UNRESOLVED = "unresolved"
    CONFLICT = "conflict"


_SHOWN: dict[Verdict, Drawn] = {Verdict.STORED_FRAME: "stored", Verdict.UPRIGHT_FRAME: "upright"}


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, what it rests on, and how boxes get from their frame to the upright one."""

    verdict: Verdict
    evidence: str
    drawn_in: Size  # size of the frame that the boxes are in
    turn: int = 1  # the EXIF orientation that brings boxes upright; 1: they are
    shown: Drawn | None = None  # the frame that the file itself shows or once showed; None: it cannot tell
    remedy: str = ""  # where it is not the usual one

    @property
    def decided(self) -> bool:
        """Whether the frame is known, or does not matter."""
        return self.verdict not in {Verdict.UNRESOLVED, Verdict.CONFLICT}

    def upright(self, boxes: ArrayLike) -> Boxes:
        """Boxes of shape (N, 4) in the upright frame; an edge off the frame by a rounding is set to its border."""
        import numpy as np

        from ssdprep import boxes as geometry

        b = geometry.as_boxes(boxes)
        cut = geometry.clip(b, self.drawn_in)
        return geometry.upright(np.where(np.abs(cut - b) <= TOLERANCE, cut, b), self.turn, self.drawn_in)


def decide(
    orientation: int,
    stored: Size,
    labelled: Size | None,
    boxes: Rows,
    *,
    turned: Turn | None = None,
    frame: Frame = "auto",
) -> Decision:
    """In which frame boxes of shape (N, 4) are: the table of docs/exif.md.

    orientation: as written in the file, 1 where absent; what is none of 1..8 counts as 1, as it does for every reader.
    stored: size of the pixel array in the file. labelled: ``<size>``; None where missing or 0x0.
    turned: which way a photo without a tag was turned after it was labelled. frame: decides what the file cannot tell,
    and never overrules what it can.
    """
    applied = effective(orientation)
    if not len(boxes):
        return Decision(Verdict.NO_BOXES, "no boxes", stored, applied)
    if applied == 1:
        return _without_tag(stored, labelled, boxes, turned)
    if applied >= 5 and stored.width != stored.height:
        verdict, evidence = _by_boxes(stored, boxes) if labelled is None else _by_size(stored, labelled)
    else:
        verdict, evidence = _by_nothing(applied, stored, labelled)
    shown = _SHOWN.get(verdict)
    if verdict is Verdict.UNRESOLVED and frame != "auto":
        verdict = Verdict.STORED_FRAME if frame == "stored" else Verdict.UPRIGHT_FRAME
        evidence = f"--frame {frame}; {evidence}"
    if verdict is Verdict.UPRIGHT_FRAME:
        return Decision(verdict, evidence, stored.swapped if applied >= 5 else stored, shown=shown)
    return Decision(verdict, evidence, stored, applied, shown=shown)


class Advice(NamedTuple):
    """How unresolved files can be settled."""

    said: str  # what the rest of the set shows
    command: str  # the next one
    after: str = ""  # what to run once the next one has told

    def __str__(self) -> str:
        look = f"{self.said}; look at both readings: {self.command}, then {self.after}"
        return look if self.after else f"{self.said}: {self.command}"


def judge(dataset: Dataset, *, frame: Frame = "auto", turned: Turn | None = None) -> tuple[Decision | None, ...]:
    """A decision for every record of a data set, in its order; None where there is no photo whose header can be read.

    A file that `fix_exif` settled once, with ``images="keep"``, stays settled until its annotation changes.
    """
    notes = notes_about(dataset)
    return tuple(_judge(dataset.root, record, note_about(record, notes), frame, turned) for record in dataset.records)


def to_upright(dataset: Dataset, *, frame: Frame = "auto") -> Dataset:
    """The same records with their boxes in the upright frame, and `labelled_size` with them. Reads no photo.

    Records whose frame cannot be decided are left out of records and splits alike, each with a finding (ORI001, ORI002)
    that names the next command. Records without a photo that can be read pass through as they are.
    """
    decisions = judge(dataset, frame=frame)
    advice = next_command(dataset.root, decisions)
    moved: list[Record | None] = []
    findings = list(dataset.findings)
    for record, decision in zip(dataset.records, decisions, strict=True):
        if decision is None or decision.decided:
            moved.append(record if decision is None else _moved(record, decision))
        else:
            moved.append(None)
            findings.append(undecided(dataset.root, record, decision, advice))
    records = tuple(upright for upright in moved if upright is not None)
    upright_of = dict(zip(dataset.records, moved, strict=True)) if dataset.splits else {}
    splits = {
        name: tuple(upright for record in part if (upright := upright_of.get(record, record)) is not None)
        for name, part in dataset.splits.items()
    }
    return Dataset(dataset.root, records, tuple(findings), splits)


def next_command(root: Path, decisions: Iterable[Decision | None]) -> Advice:
    """What the files that can be decided show, and the command that would settle the others."""
    counts = Counter(decision.shown for decision in decisions if decision and decision.shown)
    (frame, most), total = (counts.most_common(1) or [("stored", 0)])[0], counts.total()
    data = shlex.quote(str(root))
    said = f"{most} of {total} files that can be decided are in the {frame} frame" if total else "no other file tells"
    command = f"ssdprep fix-exif {data} --frame {frame}"
    if total and most == total:
        return Advice(said, command)
    return Advice(said, f"ssdprep preview {data} --unresolved", f"{command}, or --frame {_OTHER[frame]}")


def undecided(root: Path, record: Record, decision: Decision, advice: Advice) -> Finding:
    """The finding for a record whose boxes cannot be used: what is known, and the exact next command."""
    path = record.annotation or record.path
    if decision.verdict is Verdict.UNRESOLVED:
        remedy = decision.remedy or str(advice)
        return Finding(UNRESOLVED, Severity.ERROR, path, 0, f"frame unknown: {decision.evidence}", remedy)
    if decision.remedy:
        remedy = decision.remedy
    elif _turned_later(record.orientation, record.stored_size, record.labelled_size):
        remedy = f"ssdprep fix-exif {shlex.quote(str(root))} --turned cw (clockwise), or --turned ccw"
    else:
        remedy = "bring back the photo that was labelled, or label this one again"
    return Finding(CONFLICT, Severity.ERROR, path, 0, decision.evidence, remedy)


def _judge(root: Path, record: Record, note: Note | None, frame: Frame, turned: Turn | None) -> Decision | None:
    if record.stored_size is None:
        return None
    case = record.orientation, record.stored_size, record.labelled_size, [thing.box for thing in record.objects]
    if note is None:
        return decide(*case, turned=turned, frame=frame)
    decision = replace(decide(*case, turned=turned), shown=note.get("drawn"))
    if decision.verdict is not Verdict.UNRESOLVED:
        return decision
    if holds(note, record):
        evidence = "an earlier fix-exif made the boxes upright"
        return replace(decide(*case, frame="upright"), evidence=evidence, shown=note.get("drawn"))
    if frame == "upright":
        return decide(*case, frame=frame)
    return replace(
        decision,
        evidence="an earlier fix-exif made the boxes upright, and they changed since",
        remedy=f"if that was in LabelImg 1.8.4 or later: ssdprep fix-exif {shlex.quote(str(root))} --frame upright",
    )


def _moved(record: Record, decision: Decision) -> Record:
    if not record.objects or (decision.turn == 1 and record.labelled_size in {None, record.size}):
        return record
    boxes = decision.upright([thing.box for thing in record.objects])
    objects = tuple(
        replace(thing, box=Box(*edges)) for thing, edges in zip(record.objects, boxes.tolist(), strict=True)
    )
    return replace(record, objects=objects, labelled_size=record.size)


def _fit(boxes: Rows, size: Size) -> bool:
    """Whether all edges lie on a photo of this size, but for a rounding."""
    limits = (size.width, size.height) * 2
    return all(
        -TOLERANCE <= edge <= limit + TOLERANCE for box in boxes for edge, limit in zip(box, limits, strict=True)
    )


def _turned_later(orientation: int, stored: Size | None, labelled: Size | None) -> bool:
    """Whether a photo without a tag has the sides of its annotation, exchanged."""
    if stored is None or 2 <= orientation <= 8 or stored.width == stored.height:
        return False
    return labelled is None or labelled.is_near(stored.swapped)


def _without_tag(stored: Size, labelled: Size | None, boxes: Rows, turned: Turn | None) -> Decision:
    """The rows for orientation 1, absent, or invalid."""
    swapped = stored.swapped
    if labelled is None:
        if _fit(boxes, stored):
            return Decision(Verdict.ALREADY_UPRIGHT, f"no <size>; every box lies within {stored}", stored)
        was_turned, what = _fit(boxes, swapped), f"no <size>; a box leaves {stored}"
    else:
        if labelled == stored or (labelled.is_near(stored) and labelled != swapped):
            return Decision(Verdict.ALREADY_UPRIGHT, f"<size> {labelled} is the photo's, no tag turns it", stored)
        was_turned, what = labelled.is_near(swapped), f"<size> {labelled}, photo {stored} without a tag"
    if not was_turned or stored == swapped:
        return Decision(Verdict.CONFLICT, f"{what}: another image, or another size of it", stored)
    if turned is None:
        return Decision(Verdict.CONFLICT, f"{what}: turned after labelling, which way is unknown", swapped)
    return Decision(Verdict.STORED_FRAME, f"--turned {turned}; {what}", swapped, _TURNED[turned])


def _by_size(stored: Size, labelled: Size) -> tuple[Verdict, str]:
    """The rows for a quarter turn where ``<size>`` speaks. An exact match stands, even where the sides nearly agree."""
    frames = {Verdict.STORED_FRAME: stored, Verdict.UPRIGHT_FRAME: stored.swapped}
    names = {Verdict.STORED_FRAME: "stored", Verdict.UPRIGHT_FRAME: "upright"}
    fitting = [verdict for verdict, size in frames.items() if labelled == size]
    fitting = fitting or [verdict for verdict, size in frames.items() if labelled.is_near(size)]
    if not fitting:
        return Verdict.CONFLICT, f"<size> {labelled}, photo {stored}: another image, or another size of it"
    if len(fitting) == 2:
        return Verdict.UNRESOLVED, f"<size> {labelled} fits {stored} and {stored.swapped} alike"
    rounded = "" if labelled == frames[fitting[0]] else f", but for a rounding: {frames[fitting[0]]}"
    return fitting[0], f"<size> {labelled} is the {names[fitting[0]]} size{rounded}"


def _by_boxes(stored: Size, boxes: Rows) -> tuple[Verdict, str]:
    """The rows for a quarter turn where ``<size>`` is silent."""
    fits_stored, fits_upright = _fit(boxes, stored), _fit(boxes, stored.swapped)
    if fits_stored and fits_upright:
        return Verdict.UNRESOLVED, f"no <size>; the boxes fit {stored} and {stored.swapped} alike"
    if fits_stored:
        return Verdict.STORED_FRAME, f"no <size>; a box leaves the upright {stored.swapped}, all fit {stored}"
    if fits_upright:
        return Verdict.UPRIGHT_FRAME, f"no <size>; a box leaves the stored {stored}, all fit {stored.swapped}"
    return Verdict.CONFLICT, f"no <size>; the boxes fit neither {stored} nor {stored.swapped}"


def _by_nothing(orientation: int, stored: Size, labelled: Size | None) -> tuple[Verdict, str]:
    """The row for orientations that keep the sides, and for square photos."""
    if labelled is not None and not labelled.is_near(stored):
        return Verdict.CONFLICT, f"<size> {labelled}, photo {stored}: another image, or another size of it"
    why = "the photo is square" if orientation >= 5 else "it keeps the sides"
    return Verdict.UNRESOLVED, f"orientation {orientation} leaves no trace in <size>: {why}"
