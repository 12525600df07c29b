"""An annotation with other class names, boxes, size and file name, or fewer objects; every other byte kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ssdprep.formats import xml_spans
from ssdprep.formats.voc import parse
from ssdprep.formats.xml_root import root_of
from ssdprep.record import Box, Size


class Item(NamedTuple):
    """One ``<object>`` as it stands in the file, be it of use or not."""

    name: str  # as written, blanks and all; empty where there is none
    box: Box | None  # as written, be it inverted; None without four finite numbers
    line: int = 0


def items(data: bytes) -> tuple[Item, ...]:
    """Every ``<object>`` in document order. ``ValueError`` for what is no annotation."""
    annotation, _ = parse(data)
    root = root_of(data, lambda *_: None)
    if annotation is None or root is None:
        raise ValueError("the annotation cannot be read")
    things = [child for child in root if child.tag.lower() == "object"]
    names = (next((leaf.text for leaf in thing if leaf.tag.lower() == "name"), None) for thing in things)
    return tuple(
        Item(name or "", box, thing.sourceline or 0)
        for name, box, thing in zip(names, annotation.boxes, things, strict=True)
    )


def edit(data: bytes, wanted: Sequence[Item | None], *, size: Size | None = None, filename: str | None = None) -> bytes:
    """The same XML with these objects, None for one that is to go; every other byte stays as it was.

    ``wanted`` has one entry for every ``<object>``, as `items` gives them. size, filename: None leaves them alone.
    A removed object takes its lines with it. Numbers keep their manner, as in `voc.patch`.

    ``ValueError`` where that cannot be done exactly: what is written is read back and compared.
    """
    before = items(data)
    if len(wanted) != len(before):
        raise ValueError(f"{len(wanted)} objects for {len(before)}")
    reason = "the changed annotation does not read back as it should"
    for exact in (True, False):
        try:
            edited = _edited(data, before, wanted, size, filename, exact=exact)
        except UnicodeError as error:
            reason = str(error)
            continue
        if _says(edited, data, wanted, size, filename):
            return edited
    raise ValueError(reason)


def _edited(
    data: bytes,
    before: Sequence[Item],
    wanted: Sequence[Item | None],
    size: Size | None,
    filename: str | None,
    *,
    exact: bool,
) -> bytes:
    pairs = list(zip(before, wanted, strict=True))
    return xml_spans.rewrite(
        data,
        size,
        [new.box if new and new.box != old.box else None for old, new in pairs],
        names=[
            (new.name, new.name == old.name.strip()) if new and new.name != old.name else None for old, new in pairs
        ],
        filename=filename,
        removed={place for place, new in enumerate(wanted) if new is None},
        exact=exact,
    )


def _says(edited: bytes, data: bytes, wanted: Sequence[Item | None], size: Size | None, filename: str | None) -> bool:
    """Whether an edited annotation says what it should, and nothing else than before otherwise."""
    (before, _), (after, _) = parse(data), parse(edited)
    if before is None or after is None:
        return False
    kept = [(item.name, item.box) for item in wanted if item is not None]
    return (
        [(item.name, item.box) for item in items(edited)] == kept
        and after.labelled_size == (size or before.labelled_size)
        and after.filename == (before.filename if filename is None else filename)
        and after.verified == before.verified
    )
