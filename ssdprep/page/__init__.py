"""An audit as one HTML page: loads nothing from elsewhere, can be read without a script, takes no name for markup."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ssdprep.files import write_new
from ssdprep.orient import to_upright
from ssdprep.page.document import Part, check_place, class_styles, document
from ssdprep.page.markup import Html, join, tag
from ssdprep.page.pictures import Album
from ssdprep.palette import palette
from ssdprep.record import Dataset, Track, untracked
from ssdprep.statistics import boxes_of

if TYPE_CHECKING:
    from ssdprep.audit import Audit

__all__ = ["GENERATOR", "check_place", "render", "write_page"]

GENERATOR = "ssdprep audit"  # by which an earlier page is known


def write_page(report: Audit, dataset: Dataset, out: Path, *, track: Track = untracked) -> None:
    """Write the page, whole or not at all; an earlier one is replaced. dataset: as `scan.scan_folder` returned it."""
    check_place(out, GENERATOR)
    write_new(out, render(report, dataset, track=track))


def render(report: Audit, dataset: Dataset, *, track: Track = untracked) -> bytes:
    """The page as UTF-8; the same for the same data. Reads the photos that are on it, a few for each kind."""
    from ssdprep.page import classes, sections, shapes

    upright = to_upright(dataset)
    place = {name: index for index, name in enumerate(report.classes)}  # by which the style knows a class
    colours = palette({thing.name for record in dataset.records for thing in record.objects})
    album = Album(dataset, upright, colours)
    kinds = sections.kinds_of(report.findings)
    planned: list[tuple[str, str, Callable[[], Html | None]]] = [
        ("todo", "What to do", lambda: sections.to_do(kinds, report.root)),
        ("findings", "Findings", lambda: sections.details(kinds, report.root, album) if kinds else None),
        (
            "classes",
            "Classes",
            lambda: join(classes.classes(report), classes.looks(report, album, place), classes.meetings(report)),
        ),
        ("split", "Split", lambda: classes.parts(report)),
        ("boxes", "Boxes", lambda: shapes.sizes(report, boxes_of(upright.records), place)),
        ("photos", "Photos", lambda: shapes.photos(report) if report.images else None),
    ]
    parts = [Part(anchor, title, make()) for anchor, title, make in track(planned, "Drawing the page", len(planned))]
    name = report.root.resolve().name or str(report.root)
    over = tag("p", "Data set audit", class_="over")
    header = join(over, tag("h1", name), sections.verdict(kinds), classes.tiles(report))
    return document(f"Audit of {name}", GENERATOR, header, parts, _footer(report), class_styles(place, colours))


def _footer(report: Audit) -> Html:
    from ssdprep import __version__
    from ssdprep.wording import quoted

    return join(
        f"ssdprep {__version__}. Written by ",
        tag("code", f"ssdprep audit {quoted(report.root)} --input {report.statistics.input} --html PAGE"),
        "; the same data gives the same page.",
    )
