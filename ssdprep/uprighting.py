"""One photo and its annotation, upright: bytes in, bytes out. What fix-exif does in its workers."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ssdprep import checks
from ssdprep.disk import Version, read
from ssdprep.faults import HOLDS_PLACE, UNREADABLE, ImageFault, damage
from ssdprep.formats import voc
from ssdprep.metadata import effective
from ssdprep.orient import Decision, Verdict
from ssdprep.record import Box, Finding, Record, Severity, Size
from ssdprep.settled import Note, written
from ssdprep.sniff import probe

UNPATCHABLE, CHANGED_MEANWHILE = "ORI004", "ORI006"
KEPT_BESIDE = "IMG007"


class Task(NamedTuple):
    """One record and what is to become of it."""

    record: Record
    decision: Decision
    rewrite: bool  # make the photo upright; False: only its boxes
    strip_gps: bool

    @property
    def turns(self) -> bool:
        """Whether pixels are to be moved."""
        return self.rewrite and self.decision.decided and effective(self.record.orientation) != 1

    @property
    def is_needed(self) -> bool:
        """Whether anything may have to change."""
        if self.strip_gps:
            return True
        if not self.decision.decided:
            return False
        photo = self.rewrite and self.record.orientation != 1
        boxes = self.decision.turn != 1 or effective(self.record.orientation) != 1
        return photo or (self.record.annotation is not None and (boxes or _new_size(self) is not None))


class Made(NamedTuple):
    """New bytes of both files; None where the old ones stay."""

    image: bytes | None = None
    annotation: bytes | None = None
    lossless: bool | None = None  # None: no pixel was moved
    actions: tuple[str, ...] = ()  # what changed, in words
    findings: tuple[Finding, ...] = ()
    note: Note | None = None
    image_was: Version | None = None  # what the new bytes were made from
    annotation_was: Version | None = None

    @property
    def outcome(self) -> Outcome:
        """The same without the bytes, which may be many."""
        changed = self.image is not None, self.annotation is not None
        return Outcome(*changed, self.lossless, self.actions, self.findings)


class _Changed(Exception):  # noqa: N818 - of the file, not of the program
    """A file is not what the scan saw: what was decided about it may be wrong."""


class Outcome(NamedTuple):
    """What became of a record, without the bytes."""

    image_changed: bool = False
    annotation_changed: bool = False
    lossless: bool | None = None
    actions: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def bring_upright(task: Task) -> Made:
    """Both files of a record as they are to be. Never raises: where one cannot be changed, neither is."""
    fixed = _bring_upright(task)
    failed = {finding.code for finding in fixed.findings if finding.severity is Severity.ERROR}
    if not (task.strip_gps and failed) or HOLDS_PLACE in failed:
        return fixed
    message, remedy = "may still hold the place: it could not be changed", "mind it before you pass it on"
    finding = Finding(HOLDS_PLACE, Severity.ERROR, task.record.path, 0, message, remedy)
    return fixed._replace(findings=(*fixed.findings, finding))


def _bring_upright(task: Task) -> Made:
    record = task.record
    assert record.image is not None
    try:
        photo = _photo(task)
    except _Changed:
        return Made(findings=(_changed_meanwhile(record.image),))
    except ImageFault as fault:
        return Made(findings=(damage(record.image, fault),))
    except OSError as error:
        return Made(findings=(_unreadable(error, record.image),))
    if record.annotation is None or not task.decision.decided:
        return photo
    try:
        return _with_annotation(task, photo)
    except _Changed:
        return Made(findings=(_changed_meanwhile(record.annotation),))
    except OSError as error:
        return Made(findings=(_unreadable(error, record.annotation),))
    except ValueError as error:
        remedy = "edit it by hand, or label the photo again in LabelImg"
        message = f"its boxes cannot be moved: {error}"
        return Made(findings=(Finding(UNPATCHABLE, Severity.ERROR, record.annotation, 0, message, remedy),))


def _photo(task: Task) -> Made:
    """The photo's part of it."""
    from ssdprep.images import make_upright, without_gps

    path = task.record.image
    assert path is not None
    if not (task.strip_gps or (task.rewrite and task.record.orientation != 1)):
        _require_unchanged(task, path)
        return Made()
    data, was = read(path)
    _require_unchanged(task, data)
    if not (task.rewrite and task.decision.decided):
        stripped = without_gps(data)
        if stripped == data:
            return Made()
        return Made(stripped, actions=("place removed",), image_was=was)
    turned = make_upright(data, strip_gps=task.strip_gps)
    if turned.data == data:
        return Made()
    findings = tuple(Finding(KEPT_BESIDE, Severity.INFO, path, 0, note, "nothing to do") for note in turned.notes)
    made = Made(turned.data, findings=findings, image_was=was)
    if task.turns:
        action = "photo turned without loss" if turned.lossless else "photo turned and encoded again"
        return made._replace(lossless=turned.lossless, actions=(action,))
    action = "tag set to 1" if task.record.orientation != 1 else "place removed"
    return made._replace(actions=(action,))


def _require_unchanged(task: Task, photo: Path | bytes) -> None:
    """What was decided by a photo's header must not be done to another photo."""
    if task.decision.decided:
        found = probe(photo)
        if (found.size, found.orientation) != (task.record.stored_size, task.record.orientation):
            raise _Changed


def _with_annotation(task: Task, photo: Made) -> Made:
    """The annotation's part, added to the photo's. ``ValueError`` where it cannot be written exactly."""
    record, decision = task.record, task.decision
    assert record.annotation is not None
    data, was = read(record.annotation)
    found, _ = voc.parse(data)
    if found is None or (found.objects, found.labelled_size) != (record.objects, record.labelled_size):
        raise _Changed
    size, actions, findings = _new_size(task), photo.actions, photo.findings
    patched = voc.patch(data, size=size, boxes=_new_boxes(data, decision)) if size or decision.turn != 1 else data
    if decision.turn != 1 and record.objects:
        actions += ("boxes moved",)
    if size:
        actions += ("<size> corrected" if record.labelled_size else "<size> filled in",)
        if _is_rounding(record, decision):
            findings += (checks.rounded(record, decision.drawn_in),)
    made = photo._replace(actions=actions, findings=findings, note=_note(task, patched))
    if patched == data:
        return made
    return made._replace(annotation=patched, annotation_was=was)


def _new_boxes(data: bytes, decision: Decision) -> list[Box | None]:
    """A box for every ``<object>``, those that cannot be trained on included: they lie on the same photo."""
    before, _ = voc.parse(data)
    if before is None:
        raise ValueError("the XML is broken")
    if decision.turn != 1 and b"<part>" in data and before.boxes:
        raise ValueError("nested <part> elements hold boxes of their own")
    moved = iter(decision.upright([box for box in before.boxes if box is not None]).tolist())
    return [None if box is None else Box(*next(moved)) for box in before.boxes]


def _new_size(task: Task) -> Size | None:
    """What ``<size>`` must say, where it does not say so; the size of a photo without boxes may be anything else's."""
    record, decision = task.record, task.decision
    upright, labelled = record.size, record.labelled_size
    if not decision.decided or labelled == upright or upright is None or record.annotation is None:
        return None
    fits = labelled is None or labelled.is_near(upright) or labelled.is_near(decision.drawn_in)
    return upright if fits or decision.verdict is not Verdict.NO_BOXES else None


def _is_rounding(record: Record, decision: Decision) -> bool:
    labelled = record.labelled_size
    return labelled is not None and labelled not in {decision.drawn_in, record.size}


def _note(task: Task, annotation: bytes) -> Note | None:
    """What a later run must know of a photo that had a tag."""
    record, shown = task.record, task.decision.shown
    if effective(record.orientation) == 1 or not record.objects or record.stored_size is None or record.size is None:
        return None
    if task.rewrite:  # from now on the files speak for themselves; only what they showed is lost
        return written(annotation, 1, record.size, shown) if shown else None
    return written(annotation, record.orientation, record.stored_size, shown)


def _changed_meanwhile(path: Path) -> Finding:
    message = "changed meanwhile: neither photo nor annotation was touched"
    return Finding(CHANGED_MEANWHILE, Severity.ERROR, path, 0, message, "run the same command again")


def _unreadable(error: OSError, path: Path) -> Finding:
    message = f"cannot be read: {error.strerror or error}"
    return Finding(UNREADABLE, Severity.ERROR, path, 0, message, "make it readable, then run this again")
