"""Kills and failures at every step of a change, in processes that fork from this one: it is small and has no threads.

    python tests/crash_files.py SCENARIO FOLDER

prints how many different deaths it has lived through, or fails. See test_files.py.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from ssdprep import files, journal
from ssdprep.record import SsdprepError

Act = Callable[[Path], object]
State = dict[str, tuple[bytes, int, int]]

NEW = {
    "photos/IMG 1.jpg": b"upright" * 3000,
    "photos/IMG 1.xml": b"<annotation>upright</annotation>",
    "photos/\u00fc.jpg": b"",
    "deep/down/read-only.png": b"other",
    "linked.xml": b"behind a link",
    "made.txt": b"new",
    ".ssdprep/settled.json": b"{}",
}
OLD = {
    "photos/IMG 1.jpg": b"stored" * 4000,
    "photos/IMG 1.xml": b"<annotation/>",
    "photos/\u00fc.jpg": b"\xff\xd8\xff",
    "deep/down/read-only.png": b"",
    "target.xml": b"<a/>",
    "gone.txt": b"goes",
    "bystander.xml": b"stays",
}


def build(folder: Path) -> Path:
    for number, (name, data) in enumerate(OLD.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod((0o644, 0o600, 0o444)[number % 3])
        os.utime(path, ns=(10**18, 10**18 + 1_000_000_007 * number))
    (folder / "linked.xml").symlink_to("target.xml")
    return folder


def change(folder: Path) -> None:
    """What a verb does that changes nothing when it is run again."""
    files.recover(folder)
    with files.transaction(folder, "fix-exif") as transaction:
        for name, data in NEW.items():
            path = folder / name
            if not path.exists() or path.read_bytes() != data:
                transaction.replace(path, data)
        if (folder / "gone.txt").exists():
            transaction.remove(folder / "gone.txt")


def state(folder: Path) -> State:
    """All files, those that should not be there included; a new file's time is whenever it was written."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(".ssdprep/"):
            kept = path.stat()
            found[name] = path.read_bytes(), kept.st_mode, 0 if name == "made.txt" else kept.st_mtime_ns
    return found


def dies(act: Act, folder: Path, at: int) -> bool:
    """Run ``act`` in a process of its own that dies at a step; False if it ended before."""
    child = os.fork()
    if child == 0:
        os.environ["SSDPREP_DIE_AT"] = str(at)
        journal._steps = count(1)
        try:
            act(folder)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 99), code
    return code == 99


def deaths(act: Act, before: Path, scratch: Path) -> Iterator[Path]:
    """A copy of the folder for every step at which ``act`` can die, as that death leaves it."""
    for at in count(1):
        folder = copied(before, scratch)
        if not dies(act, folder, at):
            return
        yield folder


def copied(folder: Path, scratch: Path) -> Path:
    target = scratch / "copy" if folder.parent != scratch else scratch / f"{folder.name}-copy"
    shutil.rmtree(target, ignore_errors=True)
    # hard links between files and their originals are part of the state
    os.system(f"cp -a '{folder}' '{target}'")
    return target


class Scene:
    """The folder before and after an undisturbed change."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.before = build(scratch / "before")
        self.after = copied(self.before, scratch)
        self.after = self.after.rename(scratch / "after")
        assert not dies(change, self.after, 0)
        self.old, self.new = state(self.before), state(self.after)
        assert self.old != self.new

    def check_order(self, folder: Path) -> None:
        """All old or all new; the same command gives what it would have given, undo what there was."""
        assert state(folder) in (self.old, self.new)
        change(folder)
        assert state(folder) == self.new
        report = files.undo(folder)
        assert report.is_undone
        assert state(folder) == self.old
        assert not (folder / ".ssdprep").exists()


def killed_change(scene: Scene) -> Iterator[None]:
    """Killed anywhere; then recovered, or run again, or undone."""
    for folder in deaths(change, scene.before, scene.scratch):
        undone = copied(folder, scene.scratch)
        files.undo(undone)
        assert state(undone) == scene.old
        again = copied(folder, scene.scratch)
        change(again)
        assert state(again) == scene.new
        files.recover(folder)
        assert files.recover(folder) is None
        scene.check_order(folder)
        yield


def killed_recovery(scene: Scene) -> Iterator[None]:
    """Killed anywhere, and killed again anywhere in the recovery."""
    for folder in deaths(change, scene.before, scene.scratch):
        kept = folder.rename(scene.scratch / "killed")
        for twice in deaths(files.recover, kept, scene.scratch):
            files.recover(twice)
            scene.check_order(twice)
            yield
        shutil.rmtree(kept)


def killed_undo(scene: Scene) -> Iterator[None]:
    """Undo killed anywhere, then run again, or recovered."""
    for folder in deaths(files.undo, scene.after, scene.scratch):
        again = copied(folder, scene.scratch)
        files.undo(again)
        assert state(again) == scene.old
        files.recover(folder)
        scene.check_order(folder)
        yield


def failing_step(scene: Scene) -> Iterator[None]:
    """The disk refuses, or Ctrl-C comes, at every step: all is old at once, or all was done already."""
    for error in (OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()):
        for at in count(1):
            folder = copied(scene.before, scene.scratch)
            reached, raised = fails(change, folder, at, error)
            if not reached:
                break
            if isinstance(error, OSError):
                assert raised is None or isinstance(raised, SsdprepError)
                assert state(folder) == (scene.old if raised else scene.new)
            else:
                assert raised is error
                assert state(folder) in (scene.old, scene.new)
            assert (folder / ".ssdprep").exists() is (state(folder) == scene.new)
            files.recover(folder)
            scene.check_order(folder)
            yield


def killed_way_back(scene: Scene) -> Iterator[None]:
    """The disk refuses in the middle of the moving, and the process is killed while it puts the files back."""
    steps: list[str] = []
    journal.on_step = steps.append
    change(copied(scene.before, scene.scratch))
    journal.on_step = journal._die_when_told
    moves = [number for number, name in enumerate(steps, 1) if name == "replace a file"]
    for refused in (moves[1], moves[-1]):

        def back(folder: Path, refused: int = refused) -> None:
            fails(change, folder, refused, OSError(errno.EACCES, "Permission denied"))

        for folder in deaths(back, scene.before, scene.scratch):
            files.recover(folder)
            scene.check_order(folder)
            yield


def fails(act: Act, folder: Path, at: int, error: BaseException) -> tuple[bool, BaseException | None]:
    """Whether ``act`` came to a step, where it was made to fail, and the exception that it ended with."""
    passed: list[str] = []

    def fail(name: str) -> None:
        journal._die_when_told(name)
        passed.append(name)
        if len(passed) == at:
            raise error

    journal.on_step = fail
    try:
        act(folder)
    except BaseException as raised:
        return True, raised
    finally:
        journal.on_step = journal._die_when_told
    return len(passed) >= at, None


if __name__ == "__main__":
    print(sum(1 for _ in globals()[sys.argv[1]](Scene(Path(sys.argv[2])))))
