"""What a photo file is, from its first bytes and its header: format, size, orientation, mode. Decodes no pixel.

Pillow is asked about formats other than JPEG and PNG only, and loaded only then.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, NamedTuple

from ssdprep import jpeg, metadata, png, webp
from ssdprep.faults import CUT_SHORT, DAMAGED, EMPTY, NO_IMAGE, ImageFault
from ssdprep.record import Size

_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_HEIC = {b"heic", b"heix", b"hevc", b"mif1", b"msf1"}  # brands of ISO/IEC 23008-12
_MARKS = {b"II*\0": "TIFF", b"MM\0*": "TIFF", b"GIF8": "GIF", b"RIFF": "WebP"}
_TAIL = 4096  # bytes
_MOST_PIXELS = 178_956_970  # Pillow's own limit: more is an attack, or a mistake
_EXPORT = "export it as JPEG (on the phone: Settings, Camera, Formats, Most Compatible)"
NOT_ALL = "the file ends before its last pixel"
DECODERS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    struct.error,
    zlib.error,
    RuntimeError,  # AVIF
)  # raise at bad pixel data


class Probe(NamedTuple):
    """What a photo's header says."""

    format: str  # JPEG, PNG, WEBP, BMP, TIFF, GIF ...: by content, whatever the extension says; an MPO is a JPEG
    size: Size  # of the pixel array in the file
    orientation: int  # EXIF Orientation as written, 1 where absent; may be invalid (0, 65537)
    mode: str  # as Pillow names it: L, P, RGB, RGBA, CMYK, I;16 ...
    depth: int = 8  # bits a sample
    several: bool = False  # an animation, or pages: only the first picture is read


def probe(photo: Path | bytes) -> Probe:
    """Format, stored size, orientation and mode of a photo, from its header alone; bytes are a file's content.

    Raises `ImageFault` for a file that is empty, no image, or cut short in its header; ``OSError`` passes through.
    """
    with io.BytesIO(photo) if isinstance(photo, bytes) else photo.open("rb") as file:
        return _probe(file)


def examine(path: Path) -> tuple[Probe, bool]:
    """`probe`, and whether the photo seems to break off, by its size and its last bytes; only decoding tells for sure.

    Data behind the end, as phones hang it on, is no sign. Raises as `probe` does.
    """
    with path.open("rb") as file:
        found = _probe(file)
        return found, _looks_cut(file, found)


def _looks_cut(file: BinaryIO, found: Probe) -> bool:
    """Of a file that was read up to its first pixel: a thumbnail in the header has an end mark of its own."""
    start, end = file.tell() if found.format == "JPEG" else 0, file.seek(0, os.SEEK_END)
    if found.format in {"BMP", "TIFF"}:
        return _promised(file) > end
    file.seek(max(start, end - _TAIL))
    tail = file.read()
    match found.format:
        case "JPEG":
            return b"\xff\xd9" not in tail
        case "PNG":
            return b"IEND" not in tail
        case "GIF":
            return not tail.rstrip(b"\0").endswith(b";")
    return False


class _Unwarned:
    """Pillow's warnings of a large photo or an odd EXIF are not the user's concern.

    What is filtered holds for all threads: the first that comes in sets it, the last that leaves takes it back.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._caught.__exit__(None, None, None)


unwarned = _Unwarned()


def _probe(file: BinaryIO) -> Probe:
    start = file.read(12)
    if not start:
        raise ImageFault(EMPTY, "the file is empty")
    file.seek(0)
    if start.startswith(jpeg.SOI) and (header := jpeg.read_header(file)):
        _require_sane(header.size)
        mode = _JPEG_MODES.get(header.components, "RGB")
        return Probe("JPEG", header.size, header.orientation, mode, header.depth)
    if start.startswith(png.SIGNATURE):
        chunks = png.read_header(file)
        _require_sane(chunks.size)
        return Probe("PNG", chunks.size, chunks.orientation, chunks.mode, chunks.depth, chunks.animated)
    if (
        start[:4] == b"RIFF"
        and start[8:] == b"WEBP"
        and file.seek(0, os.SEEK_END) < 8 + int.from_bytes(start[4:8], "little")
    ):
        raise ImageFault(CUT_SHORT, NOT_ALL)
    image = opened(file)
    size, orientation = Size(*image.size), 1
    if image.format == "WEBP":
        file.seek(0)
        orientation = webp.orientation_of(file.read())
    elif image.format == "TIFF":
        return _probe_tiff(image)
    elif exif := image.info.get("exif"):
        orientation = metadata.orientation_of(exif.removeprefix(b"Exif\0\0")) or 1
    return Probe(str(image.format), size, orientation, image.mode, _depth(image.mode), _is_several(image))


def _probe_tiff(image: Any) -> Probe:
    """By the tags: Pillow's own size is turned already, its mode may hide 16 bits."""
    tags = image.tag_v2
    size, orientation = (tags.get(256), tags.get(257)), tags.get(274, 1)
    if not all(isinstance(side, int) for side in size):
        raise ImageFault(DAMAGED, "the header is damaged: no width, or no height")
    if isinstance(orientation, bytes):
        orientation = next(iter(orientation), 1)
    bits = [depth for depth in tags.get(258, ()) if isinstance(depth, int)]
    depth = max(_depth(image.mode), *bits, 8)
    orientation = orientation if isinstance(orientation, int) else 1
    return Probe("TIFF", Size(*size), orientation, image.mode, depth, _is_several(image))


def _depth(mode: str) -> int:
    return {"I": 16, "F": 32}.get(mode[:1], 8)


def _is_several(image: Any) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except DECODERS:
        return False  # what the second picture is like concerns nobody


def _promised(file: BinaryIO) -> int:
    """How long a BMP or a TIFF must be to hold the pixels that its header speaks of."""
    image = opened(file)
    ends = [0]
    if image.format == "TIFF":
        for offsets, lengths in ((273, 279), (324, 325)):  # strips, tiles
            pairs = zip(image.tag_v2.get(offsets, ()), image.tag_v2.get(lengths, ()), strict=False)
            ends += [start + length for start, length in pairs if isinstance(start, int) and isinstance(length, int)]
    elif image.tile and image.tile[0][0] == "raw":
        _, (_, _, _, height), start, (_, stride, *_) = image.tile[0]
        ends.append(start + stride * height)
    return max(ends)


def _require_sane(size: Size) -> None:
    """Refuse what would fill the memory once it is decoded, and what has no pixel."""
    if not (size.width and size.height):
        raise ImageFault(DAMAGED, f"the header is damaged: {size} pixels")
    if size.width * size.height > _MOST_PIXELS:
        raise _too_large()


def _too_large() -> ImageFault:
    return ImageFault(NO_IMAGE, "more than 178 million pixels", "save it smaller, and label it again")


def opened(file: BinaryIO) -> Any:
    """The file in Pillow, its pixels not yet decoded."""
    from PIL import Image, UnidentifiedImageError

    file.seek(0)
    try:
        with unwarned:
            return Image.open(file)
    except UnidentifiedImageError:
        file.seek(0)
        start = file.read(12)
        if start[4:8] == b"ftyp" and start[8:] in _HEIC:
            raise ImageFault(NO_IMAGE, "HEIC cannot be read here", _EXPORT) from None
        if kind := next((kind for mark, kind in _MARKS.items() if start.startswith(mark)), None):
            raise ImageFault(CUT_SHORT, f"it starts like a {kind}, but breaks off or is damaged") from None
        raise ImageFault(
            NO_IMAGE, "this is no image", "put the photo in its place, or take it out of the folder"
        ) from None
    except Image.DecompressionBombError:
        raise _too_large() from None
    except DECODERS as error:
        raise ImageFault(DAMAGED, f"the header is damaged: {error}") from None
