"""JPEG files as segments (ITU-T T.81 annex B): read the header, check the coded pixels, take a file apart."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import turbojpeg

from ssdprep import metadata
from ssdprep.faults import CUT_SHORT, DAMAGED, ImageFault
from ssdprep.record import Size

SOI = b"\xff\xd8"
EXIF = b"Exif\0\0"
APP0, APP1, APP2, APP13, APP14, APP15, COM = 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xEF, 0xFE
SOS, DHT, _EOI = 0xDA, 0xC4, 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..15 without DHT, JPG, DAC
_COMMON = {0xC0, 0xC1, 0xC2}  # what every decoder reads
_MARKER_IN_SCAN = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.S)
_HARMLESS = re.compile("extraneous|Adobe|JFIF|progression")  # warnings of libjpeg that leave every pixel right
_LEFT_OVER = re.compile("([0-9]+) extraneous bytes before marker 0xd9")
_FEW = 16  # bytes; webcams write up to ten too many

# glibc hands freed memory back to the system and takes it anew for the next photo, a third of the time of a turn, until
# it has seen a block as large as this one go: from then on it keeps twice as much.
bytes(16 * 2**20)


class Header(NamedTuple):
    """What the segments before the pixels say."""

    size: Size
    orientation: int  # as written; 1 where absent
    components: int  # 1 grey, 3 colour, 4 CMYK
    depth: int  # bits a sample
    common: bool  # 8 bits, baseline or progressive, Huffman: what every decoder reads


class Segment(NamedTuple):
    """A marker and what it carries."""

    marker: int
    payload: bytes  # without marker and length

    @property
    def data(self) -> bytes:
        """As it stands in the file."""
        return struct.pack(">BBH", 0xFF, self.marker, len(self.payload) + 2) + self.payload


class Picture(NamedTuple):
    """One picture, taken apart."""

    segments: tuple[Segment, ...]  # all before the first scan
    scans: bytes  # the first SOS up to EOI, both included
    end: int  # where the picture ends in the data it was read from

    @property
    def data(self) -> bytes:
        """The picture as a file of its own."""
        return SOI + b"".join(segment.data for segment in self.segments) + self.scans

    @property
    def frame(self) -> Segment:
        """The frame header: size, components, sampling."""
        return next(segment for segment in self.segments if segment.marker in _FRAMES)


def read_header(file: BinaryIO) -> Header | None:
    """Walk the segments from the start of a file, reading only what matters; None where they are out of order.

    Leaves the file where the first scan begins: what comes before is no pixel, what ends there is no picture's end.
    Raises `ImageFault` where the file ends before its frame header.
    """
    orientation, frame = 1, b""
    if file.read(2) != SOI:
        return None
    while True:
        head = file.read(4)
        while head[:2] == b"\xff\xff":  # fill bytes
            head = head[1:] + file.read(1)
        if len(head) < 4:
            raise ImageFault(CUT_SHORT, "the file ends within its header")
        marker, length = head[1], head[2] << 8 | head[3]
        if head[0] != 0xFF or length < 2:
            return None
        if marker == SOS:
            break
        if marker in _FRAMES and not frame:
            frame = bytes([marker]) + file.read(length - 2)
        elif marker == APP1 and orientation == 1:
            payload = file.read(length - 2)
            if payload.startswith(EXIF):
                found = metadata.orientation_of(payload[len(EXIF) :])
                orientation = 1 if found is None else found
        else:
            file.seek(length - 2, io.SEEK_CUR)
    if len(frame) < 7:
        return None
    marker, depth, height, width, components = struct.unpack_from(">BBHHB", frame)
    if not (width and height):
        return None
    return Header(Size(width, height), orientation, components, depth, marker in _COMMON and depth == 8)


def verify(data: bytes) -> bool:
    """Whether every coded block is as it should be; False for oddities that leave the pixels right.

    Reads the whole entropy-coded data, but computes no pixel. Raises `ImageFault` for cut or damaged pixel data.
    """
    try:
        turbojpeg.transform(data, nooutput=True)
    except RuntimeError as error:
        reason = str(error)
        if reason.startswith("Premature end"):
            raise ImageFault(CUT_SHORT, "the file ends before its last pixel") from None
        if reason.startswith("Corrupt") and not _HARMLESS.search(reason):
            raise ImageFault(DAMAGED, f"the pixel data is damaged: {reason.rpartition(': ')[2]}") from None
        return False
    return True


def left_over(data: bytes) -> int:
    """How many bytes stand between the last block and the end, and are no filling; 0 where they are few.

    A damaged block changes how many bits the following ones take, so that the picture may be full too early. But some
    cameras and web sites write such files, and their pictures are sound: nobody can tell without looking at them.
    """
    try:
        turbojpeg.transform(data, nooutput=True)
    except RuntimeError as error:
        found = _LEFT_OVER.search(str(error))
        if found and int(found[1]) >= _FEW:
            count = int(found[1])
            coded = data[: data.rindex(b"\xff\xd9")].rstrip(b"\xff")  # fill bytes of the marker
            filling = set(coded.replace(b"\xff\0", b"\xff")[-count // 2 :])
            return 0 if len(filling) <= 1 else count
    return 0


def turned_pixels(data: bytes, orientation: int) -> bytes | None:
    """The picture turned without loss and bare of metadata; None where its sides or its coding do not allow that."""
    from ssdprep.turn import JPEG_OPS  # with NumPy and Pillow, which headers do without

    try:
        return bytes(turbojpeg.transform(data, op=JPEG_OPS[orientation], copynone=True, optimize=True))
    except RuntimeError:
        verify(data)
        return None


def split(data: bytes, *, end: int | None = None) -> Picture:
    """Take the first picture of a file apart. Raises `ImageFault` where its segments are out of order or cut short.

    end: where the picture ends, if that is known.
    """
    segments: list[Segment] = []
    for marker, start, stop in walk(data):
        if marker == SOS:
            close = end or _end_of_scans(data, stop)
            return Picture(tuple(segments), data[start - 4 : close], close)
        segments.append(Segment(marker, data[start:stop]))
    raise ImageFault(CUT_SHORT, "the file ends within its header")


def walk(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of the payload of each segment."""
    at = 2
    while at + 4 <= len(data):
        if data[at] == data[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at] != 0xFF or length < 2:
            raise ImageFault(DAMAGED, "the header's segments are out of order")
        yield data[at + 1], at + 4, at + 2 + length
        at += 2 + length


def _end_of_scans(data: bytes, at: int) -> int:
    while match := _MARKER_IN_SCAN.search(data, at):
        if match[1][0] == _EOI:
            return match.end()
        at = match.end() + int.from_bytes(data[match.end() : match.end() + 2], "big")
    raise ImageFault(CUT_SHORT, "the file ends before its last pixel")
