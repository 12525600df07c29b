"""`python -m ssd.summary [PRESET]`: the detectors by name, or one of them layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ssdprep import console
from ssdprep.options import Debug, Json, Quiet

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ssd.facts import Summary

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
    rule = "_" * 98
    yield f"{rule}\n{'Layer (type)':31} {'Output Shape':20} {'Param #':11} Connected to\n{'=' * 98}"
    for row in report.layers:
        first, *others = (f"{name}[0][0]" for name in row.inbound) if row.inbound else ("",)
        title = f"{row.name} ({row.kind})"[:31]
        lines = [f"{title:31} {_shape(row.shape):20} {row.parameters:<11} {first}".rstrip()]
        yield "\n".join([*lines, *(" " * 65 + other for other in others), rule])
    yield f"\n{'Group':20} {'Output Shape':20} {'Param #':>12} {'Mult-adds':>16}"
    for group in report.groups:
        yield f"{group.name:20} {_shape(group.shape):20} {group.parameters:>12,} {group.multiply_adds:>16,}"
    yield (
        f"\nTotal params: {facts.parameters:,}\nTrainable params: {facts.trainable:,}\n"
        f"Non-trainable params: {facts.parameters - facts.trainable:,}\n"
        f"Total mult-adds (G): {facts.multiply_adds / 1e9:.2f}\nBoxes: {facts.boxes:,}"
    )


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


def _shape(shape: tuple[int, ...]) -> str:
    return f"(None, {', '.join(map(str, shape))})"


@app.command()
def summary(
    preset: Annotated[
        str | None,
        typer.Argument(metavar="PRESET", help="A detector, or a .json of one.", show_default="a table of all"),
    ] = None,
    classes: Annotated[int, typer.Option(min=1, help="How many classes it tells apart, without background.")] = 20,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List the detectors, or print one layer by layer: names, shapes, parameters, multiply-adds."""
    from ssdprep.tensorflow import import_tensorflow

    import_tensorflow()
    from ssd.facts import summary_of

    console.show(summary_of(preset, classes), summary_report)


if __name__ == "__main__":
    console.run(app)
