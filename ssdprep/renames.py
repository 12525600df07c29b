"""--rename OLD=NEW: what may be asked for, and in which order. Names in, names out; opens no file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from ssdprep.labels import is_reserved
from ssdprep.record import SsdprepError
from ssdprep.wording import quoted


def renames_of(words: Iterable[str]) -> dict[str, str]:
    """``OLD=NEW`` as pairs of names. `SsdprepError` for what is no such word, and for one class with two new names."""
    names: dict[str, str] = {}
    for word in words:
        old, sign, new = (part.strip() for part in word.partition("="))
        if not (old and sign and new) or names.get(old, new) != new:
            why = "has another new name already" if old and sign and new else "is not OLD=NEW"
            raise SsdprepError(f"--rename {word!r}: {why}", "for example --rename 'mlik=milk'")
        if "=" in new:
            pairs = [pair.strip() for pair in word.split(",")]
            several = all(re.fullmatch("[^=]+=[^=]+", pair) for pair in pairs)
            cure = (
                f"each pair by itself: {shlex.join(options_of(pairs))}" if several else "for example --rename mlik=milk"
            )
            raise SsdprepError(f"--rename {word!r}: a new name cannot hold a =", cure)
        names[old] = new
    return names


def checked(renames: Mapping[str, str], root: Path) -> dict[str, str]:
    """The same names without those that stay.

    All apply at once, so that classes can be exchanged, two or more in a ring. `SsdprepError` for a name that stands
    for no class, and for a chain with an end: a second run would take its boxes further than the first one did.
    """
    names = {old.strip(): new.strip() for old, new in renames.items() if old.strip() != new.strip()}
    for old, new in names.items():
        if not (old and new):
            raise SsdprepError("a class name is empty", "give both names: OLD=NEW")
        if is_reserved(new):
            message = f"{new!r} is no name for a class: it stands for none in label maps, and tfrecord refuses it"
            raise SsdprepError(message, f"another name; to have {old!r} not learnt, delete its boxes in LabelImg")
    runs = _runs(names)
    if len(runs) > 1:
        old, new = next((old, new) for old, new in runs[1].items() if new in runs[0])
        commands = [
            f"ssdprep repair {quoted(root)} {shlex.join(options_of(map('='.join, run.items())))}" for run in runs
        ]
        message = f"{new!r} is to be renamed, and {old!r} to be called so: run twice, that would rename boxes twice"
        raise SsdprepError(message, f"in this order, which mixes up none: {', then '.join(commands)}")
    return names


def options_of(pairs: Iterable[str]) -> list[str]:
    """The words of a command that ask for renames, each OLD=NEW."""
    return [word for pair in pairs for word in ("--rename", pair)]


def _runs(names: Mapping[str, str]) -> list[dict[str, str]]:
    """The renames that may be done together, one run after the other: a name is free before another becomes it."""
    waiting, runs = dict(names), []
    while waiting:
        ready = {old: new for old, new in waiting.items() if new not in waiting or _is_in_ring(old, waiting)}
        runs.append(ready)
        waiting = {old: new for old, new in waiting.items() if old not in ready}
    return runs


def _is_in_ring(name: str, names: Mapping[str, str]) -> bool:
    """Whether a name comes back to itself; every ring is shorter than all names together."""
    at = name
    for _ in names:
        at = names.get(at, "")
        if at == name:
            return True
    return False
