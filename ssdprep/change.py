"""A change of many files as one: `files.transaction`."""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ssdprep import journal
from ssdprep.disk import (
    Identity,
    Version,
    digest,
    flush,
    flush_folders,
    identity,
    in_plain_words,
    inherit,
    sha256,
    twin,
)
from ssdprep.journal import Entry, Mark, Run, step
from ssdprep.lock import locked
from ssdprep.record import SsdprepError
from ssdprep.recovery import finish, forward, recover, settle


@contextmanager
def transaction(root: Path, verb: str, *, undoable: bool = True, undoes: str | None = None) -> Iterator[Change]:
    """Change files below ``root``, all or none: nothing is visible until the block ends without an exception.

    Recovers first (see `recover`). With ``undoable`` the originals are kept for `undo`; ``undoes`` is its own.
    A change of nothing leaves nothing behind. `SsdprepError` where a file cannot be written, was changed by someone
    else in the meantime, or another run changes the same folder; every file is then as it was.
    """
    root = Path(root).resolve()
    recover(root)
    with ExitStack() as stack:
        change = Change(root, verb, undoable, undoes, stack)
        try:
            yield change
            change._commit()
        except SsdprepError as error:
            change._take_back()
            raise SsdprepError(f"{error.message}; this run changed nothing", error.remedy) from error
        except BaseException:
            change._take_back()
            raise


class Change:
    """What is to change; made by `transaction`."""

    def __init__(self, root: Path, verb: str, undoable: bool, undoes: str | None, stack: ExitStack) -> None:
        self._seen = journal.names(root)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        self._run = Run(root, journal.next_name(root, verb), when, undoes, undoable)
        self._stack = stack
        self._begun = False  # as long as nothing is staged, nothing is on the disk
        self._entries: dict[Path, Entry] = {}
        self._versions: list[Version] = []
        self._written: list[Path] = []
        self._failed = False

    def replace(self, path: Path, data: bytes, *, was: Version | None = None) -> None:
        """Give a file new bytes, or make a new one. Its mode, times, owner and extended attributes stay.

        was: what the new bytes were made from, where they were; the file must still hold it.
        A link stays a link: the file that it leads to is changed. ``ValueError`` for a file that was given before, or
        is none; `SsdprepError` for one outside of the folder, that cannot be written, or that was changed meanwhile.
        """

        def write(waiting: Path, target: Path) -> None:
            with waiting.open("xb") as file:
                step("write new bytes")
                file.write(data)
            if target.exists():
                inherit(waiting, target)
            self._written.append(waiting)

        self._stage(path, sha256(data), write, was)

    def remove(self, path: Path) -> None:
        """Remove a file. Errors as in `replace`."""
        self._stage(path, None, lambda waiting, target: None)

    def restore(self, path: Path, original: Path, new: str) -> None:
        """Put a kept original back as it was, times and all; ``new`` is its SHA-256. Errors as in `replace`."""
        self._stage(path, new, lambda waiting, target: self._keep(original, waiting))

    def _stage(
        self, path: Path, new: str | None, fill: Callable[[Path, Path], None], was: Version | None = None
    ) -> None:
        """Prepare one file; ``fill`` makes what waits beside its target."""
        root = self._run.root
        target = _inside(root, path)
        if target in self._entries:
            raise ValueError(f"{path} is given twice")
        before = identity(target)
        if before is None and new is None:
            raise ValueError(f"{path} is not there")
        self._failed = True
        with in_plain_words(path):
            if not self._begun:
                self._begin()
            old = _known(target, before, was)
            entry = Entry(len(self._entries), target.relative_to(root).as_posix(), old, new)
            self._entries[target] = entry
            journal.add(self._run, entry)
            if old:
                self._keep(target, self._run.backup(entry))
            kept = identity(target)  # the link that keeps it has changed when it was changed
            if (kept and kept.content) != (before and before.content):
                raise _changed_meanwhile(target)
            self._versions.append(Version(kept, old))
            waiting = self._run.waiting(entry)
            waiting.unlink(missing_ok=True)  # a power cut may have left one of that name
            fill(waiting, target)
        self._failed = False

    def _begin(self) -> None:
        """Lock the folder and begin a journal."""
        run = self._run
        self._stack.enter_context(locked(run.root))
        self._begun = True
        if journal.names(run.root) != self._seen:
            raise SsdprepError(f"another ssdprep changed {run.root} meanwhile", "run the same command again")
        journal.prepare(run.root)
        if run.backups.exists():
            shutil.rmtree(run.backups)  # a power cut may have taken the journal and left these
        journal.begin(run)

    def _keep(self, source: Path, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        step("keep a file")
        if twin(source, path):
            self._written.append(path)

    def _commit(self) -> None:
        if self._failed:
            raise ValueError("a file could not be staged: the change cannot be completed without it")
        if not self._begun:
            return
        self._run = run = replace(self._run, entries=tuple(self._entries.values()))
        with in_plain_words(run.root):
            step("wait for the files")
            flush(self._written)
            flush_folders(_folders(run))
            for target, was in zip(self._entries, self._versions, strict=True):
                _known(target, identity(target), was)
            run = journal.mark(run, Mark.COMMITTED)
            forward(run)
        try:
            finish(journal.mark(run, Mark.DONE))
        except OSError:  # the files are in place: what is left to note and to clear away, the next start does
            pass

    def _take_back(self) -> None:
        """After an exception: every file as it was, unless all was done already."""
        if not self._begun:
            return
        root, name = self._run.root, self._run.name
        with in_plain_words(root):
            if name not in journal.names(root):
                journal.tidy(root)
                return
            run = journal.read(root, name)
            settle(journal.mark(run, Mark.BACKWARD) if run.mark is Mark.COMMITTED else run)


def _known(target: Path, now: Identity | None, was: Version | None) -> str | None:
    """SHA-256 of what a file holds; None where there is none. It is read again if anything about it has changed.

    `SsdprepError` where it holds other bytes than it did; another time, or another link to it, is no change.
    """
    if was and was.identity == now:
        return was.sha256
    found = digest(target) if now else None
    if was and was.sha256 != found:
        raise _changed_meanwhile(target)
    return found


def _changed_meanwhile(path: Path) -> SsdprepError:
    message = f"{path} was changed by another program meanwhile"
    return SsdprepError(message, "run the same command again")


def _inside(root: Path, path: Path) -> Path:
    """The file that a path leads to; it must be one of the folder's."""
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(root):
        raise SsdprepError(
            f"{path} leads out of {root}", "copy the file into the folder, or run on the one that has it"
        )
    return target


def _folders(run: Run) -> set[Path]:
    """Folders in which a run has made names so far."""
    touched = {run.root / parent for parent in {posixpath.dirname(entry.path) for entry in run.entries}}
    kept = {run.backups / parent for parent in {posixpath.dirname(entry.path) for entry in run.entries if entry.old}}
    backups = (folder for place in kept for folder in (place, *place.parents))
    return {run.journal.parent, run.root, *touched} | {folder for folder in backups if folder.is_relative_to(run.root)}
