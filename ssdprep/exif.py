"""The verb fix-exif: decide every file, make photos and boxes upright, put it all in place at once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ssdprep import files, journal, settled
from ssdprep.faults import WRONG_ORIENTATION
from ssdprep.files import Recovered
from ssdprep.formats.voc import NO_SIZE
from ssdprep.journal import BACKUPS, STATE
from ssdprep.metadata import effective
from ssdprep.orient import Advice, Decision, Frame, Turn, Verdict, judge, next_command, undecided
from ssdprep.parallel import in_order, shares
from ssdprep.record import Dataset, Finding, Record, Report, Severity, Size, Track, untracked
from ssdprep.recovery import foresee
from ssdprep.scan import SECOND, scan_folder
from ssdprep.uprighting import Made, Outcome, Task, bring_upright
from ssdprep.walk import folded

Images = Literal["rewrite", "keep"]
Fault = tuple[str, Path]  # code and place of a finding

BACKUP_HAS_PLACE = "ORI005"

_UNKNOWN = Decision(Verdict.UNRESOLVED, "no annotation or photo that can be read", Size(0, 0))


class FileFix(NamedTuple):
    """What became of one photo and its annotation."""

    image: Path
    annotation: Path | None
    orientation: int  # as written in the file, before
    verdict: Verdict
    evidence: str
    action: str  # what was done or, in a dry run, would be


@dataclass(frozen=True)
class FixReport(Report):
    """What fix-exif found and did or, in a dry run, would do."""

    root: Path
    files: tuple[FileFix, ...]
    changed_images: int
    changed_annotations: int
    lossless: int  # photos whose pixels were turned without loss
    reencoded: int  # photos whose pixels had to be encoded again
    findings: tuple[Finding, ...] = ()  # without those that this run has cured; a dry run cures none
    advice: Advice | None = None  # where files are unresolved: how to settle them
    turned: bool = False  # whether --turned settled files
    dry_run: bool = False
    recovered: Recovered | None = None  # a run that had been interrupted, and what became (or would become) of it

    @property
    def verdicts(self) -> dict[Verdict, int]:
        """How many files of each verdict."""
        counts = Counter(fix.verdict for fix in self.files)
        return {verdict: counts[verdict] for verdict in Verdict}

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        return {
            "verdicts": {verdict.value: count for verdict, count in self.verdicts.items()},
            "changed_images": self.changed_images,
            "changed_annotations": self.changed_annotations,
            "lossless": self.lossless,
            "reencoded": self.reencoded,
            "dry_run": self.dry_run,
            "recovered": self.recovered._asdict() if self.recovered else None,
            "files": [
                {
                    **fix._asdict(),
                    "image": str(fix.image),
                    "annotation": str(fix.annotation) if fix.annotation else None,
                    "verdict": fix.verdict.value,
                }
                for fix in self.files
            ],
        }


def fix_exif(
    root: Path,
    *,
    dry_run: bool = False,
    frame: Frame = "auto",
    images: Images = "rewrite",
    turned: Turn | None = None,
    strip_gps: bool = False,
    track: Track = untracked,
    jobs: int = 1,
) -> FixReport:
    """Make photos and boxes agree on which way is up: pixels upright, tag 1, boxes and ``<size>`` in the same frame.

    frame: of the boxes where the file itself cannot tell; never overrules a file that can. images: ``keep`` leaves the
    photos alone and moves only boxes, for readers that apply the tag. turned: which way photos without a tag were
    turned after they were labelled. strip_gps: remove the place from EXIF and XMP of all photos. jobs: worker
    processes; 0: one for each core where that is worth their start.

    All changes are one transaction: a second run changes nothing, `ssdprep.undo` brings back every byte. Files that
    cannot be decided, or not be turned, stay as they are, and a finding says why. ``ValueError`` for an unknown choice.
    """
    for choice, known in (
        (frame, ("auto", "stored", "upright")),
        (images, ("rewrite", "keep")),
        (turned, (None, "cw", "ccw")),
    ):
        if choice not in known:
            raise ValueError(f"{choice!r} is not one of {known}")
    root = Path(root)
    recovered = foresee(root) if dry_run else files.recover(root)
    # Opened before the scan: a run that ends between this scan and the first write would have its boxes moved again.
    with nullcontext() if dry_run else files.transaction(root, "fix-exif") as change:
        dataset = scan_folder(root, track=track)
        decisions = _decisions(dataset, frame, turned)
        tasks = [Task(record, decision, images == "rewrite", strip_gps) for record, decision in decisions]
        strays = [
            Task(Record(photo, None), _UNKNOWN, rewrite=False, strip_gps=True) for photo in _strays(dataset, strip_gps)
        ]
        work = [*(task for task in tasks if task.is_needed), *strays]
        # By processes: the library that turns without loss lets no thread run beside it.
        by = shares((task.record.path for task in work), jobs)
        made = track(in_order(bring_upright, work, **by._asdict()), "Making upright", len(work))
        done = _tried(work, made) if change is None else _stage(root, change, work, made)
    cured = set() if dry_run else _cured(tasks, done)
    report = replace(_report(dataset, tasks, done, cured), dry_run=dry_run, recovered=recovered)
    if strip_gps and report.changed_images and not dry_run:
        report = replace(report, findings=(*report.findings, _place_in_backup(root)))
    return report


def _decisions(dataset: Dataset, frame: Frame, turned: Turn | None) -> list[tuple[Record, Decision]]:
    """Every record with a readable photo, and its decision; in conflict where others depend on the same file."""
    seconds = {folded(finding.path.stem) for finding in dataset.findings if finding.code == SECOND}
    shared = _shared(dataset.records)
    decisions = []
    for record, decision in zip(dataset.records, judge(dataset, frame=frame, turned=turned), strict=True):
        if record.image is None or decision is None:
            continue
        evidence = remedy = ""
        if folded(record.image.stem) in seconds:
            evidence = "a second annotation claims the photo, and only one can be moved with it"
            remedy = "keep the right one, delete the other, then run this again"
        elif {record.image, record.annotation} & shared:
            evidence = "photo or annotation is one file under several names"
            remedy = "replace the links by copies, then run this again"
        if evidence and (decision.turn != 1 or effective(record.orientation) != 1):
            decision = replace(decision, verdict=Verdict.CONFLICT, evidence=evidence, remedy=remedy)
        decisions.append((record, decision))
    return decisions


def _strays(dataset: Dataset, strip_gps: bool) -> list[Path]:
    """Photos that nothing can be decided about; they may hold a place all the same."""
    unreadable = (record.image for record in dataset.records if record.image and record.stored_size is None)
    return [*dataset.left_out, *unreadable] if strip_gps else []


def _shared(records: Iterable[Record]) -> set[Path | None]:
    """Links that lead to a file that another one leads to as well."""
    paths = (path for record in records for path in (record.image, record.annotation))
    targets = {path: path.resolve() for path in paths if path and path.is_symlink()}
    counts = Counter(targets.values())
    return {path for path, target in targets.items() if counts[target] > 1}


def _place_in_backup(root: Path) -> Finding:
    message = "the originals, kept for undo, still hold the place"
    remedy = "delete this folder before you pass the photos on; then nothing can be undone"
    return Finding(BACKUP_HAS_PLACE, Severity.WARNING, root / STATE / BACKUPS, 0, message, remedy)


def _tried(work: Sequence[Task], made: Iterable[Made]) -> dict[Path, Outcome]:
    return {task.record.path: fixed.outcome for task, fixed in zip(work, made, strict=True)}


def _stage(root: Path, change: files.Change, work: Sequence[Task], made: Iterable[Made]) -> dict[Path, Outcome]:
    """All changes into one transaction; the outcomes by photo. Holds the bytes of a few photos at a time."""
    done: dict[Path, Outcome] = {}
    notes: dict[Path, settled.Note] = {}
    given: set[str] = set()
    for (record, *_), fixed in zip(work, made, strict=True):
        for path, data, was in (
            (record.image, fixed.image, fixed.image_was),
            (record.annotation, fixed.annotation, fixed.annotation_was),
        ):
            if path and data is not None and (target := os.path.realpath(path)) not in given:
                given.add(target)
                change.replace(path, data, was=was)
        if record.annotation and fixed.note:
            notes[record.annotation] = fixed.note
        done[record.path] = fixed.outcome
    if settled.are_new(root, notes):
        if given:
            change.replace(settled.place(root), settled.merged(root, notes))
        else:  # nothing of the user's is changed: there is nothing that undo could bring back
            journal.prepare(root)
            files.write_new(settled.place(root), settled.merged(root, notes))
    return done


def _cured(tasks: Sequence[Task], done: dict[Path, Outcome]) -> set[Fault]:
    """What the scan found and this run put right: every annotation that it changed has its size, every photo tag 1."""
    cured: set[Fault] = set()
    for record, decision, rewrite, _ in tasks:
        outcome = done.get(record.path, Outcome())
        if record.annotation and outcome.annotation_changed:
            cured.add((NO_SIZE, record.annotation))
        if record.image and outcome.image_changed and rewrite and decision.decided:  # else only its place was removed
            cured.add((WRONG_ORIENTATION, record.image))
    return cured


def _report(dataset: Dataset, tasks: Sequence[Task], done: dict[Path, Outcome], cured: set[Fault]) -> FixReport:
    advice = next_command(dataset.root, [task.decision for task in tasks])
    findings = [finding for finding in dataset.findings if (finding.code, finding.path) not in cured]
    fixes = []
    for record, decision, *_ in tasks:
        assert record.image is not None
        fixed = done.get(record.path, Outcome())
        findings += fixed.findings
        if not decision.decided:
            findings.append(undecided(dataset.root, record, decision, advice))
        left = not decision.decided or any(finding.severity is Severity.ERROR for finding in fixed.findings)
        action = ", ".join(fixed.actions) or ("left as it is" if left else "nothing to do")
        fixes.append(
            FileFix(record.image, record.annotation, record.orientation, decision.verdict, decision.evidence, action)
        )
    decided = {task.record.path for task in tasks}
    findings += [finding for path, outcome in done.items() if path not in decided for finding in outcome.findings]
    turned = Counter(outcome.lossless for outcome in done.values())
    return FixReport(
        root=dataset.root,
        files=tuple(fixes),
        changed_images=sum(outcome.image_changed for outcome in done.values()),
        changed_annotations=sum(outcome.annotation_changed for outcome in done.values()),
        lossless=turned[True],
        reencoded=turned[False],
        findings=tuple(dict.fromkeys(finding.about(dataset.root) for finding in findings)),
        turned=any(task.decision.evidence.startswith("--turned") for task in tasks),
        advice=advice if any(task.decision.verdict is Verdict.UNRESOLVED for task in tasks) else None,
    )
