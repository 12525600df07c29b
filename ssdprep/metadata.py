"""EXIF and XMP as bytes: what they say about orientation and place, corrected where they stand.

An EXIF block is a TIFF structure full of offsets, some of them inside camera makers' notes that nobody can parse. So no
byte of it is ever moved: numbers are overwritten in place, and what must go is unlinked and blanked (CIPA DC-008, EXIF
2.32; TIFF 6.0 section 2).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

_ORIENTATION, _EXIF_IFD, _GPS_IFD = 0x0112, 0x8769, 0x8825
_THUMBNAIL, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_LAST_GPS_TAG = 0x1F
_PICTURES = 0xB002  # MP Entry
_PHOTOSHOP_THUMBNAILS = {1033, 1036}
_SIDES = {0x0100: 0x0101, 0xA002: 0xA003}  # ImageWidth: ImageLength, PixelXDimension: PixelYDimension
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # of one value, by TIFF type
_BYTE, _SHORT, _LONG = 1, 3, 4

_XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation(?:\s*=\s*["']|>\s*))(\d+)""")
_XMP_LENGTH = re.compile(rb"""(\bItem:Length\s*=\s*["'])(\d+)""")
_XMP_SIDES = re.compile(rb"\b(exif:Pixel)(X|Y)(Dimension)\b|\b(tiff:Image)(Width|Length)\b")
_XMP_GPS = re.compile(rb"""\s+exif:GPS\w+\s*=\s*(?:"[^"]*"|'[^']*')|<(exif:GPS\w+)\b[^>]*?(?:/>|>.*?</\1\s*>)""", re.S)
_TIFF_HEADER = re.compile(rb"II\*\0|MM\0\*")
_OTHER_SIDE = {b"X": b"Y", b"Y": b"X", b"Width": b"Length", b"Length": b"Width"}


class Edit(NamedTuple):
    """What a photo file's metadata must say once the file is rewritten."""

    orientation: int = 1  # the pixels are turned as this value of the tag says; 1: they stay
    mark_upright: bool = True  # the tag becomes 1
    strip_gps: bool = False

    @property
    def turned(self) -> bool:
        """Whether pixels move."""
        return self.orientation != 1

    @property
    def swapped(self) -> bool:
        """Whether width and height change places."""
        return self.orientation >= 5

    def exif(self, block: bytes) -> bytes:
        """An EXIF block, edited."""
        block = upright_exif(block, turned=self.turned, swapped=self.swapped) if self.mark_upright else block
        return exif_without_gps(block) if self.strip_gps else block

    def xmp(self, packet: bytes) -> bytes:
        """An XMP packet, edited."""
        packet = upright_xmp(packet, swapped=self.swapped) if self.mark_upright else packet
        return xmp_without_gps(packet) if self.strip_gps else packet


class _Entry(NamedTuple):
    tag: int
    type: int
    values: int  # how many
    at: int  # of its twelve bytes, from the start of the block


class _Block:
    """A TIFF structure that is read and overwritten in place. ``struct.error`` where an offset leaves it."""

    def __init__(self, data: bytes) -> None:
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
        if order is None:
            raise struct.error("no TIFF header")
        self.order = order
        self.data = bytearray(data)

    def number(self, at: int, code: str) -> int:
        return int(struct.unpack_from(self.order + code, self.data, at)[0])

    def put(self, at: int, code: str, *values: int) -> None:
        struct.pack_into(self.order + code, self.data, at, *values)

    @property
    def first(self) -> int:
        """Where IFD0 is."""
        return self.number(4, "I")

    def entries(self, ifd: int) -> Iterator[_Entry]:
        for at in range(ifd + 2, ifd + 2 + 12 * self.number(ifd, "H"), 12):
            tag, kind, values = struct.unpack_from(self.order + "HHI", self.data, at)
            yield _Entry(tag, kind, values, at)

    def find(self, ifd: int, tag: int) -> _Entry | None:
        return next((entry for entry in self.entries(ifd) if entry.tag == tag), None)

    def value(self, entry: _Entry) -> int:
        """The one whole number of an entry that holds it inline."""
        return self.number(entry.at + 8, {_BYTE: "B", _LONG: "I"}.get(entry.type, "H"))

    def linked(self, ifd: int, tag: int) -> int | None:
        """Where the IFD is that an entry of another one points to."""
        entry = self.find(ifd, tag)
        return self.value(entry) if entry else None

    def blank(self, start: int, end: int) -> None:
        end = min(end, len(self.data))
        self.data[start:end] = bytes(max(end - start, 0))


def orientation_of(exif: bytes) -> int | None:
    """The Orientation tag of a TIFF structure as written, be it valid or not; None where there is none."""
    try:
        block = _Block(exif)
        return block.linked(block.first, _ORIENTATION)
    except struct.error:
        return None


def effective(orientation: int) -> int:
    """The orientation that readers apply: the tag, or 1 where its value is none of 1..8."""
    return orientation if 1 <= orientation <= 8 else 1


def upright_exif(exif: bytes, *, turned: bool, swapped: bool) -> bytes:
    """The block with Orientation 1.

    turned: the pixels were moved, so the thumbnail goes; swapped: their sides changed places, and so do the noted ones.
    A block whose Orientation cannot be found comes back as it is.
    """
    try:
        block = _Block(exif)
        for entry in block.entries(block.first):
            if entry.tag == _ORIENTATION:
                block.put(entry.at, "HHIHH", _ORIENTATION, _SHORT, 1, 1, 0)
        if swapped:
            _swap_sides(block)
        if turned:
            _drop_thumbnail(block)
    except struct.error:  # an offset that leads nowhere: whatever was put right up to there stays right
        if orientation_of(exif) is None:
            return exif
    return bytes(block.data)


def exif_without_gps(exif: bytes) -> bytes:
    """The block without its GPS directory: nothing points to it any more, and every byte of it is blanked."""
    try:
        block = _Block(exif)
        gps = block.find(block.first, _GPS_IFD)
        if gps is None:
            return exif
        directory, count = block.value(gps), block.number(block.first, "H")
        end = block.first + 2 + 12 * count + 4  # behind the offset of the next IFD
        block.data[gps.at : end] = block.data[gps.at + 12 : end] + bytes(12)
        block.put(block.first, "H", count - 1)
    except struct.error:
        return exif
    _blank_gps(block, directory)
    return bytes(block.data)


def upright_xmp(packet: bytes, *, swapped: bool) -> bytes:
    """An XMP packet with tiff:Orientation 1, and with the noted sides changed if the pixels' sides were."""
    packet = _XMP_ORIENTATION.sub(rb"\g<1>1", packet)
    if not swapped:
        return packet
    return _XMP_SIDES.sub(lambda m: b"".join(_OTHER_SIDE.get(part, part) for part in m.groups(b"")), packet)


def xmp_without_gps(packet: bytes) -> bytes:
    """An XMP packet without its exif:GPS properties."""
    return _XMP_GPS.sub(b"", packet)


def holds_place(data: bytes) -> bool:
    """Whether a GPS directory or property stands anywhere in a file whose own structure is not known here."""
    blocks = (data[match.start() :] for match in _TIFF_HEADER.finditer(data))
    return b"exif:GPS" in data or any(exif_without_gps(block) != block for block in blocks)


def xmp_with_lengths(packet: bytes, lengths: dict[int, int]) -> bytes:
    """An XMP packet whose directory of further pictures (Item:Length) is brought up to date, old length to new."""
    return _XMP_LENGTH.sub(lambda m: m[1] + b"%d" % lengths.get(int(m[2]), int(m[2])), packet)


def photoshop_without_thumbnail(resources: bytes) -> bytes:
    """Photoshop's image resource blocks without the thumbnails (1033, 1036)."""
    kept, at = b"", 0
    while resources.startswith(b"8BIM", at) and at + 12 <= len(resources):
        name = (resources[at + 6] + 2) // 2 * 2  # length byte and text, padded to even
        size = int.from_bytes(resources[at + 6 + name : at + 10 + name], "big")
        end = at + 10 + name + (size + 1) // 2 * 2
        if int.from_bytes(resources[at + 4 : at + 6], "big") not in _PHOTOSHOP_THUMBNAILS:
            kept += resources[at:end]
        at = end
    return kept + resources[at:]


def pictures_of(mpf: bytes) -> list[tuple[int, int]]:
    """Size and offset of each picture in a multi-picture index, as written; empty where there is no index."""
    try:
        block = _Block(mpf)
        return [(block.number(at + 4, "I"), block.number(at + 8, "I")) for at in _picture_entries(block)]
    except struct.error:
        return []


def with_pictures(mpf: bytes, pictures: Mapping[int, tuple[int, int]]) -> bytes:
    """The multi-picture index with other sizes and offsets, by the picture's number."""
    block = _Block(mpf)
    places = _picture_entries(block)
    for number, (size, offset) in pictures.items():
        block.put(places[number] + 4, "II", size, offset)
    return bytes(block.data)


def _picture_entries(block: _Block) -> range:
    index = block.find(block.first, _PICTURES)
    start = block.number(index.at + 8, "I") if index else 0
    return range(start, start + (index.values // 16 * 16 if index else 0), 16)


def _swap_sides(block: _Block) -> None:
    directories = (block.first, block.linked(block.first, _EXIF_IFD))
    for ifd in filter(None, directories):
        for across, down in _SIDES.items():
            pair = block.find(ifd, across), block.find(ifd, down)
            if pair[0] and pair[1]:  # type, count and value change places, the tags stay
                one, two = (slice(entry.at + 2, entry.at + 12) for entry in pair if entry)
                block.data[one], block.data[two] = block.data[two], block.data[one]


def _drop_thumbnail(block: _Block) -> None:
    """Unlink IFD1; cut its picture off where it is the end of the block, blank it elsewhere."""
    link = block.first + 2 + 12 * block.number(block.first, "H")
    ifd = block.number(link, "I")
    if not ifd:
        return
    block.put(link, "I", 0)
    start, length = block.linked(ifd, _THUMBNAIL), block.linked(ifd, _THUMBNAIL_LENGTH)
    if not start or not length or start < link + 4:
        return
    if start + length >= len(block.data) - 3:  # up to three bytes of padding
        del block.data[start:]
    else:
        block.blank(start, start + length)


def _blank_gps(block: _Block, ifd: int) -> None:
    """Zeros over the GPS directory and over every value that it points to, where it is one, as far as it goes."""
    entries: list[_Entry] = []
    with suppress(struct.error):  # the block is cut short
        entries.extend(entry for entry in block.entries(ifd) if entry.at + 12 <= len(block.data))
    if ifd < 8 or not entries or any(entry.tag > _LAST_GPS_TAG for entry in entries):
        return  # the link led somewhere else: it is gone, and what it led to is not ours to blank
    for entry in entries:
        size = _BYTES.get(entry.type, 1) * entry.values
        if size > 4:
            start = max(block.number(entry.at + 8, "I"), 8)
            block.blank(start, start + size)
    block.blank(ifd, ifd + 2 + 12 * len(entries) + 4)
