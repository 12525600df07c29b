"""Acts on single files and folders that `files` is made of: know a file again, copy what it is, wait for the disk."""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

from ssdprep.journal import STATE, step
from ssdprep.record import SsdprepError

_FLUSHES = 8  # at once: a file system merges what it is asked together
_SEALED = (errno.EACCES, errno.EPERM, errno.EROFS)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Identity(NamedTuple):
    """What tells whether a file is still the same."""

    inode: int
    size: int  # bytes
    modified: int  # nanoseconds; what its bytes were written at, or what a program says that they were
    changed: int  # anything about it, also how many names it has; no program can say so

    @property
    def content(self) -> tuple[int, int, int]:
        """Without what another link changes."""
        return self[:3]


class Version(NamedTuple):
    """What a file held when it was looked at; None and None where there was none."""

    identity: Identity | None  # before the first byte was read
    sha256: str | None


def identity(path: Path) -> Identity | None:
    """What tells whether a file is still the same; None where there is none. ``ValueError`` for anything but a file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{path} is not a file")
    return _identity(found)


def read(path: Path) -> tuple[bytes, Version]:
    """A file's bytes, and what tells whether it still holds them."""
    with path.open("rb") as file:
        before = _identity(os.fstat(file.fileno()))
        data = file.read()
    return data, Version(before, sha256(data))


def _identity(found: os.stat_result) -> Identity:
    return Identity(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256(data: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal, as `digest` has it of a file's."""
    return hashlib.sha256(data).hexdigest()


def inherit(path: Path, source: Path) -> None:
    """Give a file the owner, mode, times and extended attributes of another."""
    wanted = source.stat()
    now = path.stat()
    if hasattr(os, "chown") and (now.st_uid, now.st_gid) != (wanted.st_uid, wanted.st_gid):
        try:
            os.chown(path, wanted.st_uid, wanted.st_gid)
        except PermissionError:  # only root may give files away; who may write here but is not the owner, now is
            pass
    shutil.copystat(source, path)


def twin(source: Path, path: Path) -> bool:
    """The same file at a second place: a hard link, or a copy where the disk has none. True if it is a copy."""
    try:
        os.link(source, path)
        return False
    except OSError:  # no hard links here, or across two disks; where a copy fails too, that says why
        shutil.copyfile(source, path)
        inherit(path, source)
        return True


def move(source: Path, target: Path, spare: Path) -> None:
    """Put a file in another's place in one act, from another disk too; ``spare`` is a free name beside the target."""
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copyfile(source, spare)
        inherit(spare, source)
        flush([spare])
        step("replace a file by a copy")
        spare.replace(target)


def flush(paths: Iterable[Path]) -> None:
    """Wait until the disk has the bytes of these files."""
    paths = list(paths)
    waiting = iter(paths)

    def some() -> None:
        for path in waiting:  # shared: each thread takes the next that none has
            _flush_one(path)

    with ThreadPoolExecutor(_FLUSHES) as pool:
        for done in [pool.submit(some) for _ in paths[:_FLUSHES]]:
            done.result()


def flush_folders(folders: Iterable[Path]) -> None:
    """Wait until the disk has the names in these folders; each is asked once."""
    if sys.platform == "win32":  # folders cannot be opened there
        return
    for folder in dict.fromkeys(folders):
        _flush_one(folder)


@contextmanager
def in_plain_words(path: Path, verb: str = "changed", option: str = "") -> Iterator[None]:
    """What the system refuses becomes an `SsdprepError` that says what cures it.

    option: with which the user names another place than ``path``, where there is one.
    """
    try:
        yield
    except OSError as error:
        message = f"{path} cannot be {verb}: {error.strerror or error}"
        sealed = option and error.errno in _SEALED
        raise SsdprepError(message, _other_place(path, option) if sealed else remedy_for(error, path)) from error


@contextmanager
def put_in_place(path: Path) -> Iterator[Path]:
    """A hidden path beside ``path`` for others' code to write to: what it holds replaces ``path`` in one act.

    Nothing is left of it where that fails; the system's reasons become an `SsdprepError`.
    """
    partial = path.with_name(f".partial-{path.name}")
    try:
        with in_plain_words(path, "written"):
            yield partial
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def require_place(out: Path, option: str = "--out", *, named: Path | None = None) -> None:
    """`SsdprepError` where no file can be put at ``out``, in folders of which some need not be there yet.

    Said before the work is done. option: with which the user names another place; named: what that names, where it is
    not the file itself but a folder for it.
    """
    if why := _obstacle(out):
        named = out if named is None else named
        raise SsdprepError(f"{named} cannot be written: {why}", _other_place(named, option))


def elsewhere(out: Path) -> str:
    """A free path of the same name that can be written, as a shell takes it: in the user's home, else where /tmp is."""
    plain = out.name and not out.is_absolute() and not {"..", STATE} & set(out.parts)
    inner = out if plain else Path(out.resolve().name or "out")
    home = Path(os.environ.get("HOME") or tempfile.gettempdir())  # what a shell takes ~ for
    for base in (home, Path(tempfile.gettempdir())):
        free = free_name(base / inner)
        if not _obstacle(free):
            break
    at_home = base == home and os.environ.get("HOME")
    return f"~/{shlex.quote(str(free.relative_to(home)))}" if at_home else shlex.quote(str(free))


def _obstacle(out: Path) -> str:
    """Why no file can be put there; "" where one can."""
    there = next(place for place in out.absolute().parents if os.access(place, os.F_OK))
    if STATE in out.absolute().parts:
        return f"{STATE} is where ssdprep keeps its backups"
    if not there.is_dir():
        return f"{there} is no folder"
    return "" if os.access(there, os.W_OK | os.X_OK) else f"{there} may not be written to"


def _other_place(out: Path, option: str) -> str:
    return f"name a place that you may write to: {option} {elsewhere(out)}"


def free_name(path: Path) -> Path:
    """The path, or one like it that nothing has: NAME-2, or a higher number; of a file before its extension."""
    if not is_there(path):
        return path
    whole = path if path.name.strip(".") else path.resolve()  # . and ..
    stem, suffix = (whole.name, "") if path.is_dir() else (whole.stem, whole.suffix)
    names = (whole.parent / f"{stem}-{number}{suffix}" for number in count(2))
    return next(name for name in names if not is_there(name))


def is_there(path: Path) -> bool:
    """Whether a name is taken, also by a link that leads nowhere."""
    return path.exists() or path.is_symlink()


def remedy_for(error: OSError, path: Path | None = None) -> str:
    """What cures an error of the system; it concerns ``path`` where it names no file itself."""
    place = Path(error.filename) if isinstance(error.filename, str) else path or Path()
    folder = place if place.is_dir() else next((p for p in place.parents if p.is_dir()), place.parent)
    if error.errno in _FULL:
        return "make room on the disk, then run the same command again"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"make it writable, then run the same command again: chmod -R u+rwX {shlex.quote(str(folder))}"
    if error.errno == errno.EROFS:
        return f"{folder} is on a disk that cannot be written: name a place on one that can, or copy the data there"
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return "name another place: something else of that name is there"
    if error.errno == errno.ENAMETOOLONG:
        return "choose a shorter name"
    return "cure that, then run the same command again"


def _flush_one(path: Path) -> None:
    file = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
