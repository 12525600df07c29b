"""The parts of the page that say what is in the set: classes, boxes, photos, as tables and charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from ssdprep.audit import Audit
from ssdprep.page import charts
from ssdprep.page.markup import Html, join, tag
from ssdprep.page.pictures import PARTS, Album
from ssdprep.page.sections import image
from ssdprep.statistics import LIMITS, Boxes, Count
from ssdprep.wording import counted

_ROWS, _LOOKS, _MEETING = 60, 24, 16  # classes in the table, with pictures, in the matrix
_EDGES = (0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
_ASPECTS = (0, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 1, 1.5, 2, 3, 4)
_ASPECT_NAMES = ("<¼", "¼", "⅓", "½", "⅔", "1", "1½", "2", "3", "≥4")


def tiles(report: Audit) -> Html:
    """The counts that matter first."""
    counts = [("photos", report.images), ("boxes", report.boxes), ("classes", len(report.classes))]
    rest = [("without objects", report.negatives), ("not labelled", report.unlabelled)]
    rest += [("left out", report.left_out), ("XML without photo", report.without_photo)]
    shown = [(name, f"{count:,}") for name, count in [*counts, *((name, n) for name, n in rest if n)]]
    if report.imbalance and len(report.classes) > 1:
        shown.append(("most / rarest class", f"{report.imbalance:,.1f}"))
    return tag("dl", (tag("div", tag("dt", name), tag("dd", value)) for name, value in shown), class_="tiles")


def classes(report: Audit) -> Html:
    """A row for each class: how often, how large, in which part of the split."""
    parts = [name for name in PARTS if report.statistics.parts.get(name)]
    heads = ["boxes", "", "share", "photos", *parts, "median size", "w / h", f"< {LIMITS[1]} px"]
    most = max((stats.boxes for stats in report.classes.values()), default=1)
    rows = []
    for place, (name, stats) in enumerate(list(report.classes.items())[:_ROWS]):
        small = report.statistics.at_input.get(name)
        size = f"{stats.median_width:.0f} × {stats.median_height:.0f}" if stats.median_width is not None else "?"
        rows.append(
            tag(
                "tr",
                tag("th", tag("span", class_=f"chip k{place}"), name, scope="row"),
                tag("td", f"{stats.boxes:,}"),
                tag("td", charts.bar(stats.boxes / most), class_="wide"),
                tag("td", f"{stats.share:.1%}"),
                tag("td", f"{stats.images:,}"),
                (_cell(report.statistics.parts[part].get(name, Count(0, 0)).boxes) for part in parts),
                tag("td", size),
                tag("td", f"{stats.median_aspect:.2f}" if stats.median_aspect is not None else "?"),
                _share(small.below[LIMITS[1]] if small else None),
            )
        )
    more = len(report.classes) - _ROWS
    note = f" The {_ROWS} most frequent of {len(report.classes)} classes; --json has all." if more > 0 else ""
    columns = f"{', '.join(parts)}: boxes in that part. " if parts else ""
    caption = (
        f"Median size in pixels of the upright photo. {columns}< {LIMITS[1]} px: boxes whose shorter side is below"
        f" {LIMITS[1]} pixels once the photo is resized to {report.statistics.input}.{note}"
    )
    return tag("div", _table(caption, ["class", *heads], rows), class_="card")


def looks(report: Audit, album: Album) -> Html:
    """Where boxes of each class lie, and what is in some of them."""
    cards = []
    for place, (name, cells) in enumerate(list(report.statistics.heat.items())[:_LOOKS]):
        crops = [image(picture) for picture in album.of_class(name)]
        measured = report.statistics.measures[name]
        width, height = measured["width"], measured["height"]
        low, high, said = (
            ("p05", "p95", "9 of 10 are") if report.classes[name].boxes >= 20 else ("min", "max", "They are")
        )
        spread = (
            f"{said} {width[low]:.0f} to {width[high]:.0f} pixels wide, {height[low]:.0f} to {height[high]:.0f} high."
        )
        cards.append(
            tag(
                "article",
                tag("h3", tag("span", class_=f"chip k{place}"), name),
                tag("div", charts.heat(cells, name), class_="map"),
                tag("div", crops, class_="crops") if crops else tag("p", "no photo to show", class_="dim"),
                tag("p", spread, class_="note"),
                class_="card look",
            )
        )
    more = len(report.statistics.heat) - _LOOKS
    note = f" The {_LOOKS} most frequent classes are shown." if more > 0 else ""
    said = f"Left: where on the photo its boxes lie, all photos squeezed to a square; stronger is more.{note}"
    return join(tag("p", said, class_="note"), tag("div", cards, class_="looks"))


def meetings(report: Audit) -> Html | None:
    """How many photos show two classes at once."""
    names = list(report.classes)[:_MEETING]
    if len(names) < 2:
        return None
    together = report.statistics.together
    rows = []
    for name in names:
        own = report.classes[name].images
        cells = []
        for other in names:
            count = own if other == name else together.get(name, {}).get(other, 0)
            share = count / own if own else 0
            style = f"--k:{share:.2f}"
            cells.append(tag("td", f"{count:,}", class_="k", style=style) if other != name else tag("td", "·"))
        rows.append(tag("tr", tag("th", name, scope="row"), cells, tag("td", f"{own:,}")))
    caption = "Photos that show both classes; the stronger, the larger their share of the photos of the row's class."
    if len(report.classes) > _MEETING:
        caption += f" The {_MEETING} most frequent classes."
    return tag(
        "div",
        tag("h3", "Classes on the same photo"),
        _table(caption, ["class", *names, "all photos"], rows, "matrix"),
        class_="card",
    )


def sizes(report: Audit, boxes: Boxes) -> Html:
    """How large boxes are for the network, their shapes, how many a photo holds."""
    size = report.statistics.input
    framed = boxes.framed
    if not len(framed.kinds):
        return tag("p", "No box lies on a photo of known size.", class_="card")
    sides = framed.at(size)
    shorter = sides.min(axis=1)
    cards = [
        _card(
            f"Boxes at {size}",
            "Width and height of every box once its photo is resized to the network's input."
            " Shaded: the shorter side below 16 and below 8 pixels, where little is left to learn from.",
            join(_legend(report), charts.sizes(sides, framed.kinds, boxes.names, size)),
        ),
        _card(
            "Too small to be learnt?",
            f"Boxes by the length of their shorter side at {size}. --input tells how it would be at another size.",
            join(
                _small(report),
                charts.histogram(_bins(shorter, _EDGES), "Shorter side", "pixels of the shorter side", marked=[0, 1]),
            ),
        ),
    ]
    all_sides = boxes.sides
    aspects = all_sides[:, 0] / all_sides[:, 1]
    bins = _bins(aspects, _ASPECTS, _ASPECT_NAMES)
    cards.append(
        _card(
            "Shapes of boxes",
            "Width / height on the upright photo.",
            charts.histogram(bins, "Width divided by height", "width / height, from this value on"),
        )
    )
    held = report.statistics.boxes_per_photo
    if held:
        cards.append(
            _card(
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
            _card(title, note, charts.histogram(bins, title, unit))
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


def parts(report: Audit) -> Html | None:
    """Photos and boxes in train, val and test, class by class."""
    names = [name for name in PARTS if report.splits.get(name)]
    if not names:
        return None
    rows = []
    for name in list(report.classes)[:_ROWS]:
        counts = [report.statistics.parts[part].get(name, Count(0, 0)) for part in names]
        total = sum(count.images for count in counts)
        shares = [(f"p{PARTS.index(part)}", c.images / total) for part, c in zip(names, counts, strict=True) if total]
        rows.append(
            tag(
                "tr",
                tag("th", name, scope="row"),
                tag("td", charts.stacked(shares), class_="wide"),
                (_cell(count.images) for count in counts),
            )
        )
    total = sum(report.splits[name] for name in names)
    shares = [(f"p{PARTS.index(part)}", report.splits[part] / total) for part in names]
    rows.insert(
        0,
        tag(
            "tr",
            tag("th", "all photos", scope="row"),
            tag("td", charts.stacked(shares), class_="wide"),
            (tag("td", f"{report.splits[name]:,}") for name in names),
        ),
    )
    legend = tag("p", (tag("span", tag("i", class_=f"p{PARTS.index(name)}"), name) for name in names), class_="legend")
    caption = "Photos that show each class, by the lists in ImageSets/Main."
    return tag("div", legend, _table(caption, ["", "", *names], rows), class_="card")


def _small(report: Audit) -> Html:
    """A bar for each class: how much of it is below each limit."""
    rows = []
    for name, found in list(report.statistics.at_input.items())[:8]:
        cuts = [0.0, *(found.below[limit] for limit in LIMITS), 1.0]
        shares = [(f"s{place}", high - low) for place, (low, high) in enumerate(pairwise(cuts))]
        rows.append(
            tag(
                "tr",
                tag("th", name, scope="row"),
                tag("td", charts.stacked(shares), class_="wide"),
                (_share(found.below[limit]) for limit in LIMITS),
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
    more = len(report.statistics.at_input) - 8
    heads = ["class", "", *(f"< {limit}" for limit in LIMITS), "median"]
    return join(legend, _table(f"... and {counted(more, 'rarer class')}" if more > 0 else "", heads, rows))


def _legend(report: Audit) -> Html:
    names = list(report.classes)[:12]
    chips = [tag("span", tag("span", class_=f"chip k{place}"), name) for place, name in enumerate(names)]
    return tag("p", chips, class_="legend")


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
    return tag("div", tag("h3", title), _table(note + more, [head, "", "photos", "share"], rows), class_="card")


def _card(title: str, note: str, content: Html) -> Html:
    return tag("div", tag("h3", title), tag("p", note, class_="note"), content, class_="card")


def _table(caption: str, heads: Sequence[str], rows: Sequence[Html], kind: str | None = None) -> Html:
    """A table that scrolls within its card where it is too wide for the screen."""
    head = tag("tr", (tag("th", name, scope="col") if name else tag("td") for name in heads))
    table = tag("table", tag("thead", head), tag("tbody", rows), class_=kind)
    label = f"Table: {caption or heads[0]}"
    region = tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=label)
    return join(tag("p", caption, class_="note") if caption else None, region)


def _cell(count: int) -> Html:
    return tag("td", f"{count:,}", class_=None if count else "zero")


def _share(share: float | None) -> Html:
    if share is None:
        return tag("td", "?")
    return tag("td", f"{share:.0%}", class_="alarm" if share >= 0.1 else "zero" if not share else None)


def _bins(values: np.ndarray, edges: Sequence[float], names: Sequence[str] = ()) -> dict[str, int]:
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
    names = [str(low) if low < 10 else f"{low}+" for low in edges]
    return {names[place]: count for place, count in bins.items()}
