"""The XML that LabelImg itself writes, read by its layout: a quarter of the time that a parser takes.

Only a file is taken that has this very layout and nothing wrong in it. There is one way to read such a file, and a test
holds this one to the parser's. Everything else, be it valid XML or not, is the parser's.
"""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

from ssdprep.record import Box, Object, Size

_LARGEST = 2**20  # bytes; more is no photo's annotation
_TEXT = r"[^<>&\x00-\x1f\x7f-\x9f\ufffe\uffff]*"  # what XML holds as it stands, on one line
_NUMBER = r"[0-9]{1,9}"
_HEAD = re.compile(
    rf"""<annotation( verified="yes")?>
\t<folder(?:/>|>{_TEXT}</folder>)
\t<filename>({_TEXT})</filename>
\t<path>{_TEXT}</path>
\t<source>
\t\t<database>{_TEXT}</database>
\t</source>
\t<size>
\t\t<width>({_NUMBER})</width>
\t\t<height>({_NUMBER})</height>
\t\t<depth>{_NUMBER}</depth>
\t</size>
\t<segmented>[01]</segmented>
"""
)
_OBJECT = re.compile(
    rf"""\t<object>
\t\t<name>({_TEXT})</name>
\t\t<pose>({_TEXT})</pose>
\t\t<truncated>([01])</truncated>
\t\t<difficult>([01])</difficult>
\t\t<bndbox>
\t\t\t<xmin>({_NUMBER})</xmin>
\t\t\t<ymin>({_NUMBER})</ymin>
\t\t\t<xmax>({_NUMBER})</xmax>
\t\t\t<ymax>({_NUMBER})</ymax>
\t\t</bndbox>
\t</object>
"""
)
_FIRST, _EACH = 14, 12  # the line of the first <object>, and how many each has
_PATH = frozenset("/\\:")  # what a name with more than a name in it has
_END = re.compile("</annotation>\n?")


class Plain(NamedTuple):
    """What such a file says."""

    objects: tuple[Object, ...]
    size: Size
    filename: str
    verified: bool


def read(data: bytes) -> Plain | None:
    """An annotation as LabelImg writes it and with nothing to find fault with; None for any other bytes."""
    try:
        text = data.decode() if len(data) <= _LARGEST else ""
    except UnicodeDecodeError:
        return None
    head = _HEAD.match(text)
    if head is None:
        return None
    verified, filename, *sides = head.groups()
    objects: list[Object] = []
    at = head.end()
    while found := _OBJECT.match(text, at):
        name, pose, truncated, difficult, *edges = found.groups()
        xmin, ymin, xmax, ymax = map(float, edges)
        if xmin >= xmax or ymin >= ymax or not name or name != name.strip():
            return None
        line = _FIRST + _EACH * len(objects)
        pose = (pose or "Unspecified").strip()
        box = Box(xmin, ymin, xmax, ymax)
        objects.append(Object(sys.intern(name), box, sys.intern(pose), truncated == "1", difficult == "1", line))
        at = found.end()
    size, filename = Size(*map(int, sides)), filename.strip()
    if not _END.fullmatch(text, at) or min(size) < 1 or filename in {".", ".."} or not _PATH.isdisjoint(filename):
        return None
    return Plain(tuple(objects), size, filename, verified is not None)
