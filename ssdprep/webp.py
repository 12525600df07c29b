"""WebP files as RIFF chunks: turn the pixels, keep EXIF, XMP and ICC (RFC 9649)."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from ssdprep import metadata
from ssdprep.faults import CUT_SHORT, DAMAGED, NOT_TURNABLE, ImageFault
from ssdprep.metadata import Edit

_PREFIX = b"Exif\0\0"  # not in the standard, and yet written by many
_QUALITY = 95


class Rewritten(NamedTuple):
    """A WebP file's new bytes."""

    data: bytes
    lossless: bool


def is_lossless(data: bytes) -> bool:
    """Whether the pixels are coded without loss."""
    return any(name == b"VP8L" for name, _, _ in _chunks(data))


def orientation_of(data: bytes) -> int:
    """Orientation as written in the EXIF chunk; 1 where absent."""
    for name, start, end in _chunks(data):
        if name == b"EXIF":
            found = metadata.orientation_of(data[start:end].removeprefix(_PREFIX))
            return 1 if found is None else found
    return 1


def rewrite(data: bytes, edit: Edit) -> Rewritten:
    """A WebP file with its pixels turned and its EXIF and XMP edited; the very same bytes where that changes nothing.

    Lossy pixels are encoded anew, at quality 95. Raises `ImageFault` for an animation, and for damaged files.
    """
    from PIL import Image  # not needed for a header

    from ssdprep.turn import TRANSPOSES

    noted = _with_notes_edited(data, edit)
    if not edit.turned:
        return Rewritten(noted, lossless=True)
    try:
        image: Any = Image.open(io.BytesIO(noted))
        turned = image.transpose(TRANSPOSES[edit.orientation])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageFault(DAMAGED, f"the picture cannot be decoded: {error}") from None
    if getattr(image, "n_frames", 1) > 1:
        raise ImageFault(NOT_TURNABLE, "an animated WebP is not turned", "save its first picture alone")
    lossless, target = is_lossless(data), io.BytesIO()
    notes = {name: image.info[name] for name in ("exif", "xmp", "icc_profile") if name in image.info}
    turned.save(target, "WEBP", lossless=lossless, exact=True, quality=_QUALITY, method=4, **notes)
    return Rewritten(target.getvalue(), lossless)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each chunk's payload."""
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > len(data):
            raise ImageFault(CUT_SHORT, "the file ends before its last pixel")
        yield name, at + 8, at + 8 + length
        at += 8 + (length + 1) // 2 * 2


def _with_notes_edited(data: bytes, edit: Edit) -> bytes:
    """EXIF and XMP corrected where they stand: what becomes shorter is padded, so that no chunk moves."""
    edited = bytearray(data)
    for name, start, end in _chunks(data):
        payload = data[start:end]
        if name == b"EXIF":
            prefix = _PREFIX if payload.startswith(_PREFIX) else b""
            edited[start:end] = (prefix + edit.exif(payload.removeprefix(prefix))).ljust(end - start, b"\0")
        elif name == b"XMP ":  # renamed sides may need a byte more
            packet = edit.xmp(payload)
            if len(packet) <= end - start:
                edited[start:end] = packet.ljust(end - start)
    return bytes(edited)
