"""PNG files as chunks: read the header, turn the pixels without loss, keep every other chunk (W3C PNG 3)."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from ssdprep import metadata
from ssdprep.faults import CUT_SHORT, DAMAGED, NOT_TURNABLE, ImageFault
from ssdprep.metadata import Edit
from ssdprep.record import Size

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"  # not compressed, no language: the only form that XMP allows
_OF_ONE_CODING = {b"sBIT", b"bKGD", b"hIST"}  # their form depends on depth and colour type


class Header(NamedTuple):
    """What the chunks say."""

    size: Size
    orientation: int  # of the eXIf chunk, as written; 1 where absent
    depth: int  # bits a sample
    colour: int  # 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA
    transparent: bool  # has a tRNS chunk
    animated: bool

    @property
    def mode(self) -> str:
        """As Pillow names it."""
        if self.colour == 0 and self.depth in {1, 16}:
            return "1" if self.depth == 1 else "I;16"
        return _MODES.get(self.colour, "RGB")

    @property
    def plain(self) -> bool:
        """Whether it holds 8-bit RGB and nothing else."""
        return self.depth == 8 and self.colour == 2 and not self.transparent


def read_header(file: BinaryIO) -> Header:
    """Walk the chunks of a file, reading only what matters. Raises `ImageFault` where it ends within its header."""
    file.seek(len(SIGNATURE))
    orientation, seen = 1, set()
    head = file.read(25)
    if len(head) < 25 or head[4:8] != b"IHDR":
        raise ImageFault(CUT_SHORT, "the file ends within its header")
    width, height, depth, colour = struct.unpack_from(">IIBB", head, 8)
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        seen.add(name)
        if name == b"IEND":
            break
        if name == b"eXIf":
            found = metadata.orientation_of(file.read(length))
            orientation = 1 if found is None else found
            length = 0
        file.seek(length + 4, os.SEEK_CUR)
    return Header(Size(width, height), orientation, depth, colour, b"tRNS" in seen, b"acTL" in seen)


def rewrite(data: bytes, edit: Edit) -> bytes:
    """A PNG file with its pixels turned and its chunks edited; the very same bytes where that changes nothing.

    Raises `ImageFault` for an animation, and for a file that is cut short or damaged.
    """
    edited = [(name, _edited(name, payload, edit)) for name, payload in _chunks(data)]
    if not edit.turned:
        same = [payload for _, payload in edited] == [payload for _, payload in _chunks(data)]
        return data if same else _joined(edited)
    header = read_header(io.BytesIO(data))
    if header.animated:
        raise ImageFault(NOT_TURNABLE, "an animated PNG is not turned", "save its first picture alone")
    coded = list(_chunks(_turned(data, header, edit.orientation)))
    recoded = coded[0][1][8:10] != edited[0][1][8:10]
    chunks: list[tuple[bytes, bytes]] = []
    for name, payload in edited:
        if name in {b"IHDR", b"PLTE", b"tRNS"} or (name == b"IDAT" and b"IDAT" not in (done for done, _ in chunks)):
            chunks += [chunk for chunk in coded if chunk[0] == name]
        elif name != b"IDAT" and not (recoded and name in _OF_ONE_CODING):
            chunks.append((name, payload))
    return _joined(chunks)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and payload of each chunk."""
    at, name = len(SIGNATURE), b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, at) if at + 8 <= len(data) else (0, b"")
        end = at + 12 + length
        if not name or end > len(data):
            raise ImageFault(CUT_SHORT, "the file ends before its last pixel")
        yield name, data[at + 8 : end - 4]
        at = end


def _joined(chunks: list[tuple[bytes, bytes]]) -> bytes:
    parts = [SIGNATURE]
    for name, payload in chunks:
        parts += [struct.pack(">I", len(payload)), name, payload, struct.pack(">I", zlib.crc32(name + payload))]
    return b"".join(parts)


def _edited(name: bytes, payload: bytes, edit: Edit) -> bytes:
    """A chunk's payload as it must read once the pixels are turned."""
    if name == b"eXIf":
        return edit.exif(payload)
    if name == b"iTXt" and payload.startswith(_XMP):
        return _XMP + edit.xmp(payload[len(_XMP) :])
    if name == b"pHYs" and edit.swapped:
        return payload[4:8] + payload[:4] + payload[8:]
    return payload


def _turned(data: bytes, header: Header, orientation: int) -> bytes:
    """The pixels turned, encoded anew, and compared with what they were."""
    from PIL import Image  # not needed for a header

    from ssdprep.turn import TRANSPOSES

    if header.depth == 16 and header.colour != 0:
        return _turned_deep(data, header, orientation)
    target = io.BytesIO()
    try:
        image: Any = Image.open(io.BytesIO(data))
        turned = image.transpose(TRANSPOSES[orientation])
    except (OSError, SyntaxError, ValueError, zlib.error, Image.DecompressionBombError) as error:
        raise ImageFault(DAMAGED, f"the picture cannot be decoded: {error}") from None
    turned.save(target, "PNG", exif=b"", pnginfo=None, icc_profile=None)
    again = Image.open(target)
    if again.convert("RGBA").tobytes() != turned.convert("RGBA").tobytes():
        raise ImageFault(NOT_TURNABLE, "this PNG's transparency would be lost", "save it again as RGB or RGBA")
    return target.getvalue()


def _turned_deep(data: bytes, header: Header, orientation: int) -> bytes:
    """16 bits a sample in several channels: Pillow has no such mode, OpenCV has."""
    import cv2
    import numpy as np

    from ssdprep.turn import turn

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ImageFault(DAMAGED, "the picture cannot be decoded")
    if header.transparent or pixels.dtype != np.uint16:
        raise ImageFault(NOT_TURNABLE, "a 16-bit PNG with a transparent colour is not turned", "save it again as RGBA")
    _, coded = cv2.imencode(".png", turn(pixels, orientation))
    return bytes(coded)
