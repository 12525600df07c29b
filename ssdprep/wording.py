"""How numbers, paths and classes are put into a sentence."""

from __future__ import annotations

import shlex
from pathlib import Path


def counted(count: int, noun: str) -> str:
    """A number and its noun: 1 photo, 2 boxes, 3 classes."""
    plural = f"{noun}es" if noun.endswith(("x", "s")) else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def quoted(path: Path) -> str:
    """A path as a shell takes it."""
    return shlex.quote(str(path))
