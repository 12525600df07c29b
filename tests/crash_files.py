"""Kills and failures at every step of a change, in processes that fork from this one: it is small and has no threads.

    python tests/crash_files.py SCENARIO FOLDER

prints how many different deaths it has lived through, or fails. See test_files.py.
"""

from __future__ import annotations

import errno
import os
import resource
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
NOBODY = 65534

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
    """The folder again, hard links between files and their originals included."""
    target = scratch / f"{folder.name}-copy"
    shutil.rmtree(target, ignore_errors=True)
    twins: dict[int, str] = {}

    def copy(source: str, path: str) -> None:
        twin = twins.setdefault(Path(source).stat().st_ino, path)
        if twin == path:
            shutil.copy2(source, path)
        else:
            os.link(twin, path)

    shutil.copytree(folder, target, symlinks=True, copy_function=copy)
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
    steps = steps_of(change, copied(scene.before, scene.scratch))
    moves = [number for number, name in enumerate(steps, 1) if name == "replace a file"]
    for refused in (moves[1], moves[-1]):

        def back(folder: Path, refused: int = refused) -> None:
            fails(change, folder, refused, OSError(errno.EACCES, "Permission denied"))

        for folder in deaths(back, scene.before, scene.scratch):
            files.recover(folder)
            scene.check_order(folder)
            yield


def torn_journal(scene: Scene) -> Iterator[None]:
    """A power cut tears the journal's end: at any byte before the commit all is old, after it all is new."""
    steps = steps_of(change, copied(scene.before, scene.scratch))
    for at, outcome in ((steps.index("note a mark") + 1, scene.old), (len(steps) - 1, scene.new)):
        killed = copied(scene.before, scene.scratch).rename(scene.scratch / f"killed-{at}")
        assert dies(change, killed, at)
        (name,) = (path.name for path in (killed / ".ssdprep/journal").iterdir())
        whole = (killed / ".ssdprep/journal" / name).read_bytes()
        shortest = whole.index(b'{"mark"') + len(whole.splitlines()[-1]) + 1 if outcome is scene.new else 0
        for length in range(shortest, len(whole) + 1, 7):
            folder = copied(killed, scene.scratch)
            os.truncate(folder / ".ssdprep/journal" / name, length)
            files.recover(folder)
            found = state(folder)
            # what the journal forgot stays beside the files, hidden, until a run needs the name
            assert {k: v for k, v in found.items() if "/.ssdprep" not in f"/{k}"} == outcome
            yield


def forbidden(scene: Scene) -> Iterator[None]:
    """A folder that this user may not write into: a clear refusal, every file as it was."""
    for name in (".", "photos", "deep/down"):
        folder = copied(scene.before, scene.scratch)
        owned_by(folder, NOBODY)
        (folder / name).chmod(0o555)
        refused(folder, "chmod -R u+rwX")
        assert contents(state(folder)) == contents(scene.old)
        assert not (folder / ".ssdprep").exists()
        (folder / name).chmod(0o755)
        yield


def sticky(scene: Scene) -> Iterator[None]:
    """A folder in which all may write, but nobody replace another's file: seen only when the files are moved."""
    folder = copied(scene.before, scene.scratch)
    owned_by(folder, NOBODY)
    os.chown(folder / "deep/down", 0, 0)
    (folder / "deep/down").chmod(0o1777)
    os.chown(folder / "deep/down/read-only.png", 0, 0)
    steps: list[str] = []

    def watched(folder: Path) -> None:
        journal.on_step = steps.append
        try:
            change(folder)
        finally:
            assert "put a file back" in steps

    refused(folder, "chmod -R u+rwX", watched)
    assert contents(state(folder)) == contents(scene.old)
    assert not (folder / ".ssdprep").exists()
    yield


def full_disk(scene: Scene) -> Iterator[None]:
    """No file may grow beyond a size: the third write fails half-way."""
    folder = copied(scene.before, scene.scratch)

    def limited(folder: Path) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, 16_000))
        change(folder)

    owned_by(folder, NOBODY)
    refused(folder, "make room on the disk", limited)
    assert state(folder) == scene.old
    assert not (folder / ".ssdprep").exists()
    yield


def refused(folder: Path, remedy: str, act: Act = change) -> None:
    """``act`` fails with an `SsdprepError` whose remedy says so, for a user who is not root."""
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            act(folder)
        except SsdprepError as error:
            if remedy in error.remedy:
                os._exit(0)
            traceback.print_exc()
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def owned_by(folder: Path, user: int) -> None:
    if os.getuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user, user, follow_symlinks=False)


def contents(found: State) -> dict[str, bytes]:
    return {name: data for name, (data, _, _) in found.items()}


def steps_of(act: Act, folder: Path) -> list[str]:
    steps: list[str] = []
    journal.on_step = steps.append
    act(folder)
    journal.on_step = journal._die_when_told
    return steps


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
