"""The verb repair: the safe cures for labels, those that were asked for, all put in place by one transaction."""

from __future__ import annotations

import difflib
import re
import shlex
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ssdprep import files, settled
from ssdprep.disk import read, sha256
from ssdprep.files import Recovered
from ssdprep.formats.voc_edit import edit
from ssdprep.formats.xml_root import root_of
from ssdprep.labels import slips
from ssdprep.record import Dataset, Finding, Report, Severity, SsdprepError, Track, untracked
from ssdprep.recovery import foresee
from ssdprep.renames import checked, options_of
from ssdprep.repair_plan import CURES, RENAMED, Plan, plan, spellings
from ssdprep.repair_source import Labelled, read_labelled
from ssdprep.wording import quoted

UNPATCHABLE, NO_SUCH_CLASS = "RPR001", "RPR004"

ALL = "all"


class Count(NamedTuple):
    """What one cure changed, or could."""

    places: int
    files: int


class Renamed(NamedTuple):
    """A class name and another, and how many boxes have the first."""

    old: str
    new: str
    boxes: int


class FileRepair(NamedTuple):
    """What was done to one annotation or, in a dry run, would be."""

    annotation: Path
    counts: Mapping[str, int]  # places that each cure changed, by its code
    diff: str = ""  # unified; of a dry run only


@dataclass(frozen=True)
class RepairReport(Report):
    """What repair did or, in a dry run, would do; with nothing chosen, what it could do."""

    root: Path
    chosen: tuple[str, ...]  # codes and ``rename``; empty: nothing was asked for, and nothing done
    counts: dict[str, Count]  # by code, or ``rename``
    files: tuple[FileRepair, ...] = ()
    findings: tuple[Finding, ...] = ()  # cures that were asked for and not applied
    dry_run: bool = False
    recovered: Recovered | None = None  # a run that had been interrupted, and what became (or would become) of it
    renames: Mapping[str, str] = field(default_factory=dict)  # class names that were asked for
    renamed: tuple[Renamed, ...] = ()  # what came of them: boxes of annotations that are changed
    slips: tuple[Renamed, ...] = ()  # names that may be meant otherwise; looked for where nothing is chosen

    def command(self, codes: str, renames: Mapping[str, str] | None = None) -> str:
        """The command that applies cures."""
        words = ["--only", codes] if codes else []
        words += options_of(map("=".join, (renames or {}).items()))
        return f"ssdprep repair {quoted(self.root)} {shlex.join(words)}"

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        commands = {code: {"command": self.command(code)} for code in self.counts if code != RENAMED}
        return {
            "chosen": list(self.chosen),
            "renames": dict(self.renames),
            "renamed": [each._asdict() for each in self.renamed],
            "slips": [each._asdict() | {"command": self.command("", {each.old: each.new})} for each in self.slips],
            "counts": {code: {**count._asdict(), **commands.get(code, {})} for code, count in self.counts.items()},
            "dry_run": self.dry_run,
            "recovered": self.recovered._asdict() if self.recovered else None,
            "files": [
                {"annotation": str(path), "counts": dict(counts), "diff": diff} for path, counts, diff in self.files
            ],
        }


def repair_folder(
    data: Path | str,
    *,
    only: Iterable[str] = (),
    renames: Mapping[str, str] | None = None,
    dry_run: bool = False,
    track: Track = untracked,
) -> RepairReport:
    """Cure labels below a folder where that is safe; with nothing asked for, only count what could be cured.

    only: codes of `repair_plan.CURES`, or ``all``. renames: class names and what they are to be called. dry_run:
    change nothing, and give a unified diff of each file.

    All changes are one transaction: a second run changes nothing (but for classes that are exchanged, which it would
    exchange back), `ssdprep.undo` brings back every byte, and every byte that is not part of a cure stays. ``<size>``
    and borders go by the frame of the boxes, and only where that is known;
    no cure changes what `orient.judge` says about a photo. What cannot be cured so stays as it is, with a finding.
    `SsdprepError` for a code without a cure, names that cannot be, and a folder that cannot be read or holds no XML.
    """
    root = Path(data)
    codes, names = codes_of(only), checked(renames or {}, root)
    dry = dry_run or not (codes or names)
    recovered = foresee(root) if dry else files.recover(root)
    # Opened before the files are read: a run that ends in between would be lost.
    with nullcontext() if dry else files.transaction(root, "repair") as change:
        sources = read_labelled(root, track)
        if not (codes or names):
            found, slipped = _available(root, sources), _slips(sources)
            return RepairReport(root, (), found, dry_run=dry_run, recovered=recovered, slips=slipped)
        plans = plan(root, sources, codes, names)
        done, findings = _apply(root, change, plans, track)
    said = (*(finding for p in plans for finding in p.findings), *findings, *_unmatched(root, sources, names))
    renamed = _renamed(plans, {fixed.annotation for fixed in done}, names)
    chosen = (*codes, *([RENAMED] if names else []))
    counts = {code: Count(0, 0) for code in chosen} | _counted(fixed.counts for fixed in done)
    return RepairReport(root, chosen, counts, tuple(done), said, dry_run, recovered, names, renamed)


def codes_of(only: Iterable[str]) -> tuple[str, ...]:
    """Codes as they are asked for, in any case, several in one word: in the order of `CURES`."""
    words = [word.strip() for text in only for word in text.split(",") if word.strip()]
    wanted = {ALL if word.lower() == ALL else word.upper() for word in words}
    for word in sorted(wanted - {*CURES, ALL}):
        form = re.fullmatch(r"([A-Z]+)(\d{1,4})", word)
        meant = f"{form[1]}{int(form[2]):03}" if form else word  # VOC3 for VOC003; but VOC016 is no slip of VOC017
        near = difflib.get_close_matches(meant, CURES, 1, 1.0 if meant[:3] in {code[:3] for code in CURES} else 0.6)
        hint = f"did you mean {near[0]}? " if near else ""
        remedy = (
            f"{hint}There is one for {', '.join(CURES)}, or all of them: {ALL}; ssdprep audit names the others' cures"
        )
        raise SsdprepError(f"{word} is no code that can be cured here", remedy)
    return tuple(code for code in CURES if code in wanted or ALL in wanted)


def _renamed(plans: Iterable[Plan], done: Container[Path], names: Mapping[str, str]) -> tuple[Renamed, ...]:
    """What became of each name in the annotations that are done."""
    counts: Counter[str] = Counter()
    for p in plans:
        if p.path in done and RENAMED in p.counts:
            counts.update(item.name.strip() for item in p.source.items if item)
    return tuple(Renamed(old, new, counts[old]) for old, new in names.items())


def _slips(sources: Iterable[Labelled]) -> tuple[Renamed, ...]:
    """Class names that may be another's with a wrong letter."""
    counts = spellings([Plan(source, source.items) for source in sources])
    return tuple(Renamed(old, new, counts[old]) for old, new in slips(counts).items())


def _available(root: Path, sources: Sequence[Labelled]) -> dict[str, Count]:
    """What each cure could do, alone."""
    counts: dict[str, Count] = {}
    for code in CURES:
        counts |= _counted(p.counts for p in plan(root, sources, {code}, {}))
    return counts


def _counted(counts: Iterable[Mapping[str, int]]) -> dict[str, Count]:
    places: Counter[str] = Counter()
    touched: Counter[str] = Counter()
    for each in counts:
        places.update(each)
        touched.update(each.keys())
    return {code: Count(places[code], touched[code]) for code in (*CURES, RENAMED) if places[code]}


def _apply(
    root: Path, change: files.Change | None, plans: Sequence[Plan], track: Track
) -> tuple[list[FileRepair], list[Finding]]:
    """All plans into one transaction, or into diffs; and what could not be changed exactly."""
    work = [p for p in plans if p.counts]
    shared = {path for path, count in Counter(p.path.resolve() for p in plans).items() if count > 1}
    notes = settled.notes_about(Dataset(root, tuple(p.source.record for p in work)))
    done, findings = [], []
    fresh: dict[Path, settled.Note] = {}
    for p in track(work, "Repairing", len(work)):
        try:
            if p.path.resolve() in shared:
                raise ValueError("it is one file under several names")
            note = _note(root, p, notes)
            data = edit(p.source.data, p.items, size=p.size, filename=p.filename)
            now, was = read(p.path)
            if now != p.source.data:
                raise ValueError("it was changed meanwhile; run the same command again")
        except (ValueError, OSError) as error:
            remedy = "edit it by hand, or label the photo again in LabelImg"
            findings.append(Finding(UNPATCHABLE, Severity.ERROR, p.path, 0, f"left as it is: {error}", remedy))
            continue
        done.append(FileRepair(p.path, p.counts, "" if change else _diff(root, p, data)))
        if change is not None:
            change.replace(p.path, data, was=was)
        if note is not None:
            fresh[p.path] = note | {"annotation": sha256(data)}
    if change is not None and settled.are_new(root, fresh):
        change.replace(settled.place(root), settled.merged(root, fresh))
    return done, findings


def _note(root: Path, p: Plan, notes: settled.Notes) -> settled.Note | None:
    """What fix-exif noted about an annotation and still holds: it goes by its bytes, which are to change."""
    record = p.source.record
    note = settled.note_about(record, notes)
    if note is None or record.stored_size is None or not settled.holds(note, record):
        return None
    if settled.read(root).get(p.path.relative_to(root).as_posix()) != note:
        raise ValueError("fix-exif settled its frame in another folder, above or below; run this on that one")
    return note


def _unmatched(root: Path, sources: Sequence[Labelled], renames: Mapping[str, str]) -> Iterator[Finding]:
    """Class names that were to be renamed and that no box has; not those that an earlier run renamed."""
    names = {item.name.strip() for source in sources for item in source.items if item} - {""}
    for old, new in renames.items():
        if old not in names and new not in names:
            near = difflib.get_close_matches(old, names, 1)
            remedy = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(map(repr, sorted(names)[:8]))}"
            yield Finding(NO_SUCH_CLASS, Severity.WARNING, root, 0, f"no box is called {old!r}: not renamed", remedy)


def _diff(root: Path, p: Plan, data: bytes) -> str:
    """What changes in a file, as ``diff -u`` shows it."""
    name = p.path.relative_to(root).as_posix()
    old, new = (_lines(text) for text in (p.source.data, data))
    lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm="")
    return "\n".join(lines) + "\n"


def _lines(data: bytes) -> list[str]:
    """The lines of an annotation, in the encoding that it is read in."""
    root = root_of(data, lambda *_: None)
    encoding = root.getroottree().docinfo.encoding if root is not None else "utf-8"
    return data.decode(encoding or "utf-8", "replace").removeprefix("\ufeff").splitlines()
