"""One process at a time changes a folder: a lock that the system frees when its process ends, however it ends."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssdprep.journal import LOCK, STATE
from ssdprep.record import SsdprepError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Keep every other ssdprep from changing a folder. `SsdprepError` where one is at it already."""
    with held(root / STATE / LOCK, f"another ssdprep is changing {root}", "wait until it is done, then run it again"):
        yield


@contextmanager
def held(path: Path, message: str, remedy: str) -> Iterator[None]:
    """Hold a lock file, made where it is missing and its folder too; who holds it may remove it.

    `SsdprepError` with this message and remedy where another process holds it.
    """
    while True:
        path.parent.mkdir(exist_ok=True)
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # the folder was tidied away this very moment
            continue
        try:
            if not is_mine(file):
                raise SsdprepError(message, remedy)
            if _is_at(file, path):  # else its holder tidied it away meanwhile
                yield
                return
        finally:
            os.close(file)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def is_mine(file: int) -> bool:
    """Lock an open file for this process; False where another has it. The system frees it when the process ends."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # a disk without locks (some network and FUSE mounts) must stop no run; a journal's name still guards a change
        return error.errno in (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK)
    return True
