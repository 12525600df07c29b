"""What `files` keeps on disk about each change: ``DATA/.ssdprep/`` with journals and originals.

A journal is a text file of JSON lines: who changes what, one line a file with SHA-256 before and after, then marks.
Only a journal's last line may be torn; it counts as not written.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ssdprep.record import SsdprepError

STATE = ".ssdprep"
JOURNALS, BACKUPS, LOCK = "journal", "backup", "lock"
_README = """ssdprep keeps the originals of changed files here, so that each change can be taken back:

    ssdprep undo DATA             (DATA: the folder that this one is in; --dry-run only lists)

backup/RUN/         the files as they were before a run, under their own names
journal/RUN.jsonl   what the run changed, with SHA-256 before and after
settled.json        what fix-exif found out about boxes and the files no longer show

Delete this folder when you are sure: it frees the space, and nothing can be undone any more. Boxes that were settled
with `ssdprep fix-exif --images keep` become unresolved again where the photo cannot tell (orientation 2, 3 or 4, or
equal sides); they are upright by then, so the answer is --frame upright.
"""
_OWN = {".gitignore": "*\n", "README.txt": _README}
_NAME = re.compile(r"(\d{4,})-([a-z0-9-]+)")

_steps = itertools.count(1)


def step(name: str) -> None:
    """Called before every act on the disk; ``name`` says which. Does nothing, unless a test hangs something on it."""
    on_step(name)


def _die_when_told(_: str) -> None:
    if os.environ.get("SSDPREP_DIE_AT") == str(next(_steps)):
        os._exit(99)


on_step: Callable[[str], None] = _die_when_told
"""A seam for tests: with SSDPREP_DIE_AT=n the process dies at the n-th step, as in a power cut."""


class Mark(StrEnum):
    """How far a run has come."""

    STAGED = "staged"  # nothing visible has changed; also while it is still staging
    COMMITTED = "committed"  # from here on it goes forward: all new
    BACKWARD = "backward"  # a file could not be replaced: all old
    DONE = "done"


class Entry(NamedTuple):
    """One file of a run."""

    number: int  # within the run, from 0
    path: str  # relative to the data folder, with slashes
    old: str | None  # SHA-256 of its bytes before; None: there was no file
    new: str | None  # SHA-256 of its bytes after; None: it is removed


@dataclass(frozen=True, slots=True)
class Run:
    """One change of one or many files, as its journal tells it."""

    root: Path  # resolved
    name: str  # 0001-fix-exif
    when: str = ""
    undoes: str | None = None  # name of the run that this one takes back
    undoable: bool = True
    entries: tuple[Entry, ...] = ()
    mark: Mark = Mark.STAGED

    @property
    def verb(self) -> str:
        """The command that made the change."""
        return self.name.partition("-")[2]

    @property
    def is_pending(self) -> bool:
        """Whether something is left to do: everything but a finished change that may be undone later."""
        return self.mark is not Mark.DONE or not self.undoable

    @property
    def journal(self) -> Path:
        return self.root / f"{STATE}/{JOURNALS}/{self.name}.jsonl"

    @property
    def backups(self) -> Path:
        return self.root / f"{STATE}/{BACKUPS}/{self.name}"

    def target(self, entry: Entry) -> Path:
        return self.root / entry.path

    def backup(self, entry: Entry) -> Path:
        return self.backups / entry.path

    def waiting(self, entry: Entry) -> Path:
        """Where the new bytes of a file wait: beside it, hidden, with a name short enough for any file system."""
        return self.target(entry).with_name(f".ssdprep-{self.name}-{entry.number:06d}")

    def spare(self, entry: Entry) -> Path:
        """A free name beside a file, for its original on the way back from another disk."""
        return self.target(entry).with_name(f".ssdprep-{self.name}-{entry.number:06d}-old")


def names(root: Path) -> list[str]:
    """Names of the runs that have a journal, oldest first."""
    try:
        found = [name.removesuffix(".jsonl") for name in os.listdir(root / STATE / JOURNALS)]  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((name for name in found if _NAME.fullmatch(name)), key=lambda name: int(name.partition("-")[0]))


def next_name(root: Path, verb: str) -> str:
    """The name of a new run."""
    taken = names(root)
    number = int(taken[-1].partition("-")[0]) + 1 if taken else 1
    if not _NAME.fullmatch(name := f"{number:04d}-{verb}"):
        raise ValueError(f"a verb is a word of a-z, 0-9 and -, not {verb!r}")
    return name


def read(root: Path, name: str) -> Run:
    """A run as its journal tells it. `SsdprepError` where the journal is damaged."""
    run = Run(root, name)
    lines = run.journal.read_bytes().split(b"\n")[:-1]  # a line without its end is torn
    try:
        first, *rest = (json.loads(line) for line in lines) if lines else ({},)
        marks = [line for line in rest if "mark" in line]
        entries = tuple(_checked(root, Entry(**line)) for line in rest if "mark" not in line)
        if marks and marks[0]["files"] != len(entries):
            raise ValueError("lines are missing")
        if first.get("undoes") and not _NAME.fullmatch(first["undoes"]):
            raise ValueError(f"{first['undoes']!r} is no run")  # it becomes a path, and what is there is removed
        mark = Mark(marks[-1]["mark"]) if marks else Mark.STAGED
        return Run(root, name, entries=entries, mark=mark, **first)
    except (ValueError, TypeError, KeyError) as error:
        remedy = f"copy what you need out of {run.backups}, then delete {root / STATE}"
        raise SsdprepError(f"{run.journal} is damaged: {error}", remedy) from error


def _checked(root: Path, entry: Entry) -> Entry:
    """A journal may have come with a downloaded folder: it names files in that folder, or it is none of ours."""
    path = PurePosixPath(entry.path)
    if not path.name or ".." in path.parts or not _is_inside(root, root / path.parent):
        raise ValueError(f"{entry.path!r} is not in the folder")
    return entry


@lru_cache(maxsize=4096)
def _is_inside(root: Path, folder: Path) -> bool:
    return folder.resolve().is_relative_to(root)


def begin(run: Run) -> None:
    """Write the first line of a journal."""
    step("begin a journal")
    run.journal.touch(exist_ok=False)  # one run has this name, also where the disk knows no locks
    _append(run, {"when": run.when, "undoes": run.undoes, "undoable": run.undoable})


def add(run: Run, entry: Entry) -> None:
    """Note a file before anything of it is on the disk."""
    step("note a file")
    _append(run, entry._asdict())


def mark(run: Run, reached: Mark) -> Run:
    """Note how far a run has come, wait until the disk has the whole journal, and give the run with that mark."""
    step("cut off a torn line")
    with run.journal.open("r+b") as file:
        file.truncate(file.read().rfind(b"\n") + 1)
    step("note a mark")
    _append(run, {"mark": reached.value, "files": len(run.entries)}, durable=True)
    return replace(run, mark=reached)


def _append(run: Run, line: dict[str, Any], *, durable: bool = False) -> None:
    data = json.dumps(line).encode() + b"\n"
    with run.journal.open("ab", buffering=0) as file:
        if file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(run.journal))
        if durable:
            step("wait for the journal")
            os.fsync(file.fileno())


def prepare(root: Path) -> None:
    """Make the state folder, or what is missing of it."""
    state = root / STATE
    for folder in (state, state / JOURNALS, state / BACKUPS):
        folder.mkdir(exist_ok=True)
    for name, text in _OWN.items():
        if not (state / name).exists():
            step("explain the state folder")
            (state / name).write_text(text, encoding="utf-8")


def tidy(root: Path) -> None:
    """Remove the state folder where nothing in it is worth keeping. For the holder of the lock."""
    state = root / STATE
    if state.is_symlink():  # someone keeps it on another disk
        return
    if names(root) or {entry.name for entry in state.iterdir()} - {JOURNALS, BACKUPS, LOCK, *_OWN}:
        return
    for folder in (state / JOURNALS, state / BACKUPS):
        if folder.exists():
            if any(folder.iterdir()):
                return
            folder.rmdir()
    for name in (*_OWN, LOCK):
        step("tidy up")
        (state / name).unlink(missing_ok=True)
    if not any(state.iterdir()):  # else the next run has begun
        state.rmdir()
