"""Boxes on pictures: lines that show on any background, and tags that stay in the picture and off each other."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ssdprep import boxes as geometry
from ssdprep.record import Object, Size

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_DARK = (18, 20, 24)  # reads well on every colour that `colour_of` gives
_TURNS = 2434 * 0.6180339887498949  # an irrational number: spreads checksums over the hues


class _Tag(NamedTuple):
    """A label as it is drawn: where, what, in which colours."""

    edges: tuple[int, int, int, int]
    text: str
    colour: Colour


def draw_boxes(image: Pixels, objects: Sequence[Object], *, scores: Sequence[float] | None = None) -> Pixels:
    """A copy of a picture with boxes and class names on it.

    image: uint8 RGB of shape (height, width, 3). objects: boxes in its pixels; what lies outside of it is cut off.
    scores: one for each object, written behind its name. Lines and letters grow with the picture. Raises ``ValueError``
    for another kind of array, or where there are not as many scores as objects.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"a picture is uint8 of shape (height, width, 3), not {image.dtype} of {image.shape}")
    names = [thing.name for thing in objects]
    if scores is not None:
        names = [f"{name} {score:.2f}" for name, score in zip(names, scores, strict=True)]
    canvas = image.copy()
    edges = _whole(objects, Size(image.shape[1], image.shape[0]))
    unit = np.sqrt(image.shape[0] * image.shape[1])
    line, letter = max(2, round(unit / 260)), max(11, round(unit / 40))
    largest_first = np.argsort(-geometry.area(edges), kind="stable").tolist()
    shown = [i for i in largest_first if (edges[i, 2:] > edges[i, :2]).all()]
    for i in shown:
        _frame(canvas, edges[i], line, colour_of(objects[i].name))
    labels = [(edges[i], names[i], colour_of(objects[i].name)) for i in reversed(shown)]
    return _write(canvas, _place(labels, font(letter), canvas.shape[1], canvas.shape[0]), letter)


@lru_cache(maxsize=1024)
def colour_of(name: str) -> Colour:
    """The colour of a class, 0..255 RGB: from its name alone, so that it is the same on every sheet.

    Bright, saturated, equally light: OKLCH (Ottosson 2020) with the hue from a checksum of the name.
    """
    checksum = zlib.crc32(name.encode())
    hue = 2 * np.pi * (checksum * _TURNS % 1)
    lightness, chroma = ((0.78, 0.17), (0.70, 0.19), (0.84, 0.14))[checksum % 3]
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    to_lms = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    light = np.clip(to_rgb @ (to_lms @ [lightness, a, b]) ** 3, 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    red, green, blue = (int(value) for value in np.round(encoded * 255))
    return red, green, blue


@lru_cache(maxsize=64)
def font(size: int) -> Font:
    """The font that comes with Pillow, on every system."""
    return ImageFont.load_default(size)


def fitted(text: str, width: float, letter: Font) -> str:
    """The text, its middle left out where it is wider than ``width`` pixels."""
    if letter.getlength(text) <= width:
        return text

    def shortened(kept: int) -> str:
        return f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"

    kept = bisect_right(range(len(text)), width, key=lambda kept: letter.getlength(shortened(kept))) - 1
    return shortened(kept) if kept >= 0 else ""


def _whole(objects: Sequence[Object], size: Size) -> NDArray[np.int64]:
    """Box edges in whole pixels inside the picture, shape (N, 4)."""
    clipped = geometry.clip([thing.box for thing in objects], size)
    return np.floor(clipped + 0.5).astype(np.int64)


def _frame(canvas: Pixels, edges: NDArray[np.int64], line: int, colour: Colour) -> None:
    """The outline of a box in place, its outer edge on the box's; dark hairlines set it off from its background."""
    x0, y0, x1, y1 = edges.tolist()
    hair = max(1, line // 2)
    _ring(canvas, (x0 - hair, y0 - hair, x1 + hair, y1 + hair), hair, _DARK, 0.45)
    _ring(canvas, (x0, y0, x1, y1), line, colour, 1.0)
    _ring(canvas, (x0 + line, y0 + line, x1 - line, y1 - line), hair, _DARK, 0.45)


def _ring(canvas: Pixels, edges: tuple[int, int, int, int], line: int, colour: Colour, share: float) -> None:
    x0, y0, x1, y1 = edges
    if x1 <= x0 or y1 <= y0:
        return
    sides = (
        (x0, y0, x1, min(y0 + line, y1)),
        (x0, max(y1 - line, y0 + line), x1, y1),
        (x0, y0 + line, min(x0 + line, x1), y1 - line),
        (max(x1 - line, x0 + line), y0 + line, x1, y1 - line),
    )
    for left, top, right, bottom in sides:
        part = canvas[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        part[:] = np.round(part * (1 - share) + np.array(colour) * share)


def _place(
    labels: Sequence[tuple[NDArray[np.int64], str, Colour]], letter: Font, width: int, height: int
) -> list[_Tag]:
    """Where each tag goes: above its box, or else where it covers least of the tags before it."""
    pad = _pad(letter)
    high = _height(letter) + 2 * (pad // 2)
    tags: list[_Tag] = []
    for edges, name, colour in labels:
        text = fitted(name, width - 2 * pad, letter)
        wide = min(int(np.ceil(letter.getlength(text))) + 2 * pad, width)
        x0, y0, x1, y1 = edges.tolist()
        wishes = [
            (x0, y0 - high),
            (x1 - wide, y0 - high),
            (x0, y0),
            (x0, y1),
            (x1 - wide, y0),
            (x0, y1 - high),
            (x1 - wide, y1 - high),
        ]
        corners = np.array(
            [(min(max(x, 0), width - wide), y) for x, y in wishes if 0 <= y <= height - high] or [(0, 0)]
        )
        places = np.concatenate([corners, corners + np.array([wide, high])], axis=1)
        covered = _overlap(places, [tag.edges for tag in tags])
        left, top, right, bottom = places[int(covered.argmin())].tolist()
        tags.append(_Tag((left, top, right, bottom), text, colour))
    return tags


def _overlap(places: NDArray[np.int64], taken: list[tuple[int, int, int, int]]) -> NDArray[np.float64]:
    """Pixels that each place shares with what is taken, shape (len(places),)."""
    a, b = places[:, None], np.array(taken, np.int64).reshape(1, -1, 4)
    sides = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0)
    shared: NDArray[np.float64] = (sides[..., 0] * sides[..., 1]).sum(axis=1).astype(np.float64)
    return shared


def _write(canvas: Pixels, tags: Sequence[_Tag], size: int) -> Pixels:
    """The tags on the picture."""
    picture = Image.fromarray(canvas)
    pen, letter = ImageDraw.Draw(picture), font(size)
    for (x0, y0, x1, y1), text, colour in tags:
        pen.rectangle((x0, y0, x1 - 1, y1 - 1), fill=colour)
        pen.text(((x0 + x1) / 2, (y0 + y1) / 2), text, _DARK, font=letter, anchor="mm")
    return np.array(picture)


def _pad(letter: Font) -> int:
    return max(3, round(_height(letter) / 3))


def _height(letter: Font) -> int:
    """From the top of a capital to the bottom of a g."""
    top, bottom = letter.getbbox("Ag")[1::2]
    return int(np.ceil(bottom - top))
