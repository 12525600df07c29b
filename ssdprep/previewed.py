"""The verb preview: boxes on photos as one contact sheet, before and after, or both readings of a doubtful file."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ssdprep import boxes as geometry
from ssdprep import images
from ssdprep.derived import folder_beside
from ssdprep.files import write_new
from ssdprep.orient import Decision, Verdict, judge, to_upright
from ssdprep.record import Box, Dataset, Finding, Object, Record, Severity, Size, SsdprepError, Track, untracked
from ssdprep.scan import scan_folder
from ssdprep.sheets import Panel, Tile, contact_sheet, thumbnail
from ssdprep.turn import effective, turn

UNREADABLE = "IMG013"  # as scan has it
HIT = 0.9  # IoU from which a box counts as lying on its object

Mode = Literal["boxes", "before and after", "unresolved"]
_BACK = {6: 8, 8: 6}  # what undoes an orientation, where it is not the orientation itself


@dataclass(frozen=True)
class PreviewReport:
    """The sheet that was drawn."""

    root: Path
    out: Path | None  # None: nothing to draw, because no file is unresolved
    mode: Mode
    shown: int  # photos on the sheet
    photos: int  # photos that could have been on it
    boxes: int  # on the sheet; each counts once
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """1 where something is left out that should not be."""
        return int(any(finding.severity is Severity.ERROR for finding in self.findings))

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "sheet": str(self.out) if self.out else None,
            "mode": self.mode,
            "shown": self.shown,
            "photos": self.photos,
            "boxes": self.boxes,
            "findings": [finding.to_dict() for finding in self.findings],
        }


def preview(
    data: Path,
    out: Path | None = None,
    *,
    count: int = 24,
    before: Path | None = None,
    unresolved: bool = False,
    seed: int = 0,
    track: Track = untracked,
) -> PreviewReport:
    """Draw the boxes of up to ``count`` photos on one PNG (by default DATA-preview.png, beside DATA).

    The photos are drawn by lot from ``seed``, so that all classes and orientations are among them. before: the same
    folder as it was, drawn beside it as OpenCV, or Pillow and TensorFlow, would read it. unresolved: only the photos
    whose frame is unknown, once with each reading. A photo that cannot be read becomes a finding.

    Raises `SsdprepError` where there is nothing to draw, ``ValueError`` for ``count`` < 1 or both modes at once.
    """
    if count < 1 or (before is not None and unresolved):
        raise ValueError("count must be at least 1, and before and unresolved exclude each other")
    data = Path(data)
    scanned = scan_folder(data)
    if unresolved:
        return _sheet(data, out, "unresolved", *_doubtful(scanned, count, seed), scanned.findings, count, track)
    upright = to_upright(scanned)
    photos = _with_photo(upright.records)
    if before is None:
        chosen = choose(photos, count, seed)
        jobs: list[_Job] = [(record, record, None) for record in chosen]
        return _sheet(data, out, "boxes", jobs, len(photos), upright.findings, count, track)
    jobs, total = _pairs(data, photos, Path(before), count, seed)
    return _sheet(data, out, "before and after", jobs, total, upright.findings, count, track)


# A photo with its boxes upright, the same with other boxes or as it was, and what was decided about that one.
_Job = tuple[Record, Record, Decision | None]


def choose(records: Sequence[Record], count: int, seed: int, first: Iterable[Record] = ()) -> list[Record]:
    """Up to ``count`` records by lot, those in ``first`` before others, in the order of the set.

    Each next one is the record whose classes and orientation were shown least so far.
    """
    ahead = set(first)
    order = [records[i] for i in np.random.default_rng(seed).permutation(len(records)).tolist()]
    of_kind: dict[object, list[Record]] = defaultdict(list)
    for record in sorted(order, key=lambda record: record not in ahead):
        for kind in _kinds(record):
            of_kind[kind].append(record)
    candidates = list(dict.fromkeys(record for same in of_kind.values() for record in same[:count]))
    seen: Counter[object] = Counter()
    chosen: set[Record] = set()
    while len(chosen) < count and len(chosen) < len(candidates):
        left = (record for record in candidates if record not in chosen)
        best = max(left, key=lambda r: (r in ahead, sum(_news(kind, seen) for kind in _kinds(r))))
        chosen.add(best)
        seen.update(_kinds(best))
    return [record for record in records if record in chosen]


def _kinds(record: Record) -> set[object]:
    names: set[object] = {thing.name for thing in record.objects}
    return (names or {None}) | {effective(record.orientation)}


def _news(kind: object, seen: Counter[object]) -> float:
    """How much there is to learn from one more photo of a kind; little from one without objects."""
    return 1 / (1 + seen[kind] * (4 if kind is None else 1))


def _with_photo(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record.image is not None and record.stored_size is not None]


def _doubtful(scanned: Dataset, count: int, seed: int) -> tuple[list[_Job], int]:
    """Photos whose frame is unknown, with their boxes as either frame would have them."""
    decisions = judge(scanned)
    pairs = zip(scanned.records, decisions, strict=True)
    unknown = {r.path for r, decision in pairs if decision and decision.verdict is Verdict.UNRESOLVED}
    as_stored = {r.path: r for r in to_upright(scanned, frame="stored").records}
    as_upright = {r.path: r for r in to_upright(scanned, frame="upright").records}
    both = [as_stored[path] for path in as_stored if path in unknown and path in as_upright]
    return [(record, as_upright[record.path], None) for record in choose(both, count, seed)], len(both)


def _pairs(data: Path, photos: list[Record], before: Path, count: int, seed: int) -> tuple[list[_Job], int]:
    """Photos of both folders, matched by their place below them, or else by their stem."""
    old = scan_folder(before)
    decided = {r: d for r, d in zip(old.records, judge(old), strict=True) if r.image is not None and d is not None}
    places = {record.path.relative_to(old.root).with_suffix(""): record for record in decided}
    stems = Counter(place.name for place in places)
    by_stem = {place.name: record for place, record in places.items() if stems[place.name] == 1}
    matched: dict[Record, Record] = {}
    for record in photos:
        place = record.path.relative_to(data).with_suffix("")
        if (was := places.get(place) or by_stem.get(place.name)) is not None:
            matched[record] = was
    if not matched:
        raise SsdprepError(
            f"no photo of {data} is in {before} too", "name the folder as it was before: a copy, or a backup"
        )
    as_was = {replace(record, orientation=was.orientation): record for record, was in matched.items()}
    turned = [seen for seen in as_was if effective(seen.orientation) != 1 and seen.objects]
    chosen = [as_was[seen] for seen in choose(list(as_was), count, seed, first=turned)]
    return [(record, matched[record], decided[matched[record]]) for record in chosen], len(matched)


def _sheet(
    data: Path,
    out: Path | None,
    mode: Mode,
    jobs: Sequence[_Job],
    total: int,
    findings: tuple[Finding, ...],
    count: int,
    track: Track,
) -> PreviewReport:
    if not jobs and mode == "unresolved":
        return PreviewReport(data, None, mode, 0, 0, 0, findings)
    out = folder_beside(data, "preview.png") if out is None else Path(out)
    make = {"boxes": _plain, "before and after": _before_and_after, "unresolved": _two_readings}[mode]
    tiles: list[Tile] = []
    shown: list[Record] = []
    faults: list[Finding] = []
    for job in track(jobs, "drawing", len(jobs)):
        try:
            tiles.append(tuple(thumbnail(panel) for panel in make(*job)))
            shown.append(job[0])
        except images.ImageFault as fault:
            faults.append(Finding(fault.code, Severity.ERROR, job[0].path, 0, fault.message, fault.remedy))
        except OSError as error:
            remedy = "make it readable, or take it out of the folder"
            faults.append(
                Finding(UNREADABLE, Severity.ERROR, job[0].path, 0, f"cannot be read: {error.strerror}", remedy)
            )
    if not tiles:
        raise SsdprepError(f"no photo of {data} can be drawn", f"ssdprep audit {shlex.quote(str(data))}")
    per_class = Counter(thing.name for record in shown for thing in record.objects)
    boxes = per_class.total()
    name = data.resolve().name
    title = {
        "boxes": name,
        "before and after": f"{name}, before and after",
        "unresolved": f"{name}: which reading is right?",
    }
    subtitle = f"{len(tiles):,} of {total:,} photos, {boxes:,} boxes"
    sheet = contact_sheet(tiles, title=title[mode], subtitle=subtitle, legend=dict(per_class.most_common()))
    write_new(out, images.encode_png(sheet))
    return PreviewReport(data, out, mode, len(tiles), total, boxes, (*findings, *_new(faults, findings)))


def _new(faults: list[Finding], known: tuple[Finding, ...]) -> Iterator[Finding]:
    """Faults that the scan has not already told."""
    told = {(finding.code, finding.path) for finding in known}
    return (fault for fault in faults if (fault.code, fault.path) not in told)


def _plain(record: Record, _: Record, __: Decision | None) -> Tile:
    assert record.image is not None
    note = _counted(record) if record.annotation else "not labelled"
    if effective(record.orientation) != 1:
        note += f", EXIF {record.orientation}"
    return (Panel(images.read_upright(record.image), record.objects, record.image.name, note),)


def _two_readings(as_stored: Record, as_upright: Record, _: Decision | None) -> Tile:
    assert as_stored.image is not None
    pixels = images.read_upright(as_stored.image)
    return (
        Panel(pixels, as_stored.objects, as_stored.image.name, "--frame stored"),
        Panel(pixels, as_upright.objects, f"EXIF {as_stored.orientation}", "--frame upright"),
    )


def _before_and_after(now: Record, was: Record, decision: Decision | None) -> Tile:
    """The photo as a reader that is unlucky with it shows it, beside the photo as it is now.

    Boxes in the stored frame are off in OpenCV, which turns pixels; boxes in the upright frame are off in Pillow and
    TensorFlow, which do not.
    """
    assert now.image is not None
    assert was.image is not None
    before, orientation = images.read_upright(was.image), effective(was.orientation)
    truth = [thing.box for thing in now.objects]
    reader = "in OpenCV"
    if orientation != 1 and decision is not None and decision.verdict is Verdict.UPRIGHT_FRAME:
        back = _BACK.get(orientation, orientation)
        seen = Size(before.shape[1], before.shape[0])
        before = turn(before, back)
        truth = [Box(*edges) for edges in geometry.upright(truth, back, seen).tolist()]
        reader = "in Pillow and TensorFlow"
    note, tone = _how_far_off(was.objects, truth)
    after = Panel(images.read_upright(now.image), now.objects, "now", f"in every reader: {_counted(now)}", "good")
    return Panel(before, was.objects, now.image.name, f"{reader}: {note}", tone), after


def _counted(record: Record) -> str:
    number = len(record.objects)
    return f"{number} box{'es' * (number != 1)}" if number else "no objects"


def _how_far_off(drawn: Sequence[Object], truth: Sequence[Box]) -> tuple[str, str]:
    """What to say about boxes as a reader sees them against where they belong."""
    if not drawn:
        return "no objects", "plain"
    if len(drawn) != len(truth):
        return f"{len(drawn)} boxes, now {len(truth)}", "bad"
    overlap = float(np.diagonal(geometry.iou([thing.box for thing in drawn], truth)).mean())
    return f"IoU {overlap:.2f}", "good" if overlap >= HIT else "bad"
