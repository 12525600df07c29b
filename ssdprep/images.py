"""Everything that knows pixels: sniff, size, orientation, decode, encode, make upright.

The one way in which scan, augment, tfrecord, train, evaluate and predict see a photo. `jpeg`, `png` and `webp` know the
file formats, `metadata` knows EXIF and XMP.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
import turbojpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from ssdprep import jpeg, jpeg_turn, metadata, png, webp
from ssdprep.faults import CUT_SHORT, DAMAGED, EMPTY, HOLDS_PLACE, NO_IMAGE, NOT_TURNABLE, ImageFault, floats
from ssdprep.metadata import Edit
from ssdprep.record import Size
from ssdprep.turn import effective, turn

__all__ = [
    "Encoded",
    "ImageFault",
    "Pixels",
    "Probe",
    "Turned",
    "encode_jpeg",
    "encode_png",
    "looks_cut",
    "make_upright",
    "probe",
    "read_small",
    "read_upright",
    "turn",
    "upright_bytes",
    "upright_pixels",
    "without_gps",
]

Pixels = NDArray[np.uint8]

_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_HEIC = {b"heic", b"heix", b"hevc", b"mif1", b"msf1"}  # brands of ISO/IEC 23008-12
_MARKS = {b"II*\0": "TIFF", b"MM\0*": "TIFF", b"GIF8": "GIF", b"RIFF": "WebP"}
_NOT_ALL = "the file ends before its last pixel"
_TAIL = 4096  # bytes
_MOST_PIXELS = 178_956_970  # Pillow's own limit: more is an attack, or a mistake
_EXPORT = "export it as JPEG (on the phone: Settings, Camera, Formats, Most Compatible)"
_DECODERS = (
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


class Encoded(NamedTuple):
    """A photo as bytes that decode to upright 8-bit RGB pixels, whatever the reader does with EXIF."""

    data: bytes
    format: Literal["JPEG", "PNG"]
    size: Size  # upright
    how: Literal["passed through", "turned without loss", "transcoded"]


class Turned(NamedTuple):
    """A photo file made upright."""

    data: bytes
    lossless: bool  # False: pixels were decoded and encoded again
    notes: tuple[str, ...] = ()  # what the user should know, one line each


def probe(photo: Path | bytes) -> Probe:
    """Format, stored size, orientation and mode of a photo, from its header alone; bytes are a file's content.

    Raises `ImageFault` for a file that is empty, no image, or cut short in its header; ``OSError`` passes through.
    """
    with io.BytesIO(photo) if isinstance(photo, bytes) else photo.open("rb") as file:
        return _probe(file)


def looks_cut(path: Path, found: Probe) -> bool:
    """Whether a photo seems to break off, by its size and its last bytes; only decoding it tells for sure.

    Data behind the end, as phones hang it on, is no sign. ``OSError`` passes through.
    """
    with path.open("rb") as file:
        if found.format == "JPEG":
            jpeg.read_header(file)  # a thumbnail in it has an end mark of its own
        start, end = file.tell(), file.seek(0, os.SEEK_END)
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


def read_upright(path: Path) -> Pixels:
    """Pixels of a photo as it is meant to be seen: uint8 RGB of shape (height, width, 3), EXIF applied.

    Transparency is laid over white, 16 bits are scaled to 8. Raises `ImageFault`; ``OSError`` passes through.
    """
    return _pixels(path.read_bytes())


def read_small(data: bytes, side: int) -> Pixels:
    """Pixels of a photo's bytes as `read_upright` gives them, its longer side reduced to ``side`` if it is larger.

    Of a JPEG only as many frequencies are decoded as that takes: a phone's photo in a quarter of the time. Whole-number
    arithmetic throughout: the same pixels on every machine. Raises `ImageFault`.
    """
    found = _probe(io.BytesIO(data))
    image = _opened(io.BytesIO(data))
    if found.format == "JPEG":
        image.draft(None, (min(side, found.size.width), min(side, found.size.height)))
    small = Image.fromarray(_rgb(image))
    small.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=None)
    orientation = 1 if found.format == "TIFF" else effective(found.orientation)  # Pillow has turned a TIFF
    return turn(np.asarray(small), orientation)


def upright_bytes(path: Path) -> Encoded:
    """A photo as JPEG or PNG bytes for readers that ignore EXIF: upright, 8 bits, three channels.

    The file's own bytes where they are that already and decode without a complaint; else turned without loss; else
    decoded and encoded, as PNG where the source is lossless, as JPEG of quality 95 and full colour resolution where it
    is not. Raises `ImageFault`; ``OSError`` passes through.
    """
    return _encoded(path.read_bytes())


def upright_pixels(path: Path) -> Pixels:
    """The pixels that `upright_bytes` decodes to, uint8 RGB of shape (height, width, 3): what a detector looks at.

    The usual JPEG is decoded once, which tells whether it is whole, too. Raises `ImageFault`, and passes ``OSError``.
    """
    data = path.read_bytes()
    found = _probe(io.BytesIO(data))
    if found.format == "JPEG" and effective(found.orientation) == 1 and _is_usual(data):
        pixels = _fast_jpeg(data)
        if pixels is not None:
            return pixels
    return _pixels(_encoded(data).data)


def _is_usual(data: bytes) -> bool:
    """Whether a JPEG has three components and a coding that every decoder reads."""
    header = jpeg.read_header(io.BytesIO(data))
    return header is not None and header.common and header.components == 3


def _encoded(data: bytes) -> Encoded:
    found = _probe(io.BytesIO(data))
    orientation = effective(found.orientation)
    upright = found.size.swapped if orientation >= 5 else found.size
    if found.format == "JPEG":
        if _is_usual(data):
            if orientation == 1 and jpeg.verify(data):
                return Encoded(data, "JPEG", upright, "passed through")
            if orientation != 1 and (turned := jpeg.turned_pixels(data, orientation)) is not None:
                return Encoded(turned, "JPEG", upright, "turned without loss")
        return Encoded(encode_jpeg(_pixels(data)), "JPEG", upright, "transcoded")
    pixels = _pixels(data)
    if found.format == "PNG" and png.read_header(io.BytesIO(data)).plain:
        if orientation == 1:
            return Encoded(data, "PNG", upright, "passed through")
        return Encoded(encode_png(pixels), "PNG", upright, "turned without loss")
    if found.format == "WEBP" and not webp.is_lossless(data):
        return Encoded(encode_jpeg(pixels), "JPEG", upright, "transcoded")
    return Encoded(encode_png(pixels), "PNG", upright, "transcoded")


def encode_jpeg(pixels: Pixels, quality: int = 95) -> bytes:
    """uint8 RGB pixels (height, width, 3) as JPEG, colour at full resolution (4:4:4)."""
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", quality=quality, subsampling=0)
    return target.getvalue()


def encode_png(pixels: Pixels, *, software: str = "") -> bytes:
    """uint8 RGB pixels (height, width, 3) as PNG; ``software``, where given, is said in a tEXt chunk before them."""
    target, notes = io.BytesIO(), PngInfo()
    if software:
        notes.add_text("Software", software)
    Image.fromarray(pixels).save(target, "PNG", compress_level=4, pnginfo=notes)
    return target.getvalue()


def make_upright(data: bytes, *, strip_gps: bool = False) -> Turned:
    """A photo file's bytes with upright pixels and orientation 1, in its own format, with all other metadata.

    JPEG: DCT coefficients are moved where the sides allow it, else encoded anew with the file's own quantisation tables
    and chroma sampling. PNG and lossless WebP: no loss. The embedded thumbnail goes where pixels were turned. A file
    that needs no change comes back as it is. Raises `ImageFault` for one that is damaged, or cannot be turned (TIFF).
    """
    found = _probe(io.BytesIO(data))
    return _edited(data, found, Edit(effective(found.orientation), strip_gps=strip_gps))


def without_gps(data: bytes) -> bytes:
    """A photo file's bytes without the GPS part of EXIF and XMP; pixels and orientation stay.

    Raises `ImageFault`, also for a file that holds a place and is of a kind that is not edited (AVIF).
    """
    return _edited(data, _probe(io.BytesIO(data)), Edit(mark_upright=False, strip_gps=True)).data


def _edited(data: bytes, found: Probe, edit: Edit) -> Turned:
    match found.format:
        case "JPEG":
            return Turned(*jpeg_turn.rewrite(data, edit))
        case "PNG":
            return Turned(png.rewrite(data, edit), lossless=True)
        case "WEBP":
            return Turned(*webp.rewrite(data, edit))
    if edit.turned:
        remedy = "save it upright as PNG with an image editor, move this one out of the folder, then run this again"
        raise ImageFault(NOT_TURNABLE, f"a {found.format} with orientation {edit.orientation} is not turned", remedy)
    if found.format == "TIFF":  # the file itself is built like an EXIF block
        data = edit.exif(data)
    if edit.strip_gps and metadata.holds_place(data):
        remedy = "save it as JPEG with an image editor, move this one out of the folder, then run this again"
        raise ImageFault(HOLDS_PLACE, f"still holds the place: that of a {found.format} is not removed here", remedy)
    return Turned(data, lossless=True)


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
        raise ImageFault(CUT_SHORT, _NOT_ALL)
    image = _opened(file)
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
    except _DECODERS:
        return False  # what the second picture is like concerns nobody


def _promised(file: BinaryIO) -> int:
    """How long a BMP or a TIFF must be to hold the pixels that its header speaks of."""
    image = _opened(file)
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


def _opened(file: BinaryIO) -> Any:
    """The file in Pillow, its pixels not yet decoded."""
    file.seek(0)
    try:
        with warnings.catch_warnings():  # a large photo, an odd EXIF: not the user's concern
            warnings.simplefilter("ignore")
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
    except _DECODERS as error:
        raise ImageFault(DAMAGED, f"the header is damaged: {error}") from None


def _pixels(data: bytes) -> Pixels:
    """Upright RGB pixels of a file's bytes."""
    found = _probe(io.BytesIO(data))
    pixels = _fast_jpeg(data) if found.format == "JPEG" and found.mode != "CMYK" else None
    if pixels is None:
        pixels = _rgb(_opened(io.BytesIO(data)))
        if found.format == "TIFF":  # Pillow applies its orientation while it decodes
            return pixels
    return turn(pixels, effective(found.orientation))


def _fast_jpeg(data: bytes) -> Pixels | None:
    """The same pixels as Pillow's, in a third of the time; None where libjpeg has a harmless complaint."""
    try:
        return np.asarray(turbojpeg.decompress(data, pixelformat=turbojpeg.PF.RGB, raise_on_warnings=True))
    except RuntimeError:
        jpeg.verify(data)
        return None


def _rgb(image: Any) -> Pixels:
    """Decode, and bring to 8-bit RGB."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.load()
    except _DECODERS as error:
        if "truncated" in str(error):
            raise ImageFault(CUT_SHORT, _NOT_ALL) from None
        raise ImageFault(DAMAGED, f"the pixels cannot be decoded: {error}") from None
    if image.mode == "F":
        raise floats()
    if image.mode.startswith("I"):
        deep = np.clip(np.asarray(image).astype(np.float64) / 257, 0, 255)  # 65535 is white
        return np.repeat(np.rint(deep).astype(np.uint8)[..., None], 3, axis=2)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    return np.asarray(image.convert("RGB"))
