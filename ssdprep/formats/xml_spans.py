"""Where in the bytes of an annotation its numbers stand, and how to change them and nothing else."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from xml.parsers import expat

from ssdprep.formats.xml_root import UTF16_MARKS, number
from ssdprep.record import Box, Size

_SIDES = ("xmin", "ymin", "xmax", "ymax")
# The first run of text that is neither blank nor markup: the number, wherever comments and CDATA leave it.
_VALUE = re.compile(r"(?:\s+|<!--.*?-->|<\?.*?\?>|<!\[CDATA\[)*([^\s<\]]+)", re.DOTALL)
_BLANKS = " \t\r\n"  # not what Python calls blank: a byte of another letter may look like one
_FOLLOWERS = ("segmented", "object")  # what LabelImg writes after <size>

Edit = tuple[int, int, str]  # first byte, byte after the last, text to put there
Text = tuple[str, bool]  # what an element is to hold; True: it does, but for blanks at its ends


def replace(data: bytes, size: Size | None, boxes: Sequence[Box | None]) -> bytes:
    """The document with other numbers in ``<size>`` and ``<bndbox>``.

    One entry of ``boxes`` for each ``<object>``, None to leave it alone. ``ValueError`` where there is no element to
    write to.
    """
    codec = _codec(data)
    layout = _Layout(data, codec)
    return _apply(data, _number_edits(layout, size, boxes), codec)


def rewrite(
    data: bytes,
    size: Size | None,
    boxes: Sequence[Box | None],
    *,
    names: Sequence[Text | None],
    filename: str | None,
    removed: Collection[int],
    exact: bool,
) -> bytes:
    """`replace`, and other class names, another ``<filename>``, without the objects at the places ``removed``.

    Sequences have one entry for each ``<object>``, None to leave it alone. exact: blanks at the ends of a name go
    alone, letters are written as they are; else the text is written anew, and references stand for letters that the
    file's encoding may lack. ``ValueError`` where there is no element to write to, or it holds more than text.
    """
    codec = _codec(data)
    layout = _Layout(data, codec)
    edits = _number_edits(layout, size, boxes)
    if filename is not None:
        edits += layout.text_edits(layout.root.child("filename"), (filename, False), exact)
    for place, (thing, name) in enumerate(zip(layout.things, names, strict=True)):
        if place in removed:
            edits.append(layout.removal(thing))
        elif name is not None:
            edits += layout.text_edits(thing.child("name"), name, exact)
    return _apply(data, edits, codec)


def _number_edits(layout: _Layout, size: Size | None, boxes: Sequence[Box | None]) -> list[Edit]:
    if len(boxes) != len(layout.objects):
        raise ValueError(f"{len(boxes)} boxes for {len(layout.objects)} objects")
    edits: list[Edit] = list(layout.size_edits(size)) if size else []
    for spans, box in zip(layout.objects, boxes, strict=True):
        for side, value in zip(_SIDES, box or (), strict=box is not None):
            if side not in spans:
                raise ValueError(f"an object without {side}")
            edits += layout.value_edit(spans[side], value)
    return edits


def _apply(data: bytes, edits: list[Edit], codec: str) -> bytes:
    parts, at = [], 0
    for first, last, text in sorted(edits):
        parts += [data[at:first], text.encode(codec)]
        at = last
    return b"".join([*parts, data[at:]])


def _codec(data: bytes) -> str:
    """How to cut the bytes into characters: UTF-16, UTF-8, or one byte each.

    One byte each is exact for all others that keep ASCII, GBK too: no byte of a pair looks like ``<`` or ``&``.
    """
    if b"\0" in data[:4]:
        return "utf-16-be" if data[:2] == codecs.BOM_UTF16_BE or data[0] == 0 else "utf-16-le"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "iso-8859-1"
    return "utf-8"


@dataclass(slots=True)
class _Span:
    """Bytes of one element: ``<tag>`` at ``first``, content from ``inner`` to ``outer``, ``</tag>`` before ``last``."""

    first: int
    inner: int = -1
    outer: int = -1
    last: int = -1
    text: str = ""
    children: list[tuple[str, _Span]] = field(default_factory=list)

    def child(self, name: str) -> _Span | None:
        """The first child of that name."""
        return next((span for tag, span in self.children if tag == name), None)


class _Layout:
    """The spans of every element, by expat's offsets into the original bytes."""

    def __init__(self, data: bytes, codec: str) -> None:
        self.data = data
        self.codec = codec
        self.unit = 2 if codec.startswith("utf-16") else 1
        self._parser = self._prepared()
        self._open = [_Span(0)]
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise ValueError(f"broken XML: {error}") from error
        self.root = self._open[0].children[0][1]
        self.things = [span for tag, span in self.root.children if tag == "object"]
        self.objects = [self._sides(span) for span in self.things]

    def _prepared(self) -> expat.XMLParserType:
        name = self.codec.replace("-le", "le").replace("-be", "be")
        parser = expat.ParserCreate("utf-16" if self.data[:2] in UTF16_MARKS else name)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        for event in ("CommentHandler", "ProcessingInstructionHandler", "StartCdataSectionHandler"):
            setattr(parser, event, self._mark)
        return parser

    def _mark(self, *_: object) -> None:
        """The first thing after a start tag tells where that tag ended."""
        if self._open[-1].inner < 0:
            self._open[-1].inner = self._parser.CurrentByteIndex

    def _start(self, name: str, attributes: object) -> None:
        self._mark()
        span = _Span(self._parser.CurrentByteIndex)
        self._open[-1].children.append((name.rpartition(":")[2].lower(), span))
        self._open.append(span)

    def _characters(self, text: str) -> None:
        self._mark()
        if not self._open[-1].children:  # as lxml's .text
            self._open[-1].text += text

    def _end(self, name: str) -> None:
        self._mark()
        span = self._open.pop()
        span.outer = self._parser.CurrentByteIndex
        self_closing = span.inner == span.outer and self._cut(span.first, span.outer).endswith("/>")
        span.last = span.outer if self_closing else self.data.index(">".encode(self.codec), span.outer) + self.unit

    def _cut(self, first: int, last: int) -> str:
        return self.data[first:last].decode(self.codec if self.unit == 2 else "iso-8859-1")

    def _sides(self, thing: _Span) -> dict[str, _Span]:
        box = thing.child("bndbox")
        found = {side: box.child(side) for side in _SIDES} if box else {}
        return {side: span for side, span in found.items() if span}

    def value_edit(self, span: _Span, value: float) -> Iterator[Edit]:
        """What to change so that an element holds a number; nothing where it does."""
        if number(span.text) == value:
            return
        text = _like(span.text, value)
        match = _VALUE.match(self._cut(span.inner, span.outer))
        if match:
            first, last = (span.inner + self.unit * at for at in match.span(1))
            yield first, last, text
        else:
            yield self._filled(span, text)

    def _filled(self, span: _Span, text: str) -> Edit:
        """Put text into an empty element; ``<width/>`` becomes ``<width>text</width>``."""
        if span.last != span.outer:
            return span.inner, span.inner, text
        tag = self._cut(span.first, span.last)
        kept = tag[:-2].rstrip()
        name = re.split(r"[\s/>]", tag[1:], maxsplit=1)[0]
        return span.first + self.unit * len(kept), span.last, f">{text}</{name}>"

    def text_edits(self, span: _Span | None, text: Text, exact: bool) -> Iterator[Edit]:
        """What to change so that an element holds a text."""
        raw = self._cut(span.inner, span.outer) if span else ""
        if span is None or span.children or span.last == span.outer or re.search(r"<!--|<\?", raw):
            raise ValueError("a name is missing, or holds more than text")
        words, only_blanks = text
        if exact and only_blanks:
            first = span.inner + self.unit * (len(raw) - len(raw.lstrip(_BLANKS)))
            yield span.inner, first, ""
            yield first + self.unit * len(raw.strip(_BLANKS)), span.outer, ""
            return
        words = escape(words, quote=False)
        if not exact or self.codec == "iso-8859-1":
            words = words.encode("ascii", "xmlcharrefreplace").decode()
        yield span.inner, span.outer, words

    def removal(self, thing: _Span) -> Edit:
        """Take an element out, and the line break and blanks before it where nothing else stands on its lines."""
        others = [span for _, span in self.root.children]
        before = max((span.last for span in others if span.last <= thing.first), default=self.root.inner)
        after = min((span.first for span in others if span.first >= thing.last), default=self.root.outer)
        lead = re.search(r"(\r\n|\r|\n)[ \t]*$", self._cut(before, thing.first))
        tail = re.match(r"[ \t]*(?=[\r\n])", self._cut(thing.last, after))
        if lead is None or tail is None:
            return thing.first, thing.last, ""
        return thing.first - self.unit * len(lead[0]), thing.last + self.unit * len(tail[0]), ""

    def size_edits(self, size: Size) -> Iterator[Edit]:
        """What to change so that ``<size>`` says this size."""
        span = self.root.child("size")
        newline, indent = self._layout_of(self.root)
        if span is None:
            # Readers of the field expect a depth, and nearly every decoder gives three channels.
            parts = [f"<width>{size.width}</width>", f"<height>{size.height}</height>", "<depth>3</depth>"]
            inner = newline + indent * 2
            block = "<size>" + "".join(inner + part for part in parts) + newline + indent + "</size>"
            yield self._inserted(self.root, block, newline + indent, _FOLLOWERS)
            return
        missing = []
        for name, value in zip(("width", "height"), size, strict=True):
            leaf = span.child(name)
            if leaf:
                yield from self.value_edit(leaf, value)
            else:
                missing.append(f"<{name}>{value}</{name}>")
        if missing:
            separator = newline + indent * 2
            yield self._inserted(span, separator.join(missing), separator, ("height", "depth"))

    def _layout_of(self, span: _Span) -> tuple[str, str]:
        """Line end and indent before the first child, empty where everything stands on one line."""
        first = span.children[0][1].first if span.children else span.outer
        blank = re.search(r"(\r?\n|\r)([ \t]*)$", self._cut(span.inner, first))
        return (blank[1], blank[2]) if blank and span.children else ("", "")

    def _inserted(self, parent: _Span, block: str, separator: str, before: tuple[str, ...]) -> Edit:
        """Put a new child before the first of the named ones, else after the last child."""
        follower = next((span for tag, span in parent.children if tag in before), None)
        if follower:
            return follower.first, follower.first, block + separator
        if parent.children:
            end = parent.children[-1][1].last
            return end, end, separator + block
        return self._filled(parent, block)


def _like(old: str, value: float) -> str:
    """A number in the manner of the one it replaces: floats stay floats, integers stay integers where they can."""
    value = float(value)
    written_as_float = bool(re.search(r"[.eE]", old))
    return str(int(value)) if value.is_integer() and not written_as_float else repr(value)
