"""Everything that knows pixels: sniff, size, orientation, decode, encode, turn."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ssdprep.record import Size

EMPTY, NO_IMAGE, CUT_SHORT, UNDECODABLE, NOT_TURNABLE = "IMG001", "IMG002", "IMG003", "IMG004", "IMG005"
ORIENTATION = 0x0112

Pixels = NDArray[np.uint8]


class ImageFault(Exception):
    """A photo that cannot be used: what is wrong with it, and what cures it. Callers make it a `Finding`."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(f"{code} {message} - {remedy}")
        self.code = code
        self.message = message
        self.remedy = remedy


class Probe(NamedTuple):
    """What a photo's header says."""

    format: str  # JPEG, PNG, WEBP, BMP, TIFF, GIF, MPO: by content, whatever the extension says
    size: Size  # of the pixel array in the file
    orientation: int  # EXIF Orientation as written, 1 where absent; may be invalid (0, 65537)
    mode: str  # as Pillow names it: L, P, RGB, RGBA, CMYK, I;16 ...


class Encoded(NamedTuple):
    """A photo as bytes that decode to upright 8-bit RGB pixels, whatever the reader does with EXIF."""

    data: bytes
    format: Literal["JPEG", "PNG"]
    size: Size
    how: Literal["passed through", "turned without loss", "transcoded"]


class Turned(NamedTuple):
    """A photo file made upright."""

    data: bytes
    lossless: bool  # False: pixels were decoded and encoded again
    notes: tuple[str, ...] = ()  # what the file lost on the way, one sentence each


def probe(path: Path) -> Probe:
    """Format, stored size, orientation and mode of a photo, from its header alone.

    Raises `ImageFault` for a file that is empty, no image, or cut short in its header; ``OSError`` passes through.
    """
    data = path.read_bytes()
    image = _open(data)
    return Probe(str(image.format), Size(*image.size), int(image.getexif().get(ORIENTATION, 1)), image.mode)


def read_upright(path: Path) -> Pixels:
    """Pixels of a photo as it is meant to be seen: uint8 RGB of shape (height, width, 3), EXIF applied.

    Transparency is laid over white. Raises `ImageFault`; ``OSError`` passes through.
    """
    return np.asarray(_upright(path.read_bytes()))


def upright_bytes(path: Path) -> Encoded:
    """A photo as JPEG or PNG bytes for readers that ignore EXIF: upright, 8 bits, three channels.

    The file's own bytes where they are that already; else turned without loss; else encoded anew. Raises `ImageFault`.
    """
    upright = _upright(path.read_bytes())
    return Encoded(encode_png(np.asarray(upright)), "PNG", Size(*upright.size), "transcoded")


def encode_jpeg(pixels: Pixels, quality: int = 95) -> bytes:
    """uint8 RGB pixels (height, width, 3) as JPEG, colour at full resolution (4:4:4)."""
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", quality=quality, subsampling=0)
    return target.getvalue()


def encode_png(pixels: Pixels) -> bytes:
    """uint8 RGB pixels (height, width, 3) as PNG."""
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG", compress_level=4)
    return target.getvalue()


def make_upright(data: bytes, *, strip_gps: bool = False) -> Turned:
    """A photo file's bytes with upright pixels and orientation 1; all other metadata stays. Raises `ImageFault`."""
    raise ImageFault(NOT_TURNABLE, "turning is not built yet", "wait")


def _open(data: bytes) -> Image.Image:
    if not data:
        raise ImageFault(EMPTY, "the file is empty", "copy the photo from its source again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise ImageFault(NO_IMAGE, "this is no image", "replace the file by the photo, or delete it") from None


def _upright(data: bytes) -> Image.Image:
    image: Any = ImageOps.exif_transpose(_open(data))
    return image.convert("RGB")  # type: ignore[no-any-return]
