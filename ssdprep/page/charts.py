"""Charts as SVG: sizes of boxes, histograms, curves, heat maps. Colours come from the page's style, by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ssdprep.page.markup import Html, join, tag
from ssdprep.record import Size
from ssdprep.wording import counted

Floats = NDArray[np.float64]

_SHADES = 9  # of a heat map; the style names them h0 ... h8
_MOST_DOTS, _LEAST_DOTS = 1500, 20  # of one chart, of one class where it has so many and classes are few


def histogram(bins: Mapping[str, int], title: str, unit: str, *, marked: Sequence[int] = ()) -> Html:
    """Columns with their counts written above. marked: indices of columns that stand for trouble."""
    width, height, base = 480, 190, 150
    step = width / max(len(bins), 1)
    most = max(bins.values(), default=1) or 1
    is_roomy = len(bins) <= 13 and len(bins) * max(map(len, bins), default=0) <= 60
    parts = []
    for place, (name, count) in enumerate(bins.items()):
        x, high = place * step, count / most * 118
        kind = "bar bad" if place in marked else "bar"
        parts.append(tag("rect", class_=kind, x=x + 1.5, y=base - high, width=step - 3, height=high, rx=2))
        if count:
            parts.append(
                tag("text", _short(count), x=x + step / 2, y=base - high - 6, class_="n", text_anchor="middle")
            )
        if is_roomy or (len(bins) - place) % 2:  # the last has its name: it has no end
            written = f"{int(name) // 1024}k" if name.isdigit() and int(name) >= 1024 else name
            parts.append(tag("text", written, x=x + step / 2, y=base + 16, class_="t", text_anchor="middle"))
    parts.append(tag("line", class_="axis", x1=0, x2=width, y1=base, y2=base))
    parts.append(tag("text", unit, x=width / 2, y=height - 4, class_="t", text_anchor="middle"))
    said = "; ".join(f"{name}: {count}" for name, count in bins.items() if count)
    return _svg(width, height, f"{title}. {said}", parts)


def thinned(kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of boxes to draw, in order: all up to 1,500; of more, as many of each class as is its share, but not none.

    kinds: the class of each box, (N,).
    """
    if len(kinds) <= _MOST_DOTS:
        return np.arange(len(kinds))
    found, counts = np.unique(kinds, return_counts=True)
    least = max(1, min(_LEAST_DOTS, _MOST_DOTS // (2 * len(found))))  # together no more than half of all dots
    quotas = np.clip(counts * (_MOST_DOTS - least * len(found)) // len(kinds) + least, 1, counts)
    chosen = [
        rows[np.arange(quota) * len(rows) // quota]
        for kind, quota in zip(found, quotas.tolist(), strict=True)
        for rows in [np.flatnonzero(kinds == kind)]
    ]
    return np.sort(np.concatenate(chosen))


def sizes(sides: Floats, places: NDArray[np.int64], size: Size, count: int) -> Html:
    """Boxes as dots, width across, height up, both on a logarithmic scale, in pixels of the network's input.

    The field where the shorter side is below 8 pixels, and that below 16, is shaded. places: of each box's class in the
    report. count: of all boxes, which may be more than are drawn.
    """
    width, height, left, top, bottom = 480, 370, 40, 24, 330
    low, high = 2.0, float(max(size)) * 1.15

    def along(pixels: float | Floats) -> Floats:
        return np.asarray(np.log(np.clip(pixels, low, high) / low) / np.log(high / low))

    def x_of(pixels: float | Floats) -> Floats:
        return np.asarray(left + along(pixels) * (width - left - 8))

    def y_of(pixels: float | Floats) -> Floats:
        return np.asarray(bottom - along(pixels) * (bottom - top))

    parts = []
    for limit, kind in ((16, "hard"), (8, "tiny")):
        x, y = float(x_of(limit)), float(y_of(limit))
        shape = f"M{left} {top}H{x:.1f}V{y:.1f}H{width - 8}V{bottom}H{left}Z"
        parts.append(tag("path", class_=kind, d=shape))
    for tick in (4, 8, 16, 32, 64, 128, 256, 512, 1024):
        if tick < high:
            x, y = float(x_of(tick)), float(y_of(tick))
            parts.append(tag("line", class_="grid", x1=x, x2=x, y1=top, y2=bottom))
            parts.append(tag("line", class_="grid", x1=left, x2=width - 8, y1=y, y2=y))
            parts.append(tag("text", str(tick), class_="t", x=x, y=bottom + 15, text_anchor="middle"))
            parts.append(tag("text", str(tick), class_="t", x=left - 6, y=y + 4, text_anchor="end"))
    xs, ys = x_of(sides[:, 0]), y_of(sides[:, 1])
    for index in np.unique(places).tolist():
        chosen = places == index
        dots = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in zip(xs[chosen], ys[chosen], strict=True))
        parts.append(tag("path", class_=f"dots c{index}", d=dots))
    parts.append(tag("text", "width", class_="t", x=width - 8, y=height - 6, text_anchor="end"))
    parts.append(tag("text", "height", class_="t", x=left, y=14, text_anchor="start"))
    drawn = f"{len(sides):,} of {count:,} boxes drawn" if len(sides) < count else counted(count, "box")
    said = f"Width and height in pixels at {size}: {drawn}; the table of classes has the figures."
    return _svg(width, height, said, parts)


def curves(lines: Mapping[int, Sequence[float]], across: str, up: str, said: str) -> Html:
    """A line for each class, by its place in the report: values in 0..1 at equal steps from 0 to 1."""
    width, height, left, top, bottom = 480, 370, 40, 24, 330

    def at(step: float, value: float) -> str:
        return f"{left + step * (width - left - 12):.1f} {bottom - value * (bottom - top):.1f}"

    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(tag("path", class_="gridline", d=f"M{at(tick, 0)}L{at(tick, 1)}M{at(0, tick)}L{at(1, tick)}"))
        x, y = left + tick * (width - left - 12), bottom - tick * (bottom - top)
        parts.append(tag("text", f"{tick:g}", class_="t", x=x, y=bottom + 15, text_anchor="middle"))
        parts.append(tag("text", f"{tick:g}", class_="t", x=left - 6, y=y + 4, text_anchor="end"))
    for index, values in lines.items():
        steps = max(len(values) - 1, 1)
        points = "L".join(at(place / steps, value) for place, value in enumerate(values))
        parts.append(tag("path", class_=f"curve c{index}", d=f"M{points}"))
    parts.append(tag("text", across, class_="t", x=width - 12, y=height - 6, text_anchor="end"))
    parts.append(tag("text", up, class_="t", x=left, y=14, text_anchor="start"))
    return _svg(width, height, said, parts)


def heat(cells: Sequence[Sequence[float]], name: str) -> Html:
    """Where boxes of a class lie on the photo: stronger is more, up to the cell that most boxes cover."""
    array = np.array(cells)
    most = float(array.max()) or 1.0
    side = 10
    shades = np.minimum((array / most * _SHADES).astype(int), _SHADES - 1)
    parts = []
    for shade in range(1, _SHADES):
        runs = [f"M{column * side} {row * side}h{side}v{side}h-{side}z" for row, column in np.argwhere(shades == shade)]
        if runs:
            parts.append(tag("path", class_=f"h{shade}", d="".join(runs)))
    row, column = np.unravel_index(int(array.argmax()), array.shape)
    third = len(array) / 3
    rough = f"{('top', 'middle', 'bottom')[int(row // third)]} {('left', 'centre', 'right')[int(column // third)]}"
    where = f"most often {rough}" if array.any() else "no box of it lies on the photo"
    whole = side * len(array)
    ground = tag("rect", class_="h0", width=whole, height=whole)
    return _svg(whole, whole, f"Where {name} lies: {where}", [ground, *parts])


def bar(share: float, kind: str = "bar") -> Html:
    """A horizontal bar within a table; the figure beside it says the same."""
    long = max(min(share, 1) * 100, 0.6 if share else 0)
    return tag(
        "svg",
        tag("rect", class_="track", width=100, height=8, rx=1.5),
        tag("rect", class_=kind, width=long, height=8, rx=1.5),
        class_="meter",
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def stacked(shares: Sequence[tuple[str, float]]) -> Html:
    """Parts of a whole, one after the other: (class of the style, share)."""
    parts, x = [], 0.0
    for kind, share in shares:
        if share > 0:
            parts.append(tag("rect", class_=kind, x=x * 100, width=share * 100, height=8))
        x += share
    return tag("svg", parts, class_="meter", viewBox="0 0 100 8", preserveAspectRatio="none", aria_hidden="true")


def _svg(width: float, height: float, label: str, parts: Sequence[Html]) -> Html:
    return tag("svg", join(parts), viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=label)


def _short(count: int) -> str:
    return f"{count:,}" if count < 10_000 else f"{count / 1000:,.0f}k"
