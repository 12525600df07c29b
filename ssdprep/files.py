"""The only writer in place: all files of a change are replaced or none, whatever happens, and it can be taken back.

New bytes wait beside their targets, originals are kept under ``.ssdprep/backup`` (hard links where the disk has them),
a journal says what goes where. Once the disk has all of it a mark commits the change, and the files are moved into
place. A start after a crash discards what was not committed and completes what was.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssdprep import journal
from ssdprep.change import Change, transaction
from ssdprep.disk import digest, flush_folders, in_plain_words, twin
from ssdprep.journal import Entry, Run
from ssdprep.record import Finding, Report, Severity, SsdprepError, Track, untracked
from ssdprep.recovery import Recovered, foresee, recover

__all__ = ["Change", "Recovered", "UndoReport", "recover", "transaction", "undo", "write_new", "write_together"]

CHANGED_SINCE, NO_ORIGINAL = "FIL001", "FIL002"


@dataclass(frozen=True)
class UndoReport(Report):
    """What undo brought back or, in a dry run, would."""

    root: Path
    verb: str | None = None  # of the run that was taken back; None: there was none
    when: str = ""  # that run began; ISO 8601
    files: tuple[Path, ...] = ()
    dry_run: bool = False
    recovered: Recovered | None = None  # a run that had been interrupted, and what became (or would become) of it
    findings: tuple[Finding, ...] = ()

    @property
    def is_undone(self) -> bool:
        """Whether files were brought back."""
        return self.verb is not None and not self.dry_run and not self.findings

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        return {
            "undone": self.is_undone,
            "verb": self.verb,
            "when": self.when,
            "dry_run": self.dry_run,
            "files": [str(path) for path in self.files],
            "recovered": self.recovered._asdict() if self.recovered else None,
        }


def undo(root: Path, *, dry_run: bool = False, track: Track = untracked) -> UndoReport:
    """Bring back every byte, mode and time of the last change that was not yet undone; dry_run: only say which files.

    Refuses, and changes nothing, where a file was changed since, or an original is not what it was: an error for each.
    An interrupted run is settled first; where that alone brought the originals back, nothing older is touched.
    """
    root = Path(root)
    if not root.is_dir():
        raise SsdprepError(f"{root} is not a folder", "name the folder whose last change is to be undone")
    recovered = foresee(root) if dry_run else recover(root)
    runs = (journal.read(root.resolve(), name) for name in reversed(journal.names(root.resolve())))
    run = next((run for run in runs if not run.is_pending), None)
    if run is None or (recovered and recovered.forward is (recovered.verb == "undo")):
        return UndoReport(root, dry_run=dry_run, recovered=recovered)
    findings = tuple(
        found for entry in track(run.entries, "Comparing files") if (found := _hindrance(root, run, entry))
    )
    if not (findings or dry_run):
        with transaction(root, "undo", undoable=False, undoes=run.name) as change:
            for entry in track(run.entries, "Bringing back"):
                if entry.old is None:
                    change.remove(run.target(entry))
                else:
                    change.restore(run.target(entry), run.backup(entry), entry.old)
    paths = tuple(root / entry.path for entry in run.entries if not Path(entry.path).is_relative_to(journal.STATE))
    return UndoReport(root, run.verb, run.when, paths, dry_run, recovered, findings)


def _hindrance(root: Path, run: Run, entry: Entry) -> Finding | None:
    """Why a file cannot be brought back without losing something."""
    path, target, backup = root / entry.path, run.target(entry), run.backup(entry)
    kept = backup.relative_to(run.root)
    if (digest(target) if target.exists() else None) != entry.new:
        what = "changed" if target.exists() and entry.new else "removed" if entry.new else "made anew"
        message = f"it was {what} since {run.verb} of {run.when}: nothing was undone"
        remedy = f"put that version of it back, or copy by hand what you want from {kept.parent}"
        return Finding(CHANGED_SINCE, Severity.ERROR, path, 0, message, remedy)
    if entry.old and not (backup.exists() and digest(backup) == entry.old):
        message = f"its original in {kept} is {'not what it was' if backup.exists() else 'gone'}: nothing was undone"
        return Finding(NO_ORIGINAL, Severity.ERROR, path, 0, message, "bring it back from a copy of your own")
    return None


def write_new(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all, with its folders; one that is there is replaced. No undo."""
    write_together({path: data})


def write_together(contents: Mapping[Path, bytes], outdated: Iterable[Path] = ()) -> None:
    """Write files of one kind as `write_new` does, no new one beside an old one at any moment. No undo.

    When the bytes of all are on the disk the old files go, the last first, and the new ones are put in place, the first
    first. Where something goes wrong every old file comes back. Who is killed on the way leaves some of the old files
    or some of the new ones, always with the first, and the other old ones beside them under hidden names.
    outdated: further old files, which nothing replaces; they go before all others.
    """
    fresh: dict[Path, Path] = {}  # each file, and where its new bytes wait
    kept: dict[Path, Path] = {}  # each old file that has gone, and where it is meanwhile
    placed: list[Path] = []
    try:
        for path, data in contents.items():
            target = Path(os.path.realpath(path))
            fresh[target] = _spare(target)
            with in_plain_words(path, "written"):
                _write_beside(fresh[target], target, data)
        first, *others = fresh
        for target in (*outdated, *reversed(others)):
            if target.exists():
                journal.step("remove an old file")
                kept[target] = target.rename(_spare(target))
        if first.exists():
            spare = _spare(first)
            twin(first, spare)  # it is replaced in one act
            kept[first] = spare
        for target, new in fresh.items():
            journal.step("put a new file in place")
            with in_plain_words(target, "written"):
                new.replace(target)
            placed.append(target)
    except BaseException:
        with ExitStack() as acts:  # each is tried; what went wrong first is what the user must know
            for target in fresh:
                acts.callback(_leave, fresh[target])
            for target, old in kept.items():
                acts.callback(_put_back, old, target)
            for target in placed:
                acts.callback(_leave, target)
        raise
    for old in kept.values():
        old.unlink()
    flush_folders(target.parent for target in fresh)


def _spare(target: Path) -> Path:
    """A free name beside a file."""
    return target.with_name(f".ssdprep-{os.urandom(8).hex()}")


def _leave(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _put_back(old: Path, target: Path) -> None:
    with suppress(OSError):
        old.replace(target)
        old.unlink(missing_ok=True)  # a second name of a file that was never replaced


def _write_beside(waiting: Path, target: Path, data: bytes) -> None:
    """The new bytes of a file, on the disk, with the mode of the old one."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    with waiting.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if target.exists():
        shutil.copymode(target, waiting)
