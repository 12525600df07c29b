"""What the lists of a split do not say: parts and classes that are short, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from ssdprep.record import Finding, Record, Severity
from ssdprep.split_plan import Part, Plan, Units
from ssdprep.stratify import FEW
from ssdprep.wording import counted, quoted

RARE, UNLABELLED, OFF_SHARE, MISSING, UNLISTABLE = "SPL001", "SPL002", "SPL003", "SPL004", "SPL005"
HELD_OUT, NOT_ALL_COMPARED = "SPL006", "SPL007"

_GROUP = "group of copies or shots of one burst"
_SCENES = "label {} other scenes; --no-group parts them, and the result will look better than it is"


def of_plan(root: Path, made: Plan, shares: dict[str, Fraction]) -> Iterator[Finding]:
    """Short parts, missing classes, and drawn pictures that may not be used."""
    yield from _uneven(root, made.photos, shares, made.units, made.is_addition)
    yield from _missing(root, made.photos, shares, made.units)
    if made.held_out:
        yield held_out(root, made.held_out)


def held_out(root: Path, count: int) -> Finding:
    """A word on drawn pictures that are for no part."""
    message = f"{counted(count, 'drawn picture')} in no part: what they were drawn from is in val or test, or gone"
    return Finding(HELD_OUT, Severity.INFO, root, 0, message, "nothing to do; split before you augment to draw none")


def of_left_out(root: Path, labelled: Sequence[Record], names: Collection[Path], unlabelled: int) -> Iterator[Finding]:
    """Photos that are in no part. names: paths of photos that a list can name."""
    alike = Counter(str(record.path).casefold() for record in labelled)
    for record in labelled:
        if record.path not in names:
            why = "for a line break, backslash or blank in it"
            if alike[str(record.path).casefold()] > 1:
                why = "which another photo's differs from in upper and lower case only"
            message = f"no list can hold its name, {why}: left out"
            yield Finding(UNLISTABLE, Severity.ERROR, record.path, 0, message, "rename it, and its annotation")
    if unlabelled:
        message = f"{counted(unlabelled, 'photo')} without annotation in no part"
        remedy = "label them; or save them without boxes in LabelImg if they show nothing"
        yield Finding(UNLABELLED, Severity.INFO, root, 0, message, remedy)


def not_all_compared(root: Path, count: int, reach: int) -> Finding:
    """Too many photos to lay each over every other."""
    message = f"each of {count:,} photos was compared with the {reach:,} that follow it by name, not with all"
    remedy = "nothing to do where copies have names alike; the same bytes are found wherever they are"
    return Finding(NOT_ALL_COMPARED, Severity.INFO, root, 0, message, remedy)


def _uneven(
    root: Path, parts: dict[str, Part], shares: dict[str, Fraction], units: Units, is_addition: bool
) -> Iterator[Finding]:
    """Parts that did not get their share."""
    total = sum(part.images for part in parts.values())
    rare = [label for label, count in units.classes.items() if count <= FEW]
    for name, part in parts.items():
        short = shares[name] * total - part.images
        if name == "train" or not shares[name] or (short <= 1 and part.images):
            continue
        message = f"{name} has {part.images} of {total} photos, not the {float(shares[name]):.0%} that was asked"
        if is_addition:
            message = f"{name} has {part.images} of {total} photos, not its share of {float(shares[name]):.0%}"
            remedy = f"label more photos; or share all of them out anew: ssdprep split {quoted(root)} --force"
        elif units.total == 1 < total:
            message = f"{message}: all {total} photos are one {_GROUP}"
            remedy = _SCENES.format("photos of")
        elif units.total < total:
            message = f"{message}: they are {_said(units.total)}"
            remedy = _SCENES.format("photos of")
        elif rare:
            remedy = "label more photos, of rare classes above all: classes in one or two are in train"
        else:
            remedy = "label more photos, or ask for a larger share"
        yield Finding(OFF_SHARE, Severity.WARNING, root, 0, message, remedy)


def _missing(root: Path, parts: dict[str, Part], shares: dict[str, Fraction], units: Units) -> Iterator[Finding]:
    """Classes that are not in every part."""
    held = [name for name in parts if name != "train" and shares[name]]
    for label in parts["train"].classes:
        images, count = sum(part.classes[label].images for part in parts.values()), units.classes[label]
        lacking = [name for name in parts if shares[name] and not parts[name].classes[label].images]
        photos = counted(images, "photo") + (f" ({_said(count)})" if count < images else "")
        if held and count <= FEW:
            message = f"class {label!r} is in {photos}{' only' * (count == images)}: in train, and never measured"
            remedy = _SCENES.format("it in") if count < images else "label more of it, or leave the class out"
            yield Finding(RARE, Severity.WARNING, root, 0, message, remedy)
        elif lacking:
            message = f"class {label!r} with {photos} is not in {' and '.join(lacking)}: no place was left"
            remedy = _SCENES.format("it in") if count < images else _more_room(lacking, shares)
            yield Finding(MISSING, Severity.WARNING, root, 0, message, remedy)


def _said(units: int) -> str:
    """How many there are where each group is one."""
    return f"all one {_GROUP}" if units == 1 else f"{units:,} with each {_GROUP} counted once"


def _more_room(lacking: Sequence[str], shares: dict[str, Fraction]) -> str:
    """A larger share for the first part that lacks a class, as long as train keeps most of what it has."""
    wanted = {name: share + Fraction(1, 10) * (name == lacking[0]) for name, share in shares.items()}
    if "train" in lacking:
        return "label more photos; or hold fewer back, by smaller shares of val and test"
    if wanted["val"] + wanted["test"] >= 1:
        return "label more photos"
    return f"a larger share: --{lacking[0]} {float(wanted[lacking[0]]):.2g}; or label more photos"
