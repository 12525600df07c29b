"""What repair is to do with each annotation: which cures fit, and which would not be safe. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ssdprep import cures
from ssdprep.checks import DUPLICATE, NEAR_NAMES, OTHER_FILE, OVERHANGS, ROUNDED, frames, inside, usual_spellings
from ssdprep.cures import Items
from ssdprep.formats.voc import INVERTED, NAME_BLANKS, NO_SIZE, ZERO_AREA, base_name
from ssdprep.orient import Decision, Verdict, judge
from ssdprep.record import Dataset, Finding, Object, Record, Severity, Size
from ssdprep.repair_source import Labelled
from ssdprep.wording import quoted

UNKNOWN_FRAME, NOT_SAFE = "RPR002", "RPR003"

RENAMED = "rename"  # what --rename did, among the counts of the codes
CURES = {  # what each does, in words
    ROUNDED: "corrects a <size> that is off by a rounding",
    INVERTED: "sorts the corners of inverted boxes",
    ZERO_AREA: "deletes boxes without width or height",
    NAME_BLANKS: "deletes blanks around class names",
    NO_SIZE: "fills in <size> from the photo",
    OVERHANGS: "cuts boxes at the border of the photo",
    DUPLICATE: "deletes all but one of equal boxes of a class",
    NEAR_NAMES: "gives spellings of one class the usual name",
    OTHER_FILE: "writes the photo's name into <filename>",
}


class Plan(NamedTuple):
    """One annotation as it is to be."""

    source: Labelled
    items: Items
    size: Size | None = None  # None: as it is
    filename: str | None = None  # None: as it is
    counts: Mapping[str, int] = {}  # places that each cure changes, by its code
    findings: tuple[Finding, ...] = ()

    @property
    def path(self) -> Path:
        """The annotation."""
        return self.source.record.annotation or self.source.record.path


def plan(root: Path, sources: Sequence[Labelled], codes: Collection[str], renames: Mapping[str, str]) -> list[Plan]:
    """A plan for every annotation of a folder. Several cures of one file are parts of one plan."""
    plans = [_named(Plan(source, source.items), codes, renames) for source in sources]
    if NEAR_NAMES in codes:
        spelled = usual_spellings(spellings(plans), set(renames.values()))
        plans = [_with(p, NEAR_NAMES, cures.renamed(p.items, spelled)) for p in plans]
    plans = [_without_frame(p, codes) for p in plans]
    asking = [place for place, p in enumerate(plans) if _asks_for_frame(p, codes)]
    for place, framed in zip(asking, _framed(root, [plans[place] for place in asking], codes), strict=True):
        plans[place] = framed
    return plans if DUPLICATE not in codes else [_with(p, DUPLICATE, cures.without_twins(p.items)) for p in plans]


def _with(p: Plan, code: str, items: Items) -> Plan:
    """A plan with cured objects, counted."""
    count = sum(old != new for old, new in zip(p.items, items, strict=True))
    return p._replace(items=items, counts={**p.counts, code: count}) if count else p


def _named(p: Plan, codes: Collection[str], renames: Mapping[str, str]) -> Plan:
    p = _with(p, RENAMED, cures.renamed(p.items, renames))
    return _with(p, NAME_BLANKS, cures.without_blanks(p.items)) if NAME_BLANKS in codes else p


def spellings(plans: Sequence[Plan]) -> Counter[str]:
    """How many boxes each class name has, those that are used; names of others are there too, with none."""
    counts: Counter[str] = Counter()
    for p in plans:
        for item in p.items:
            if item and item.name.strip():
                counts[item.name.strip()] += p.source.speaks and cures.is_usable(item)
    return counts


def _without_frame(p: Plan, codes: Collection[str]) -> Plan:
    """The cures that need not know in which frame the boxes are."""
    record = p.source.record
    if INVERTED in codes:
        p = _with(p, INVERTED, cures.with_sorted_corners(p.items))
    if ZERO_AREA in codes:
        p = _with(p, ZERO_AREA, cures.without_empty(p.items))
        p = _left(
            p,
            f"{ZERO_AREA}: no other box would be left: the photo would teach that what it shows is background",
            p.items,
        )
    other = record.image and record.filename and base_name(record.filename) != record.image.name
    if OTHER_FILE in codes and record.image and other:
        p = p._replace(filename=record.image.name, counts={**p.counts, OTHER_FILE: 1})
    return p


def _left(p: Plan, why: str, items: Items) -> Plan:
    """A plan with a finding for every empty box that stays."""
    lines = [item.line for item in items if item and cures.is_empty(item)]
    remedy = "draw it again in LabelImg; if the photo shows nothing, delete it there"
    findings = tuple(Finding(NOT_SAFE, Severity.WARNING, p.path, line, why, remedy) for line in lines)
    return p._replace(findings=(*p.findings, *findings))


def _asks_for_frame(p: Plan, codes: Collection[str]) -> bool:
    """Whether a cure depends on the frame of the boxes, or may change what is known about it."""
    record = p.source.record
    sizes = {size for size in (record.stored_size, record.size, *frames(record)) if size}
    over = any(item and cures.reaches_over(item, size) for item in p.items for size in sizes)
    return INVERTED in p.counts or _size_code(record) in codes or (OVERHANGS in codes and over)


def _size_code(record: Record) -> str | None:
    """The code of what is wrong with ``<size>``."""
    if not cures.size_is_doubtful(record):
        return None
    return NO_SIZE if record.labelled_size is None else ROUNDED


def _framed(root: Path, plans: Sequence[Plan], codes: Collection[str]) -> Iterator[Plan]:
    """The cures that go by the frame of the boxes. A plan that would change what is known about it is given up."""
    records = [p.source.record for p in plans]
    now = _judged(root, records)
    # Inverted and empty boxes that stay tell of the frame as well: what they speak against is not known.
    told = _judged(root, [replace(r, objects=cures.evidence(p.items)) for r, p in zip(records, plans, strict=True)])
    framed = [
        _in_frame(root, p, codes, then if _knows(p, was, then) else None, then or was)
        for p, was, then in zip(plans, now, told, strict=True)
    ]
    after = _judged(root, [_cured(p) for p in framed])
    for p, was, then in zip(framed, now, after, strict=True):
        if p.counts and p.source.record.objects and not _same(was, then):
            why = f"cured, its boxes would say another frame ({then.evidence if then else 'none'})"
            yield Plan(p.source, p.source.items, findings=(_unknown(root, p, why, was),))
        else:
            yield p


def _judged(root: Path, records: Sequence[Record]) -> tuple[Decision | None, ...]:
    return judge(Dataset(root, tuple(records)))


def _knows(p: Plan, was: Decision | None, told: Decision | None) -> bool:
    """Whether all boxes, those that are of no use too, speak for the frame that the usable ones do."""
    if any(p.items) and told and told.verdict is Verdict.NO_BOXES:
        return False  # no box has numbers
    return not p.source.record.objects or _same(was, told)


def _same(one: Decision | None, other: Decision | None) -> bool:
    return (one and (one.verdict, one.drawn_in, one.turn)) == (other and (other.verdict, other.drawn_in, other.turn))


def _cured(p: Plan) -> Record:
    """The record that a scan would read after this."""
    objects = tuple(Object(i.name.strip(), i.box) for i in p.items if i and i.box and cures.is_usable(i))
    return replace(p.source.record, objects=objects, labelled_size=p.size or p.source.record.labelled_size)


def _in_frame(root: Path, p: Plan, codes: Collection[str], decision: Decision | None, seen: Decision | None) -> Plan:
    """Size and borders, where the frame is known; a finding where it is not."""
    record, code = p.source.record, _size_code(p.source.record)
    if code and code in codes:
        if size := cures.right_size(record, decision):
            p = p._replace(size=size, counts={**p.counts, code: 1})
        else:
            p = p._replace(findings=(*p.findings, _unknown(root, p, f"{code}: <size> stays as it is", seen)))
    if OVERHANGS not in codes:
        return p
    frame = cures.frame_size(record, decision)
    if frame:
        p = _with(p, OVERHANGS, cures.clipped(p.items, frame))
        lines = [item.line for item in p.items if item and cures.reaches_over(item, frame)]
        why, remedy = f"{OVERHANGS}: most of the box is off the photo: it is not cut", "draw it again, or delete it"
        findings = [Finding(NOT_SAFE, Severity.WARNING, p.path, line, why, remedy) for line in lines]
        return p._replace(findings=(*p.findings, *findings))
    sizes = frames(record)
    beyond = (i for i in p.items if i and i.box and sizes and not any(inside(i.box, size) for size in sizes))
    if any(cures.reaches_over(item, sizes[-1]) for item in beyond):
        p = p._replace(findings=(*p.findings, _unknown(root, p, f"{OVERHANGS}: no box is cut", seen)))
    return p


def _unknown(root: Path, p: Plan, what: str, decision: Decision | None) -> Finding:
    """The finding for a cure that needs a frame which is not known."""
    data = quoted(root)
    if decision is None:
        message, remedy = f"{what}, for no photo that can be read belongs to it", "bring the photo back"
    elif decision.verdict is Verdict.NO_BOXES:
        message = f"{what}, for it may be that of either frame: {decision.evidence}"
        remedy = f"ssdprep fix-exif {data} makes the photo upright, and fills it in"
    else:
        message = f"{what}, for the frame of the boxes is in doubt: {decision.evidence}"
        remedy = f"ssdprep fix-exif {data} --dry-run names what settles it"
    return Finding(UNKNOWN_FRAME, Severity.WARNING, p.path, 0, message, remedy)
