"""What is wrong with labels that can be read: boxes off the photo, twice the same box, names that nearly agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ssdprep.formats.voc import base_name
from ssdprep.labels import spelling
from ssdprep.record import Box, Finding, Object, Record, Severity, Size
from ssdprep.wording import counted

OUTSIDE, OVERHANGS, DUPLICATE, TWO_CLASSES = "VOC016", "VOC017", "VOC018", "VOC019"
THIN, NEAR_NAMES, OTHER_FILE = "VOC020", "VOC021", "VOC022"
NEARLY_TWICE, ROUNDED = "VOC025", "ORI003"

_THIN = 2.0  # pixels; nothing narrower survives the way into a network's input
_NEARLY = 0.9  # IoU; two things of a class never hide each other that exactly
_NEIGHBOURS = 100  # compared with each box: a file of a million must not take a day
_SLACK = 1e-3  # pixels; floats that other tools wrote


def frames(record: Record) -> tuple[Size, ...]:
    """The sizes of the photo in which its boxes may have been drawn; empty where nothing is known.

    The stored and the upright frame; only one of them where ``<size>`` says which; ``<size>`` where there is no photo.
    """
    labelled, stored, upright = record.labelled_size, record.stored_size, record.size
    if stored is None or upright is None:
        return (labelled,) if labelled else ()
    both = (stored, upright)
    if labelled is None:
        return both
    agreeing = tuple(size for size in both if size.is_near(labelled))
    # A photo that was turned by some tool without a tag: fix-exif asks which way.
    return agreeing or ((labelled,) if stored.swapped.is_near(labelled) else ())


def check(record: Record) -> Iterator[Finding]:
    """The findings of one record."""
    if record.annotation is None:
        return
    if record.image is not None and record.filename and base_name(record.filename) != record.image.name:
        message = f"<filename> is {record.filename!r}, the photo {record.image.name!r}"
        remedy = f"nothing to do here; for tools that go by <filename>: `ssdprep repair DATA --only {OTHER_FILE}`"
        yield Finding(OTHER_FILE, Severity.INFO, record.annotation, 0, message, remedy)
    sizes = frames(record)
    if record.stored_size and sizes and record.labelled_size not in (None, *sizes):
        yield rounded(record, sizes[0])
    seen: dict[Box, Object] = {}
    for thing in record.objects:
        yield from _place(record, thing, sizes)
        other = seen.setdefault(thing.box, thing)
        if other is not thing:
            yield _twice(record, other, thing)
    if len(record.objects) > 1:
        yield from _nearly_twice(record)


def rounded(record: Record, size: Size) -> Finding:
    """``<size>`` is nearly that of the photo as it was labelled."""
    message = f"<size> {record.labelled_size} is a rounding of the photo's {size}"
    remedy = f"nothing to do here; `ssdprep fix-exif DATA` corrects it, or `ssdprep repair DATA --only {ROUNDED}`"
    return Finding(ROUNDED, Severity.INFO, record.annotation or record.path, 0, message, remedy)


def near_names(records: Iterable[Record]) -> Iterator[Finding]:
    """Class names that differ in case or blanks only: one finding for each rarer spelling, where it first occurs."""
    counts: Counter[str] = Counter()
    first: dict[str, tuple[Record, Object]] = {}
    for record in records:
        for thing in record.objects:
            counts[thing.name] += 1
            first.setdefault(thing.name, (record, thing))
    for name, usual in usual_spellings(counts).items():
        record, thing = first[name]
        message = (
            f"class {name!r} ({counted(counts[name], 'box')}) is nearly {usual!r} ({counted(counts[usual], 'box')})"
        )
        remedy = f"`ssdprep repair DATA --only {NEAR_NAMES}` gives both the same name"
        yield _finding(NEAR_NAMES, Severity.WARNING, record, thing, message, remedy)


def usual_spellings(counts: Mapping[str, int], meant: Collection[str] = ()) -> dict[str, str]:
    """Every rarer spelling of a class name, and the usual one; one that is ``meant`` comes before any other."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in counts:
        alike[spelling(name)].append(name)
    spelled = {}
    for names in alike.values():
        usual, *rarer = sorted(names, key=lambda name: (name not in meant, -counts[name], name))
        spelled.update(dict.fromkeys(rarer, usual))
    return spelled


def _place(record: Record, thing: Object, sizes: Sequence[Size]) -> Iterator[Finding]:
    """Is the box on the photo, and large enough to be learnt?"""
    box = thing.box
    xmin, ymin, xmax, ymax = box
    width, height = xmax - xmin, ymax - ymin
    if width < _THIN or height < _THIN:
        message = f"{_shown(thing)} is {width:g} x {height:g} pixels"
        yield _finding(
            THIN, Severity.WARNING, record, thing, message, "a slip of the mouse? Draw it again, or delete it"
        )
    if not sizes or any(inside(box, size) for size in sizes):
        return
    size = sizes[-1]
    if box.xmax <= 0 or box.ymax <= 0 or box.xmin >= size.width or box.ymin >= size.height:
        message = f"{_shown(thing)} lies wholly outside of the {size} photo"
        yield _finding(OUTSIDE, Severity.ERROR, record, thing, message, "draw it again, or delete it")
    else:
        over = max(-box.xmin, -box.ymin, box.xmax - size.width, box.ymax - size.height)
        message = f"{_shown(thing)} reaches {over:g} pixels over the border of the {size} photo"
        on_photo = (min(box.xmax, size.width) - max(box.xmin, 0)) * (min(box.ymax, size.height) - max(box.ymin, 0))
        cut = f"`ssdprep repair DATA --only {OVERHANGS}` cuts it; training does too, xml2csv writes it as it stands"
        if 2 * on_photo < width * height:
            remedy = "draw it again: most of it is off the photo; until then training sees the rest of it"
            yield _finding(OVERHANGS, Severity.ERROR, record, thing, message, remedy)
        else:
            yield _finding(OVERHANGS, Severity.WARNING, record, thing, message, cut)


def _twice(record: Record, other: Object, thing: Object) -> Finding:
    if other.name == thing.name:
        message = f"{_shown(thing)} is there twice, first in line {other.line}"
        return _finding(
            DUPLICATE, Severity.WARNING, record, thing, message, f"`ssdprep repair DATA --only {DUPLICATE}` deletes one"
        )
    message = f"{_shown(thing)} is the very box of {other.name!r} in line {other.line}"
    return _finding(TWO_CLASSES, Severity.WARNING, record, thing, message, "keep the right class")


def _nearly_twice(record: Record) -> Iterator[Finding]:
    """One thing that was labelled twice: two boxes of a class that agree but for a shaky hand."""
    unique = {(thing.name, thing.box): thing for thing in reversed(record.objects)}  # the first of each
    ordered = sorted(unique.values(), key=lambda thing: (thing.name, thing.box))
    for place, one in enumerate(ordered):
        reach = one.box.xmin + (one.box.xmax - one.box.xmin) * (1 / _NEARLY - 1)
        for other in ordered[place + 1 : place + 1 + _NEIGHBOURS]:
            if other.name != one.name or other.box.xmin > reach:
                break
            if _iou(one.box, other.box) >= _NEARLY:
                first, second = sorted((one, other), key=lambda thing: thing.line)
                message = f"{_shown(second)} is nearly the box of the {first.name!r} in line {first.line}"
                remedy = "one thing labelled twice? Delete the worse box in LabelImg"
                yield _finding(NEARLY_TWICE, Severity.WARNING, record, second, message, remedy)


def _iou(one: Box, other: Box) -> float:
    """Of two boxes alone; `boxes.iou` takes longer to call than most photos need."""
    width = min(one.xmax, other.xmax) - max(one.xmin, other.xmin)
    height = min(one.ymax, other.ymax) - max(one.ymin, other.ymin)
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box.xmax - box.xmin) * (box.ymax - box.ymin) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def _finding(code: str, severity: Severity, record: Record, thing: Object, message: str, remedy: str) -> Finding:
    return Finding(code, severity, record.annotation or record.path, thing.line, message, remedy)


def _shown(thing: Object) -> str:
    return f"{thing.name!r} at " + " ".join(f"{edge:g}" for edge in thing.box)


def inside(box: Box, size: Size) -> bool:
    """Is the box on the photo, to a thousandth of a pixel?"""
    xmin, ymin, xmax, ymax = box
    width, height = size
    return xmin >= -_SLACK and ymin >= -_SLACK and xmax <= width + _SLACK and ymax <= height + _SLACK
