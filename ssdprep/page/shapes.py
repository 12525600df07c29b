"""The parts of the page about boxes and photos: how large they are, at the network's input too, and of what kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ssdprep.audit import Audit
from ssdprep.page import charts
from ssdprep.page.grid import card, legend, share_cell, table
from ssdprep.page.markup import Html, join, tag
from ssdprep.statistics import LIMITS, Boxes
from ssdprep.wording import counted

_EDGES = (0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
_ASPECTS = (0, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 1, 1.5, 2, 3, 4)
_ASPECT_NAMES = ("<¼", "¼", "⅓", "½", "⅔", "1", "1½", "2", "3", "≥4")
_FIRST = 8  # classes in the small table


def sizes(report: Audit, boxes: Boxes, place: Mapping[str, int]) -> Html:
    """How large boxes are for the network, their shapes, how many a photo holds. place: of a class in the report."""
    size = report.statistics.input
    framed = boxes.framed
    if not len(framed.kinds):
        return tag("p", "No box lies on a photo of known size.", class_="card")
    sides = framed.at(size)
    shorter = sides.min(axis=1)
    drawn = charts.thinned(framed.kinds)
    places = np.array([place[name] for name in boxes.names])[framed.kinds[drawn]]
    some = f" {len(drawn):,} of {len(sides):,} boxes drawn, some of each class." if len(drawn) < len(sides) else ""
    cards = [
        card(
            f"Boxes at {size}",
            "Width and height of boxes once their photo is resized to the network's input."
            f" Shaded: the shorter side below 16 and below 8 pixels, where little is left to learn from.{some}",
            join(legend(place), charts.sizes(sides[drawn], places, size, len(sides))),
        ),
        card(
            "Too small to be learnt?",
            f"Boxes by the length of their shorter side at {size}. --input tells how it would be at another size.",
            join(
                _small(report),
                charts.histogram(_bins(shorter, _EDGES), "Shorter side", "pixels of the shorter side", marked=[0, 1]),
            ),
        ),
    ]
    bins = _bins(boxes.aspects, _ASPECTS, _ASPECT_NAMES)
    cards.append(
        card(
            "Shapes of boxes",
            "Width / height on the upright photo.",
            charts.histogram(bins, "Width divided by height", "width / height, from this value on"),
        )
    )
    held = report.statistics.boxes_per_photo
    if held:
        cards.append(
            card(
                "Boxes on a photo",
                "Labelled photos by how many boxes they hold.",
                charts.histogram(_held(held), "Boxes on a photo", "boxes on the photo"),
            )
        )
    return tag("div", cards, class_="pair")


def photos(report: Audit) -> Html:
    """Sizes and formats, light and sharpness."""
    looks = report.looks
    seen = (
        [
            card(title, note, charts.histogram(bins, title, unit))
            for title, note, bins, unit in [
                (
                    "Light",
                    "Photos by their mean grey level: 0 is black, 255 white.",
                    looks.dark_to_bright,
                    "grey level",
                ),
                (
                    "Sharpness",
                    "Photos by the variance of the Laplacian at 256 pixels; blurred ones stand left.",
                    looks.blurred_to_sharp,
                    "sharpness",
                ),
            ]
        ]
        if looks
        else []
    )
    return tag(
        "div",
        seen,
        _ranking("Sizes", "upright, in pixels", "size", report.statistics.photo_sizes),
        _ranking("Formats", "by extension", "format", report.statistics.formats),
        class_="pair",
    )


def _small(report: Audit) -> Html:
    """A bar for each class: how much of it is below each limit."""
    rows = []
    for name, found in list(report.statistics.at_input.items())[:_FIRST]:
        cuts = [0.0, *(found.below[limit] for limit in LIMITS), 1.0]
        shares = [(f"s{place}", high - low) for place, (low, high) in enumerate(pairwise(cuts))]
        rows.append(
            tag(
                "tr",
                tag("th", name, scope="row"),
                tag("td", charts.stacked(shares), class_="wide"),
                (share_cell(found.below[limit]) for limit in LIMITS),
                tag("td", f"{found.median:.0f}"),
            )
        )
    words = [
        f"below {LIMITS[0]}",
        f"{LIMITS[0]} to {LIMITS[1]}",
        f"{LIMITS[1]} to {LIMITS[2]}",
        f"{LIMITS[2]} and more",
    ]
    legend = tag(
        "p", (tag("span", tag("i", class_=f"s{i}"), f"{word} px") for i, word in enumerate(words)), class_="legend"
    )
    more = len(report.statistics.at_input) - _FIRST
    heads = ["class", "", *(f"< {limit}" for limit in LIMITS), "median"]
    return join(legend, table(f"... and {counted(more, 'rarer class')}" if more > 0 else "", heads, rows))


def _ranking(title: str, note: str, head: str, counts: Mapping[str, int]) -> Html:
    total, most = sum(counts.values()), max(counts.values(), default=1)
    shown = list(counts.items())[:10]
    rows = [
        tag(
            "tr",
            tag("th", name or "none", scope="row"),
            tag("td", charts.bar(count / most), class_="wide"),
            tag("td", f"{count:,}"),
            tag("td", f"{count / total:.0%}"),
        )
        for name, count in shown
    ]
    more = f"; {counted(len(counts) - len(shown), 'other')} less frequent" if len(counts) > len(shown) else ""
    return tag("div", tag("h3", title), table(note + more, [head, "", "photos", "share"], rows), class_="card")


def _bins(values: NDArray[np.float64], edges: Sequence[float], names: Sequence[str] = ()) -> dict[str, int]:
    counts = np.histogram(values, [*edges, np.inf])[0].tolist()
    named = names or [f"{edge:g}" if place < len(edges) - 1 else f"≥{edge:g}" for place, edge in enumerate(edges)]
    return dict(zip(named, counts, strict=True))


def _held(counts: Mapping[int, int]) -> dict[str, int]:
    """0 to 10 one by one, then in growing steps."""
    edges = [*range(11), 16, 21, 31, 51, 101]
    edges = [edge for edge in edges if edge <= max(counts)]
    bins = dict.fromkeys(range(len(edges)), 0)
    for held, photos_ in counts.items():
        bins[int(np.searchsorted(edges, held, side="right")) - 1] += photos_
    names = [str(low) if high == low + 1 else f"{low}–{high - 1}" for low, high in pairwise(edges)]
    names.append(f"{edges[-1]}+" if edges[-1] >= 10 else str(edges[-1]))
    return {names[place]: count for place, count in bins.items()}
