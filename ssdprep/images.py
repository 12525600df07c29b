"""Everything that knows pixels: decode, encode, make upright.

The one way in which scan, augment, tfrecord, train, evaluate and predict see a photo. `sniff` knows what its header
says, `jpeg`, `png` and `webp` know the file formats, `metadata` knows EXIF and XMP.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import turbojpeg
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ssdprep import jpeg, jpeg_turn, metadata, png, webp
from ssdprep.faults import CUT_SHORT, DAMAGED, HOLDS_PLACE, NOT_TURNABLE, ImageFault, floats
from ssdprep.metadata import Edit, effective
from ssdprep.record import Size
from ssdprep.sniff import DECODERS, NOT_ALL, Probe, opened, probe, unwarned
from ssdprep.turn import turn

__all__ = [
    "Encoded",
    "ImageFault",
    "Pixels",
    "Probe",
    "Turned",
    "encode_jpeg",
    "encode_png",
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


class Encoded(NamedTuple):
    """A photo as bytes that decode to upright 8-bit RGB pixels, whatever the reader does with EXIF."""

    data: bytes
    format: Literal["JPEG", "PNG"]
    size: Size  # upright
    how: Literal["passed through", "turned without loss", "transcoded"]
    left_over: int = 0  # bytes of the file's pixel data that are in no block: a sign of damage


class Turned(NamedTuple):
    """A photo file made upright."""

    data: bytes
    lossless: bool  # False: pixels were decoded and encoded again
    notes: tuple[str, ...] = ()  # what the user should know, one line each


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
    found = probe(data)
    image = opened(io.BytesIO(data))
    if found.format == "JPEG":
        image.draft(None, (min(side, found.size.width), min(side, found.size.height)))
    small = _rgb(image)  # an image, not an array: 100 megapixels are held once
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
    found = probe(data)
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
    found = probe(data)
    orientation = effective(found.orientation)
    upright = found.size.swapped if orientation >= 5 else found.size
    if found.format == "JPEG":
        if _is_usual(data):
            if orientation == 1 and jpeg.verify(data):
                return Encoded(data, "JPEG", upright, "passed through")
            if orientation != 1 and (turned := jpeg.turned_pixels(data, orientation)) is not None:
                return Encoded(turned, "JPEG", upright, "turned without loss")
        return Encoded(encode_jpeg(_pixels(data)), "JPEG", upright, "transcoded", jpeg.left_over(data))
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
    found = probe(data)
    return _edited(data, found, Edit(effective(found.orientation), strip_gps=strip_gps))


def without_gps(data: bytes) -> bytes:
    """A photo file's bytes without the GPS part of EXIF and XMP; pixels and orientation stay.

    Raises `ImageFault`, also for a file that holds a place and is of a kind that is not edited (AVIF).
    """
    return _edited(data, probe(data), Edit(mark_upright=False, strip_gps=True)).data


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


def _pixels(data: bytes) -> Pixels:
    """Upright RGB pixels of a file's bytes."""
    found = probe(data)
    pixels = None
    if found.format == "JPEG" and found.mode == "CMYK":
        jpeg.verify(data)  # Pillow, which knows these colours, fills up what is missing
    elif found.format == "JPEG":
        pixels = _fast_jpeg(data)
    if pixels is None:
        pixels = np.asarray(_rgb(opened(io.BytesIO(data))))
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


def _rgb(image: Image.Image) -> Image.Image:
    """Decode, and bring to 8-bit RGB; the same image where it is that already."""
    try:
        with unwarned:
            image.load()
    except DECODERS as error:
        if "truncated" in str(error):
            raise ImageFault(CUT_SHORT, NOT_ALL) from None
        raise ImageFault(DAMAGED, f"the pixels cannot be decoded: {error}") from None
    if image.mode == "F":
        raise floats()
    if image.mode.startswith("I"):
        deep = np.clip(np.asarray(image).astype(np.float64) / 257, 0, 255)  # 65535 is white
        return Image.fromarray(np.rint(deep).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    return image if image.mode == "RGB" else image.convert("RGB")
