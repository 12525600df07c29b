"""The verb preview: boxes on photos as one contact sheet, before and after, or both readings of a doubtful file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from ssdprep import images
from ssdprep.derived import folder_beside
from ssdprep.faults import damage
from ssdprep.metadata import effective
from ssdprep.orient import Verdict, judge, to_upright
from ssdprep.palette import palette
from ssdprep.record import Dataset, Finding, Record, Report, SsdprepError, Track, untracked
from ssdprep.scan import scan_folder
from ssdprep.sheet_files import check_place, of_letters, write_sheet
from ssdprep.sheets import Tile, contact_sheet, thumbnail
from ssdprep.tiles import before_and_after, plain, two_readings
from ssdprep.wording import quoted

Mode = Literal["boxes", "before and after", "unresolved"]
_TITLE: dict[Mode, str] = {
    "boxes": "",
    "before and after": ", before and after",
    "unresolved": ": which reading is right?",
}


@dataclass(frozen=True)
class PreviewReport(Report):
    """The sheet that was drawn."""

    root: Path
    out: Path | None  # None: nothing to draw, because no file is unresolved
    mode: Mode
    tiles: tuple[tuple[Path, tuple[str, ...]], ...]  # each photo on the sheet, and what is said of it
    photos: int  # that could have been on it
    boxes: int  # on the sheet; each counts once
    findings: tuple[Finding, ...]

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        return {
            "sheet": str(self.out) if self.out else None,
            "mode": self.mode,
            "photos": self.photos,
            "boxes": self.boxes,
            "tiles": [{"image": str(path), "notes": list(notes)} for path, notes in self.tiles],
        }


class _Plan(NamedTuple):
    """What goes on a sheet: upright records, and what draws the tile of each."""

    mode: Mode
    jobs: Sequence[tuple[Record, Callable[[], Tile]]]
    photos: int
    findings: tuple[Finding, ...]


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

    An earlier sheet is replaced, any other file is not. Raises `SsdprepError` where there is nothing to draw, or
    ``out`` is no place for it; ``ValueError`` for ``count`` < 1 or both modes at once.
    """
    if count < 1 or (before is not None and unresolved):
        raise ValueError("count must be at least 1, and before and unresolved exclude each other")
    data, before = Path(data), Path(before) if before is not None else None
    out = folder_beside(data, "preview.png") if out is None else Path(out)
    folders = [data, before] if before else [data]
    check_place(out, folders)
    scanned = scan_folder(data)
    if unresolved:
        plan = _doubtful(scanned, count, seed)
    elif before is not None:
        plan = _pairs(to_upright(scanned), before, count, seed)
    else:
        plan = _all(to_upright(scanned), count, seed)
    classes = {thing.name for record in scanned.records for thing in record.objects}  # of all sheets of this set
    return _draw(data, out, folders, plan, classes, track)


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


def _all(upright: Dataset, count: int, seed: int) -> _Plan:
    photos = _with_photo(upright.records)
    jobs = [(record, partial(plain, record)) for record in choose(photos, count, seed)]
    return _Plan("boxes", jobs, len(photos), upright.findings)


def _with_photo(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record.image is not None and record.stored_size is not None]


def _doubtful(scanned: Dataset, count: int, seed: int) -> _Plan:
    """Photos whose frame is unknown, with their boxes as either frame would have them."""
    decisions = zip(scanned.records, judge(scanned), strict=True)
    unknown = {r.path for r, decision in decisions if decision and decision.verdict is Verdict.UNRESOLVED}
    as_stored = {r.path: r for r in to_upright(scanned, frame="stored").records}
    as_upright = {r.path: r for r in to_upright(scanned, frame="upright").records}
    both = [as_stored[path] for path in as_stored if path in unknown and path in as_upright]
    jobs = [(record, partial(two_readings, record, as_upright[record.path])) for record in choose(both, count, seed)]
    return _Plan("unresolved", jobs, len(both), to_upright(scanned).findings)


def _pairs(upright: Dataset, before: Path, count: int, seed: int) -> _Plan:
    """Photos of both folders, matched by their place below them, or else by their stem; those turned come first."""
    old = scan_folder(before)
    decided = {r: d for r, d in zip(old.records, judge(old), strict=True) if r.image is not None and d is not None}
    places = {record.path.relative_to(old.root).with_suffix(""): record for record in decided}
    stems = Counter(place.name for place in places)
    by_stem = {place.name: record for place, record in places.items() if stems[place.name] == 1}
    matched: dict[Record, Record] = {}
    for record in _with_photo(upright.records):
        place = record.path.relative_to(upright.root).with_suffix("")
        if (was := places.get(place) or by_stem.get(place.name)) is not None:
            matched[record] = was
    if not matched:
        remedy = "name the folder as it was before: a copy, or a backup"
        raise SsdprepError(f"no photo of {upright.root} is in {before} too", remedy)
    as_was = {replace(record, orientation=was.orientation): record for record, was in matched.items()}
    turned = [seen for seen in as_was if effective(seen.orientation) != 1 and seen.objects]
    chosen = [as_was[seen] for seen in choose(list(as_was), count, seed, first=turned)]
    jobs = [(now, partial(before_and_after, now, matched[now], decided[matched[now]])) for now in chosen]
    return _Plan("before and after", jobs, len(matched), upright.findings)


def _draw(
    data: Path, out: Path, folders: Sequence[Path], plan: _Plan, classes: set[str], track: Track
) -> PreviewReport:
    if not plan.jobs and plan.mode == "unresolved":
        return PreviewReport(data, None, plan.mode, (), 0, 0, plan.findings)
    drawn: dict[Record, Tile] = {}
    faults: list[Finding] = []
    for record, make in track(plan.jobs, "drawing", len(plan.jobs)):
        try:
            drawn[record] = tuple(thumbnail(panel) for panel in make())
        except (images.ImageFault, OSError) as error:
            faults.append(damage(record.path, error))
    if not drawn:
        raise SsdprepError(f"no photo of {data} can be drawn", f"ssdprep audit {quoted(data)}")
    per_class = Counter(thing.name for record in drawn for thing in record.objects)
    sheet = contact_sheet(
        list(drawn.values()),
        title=data.resolve().name + _TITLE[plan.mode],
        subtitle=f"{len(drawn):,} of {plan.photos:,} photos, {per_class.total():,} boxes",
        legend=dict(per_class.most_common()),
        colours=palette(classes, (thing.name for tile in drawn.values() for panel in tile for thing in panel.objects)),
    )
    write_sheet(out, sheet, folders)
    tiles = tuple((record.path, tuple(panel.note for panel in tile)) for record, tile in drawn.items())
    findings = (*plan.findings, *_new(faults, plan.findings), *of_letters(out, per_class))
    return PreviewReport(data, out, plan.mode, tiles, plan.photos, per_class.total(), findings)


def _new(faults: list[Finding], known: tuple[Finding, ...]) -> Iterator[Finding]:
    """Faults that the scan has not already told."""
    told = {(finding.code, finding.path) for finding in known}
    return (fault for fault in faults if (fault.code, fault.path) not in told)
