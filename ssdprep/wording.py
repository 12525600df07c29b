"""How numbers, paths and classes are put into a sentence."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

_NAMES = 12  # of classes in one sentence


def counted(count: int, noun: str) -> str:
    """A number and its noun: 1 photo, 2 boxes, 3 classes."""
    plural = f"{noun}es" if noun.endswith(("x", "s")) else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def quoted(path: Path) -> str:
    """A path as a shell takes it."""
    return shlex.quote(str(path))


def listed(names: Sequence[str]) -> str:
    """Class names in a sentence; of very many the first and how many more."""
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def left_out(photos: Mapping[str, int]) -> str:
    """A line on photos that are not in what was made, by the reason."""
    why = ", ".join(f"{count:,} {reason}" for reason, count in photos.items() if count)
    return f"left out {counted(sum(photos.values()), 'photo')}: {why}"


def clock(seconds: float) -> str:
    """m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def first_line(error: BaseException) -> str:
    """What an error of another library says, as far as a sentence can hold it; its kind where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
