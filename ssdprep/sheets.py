"""Contact sheets: many pictures on one, in rows of equal height that fill the width."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw

from ssdprep.draw import Pixels, draw_boxes
from ssdprep.letters import Line, line
from ssdprep.palette import Colour, colour_of
from ssdprep.record import Box, Object

PAPER, CARD, INK, DIM = (21, 23, 28), (32, 35, 42), (240, 243, 247), (150, 158, 170)
TONES = {"plain": DIM, "good": (112, 214, 144), "bad": (255, 138, 128)}
MARGIN, GUTTER, CAPTION, INNER = 32, 18, 44, 8  # pixels
SLIMMEST, WIDEST = 0.5, 3.0  # width / height of a panel; a picture beyond that gets bars
LARGEST = 640  # pixels of a thumbnail's longer side


class Panel(NamedTuple):
    """A picture on a sheet, with boxes in its pixels, and what is written below it."""

    image: Pixels
    objects: tuple[Object, ...] = ()
    caption: str = ""
    note: str = ""
    tone: str = "plain"  # of the note: plain, good or bad


Tile = tuple[Panel, ...]  # panels that stay side by side


def thumbnail(panel: Panel, largest: int = LARGEST) -> Panel:
    """The panel with a picture no larger than a sheet needs, its boxes with it."""
    h, w = panel.image.shape[:2]
    share = largest / max(h, w)
    return panel if share >= 1 else _resized(panel, max(1, round(w * share)), max(1, round(h * share)))


def contact_sheet(
    tiles: Sequence[Tile],
    *,
    title: str,
    subtitle: str = "",
    legend: Mapping[str, int] | None = None,
    colours: Mapping[str, Colour] | None = None,
    width: int = 1680,
    row: int = 250,
) -> Pixels:
    """Tiles in rows about ``row`` pixels high that fill ``width``: uint8 RGB (height, width, 3).

    legend: class names with a number each, shown beside the title. colours: of the classes, from `palette`; a class
    without one gets `colour_of` its name. ``ValueError`` where there is no tile.
    """
    if not tiles:
        raise ValueError("a contact sheet needs at least one tile")
    inner = width - 2 * MARGIN
    shapes = [_shape(tile) for tile in tiles]
    rows = _rows(shapes, inner, row)
    heights = [_row_height(shapes[a:b], inner, row, is_last=b == len(tiles)) for a, b in rows]
    head = 110
    sheet = Image.new("RGB", (width, head + sum(h + CAPTION + GUTTER for h in heights) + MARGIN - GUTTER), PAPER)
    colours = colours or {}
    chips = [(f"{name}  {n:,}", colours.get(name) or colour_of(name)) for name, n in (legend or {}).items()]
    _head(sheet, title, subtitle, chips)
    y = head
    for (first, end), height in zip(rows, heights, strict=True):
        x = float(MARGIN)
        for tile, (aspect, fixed) in zip(tiles[first:end], shapes[first:end], strict=True):
            wide = aspect * height + fixed
            _draw_tile(sheet, tile, (round(x), y, round(x + wide), y + height), colours)
            x += wide + GUTTER
        y += height + CAPTION + GUTTER
    return np.array(sheet)


def _aspect(panel: Panel) -> float:
    h, w = map(float, panel.image.shape[:2])
    return min(max(w / h, SLIMMEST), WIDEST)


def _shape(tile: Tile) -> tuple[float, int]:
    """How much wider a tile becomes with each pixel of height, and how much of its width is fixed."""
    return sum(map(_aspect, tile)), INNER * (len(tile) - 1)


def _row_height(shapes: Sequence[tuple[float, int]], inner: int, row: int, *, is_last: bool = False) -> int:
    """The height at which tiles fill the width; a last row that would be too large stays at the usual height."""
    free = inner - GUTTER * (len(shapes) - 1) - sum(fixed for _, fixed in shapes)
    height = free / sum(aspect for aspect, _ in shapes)
    return max(1, round(row if is_last and height > 1.2 * row else height))


def _rows(shapes: Sequence[tuple[float, int]], inner: int, row: int) -> list[tuple[int, int]]:
    """Where to break rows so that their heights differ least from ``row``: (first, end) of each.

    The best breaks up to every tile, one after the other, as TeX breaks paragraphs (Knuth and Plass 1981).
    """
    best, start = [0.0], [0]
    for end in range(1, len(shapes) + 1):
        costs = []
        for first in range(max(0, end - 24), end):
            height = _row_height(shapes[first:end], inner, row)
            costs.append((best[first] + math.log(height / row) ** 2, first))
        cost, first = min(costs)
        best.append(cost)
        start.append(first)
    rows, end = [], len(shapes)
    while end:
        rows.append((start[end], end))
        end = start[end]
    return rows[::-1]


def _draw_tile(sheet: Image.Image, tile: Tile, edges: tuple[int, int, int, int], colours: Mapping[str, Colour]) -> None:
    left, top, right, bottom = edges
    pen = ImageDraw.Draw(sheet)
    if len(tile) > 1:
        pen.rounded_rectangle((left - 6, top - 6, right + 5, bottom + CAPTION), 6, fill=CARD)
    height = bottom - top
    x = float(left)
    for i, panel in enumerate(tile):
        end = right if i == len(tile) - 1 else round(x + _aspect(panel) * height)
        _draw_panel(sheet, panel, (round(x), top, end, bottom), colours)
        x = end + INNER


def _draw_panel(
    sheet: Image.Image, panel: Panel, edges: tuple[int, int, int, int], colours: Mapping[str, Colour]
) -> None:
    left, top, right, bottom = edges
    h, w = panel.image.shape[:2]
    scale = min((right - left) / w, (bottom - top) / h)
    is_whole = SLIMMEST <= w / h <= WIDEST
    size = (right - left, bottom - top) if is_whole else (max(1, round(w * scale)), max(1, round(h * scale)))
    small = _resized(panel, *size)
    picture = Image.fromarray(draw_boxes(small.image, small.objects, colours=colours))
    pen = ImageDraw.Draw(sheet)
    if not is_whole:
        pen.rectangle((left, top, right - 1, bottom - 1), fill=CARD)
    sheet.paste(picture, (left + (right - left - size[0]) // 2, top + (bottom - top - size[1]) // 2))
    for text, ink, y in ((panel.caption, INK, bottom + 15), (panel.note, TONES[panel.tone], bottom + 33)):
        line(text, 13, right - left).draw(pen, (left, y), ink, "lm")


def _resized(panel: Panel, width: int, height: int) -> Panel:
    h, w = panel.image.shape[:2]
    method = cv2.INTER_AREA if width < w else cv2.INTER_CUBIC
    image = np.asarray(cv2.resize(panel.image, (width, height), interpolation=method), np.uint8)
    x, y = width / w, height / h
    objects = tuple(
        replace(thing, box=Box(thing.box.xmin * x, thing.box.ymin * y, thing.box.xmax * x, thing.box.ymax * y))
        for thing in panel.objects
    )
    return panel._replace(image=image, objects=objects)


def _head(sheet: Image.Image, title: str, subtitle: str, chips: Sequence[tuple[str, Colour]]) -> None:
    """Title and subtitle on the left, the classes on the right."""
    pen = ImageDraw.Draw(sheet)
    inner = sheet.width - 2 * MARGIN
    line(title, 30, inner).draw(pen, (MARGIN, 46), INK, "lm")
    below = line(subtitle, 15, inner * 0.55)
    below.draw(pen, (MARGIN, 80), DIM, "lm")
    x = float(sheet.width - MARGIN)
    for text, colour in reversed(_that_fit(chips, inner - below.width - 40)):
        x -= text.width
        text.draw(pen, (x, 80), INK, "lm")
        x -= 20
        if colour:
            pen.rounded_rectangle((x, 74, x + 12, 86), 3, fill=colour)
        x -= 22


def _that_fit(chips: Sequence[tuple[str, Colour]], width: float) -> list[tuple[Line, Colour | None]]:
    """As many chips as there is room for; how many more there are."""
    shown: list[tuple[Line, Colour | None]] = []
    for i, (text, colour) in enumerate(chips):
        chip = line(text, 15, min(width / 2, 320))
        width -= chip.width + 42
        if width < (90 if i < len(chips) - 1 else 0):
            return [*shown, (line(f"and {len(chips) - i:,} more", 15), None)]
        shown.append((chip, colour))
    return shown
