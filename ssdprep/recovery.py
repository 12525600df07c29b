"""How a run ends, at once or at the next start after a crash: all files new or all old. Each act may be repeated.

A file's new bytes waiting beside it say that it has not been replaced yet; once in place they wait no more.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ssdprep import journal
from ssdprep.disk import digest, flush_folders, in_plain_words, move
from ssdprep.journal import Entry, Mark, Run, step
from ssdprep.lock import locked
from ssdprep.record import SsdprepError


class Recovered(NamedTuple):
    """What became of a run that had been interrupted."""

    verb: str
    when: str  # it began; ISO 8601
    files: int
    forward: bool  # True: completed, all files are new; False: discarded, all files are old


def recover(root: Path) -> Recovered | None:
    """Bring a folder into order after a run that was interrupted: all of its files old, or all of them new.

    None where there was nothing to do, also where there is no such folder. May itself be interrupted at any time.
    `SsdprepError` where that run is still at work, one of its files was changed in between, or the disk refuses.
    """
    root = Path(root).resolve()
    if not _pending(root):
        return None
    with in_plain_words(root), locked(root):
        recovered = None
        for run in _pending(root):  # asked again: now nobody else is writing
            forward = run.mark in (Mark.COMMITTED, Mark.DONE)
            recovered = Recovered(run.verb, run.when, len(run.entries), forward)
            settle(run)
        return recovered


def refuse_half_done(root: Path, below: Iterable[Path] = ()) -> None:
    """`SsdprepError` where some files are new and others old: a run was cut off while it moved them into place.

    For those who only read, and so recover nothing. Before a run is committed all files are old, and may be read.
    The run may have been one on a folder that holds ``root``, or on one of ``below``.
    """
    whole = Path(root).resolve()
    for folder in dict.fromkeys((whole, *whole.parents, *(path.resolve() for path in below))):
        for run in _pending(folder):
            if run.mark in (Mark.COMMITTED, Mark.BACKWARD):
                place = root if folder == whole else folder
                message = (
                    f"{run.verb} of {run.when} was cut off in {place}, or is still at work: "
                    "some files are new, some old"
                )
                data = shlex.quote(str(place))
                raise SsdprepError(message, f"ssdprep fix-exif {data}, or ssdprep undo {data}: either settles it")


def foresee(root: Path) -> Recovered | None:
    """What `recover` would do, for a dry run: nothing is changed. `SsdprepError` as in `refuse_half_done`."""
    refuse_half_done(root)
    recovered = None
    for run in _pending(Path(root).resolve()):
        recovered = Recovered(run.verb, run.when, len(run.entries), run.mark is Mark.DONE)
    return recovered


def settle(run: Run) -> None:
    """Carry on from the last mark of a run until nothing is left to do."""
    if run.mark is Mark.COMMITTED:
        _refuse_edited(run)
        forward(run, resumed=True)
        run = journal.mark(run, Mark.DONE)
    if run.mark is Mark.DONE:
        finish(run)
        return
    if run.mark is Mark.BACKWARD:
        _refuse_edited(run)
        _back(run)
    _discard(run)


def forward(run: Run, *, resumed: bool = False) -> None:
    """Move the new files into place, remove what is to go. After an interruption some of it is done already."""
    for entry in run.entries:
        if resumed and _is_in_place(run, entry):
            continue
        step("replace a file")
        if entry.new is None:
            run.target(entry).unlink()
        else:
            run.waiting(entry).replace(run.target(entry))
    step("wait for the folders")
    flush_folders(run.target(entry).parent for entry in run.entries)


def finish(run: Run) -> None:
    """Clear away what a finished run does not need any more."""
    if run.undoes:
        undone = Run(run.root, run.undoes)
        step("forget what was undone")
        undone.journal.unlink(missing_ok=True)
        _drop_backups(undone)
    if not run.undoable:
        _forget(run)


def _back(run: Run) -> None:
    """Put the originals of those files back that were replaced already."""
    for entry in run.entries:
        if not _is_in_place(run, entry):
            continue
        step("put a file back")
        if entry.old is None:
            run.target(entry).unlink(missing_ok=True)
        elif run.backup(entry).exists():
            move(run.backup(entry), run.target(entry), run.spare(entry))
    step("wait for the folders")
    flush_folders(run.target(entry).parent for entry in run.entries)


def _discard(run: Run) -> None:
    """Forget a run that changed nothing."""
    for entry in run.entries:
        step("drop a staged file")
        run.waiting(entry).unlink(missing_ok=True)
        run.spare(entry).unlink(missing_ok=True)
    _forget(run)


def _forget(run: Run) -> None:
    """Remove a run's originals, and then its journal: it says that they are there."""
    _drop_backups(run)
    step("forget a run")
    run.journal.unlink(missing_ok=True)
    journal.tidy(run.root)


def _drop_backups(run: Run) -> None:
    step("drop originals")
    if run.backups.exists():
        shutil.rmtree(run.backups)


def _is_in_place(run: Run, entry: Entry) -> bool:
    return not (run.target(entry) if entry.new is None else run.waiting(entry)).exists()


def _refuse_edited(run: Run) -> None:
    """Overwrite nothing that someone changed after the run was interrupted."""
    for entry in run.entries:
        target = run.target(entry)
        is_next = _is_in_place(run, entry) is (run.mark is Mark.BACKWARD)
        if is_next and target.exists() and digest(target) not in (entry.old, entry.new):
            message = f"{run.verb} was interrupted half-way, and {target} was changed after that"
            raise SsdprepError(message, "move your version out of the folder, then run the same command again")


def _pending(root: Path) -> list[Run]:
    runs = (journal.read(root, name) for name in journal.names(root))
    return [run for run in runs if run.is_pending]
