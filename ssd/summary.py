"""`python -m ssd.summary [PRESET]`: the detectors by name, or one of them layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ssdprep import console
from ssdprep.options import Debug, Json, Quiet

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ssd.summarising import Summary

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def summary_report(report: Summary) -> Iterator[RenderableType]:
    """A table of presets, or the layers of one."""
    if not report.layers:
        yield _presets(report)
        yield f"\nwith {report.presets[0].n_classes} classes; from"
        yield from (f"  {facts.name}: {facts.source}" for facts in report.presets)
        return
    facts = report.presets[0]
    yield f"{facts.name}: {facts.source}\n"
    yield report.printed
    if facts.boxes:
        yield f"Boxes: {facts.boxes:,}"


def _presets(report: Summary) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("preset", "input", "maps", "boxes", "parameters", "mult-adds"):
        table.add_column(column, justify="left" if column in ("preset", "maps") else "right", no_wrap=column != "maps")
    for facts in report.presets:
        table.add_row(
            facts.name,
            _size(facts.image_size),
            " ".join(_size(size) for size in facts.maps),
            f"{facts.boxes:,}",
            f"{facts.parameters:,}",
            f"{facts.multiply_adds / 1e9:.2f} G",
        )
    return table


def _size(size: tuple[int, int]) -> str:
    """One number for a square."""
    height, width = size
    return str(height) if height == width else f"{height}x{width}"


@app.command()
def summary(
    preset: Annotated[
        str | None,
        typer.Argument(
            metavar="PRESET",
            help="A detector, or a .json of one; or document_001, document_003_v1, document_003_v2: their classifiers.",
            show_default="a table of all detectors",
        ),
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many classes it tells apart, without background.",
            show_default="20, of a classifier 1000",
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List the detectors, or print one layer by layer, in the form in which its document shows it."""
    from ssdprep.tensorflow import import_tensorflow

    import_tensorflow()
    from ssd.summarising import summary_of

    console.show(summary_of(preset, classes), summary_report)


if __name__ == "__main__":
    console.run(app)
