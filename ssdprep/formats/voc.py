"""LabelImg's Pascal VOC XML: read by tag name, written afresh, or patched with every other byte kept."""

from __future__ import annotations

import math
import ntpath
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ssdprep.formats import labelimg
from ssdprep.formats.xml_root import LIMIT, Element, Report, misplaced, number, root_of
from ssdprep.record import Box, Finding, Object, Record, Severity, Size

INVERTED, ZERO_AREA, NO_NUMBER, NO_NAME, NO_BOX = "VOC003", "VOC004", "VOC005", "VOC006", "VOC007"
NAME_BLANKS, NO_SIZE, FOREIGN_PATH, FLAG, UNREADABLE = "VOC011", "VOC012", "VOC013", "VOC014", "VOC015"

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_USUAL = 2**16  # bytes; nearly every annotation is shorter
_SEPARATORS = frozenset("/\\:")
_SHOWN = 24  # characters of a text that is no number
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one XML says.

    ``objects`` are those that can be trained on. ``boxes`` has one entry for every ``<object>`` in document order,
    in the same order as `patch` takes them: inverted and zero-area boxes as they stand, None where there are not four
    finite numbers.
    """

    objects: tuple[Object, ...] = ()
    boxes: tuple[Box | None, ...] = ()
    labelled_size: Size | None = None  # None where <size> is missing or 0x0
    filename: str = ""  # <filename> as written: may hold a path, may lack its extension
    verified: bool = False

    @property
    def left_out(self) -> int:
        """How many ``<object>`` elements cannot be used."""
        return len(self.boxes) - len(self.objects)


def read(path: Path) -> tuple[Annotation | None, tuple[Finding, ...]]:
    """One annotation and what is wrong with it; None where the file as a whole cannot be read. Never raises.

    A broken file gives no labels at all: half of them would teach the detector that the other half is background.
    """
    try:
        data = _bytes_of(path)
    except OSError as error:
        remedy = "make it readable, or take it out of the folder"
        return None, (Finding(UNREADABLE, Severity.ERROR, path, 0, f"cannot be read: {error.strerror}", remedy),)
    return parse(data, path)


def _bytes_of(path: Path) -> bytes:
    """A file, or a little more of it than an annotation may have. By the system's own calls: half the time of open."""
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    parts: list[bytes] = []
    try:
        while len(parts) * _USUAL <= LIMIT and (more := os.read(file, _USUAL)):
            parts.append(more)
        return b"".join(parts)
    finally:
        os.close(file)


def parse(data: bytes, path: Path = Path()) -> tuple[Annotation | None, tuple[Finding, ...]]:
    """`read` for bytes at hand; ``path`` is what the findings name."""
    if plain := labelimg.read(data):
        boxes_of_all = tuple([thing.box for thing in plain.objects])
        return Annotation(plain.objects, boxes_of_all, plain.size, plain.filename, plain.verified), ()
    findings: list[Finding] = []

    def report(code: str, severity: Severity, line: int, message: str, remedy: str) -> None:
        findings.append(Finding(code, severity, path, line, message, remedy))

    root = root_of(data, report)
    if root is None or misplaced(root, report):
        return None, tuple(findings)
    objects: list[Object] = []
    boxes: list[Box | None] = []
    fields: dict[str, Element] = {}
    for child in root:
        tag = child.tag.lower()
        if tag == "object":
            box, usable = _object(child, report)
            boxes.append(box)
            if usable is not None:
                objects.append(usable)
        else:
            fields.setdefault(tag, child)
    filename = _filename(fields.get("filename"), report)
    size = _size(fields.get("size"), report)
    verified = root.get("verified", "").lower() == "yes"
    return Annotation(tuple(objects), tuple(boxes), size, filename, verified), tuple(findings)


def base_name(filename: str) -> str:
    """The last part of a path of any operating system: what ``<filename>`` may say, and no more.

    >>> base_name("C:\\\\photos\\\\a.jpg"), base_name("../../a.jpg"), base_name("..")
    ('a.jpg', 'a.jpg', '')
    """
    name = filename if _SEPARATORS.isdisjoint(filename) else ntpath.basename(filename)
    return "" if name in {".", ".."} else name


def dumps(record: Record, *, folder: str, filename: str, size: Size, depth: int = 3) -> bytes:
    """A fresh annotation, byte for byte as LabelImg 1.8.6 would write it; ``<path>`` is ``folder/filename``.

    Boxes are rounded to whole pixels, cut at the borders, and keep at least one pixel: ``0 <= xmin < xmax <= width``.
    (LabelImg itself never writes a minimum of 0.) ``depth`` is the number of channels. ``ValueError`` for a box wholly
    outside of ``size``, and for text that XML cannot hold.
    """
    head = [
        "<annotation>",
        f"\t<folder>{_text(folder)}</folder>" if folder else "\t<folder/>",
        f"\t<filename>{_text(filename)}</filename>",
        f"\t<path>{_text(f'{folder}/{filename}' if folder else filename)}</path>",
        "\t<source>",
        "\t\t<database>Unknown</database>",
        "\t</source>",
        "\t<size>",
        f"\t\t<width>{size.width}</width>",
        f"\t\t<height>{size.height}</height>",
        f"\t\t<depth>{depth}</depth>",
        "\t</size>",
        "\t<segmented>0</segmented>",
    ]
    lines = [*head, *(line for thing in record.objects for line in _object_lines(thing, size)), "</annotation>"]
    return ("\n".join(lines) + "\n").encode()


def patch(data: bytes, *, size: Size | None = None, boxes: Sequence[Box | None] | None = None) -> bytes:
    """The same XML with other numbers in ``<size>`` and in the boxes; every other byte stays as it was.

    ``boxes`` has one entry for every ``<object>`` in document order, like `Annotation.boxes`; None leaves that object
    alone. A number that is already right is not touched; integers stay integers, floats stay floats. An empty or
    missing width or height is filled in, a missing ``<size>`` is inserted in the file's own indent.

    ``ValueError`` where that cannot be done exactly: broken XML, another number of boxes, no element to write to.
    """
    from ssdprep.formats import xml_spans  # with a second parser, which reading does without

    before, _ = parse(data)
    if before is None:
        raise ValueError("the annotation cannot be read")
    if boxes is not None and len(boxes) != len(before.boxes):
        raise ValueError(f"{len(boxes)} boxes for {len(before.boxes)} objects")
    moves = [None] * len(before.boxes) if boxes is None else list(boxes)
    patched = xml_spans.replace(data, size, moves)
    after, _ = parse(patched)
    wanted = [old if new is None else Box(*map(float, new)) for new, old in zip(moves, before.boxes, strict=True)]
    same = after is not None and (
        list(after.boxes) == wanted
        and after.labelled_size == (size or before.labelled_size)
        and (after.filename, after.verified) == (before.filename, before.verified)
    )
    if not same:
        raise ValueError("the patched annotation does not read back as it should")
    return patched


def _filename(element: Element | None, report: Report) -> str:
    name = str(element.text or "").strip() if element is not None else ""
    if element is not None and base_name(name) != name:
        remedy = "nothing to do; the path is never followed"
        report(FOREIGN_PATH, Severity.INFO, element.sourceline, "<filename> holds a path", remedy)
    return name


def _object(element: Element, report: Report) -> tuple[Box | None, Object | None]:
    """The raw box of an ``<object>``, and the object where it can be trained on. A nested ``<part>`` is not read."""
    fields: dict[str, Element] = {}
    for child in element:
        fields.setdefault(child.tag.lower(), child)
    line = element.sourceline or 0
    box = _box(fields.get("bndbox"), line, report)
    name = _name(fields.get("name"), line, report)
    if box is None or not name or not _has_area(box, name, fields["bndbox"], report):
        return box, None
    pose = fields["pose"].text if "pose" in fields else None
    truncated = _flag(fields.get("truncated"), report)
    difficult = _flag(fields.get("difficult"), report)
    return box, Object(name, box, (pose or "Unspecified").strip(), truncated, difficult, line)


def _box(bndbox: Element | None, line: int, report: Report) -> Box | None:
    """Four finite numbers, or None and a finding."""
    if bndbox is None:
        report(NO_BOX, Severity.ERROR, line, "an <object> without <bndbox>", "draw its box, or delete the object")
        return None
    texts: dict[str, str | None] = {}
    for child in bndbox:
        texts.setdefault(child.tag.lower(), child.text)
    values = [number(texts.get(side)) for side in _SIDES]
    if None not in values:
        return Box(*values)  # type: ignore[arg-type]
    for side, value in zip(_SIDES, values, strict=True):
        if value is None:
            text = (texts.get(side) or "").strip()
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
            message = f"{side} is {shown!r}, not a number of pixels" if text else f"{side} is missing"
            report(NO_NUMBER, Severity.ERROR, bndbox.sourceline, message, "draw the box again, or delete the object")
    return None


def _has_area(box: Box, name: str, bndbox: Element, report: Report) -> bool:
    for low, high, axis in ((box.xmin, box.xmax, "x"), (box.ymin, box.ymax, "y")):
        if low >= high:
            code = INVERTED if low > high else ZERO_AREA
            sign = "<" if low > high else "="
            cure = f"`ssdprep repair DATA --only {code}`"
            remedy = f"{cure} swaps them" if low > high else f"draw it again, or {cure} deletes it"
            message = f"{name!r}: {axis}max {high:g} {sign} {axis}min {low:g}"
            report(code, Severity.ERROR, bndbox.sourceline, message, remedy)
            return False
    return True


def _name(element: Element | None, line: int, report: Report) -> str:
    """The class name without blanks around it, which are the file's layout, not the name."""
    text = (element.text or "") if element is not None else ""
    name = str(text.strip())
    if not name:
        report(
            NO_NAME,
            Severity.ERROR,
            line,
            "an <object> without a class name",
            "give it a name, or delete the object",
        )
    elif name != text and element is not None:
        message = f"blanks around the class name {text!r}: read as {name!r}"
        report(
            NAME_BLANKS,
            Severity.INFO,
            element.sourceline,
            message,
            "nothing to do here; for other tools: `ssdprep repair DATA --only VOC011`",
        )
    return name


def _flag(element: Element | None, report: Report) -> bool:
    """0 or 1 as tools write it: also yes, True, Unspecified, and the truncated share of an object such as 0.0597."""
    text = (element.text or "").strip() if element is not None else ""
    if text in {"0", "", "1"}:
        return text == "1"
    if text.lower() in {"true", "yes", "false", "no", "unspecified"}:
        return text.lower() in {"true", "yes"}
    value = number(text)
    if value is None and element is not None:
        report(FLAG, Severity.INFO, element.sourceline, f"<{element.tag}> is {text!r}: read as 0", "write 0 or 1")
    return value is not None and value > 0


def _size(element: Element | None, report: Report) -> Size | None:
    texts: dict[str, str | None] = {}
    for child in () if element is None else element:
        texts.setdefault(child.tag.lower(), child.text)
    values = [number(texts.get(side)) for side in ("width", "height")]
    if all(value is not None and value >= 1 for value in values):
        return Size(*(round(value) for value in values if value is not None))
    line = element.sourceline if element is not None else 0
    what = "missing" if element is None else "x".join((texts.get(side) or "?").strip() for side in ("width", "height"))
    remedy = f"`ssdprep repair DATA --only {NO_SIZE}` fills it in where the boxes allow it; so does fix-exif"
    report(NO_SIZE, Severity.INFO, line, f"<size> is {what}", remedy)
    return None


def _object_lines(thing: Object, size: Size) -> list[str]:
    xmin, xmax = _whole(thing.box.xmin, thing.box.xmax, size.width)
    ymin, ymax = _whole(thing.box.ymin, thing.box.ymax, size.height)
    # LabelImg's own rule for "truncated": the box touches the border.
    truncated = thing.truncated or xmin <= 1 or ymin <= 1 or xmax == size.width or ymax == size.height
    return [
        "\t<object>",
        f"\t\t<name>{_text(thing.name)}</name>",
        f"\t\t<pose>{_text(thing.pose)}</pose>",
        f"\t\t<truncated>{int(truncated)}</truncated>",
        f"\t\t<difficult>{int(thing.difficult)}</difficult>",
        "\t\t<bndbox>",
        f"\t\t\t<xmin>{xmin}</xmin>",
        f"\t\t\t<ymin>{ymin}</ymin>",
        f"\t\t\t<xmax>{xmax}</xmax>",
        f"\t\t\t<ymax>{ymax}</ymax>",
        "\t\t</bndbox>",
        "\t</object>",
    ]


def _whole(low: float, high: float, side: int) -> tuple[int, int]:
    """Edges in whole pixels inside [0, side], at least one pixel apart."""
    if not max(low, 0) < min(high, side):
        raise ValueError(f"edges {low:g}..{high:g} hold nothing of 0..{side}")
    first = min(max(math.floor(low + 0.5), 0), side - 1)
    return first, min(max(math.floor(high + 0.5), first + 1), side)


def _text(text: str) -> str:
    """Text as XML holds it, escaped as libxml2 does."""
    if _NO_XML.search(text):
        raise ValueError(f"XML cannot hold {text!r}")
    return escape(text, quote=False).replace("\r", "&#13;")
