"""What is in a box looks like: its colours as a small histogram, its shape."""

from __future__ import annotations

from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssdprep.record import Box, Size

HUES = 12  # bins around the colour circle; two more hold what is dark and what is pale
_DARK = 50  # of 255: the brightest channel of what has no colour that can be named
_PALE = 64  # of 255: the least saturation of a colour
_INNER = 0.7  # of the sides of a box: corners show what is behind the thing

KINDS = ("red", "yellow", "green", "blue", "purple", "dark", "pale")
_KIND_OF_BIN = (0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 0, 5, 6)
_COLOURS = 5  # of `KINDS` are colours
_COLOURED = 250  # permille of a crop; with less of it a colour is print on a carton, an eye, a reflection


class Crop(NamedTuple):
    """What one box shows."""

    colours: tuple[int, ...]  # permille of its pixels: 12 hues from red on, dark, pale
    shape: float  # logarithm of width / height


def look_at(pixels: NDArray[np.uint8], box: Box, size: Size) -> Crop:
    """The crop of one box. pixels: the upright photo, uint8 RGB, reduced; size: of the photo that the box is in."""
    height, width = pixels.shape[:2]
    x, y = (box.xmin + box.xmax) / 2 / size.width * width, (box.ymin + box.ymax) / 2 / size.height * height
    across = (box.xmax - box.xmin) / size.width * width * _INNER / 2
    down = (box.ymax - box.ymin) / size.height * height * _INNER / 2
    left, top = (int(min(max(at, 0), most - 1)) for at, most in ((x - across, width), (y - down, height)))
    right, bottom = max(int(min(x + across, width)), left + 1), max(int(min(y + down, height)), top + 1)
    shape = log(max(box.xmax - box.xmin, 1) / max(box.ymax - box.ymin, 1))
    return Crop(_colours(pixels[top:bottom, left:right].reshape(-1, 3).astype(np.int64)), round(shape, 6))


def _colours(rgb: NDArray[np.int64]) -> tuple[int, ...]:
    brightest, darkest = rgb.max(axis=1), rgb.min(axis=1)
    chroma = brightest - darkest
    red, green, blue = rgb.T
    step = np.maximum(chroma, 1)
    sector = HUES // 6
    hue = np.where(
        brightest == red,
        sector * (green - blue) // step,
        np.where(
            brightest == green, 2 * sector + sector * (blue - red) // step, 4 * sector + sector * (red - green) // step
        ),
    )
    bins = np.where(brightest < _DARK, HUES, np.where(chroma * 255 < _PALE * brightest, HUES + 1, hue % HUES))
    counts = np.bincount(bins, minlength=HUES + 2)
    return tuple(int(count) for count in counts * 1000 // len(rgb))


def kind_of(crop: Crop) -> int:
    """The place in `KINDS` of what a crop looks like: its most frequent colour, or none where colours are few."""
    counts = [0] * len(KINDS)
    for kind, count in zip(_KIND_OF_BIN, crop.colours, strict=True):
        counts[kind] += count
    colour = max(range(_COLOURS), key=lambda kind: counts[kind])
    if counts[colour] >= _COLOURED:
        return colour
    return max(range(_COLOURS, len(KINDS)), key=lambda kind: counts[kind])
