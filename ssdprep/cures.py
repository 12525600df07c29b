"""The safe cures for labels, each a pure function: the objects of one annotation in, the same cured out.

Objects keep their places; None stands for one that is to go. What is cured already comes back as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssdprep.checks import inside
from ssdprep.formats.voc_edit import Item
from ssdprep.orient import Decision, Verdict
from ssdprep.record import Box, Object, Record, Size

Items = tuple[Item | None, ...]


def without_blanks(items: Items) -> Items:
    """VOC011: class names without the blanks around them."""
    return tuple(item and item._replace(name=item.name.strip() or item.name) for item in items)


def renamed(items: Items, names: Mapping[str, str]) -> Items:
    """VOC021 and --rename: other class names; blanks around them are not part of a name, and stay."""
    return tuple(item and item._replace(name=_renamed(item.name, names)) for item in items)


def with_sorted_corners(items: Items) -> Items:
    """VOC003: the smaller edge first."""
    return tuple(item._replace(box=_sorted(item.box)) if item and _counts(item) else item for item in items)


def without_empty(items: Items) -> Items:
    """VOC004: without boxes of no width or no height.

    Where nothing would be left they stay: the photo shows something, and would teach that it is background.
    """
    kept = tuple(None if item and is_empty(item) else item for item in items)
    return kept if any(kept) else items


def clipped(items: Items, size: Size) -> Items:
    """VOC017: boxes that reach over the border of their frame, cut there; not those that lie mostly beyond it."""
    return tuple(
        item._replace(box=cut) if item and reaches_over(item, size) and (cut := _cut(item.box, size)) else item
        for item in items
    )


def without_twins(items: Items) -> Items:
    """VOC018: of equal boxes of one class the first."""
    seen: set[tuple[str, Box]] = set()
    kept: list[Item | None] = []
    for item in items:
        if item is None or item.box is None or not is_usable(item):
            kept.append(item)
            continue
        key = item.name.strip(), item.box
        kept.append(None if key in seen else item)
        seen.add(key)
    return tuple(kept)


def is_empty(item: Item) -> bool:
    """Whether a named box has no width or no height."""
    return _counts(item) and item.box is not None and (item.box.xmin == item.box.xmax or item.box.ymin == item.box.ymax)


def is_usable(item: Item) -> bool:
    """Whether an object can be trained on: it has a name, and a box with an area."""
    return _counts(item) and item.box is not None and item.box.xmin < item.box.xmax and item.box.ymin < item.box.ymax


def reaches_over(item: Item, size: Size) -> bool:
    """Whether a usable box is partly in a frame and partly beyond its border."""
    if item.box is None or not is_usable(item) or inside(item.box, size):
        return False
    return item.box.xmax > 0 and item.box.ymax > 0 and item.box.xmin < size.width and item.box.ymin < size.height


def evidence(items: Sequence[Item | None]) -> tuple[Object, ...]:
    """Every box that is there, inverted and empty ones too, corners sorted: all of them tell of their frame."""
    return tuple(Object(item.name, _sorted(item.box)) for item in items if item and item.box is not None)


def frame_size(record: Record, decision: Decision | None) -> Size | None:
    """The size of the frame that the boxes of a photo are in; None where it is not known.

    Where both frames have one size, as for a half turn or a square photo, it need not be known which it is.
    """
    if decision is None or decision.verdict is Verdict.CONFLICT:
        return None
    if decision.verdict in {Verdict.UNRESOLVED, Verdict.NO_BOXES}:
        return record.size if record.size == record.stored_size else None
    return decision.drawn_in


def size_is_doubtful(record: Record) -> bool:
    """Whether ``<size>`` is missing, or off by a rounding from both sizes that it may have."""
    labelled, sizes = record.labelled_size, (record.stored_size, record.size)
    return labelled is None or (labelled not in sizes and any(size and labelled.is_near(size) for size in sizes))


def right_size(record: Record, decision: Decision | None) -> Size | None:
    """What a doubtful ``<size>`` must say; None where that is not known.

    A ``<size>`` with its sides exchanged, or of another image, says something about the boxes: it is never changed.
    """
    frame, labelled = frame_size(record, decision), record.labelled_size
    if decision and decision.verdict is Verdict.NO_BOXES and frame is None and labelled and record.size:
        near = [size for size in (record.size, record.size.swapped) if labelled.is_near(size)]
        return near[0] if len(near) == 1 else None
    return frame if frame and (labelled is None or labelled.is_near(frame)) else None


def _counts(item: Item) -> bool:
    """Whether the readers look at the box: it is there, and has a class."""
    return bool(item.name.strip()) and item.box is not None


def _renamed(name: str, names: Mapping[str, str]) -> str:
    core = name.strip()
    new = names.get(core, core)
    at = name.index(core)
    return name[:at] + new + name[at + len(core) :]


def _sorted(box: Box | None) -> Box:
    assert box is not None
    (left, right), (top, bottom) = sorted((box.xmin, box.xmax)), sorted((box.ymin, box.ymax))
    return Box(left, top, right, bottom)


def _cut(box: Box | None, size: Size) -> Box | None:
    """The part of a box that is in a frame; None where that is less than half of it."""
    assert box is not None
    cut = Box(max(box.xmin, 0), max(box.ymin, 0), min(box.xmax, size.width), min(box.ymax, size.height))
    return cut if 2 * _area(cut) >= _area(box) else None


def _area(box: Box) -> float:
    return (box.xmax - box.xmin) * (box.ymax - box.ymin)
