"""JPEG files as segments: read the header, turn the picture without decoding it, keep all that lies around it.

ITU-T T.81 annex B gives the segments, CIPA DC-007 the index of files that hold several pictures.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import turbojpeg
from PIL import Image

from ssdprep import metadata
from ssdprep.faults import CUT_SHORT, DAMAGED, NOT_TURNABLE, ImageFault
from ssdprep.metadata import Edit
from ssdprep.record import Size
from ssdprep.turn import JPEG_OPS, TRANSPOSES

SOI = b"\xff\xd8"
_APP0, _APP1, _APP2, _APP13, _APP14, _APP15, _COM = 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xEF, 0xFE
_SOS, _EOI = 0xDA, 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..15 without DHT, JPG, DAC
_PROGRESSIVE, _ARITHMETIC = {0xC2, 0xCA}, {0xC9, 0xCA}
_COMMON = {0xC0, 0xC1, 0xC2}  # what every decoder reads
_EXIF, _XMP, _MPF, _PHOTOSHOP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"MPF\0", b"Photoshop 3.0\0"
_MARKER_IN_SCAN = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.S)
_HARMLESS = re.compile("extraneous|Adobe|JFIF|progression")  # warnings of libjpeg that leave every pixel right
_LONGEST = 65533


class Header(NamedTuple):
    """What the segments before the pixels say."""

    size: Size
    orientation: int  # as written; 1 where absent
    components: int  # 1 grey, 3 colour, 4 CMYK
    common: bool  # 8 bits, baseline or progressive, Huffman: what every decoder reads


class Segment(NamedTuple):
    marker: int
    payload: bytes  # without marker and length

    @property
    def data(self) -> bytes:
        return struct.pack(">BBH", 0xFF, self.marker, len(self.payload) + 2) + self.payload


class Picture(NamedTuple):
    """One picture, taken apart."""

    segments: tuple[Segment, ...]  # all before the first scan
    scans: bytes  # the first SOS up to EOI, both included
    end: int  # where the picture ends in the data it was read from

    @property
    def data(self) -> bytes:
        return SOI + b"".join(segment.data for segment in self.segments) + self.scans

    @property
    def frame(self) -> Segment:
        return next(segment for segment in self.segments if segment.marker in _FRAMES)


class Rewritten(NamedTuple):
    """A JPEG file's new bytes."""

    data: bytes
    lossless: bool
    notes: tuple[str, ...] = ()


def read_header(file: BinaryIO) -> Header | None:
    """Walk the segments from the start of a file, reading only what matters; None where they are out of order.

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
        if marker == _SOS:
            break
        if marker in _FRAMES and not frame:
            frame = bytes([marker]) + file.read(length - 2)
        elif marker == _APP1 and orientation == 1:
            payload = file.read(length - 2)
            if payload.startswith(_EXIF):
                found = metadata.orientation_of(payload[len(_EXIF) :])
                orientation = 1 if found is None else found
        else:
            file.seek(length - 2, io.SEEK_CUR)
    if len(frame) < 7:
        return None
    marker, precision, height, width, components = struct.unpack_from(">BBHHB", frame)
    if not (width and height):
        return None
    return Header(Size(width, height), orientation, components, marker in _COMMON and precision == 8)


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


def turned_pixels(data: bytes, orientation: int) -> bytes | None:
    """The picture turned without loss and bare of metadata; None where its sides or its coding do not allow that."""
    try:
        return bytes(turbojpeg.transform(data, op=JPEG_OPS[orientation], copynone=True, optimize=True))
    except RuntimeError:
        verify(data)
        return None


def rewrite(data: bytes, edit: Edit) -> Rewritten:
    """A JPEG file with its pixels turned and its metadata edited; the very same bytes where that changes nothing.

    Every segment is kept, and so is what follows the picture; further pictures of the file are turned alike.
    Raises `ImageFault` for a file that cannot be taken apart, or whose pixel data is cut short or damaged.
    """
    first = split(data)
    mpf, base = _index(data, first)
    others = _companions(data, mpf, base, first.end)
    turned = [_rewrite_picture(data[start:end], edit) for start, end in others]
    lengths = {end - start: len(new.data) for (start, end), new in zip(others, turned, strict=True)}
    picture = _rewrite_picture(data[: first.end], edit, lengths)
    parts, places, cursor = [picture.data], [0], first.end
    for (start, end), new in zip(others, turned, strict=True):
        parts.append(data[cursor:start])
        places.append(sum(map(len, parts)))
        parts.append(new.data)
        cursor = end
    parts.append(data[cursor:])
    if others:
        sizes = [len(part.data) for part in (picture, *turned)]
        parts[0] = _with_index(parts[0], sizes, places)
    notes = [f"{len(others) + 1} pictures in one file, all turned alike"] if others and edit.turned else []
    if trailing := len(data[cursor:].rstrip(b"\0")):
        notes.append(f"{trailing} bytes behind the picture were kept as they are")
    return Rewritten(b"".join(parts), picture.lossless and all(new.lossless for new in turned), tuple(notes))


def split(data: bytes) -> Picture:
    """Take the first picture of a file apart. Raises `ImageFault` where its segments are out of order or cut short."""
    segments: list[Segment] = []
    for marker, start, end in _walk(data):
        if marker == _SOS:
            close = _end_of_scans(data, end)
            return Picture(tuple(segments), data[start - 4 : close], close)
        segments.append(Segment(marker, data[start:end]))
    raise ImageFault(CUT_SHORT, "the file ends within its header")


def _walk(data: bytes) -> Iterator[tuple[int, int, int]]:
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


def _rewrite_picture(data: bytes, edit: Edit, lengths: dict[int, int] | None = None) -> Rewritten:
    """One picture with its pixels turned; ``lengths``: of the further pictures, old to new, as XMP notes them."""
    before = split(data)
    edited = [_edited(segment, edit, lengths or {}) for segment in before.segments]
    around = [segment for segment in edited if segment is not None]
    if not edit.turned:
        after = before._replace(segments=tuple(around))
        return Rewritten(data if after.segments == before.segments else after.data, lossless=True)
    marker = before.frame.marker
    try:
        coded = turbojpeg.transform(
            data,
            op=JPEG_OPS[edit.orientation],
            copynone=True,
            optimize=True,
            progressive=marker in _PROGRESSIVE,
            arithmetic=marker in _ARITHMETIC,
        )
    except RuntimeError:
        verify(data)
        picture = split(_encoded_again(before, edit.orientation))
        kept = [segment for segment in around if _is_metadata(segment) and segment.marker != _APP14]
        own = [segment for segment in picture.segments if not _is_metadata(segment) or segment.marker == _APP14]
        return Rewritten(picture._replace(segments=(*kept, *own)).data, lossless=False)
    picture = split(bytes(coded))
    kept = [segment for segment in around if _is_metadata(segment)]
    own = [segment for segment in picture.segments if not _is_metadata(segment)]
    return Rewritten(picture._replace(segments=(*kept, *own)).data, lossless=True)


def _is_metadata(segment: Segment) -> bool:
    return _APP0 <= segment.marker <= _APP15 or segment.marker == _COM


def _edited(segment: Segment, edit: Edit, lengths: dict[int, int]) -> Segment | None:
    """A segment of metadata as it must read once the pixels are turned; None: it must go."""
    marker, payload = segment
    if marker == _APP1 and payload.startswith(_EXIF):
        payload = _EXIF + edit.exif(payload[len(_EXIF) :])
    elif marker == _APP1 and payload.startswith(_XMP):
        packet = metadata.xmp_with_lengths(edit.xmp(payload[len(_XMP) :]), lengths)
        payload = _XMP + packet if len(packet) <= _LONGEST - len(_XMP) else payload
    elif marker == _APP13 and edit.turned and payload.startswith(_PHOTOSHOP):
        payload = _PHOTOSHOP + metadata.photoshop_without_thumbnail(payload[len(_PHOTOSHOP) :])
    elif marker == _APP0 and edit.turned and payload.startswith(b"JFXX\0"):
        return None  # nothing but a thumbnail
    elif marker == _APP0 and edit.turned and payload.startswith(b"JFIF\0") and len(payload) >= 14:
        density = payload[10:12] + payload[8:10] if edit.swapped else payload[8:12]
        payload = payload[:8] + density + b"\0\0"  # no thumbnail
    return Segment(marker, payload)


def _encoded_again(before: Picture, orientation: int) -> bytes:
    """Decode, turn, and encode with the picture's own quantisation tables and chroma sampling.

    The tables take part in a quarter turn, as the blocks do that they belong to: worth 3 to 7 dB on the sample photos.
    A chroma sampling that no encoder at hand writes (4:1:1, and 4:2:2 after a quarter turn) becomes 4:4:4.
    """
    bare = tuple(segment for segment in before.segments if not _is_metadata(segment) or segment.marker == _APP14)
    try:
        image: Any = Image.open(io.BytesIO(before._replace(segments=bare).data))
        turned = image.transpose(TRANSPOSES[orientation])
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageFault(NOT_TURNABLE, f"the picture cannot be decoded: {error}") from None
    frame = before.frame.payload
    components = [frame[at : at + 3] for at in range(6, 6 + 3 * frame[5], 3)]
    squares = [np.reshape(image.quantization[component[2]], (8, 8)) for component in components]
    tables = [(square.T if orientation >= 5 else square).ravel().tolist() for square in squares]
    while len(tables) > 1 and tables[-1] == tables[-2]:
        tables.pop()
    luma, chroma = components[0][1], {component[1] for component in components[1:]}
    plain = {0x11: 0, 0x22: 2, 0x21: 1 if orientation < 5 else 0, 0x12: 1 if orientation >= 5 else 0}
    target = io.BytesIO()
    turned.save(
        target,
        "JPEG",
        qtables=tables,
        subsampling=plain.get(luma, 0) if chroma == {0x11} else 0,
        progressive=before.frame.marker in _PROGRESSIVE,
        optimize=True,
        keep_rgb=image.info.get("adobe_transform") == 0 and image.mode == "RGB",
    )
    return target.getvalue()


def _index(data: bytes, first: Picture) -> tuple[bytes, int]:
    """The multi-picture index and where it stands in the file; empty where there is none."""
    for marker, start, end in _walk(data[: first.end]):
        if marker == _APP2 and data.startswith(_MPF, start):
            return data[start + len(_MPF) : end], start + len(_MPF)
        if marker == _SOS:
            break
    return b"", 0


def _companions(data: bytes, mpf: bytes, base: int, after: int) -> list[tuple[int, int]]:
    """Where the further pictures of a file are; none where its index does not fit the file (any more)."""
    spans = [(base + offset, base + offset + size) for size, offset in metadata.pictures_of(mpf)[1:]]
    for start, end in spans:
        if not (after <= start < end <= len(data) and data.startswith(SOI, start)):
            return []
        after = end
    return spans


def _with_index(picture: bytes, sizes: list[int], places: list[int]) -> bytes:
    """The first picture with its index brought up to date."""
    mpf, base = _index(picture, split(picture))
    offsets = [place - base if place else 0 for place in places]
    return (
        picture[:base]
        + metadata.with_pictures(mpf, list(zip(sizes, offsets, strict=True)))
        + picture[base + len(mpf) :]
    )
