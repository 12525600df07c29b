"""An evaluation as one HTML page, made of the parts that an audit's page is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ssd.evaluation.page import figures
from ssd.evaluation.page.gallery import Gallery
from ssd.pipeline import Example
from ssdprep import __version__
from ssdprep.files import write_new
from ssdprep.page.document import Part, check_place, class_styles, document
from ssdprep.page.markup import Html, join, tag
from ssdprep.page.sections import details, kinds_of
from ssdprep.palette import palette
from ssdprep.record import Track, untracked
from ssdprep.wording import quoted

if TYPE_CHECKING:
    from ssd.evaluation.measuring import Evaluation

GENERATOR = "ssd.evaluate"  # by which an earlier page is known


def write_page(report: Evaluation, examples: Sequence[Example], out: Path, *, track: Track = untracked) -> None:
    """Write the page, whole or not at all; an earlier one is replaced. examples: the photos of the evaluation."""
    check_place(out, GENERATOR)
    write_new(out, render(report, examples, track=track))


def render(report: Evaluation, examples: Sequence[Example], *, track: Track = untracked) -> bytes:
    """The page as UTF-8. Reads the photos that are on it: the worst, and some that findings are about."""
    kinds = kinds_of(report.findings)
    gallery = Gallery(report, examples)
    planned: list[tuple[str, str, Callable[[], Html | None]]] = [
        ("todo", "What to do", lambda: figures.to_do(report, kinds)),
        ("findings", "Findings", lambda: details(kinds, report.data, gallery) if kinds else None),
        ("classes", "Classes", lambda: join(figures.classes(report), figures.coco(report))),
        ("errors", "Errors", lambda: join(figures.errors(report), figures.confused(report))),
        ("curves", "Precision and recall", lambda: figures.curves(report)),
        ("worst", "Worst photos", gallery.worst),
    ]
    parts = [Part(anchor, title, make()) for anchor, title, make in track(planned, "Drawing the page", len(planned))]
    name = report.run.resolve().name or str(report.run)
    over = tag("p", f"Detector evaluation on {report.source}", class_="over")
    header = join(over, tag("h1", name), figures.verdict(report), figures.tiles(report))
    styles = class_styles({name: i for i, name in enumerate(report.names)}, palette(report.names)) + gallery.style
    return document(f"Evaluation of {name}", GENERATOR, header, parts, _footer(report), styles)


def _footer(report: Evaluation) -> Html:
    command = f"python -m ssd.evaluate {quoted(report.run)} {quoted(report.data)} --split {report.split} --html PAGE"
    return join(f"ssdprep {__version__}. Written by ", tag("code", command), ".")
