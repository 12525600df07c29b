"""What the eight EXIF orientations do to pixels (EXIF 2.32, tag 0x0112): for arrays, Pillow, and coded JPEG blocks."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import turbojpeg
from PIL.Image import Transpose

Array = TypeVar("Array", bound=np.ndarray)

TRANSPOSES = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,  # Pillow counts counter-clockwise
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
JPEG_OPS = {
    2: turbojpeg.OP.HFLIP,
    3: turbojpeg.OP.ROT180,
    4: turbojpeg.OP.VFLIP,
    5: turbojpeg.OP.TRANSPOSE,
    6: turbojpeg.OP.ROT90,
    7: turbojpeg.OP.TRANSVERSE,
    8: turbojpeg.OP.ROT270,
}


def turn(pixels: Array, orientation: int) -> Array:
    """Stored pixels (height, width, ...) as they are meant to be seen; a fresh array. ``orientation``: 1..8."""
    seen = np.swapaxes(pixels, 0, 1) if orientation >= 5 else pixels
    if orientation in {3, 4, 7, 8}:
        seen = seen[::-1]
    if orientation in {2, 3, 6, 7}:
        seen = seen[:, ::-1]
    return np.ascontiguousarray(seen)  # type: ignore[return-value]
