"""Boxes on pictures: lines that show on any background, and tags that stay in the picture and off each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ssdprep import boxes as geometry
from ssdprep.letters import Line, line
from ssdprep.palette import Colour, colour_of
from ssdprep.record import Object, Size

Pixels = NDArray[np.uint8]

_DARK = (18, 20, 24)  # reads well on every colour of `palette`
_CROWD, _COVER = 25, 0.2  # with more boxes, or where tags would cover more of the picture, some go without a name


class _Label(NamedTuple):
    """What is to be written at a box, and how large it is."""

    edges: NDArray[np.int64]  # of the box
    name: str  # of the class
    line: Line
    colour: Colour
    wide: int
    high: int


class _Tag(NamedTuple):
    """A label as it is drawn: where, what, in which colours."""

    edges: tuple[int, int, int, int]
    line: Line
    colour: Colour


def draw_boxes(
    image: Pixels,
    objects: Sequence[Object],
    *,
    scores: Sequence[float] | None = None,
    colours: Mapping[str, Colour] | None = None,
) -> Pixels:
    """A copy of a picture with boxes and class names on it.

    image: uint8 RGB of shape (height, width, 3). objects: boxes in its pixels; what lies outside of it is cut off.
    scores: one for each object, written behind its name. colours: of the classes, from `palette`; a class without one
    gets `colour_of` its name. Lines and letters grow with the picture. In a crowd only those names are written that
    cover no other, every class first. Raises ``ValueError`` for another kind of array, or where there are not as many
    scores as objects.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"a picture is uint8 of shape (height, width, 3), not {image.dtype} of {image.shape}")
    names = [thing.name for thing in objects]
    if scores is not None:
        names = [f"{name} {score:.2f}" for name, score in zip(names, scores, strict=True)]
    canvas = image.copy()
    edges = _whole(objects, Size(image.shape[1], image.shape[0]))
    unit = np.sqrt(image.shape[0] * image.shape[1])
    thick, letter = max(2, round(unit / 260)), max(11, round(unit / 40))
    largest_first = np.argsort(-geometry.area(edges), kind="stable").tolist()
    shown = [i for i in largest_first if (edges[i, 2:] > edges[i, :2]).all()]
    hues = [(colours or {}).get(thing.name) or colour_of(thing.name) for thing in objects]
    for i in shown:
        _frame(canvas, edges[i], thick, hues[i])
    labels = [
        _label(edges[i], objects[i].name, line(names[i], letter, canvas.shape[1] - 2 * _pad(letter)), hues[i])
        for i in reversed(shown)
    ]
    return _write(canvas, _place(labels, canvas.shape[1], canvas.shape[0]))


def _whole(objects: Sequence[Object], size: Size) -> NDArray[np.int64]:
    """Box edges in whole pixels inside the picture, shape (N, 4)."""
    clipped = geometry.clip([thing.box for thing in objects], size)
    return np.floor(clipped + 0.5).astype(np.int64)


def _frame(canvas: Pixels, edges: NDArray[np.int64], thick: int, colour: Colour) -> None:
    """The outline of a box in place, its outer edge on the box's; dark hairlines set it off from its background."""
    x0, y0, x1, y1 = edges.tolist()
    thick = max(1, min(thick, min(x1 - x0, y1 - y0) // 8))  # of something tiny more is to be seen than its outline
    hair = max(1, thick // 2)
    _ring(canvas, (x0 - hair, y0 - hair, x1 + hair, y1 + hair), hair, _DARK, 0.45)
    _ring(canvas, (x0, y0, x1, y1), thick, colour, 1.0)
    _ring(canvas, (x0 + thick, y0 + thick, x1 - thick, y1 - thick), hair, _DARK, 0.45)


def _ring(canvas: Pixels, edges: tuple[int, int, int, int], thick: int, colour: Colour, share: float) -> None:
    x0, y0, x1, y1 = edges
    if x1 <= x0 or y1 <= y0:
        return
    sides = (
        (x0, y0, x1, min(y0 + thick, y1)),
        (x0, max(y1 - thick, y0 + thick), x1, y1),
        (x0, y0 + thick, min(x0 + thick, x1), y1 - thick),
        (max(x1 - thick, x0 + thick), y0 + thick, x1, y1 - thick),
    )
    for left, top, right, bottom in sides:
        part = canvas[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        part[:] = np.round(part * (1 - share) + np.array(colour) * share)


def _label(edges: NDArray[np.int64], name: str, written: Line, colour: Colour) -> _Label:
    pad = _pad(written.size)
    top, bottom = written.reach
    wide, high = int(np.ceil(written.width)) + 2 * pad, int(np.ceil(bottom - top)) + 2 * (pad // 2)
    return _Label(edges, name, written, colour, wide, high)


def _pad(letter: int) -> int:
    return max(3, round(letter / 4))


def _place(labels: Sequence[_Label], width: int, height: int) -> list[_Tag]:
    """Where each tag goes: above its box, or else where it covers least of the tags before it.

    In a crowd only tags that cover no other, until they fill their share of the picture; always the first.
    """
    share = _COVER * width * height
    is_crowd = len(labels) > _CROWD or sum(label.wide * label.high for label in labels) > share
    tags: list[_Tag] = []
    for edges, _, written, colour, wide, high in _every_class_first(labels) if is_crowd else labels:
        wide = min(wide, width)
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
        if is_crowd and tags and (covered.min() > 0 or wide * high > share):
            continue
        share -= wide * high
        left, top, right, bottom = places[int(covered.argmin())].tolist()
        tags.append(_Tag((left, top, right, bottom), written, colour))
    return tags


def _every_class_first(labels: Sequence[_Label]) -> list[_Label]:
    """The first of each class, the second of each, and so on."""
    seen: Counter[str] = Counter()
    turns = []
    for label in labels:
        turns.append(seen[label.name])
        seen[label.name] += 1
    return [labels[i] for i in np.argsort(turns, kind="stable").tolist()]


def _overlap(places: NDArray[np.int64], taken: list[tuple[int, int, int, int]]) -> NDArray[np.float64]:
    """Pixels that each place shares with what is taken, shape (len(places),)."""
    a, b = places[:, None], np.array(taken, np.int64).reshape(1, -1, 4)
    sides = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0)
    shared: NDArray[np.float64] = (sides[..., 0] * sides[..., 1]).sum(axis=1).astype(np.float64)
    return shared


def _write(canvas: Pixels, tags: Sequence[_Tag]) -> Pixels:
    """The tags on the picture."""
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    for (x0, y0, x1, y1), written, colour in tags:
        pen.rectangle((x0, y0, x1 - 1, y1 - 1), fill=colour)
        top, bottom = written.reach
        written.draw(pen, ((x0 + x1) / 2, (y0 + y1 - top - bottom) / 2), _DARK, "ma")
    return np.array(picture)
