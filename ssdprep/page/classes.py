"""The parts of the page about classes: how often, where and how they look, which meet, how they are split."""

from __future__ import annotations

from collections.abc import Mapping

from ssdprep.audit import Audit
from ssdprep.page import charts
from ssdprep.page.grid import cell, share_cell, table
from ssdprep.page.markup import Html, join, tag
from ssdprep.page.pictures import PARTS, Album
from ssdprep.page.sections import image
from ssdprep.statistics import LIMITS, Count

_ROWS, _LOOKS, _MEETING = 60, 24, 16  # classes in the table, with pictures, in the matrix


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
                (cell(report.statistics.parts[part].get(name, Count(0, 0)).boxes) for part in parts),
                tag("td", size),
                tag("td", f"{stats.median_aspect:.2f}" if stats.median_aspect is not None else "?"),
                share_cell(small.below[LIMITS[1]] if small else None),
            )
        )
    more = len(report.classes) - _ROWS
    note = f" The {_ROWS} most frequent of {len(report.classes)} classes; --json has all." if more > 0 else ""
    columns = f"{', '.join(parts)}: boxes in that part. " if parts else ""
    caption = (
        f"Median size in pixels of the upright photo. {columns}< {LIMITS[1]} px: boxes whose shorter side is below"
        f" {LIMITS[1]} pixels once the photo is resized to {report.statistics.input}.{note}"
    )
    return tag("div", table(caption, ["class", *heads], rows), class_="card")


def looks(report: Audit, album: Album, place: Mapping[str, int]) -> Html:
    """Where boxes of each class lie, and what is in some of them. place: of a class in the report."""
    cards = []
    for name, cells in list(report.statistics.heat.items())[:_LOOKS]:
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
                tag("h3", tag("span", class_=f"chip k{place[name]}"), name),
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
        table(caption, ["class", *names, "all photos"], rows, "matrix"),
        class_="card",
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
                (cell(count.images) for count in counts),
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
    if len(report.classes) > _ROWS:
        caption += f" The {_ROWS} most frequent of {len(report.classes)} classes."
    return tag("div", legend, table(caption, ["", "", *names], rows), class_="card")
