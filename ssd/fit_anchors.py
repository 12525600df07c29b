"""`python -m ssd.fit_anchors DATA`: a preset whose anchors fit the boxes of a data set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssd.options import Data
from ssdprep import console
from ssdprep.options import Debug, Json, Quiet, Seed

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ssd.anchor_fitting import Fitted

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def fitted_report(report: Fitted) -> Iterator[RenderableType | console.Next]:
    """How well the anchors cover the boxes before and after, the numbers that changed, and how to train with them."""
    from rich.table import Table
    from rich.text import Text

    from ssd.tables import figure
    from ssdprep.wording import quoted

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "boxes", "IoU >= 0.5", "fitted", "mean IoU", "fitted"):
        table.add_column(column, justify="right" if column else "left")
    for name, (before, after) in report.coverage.items():
        recalls = (f"{each.recall:.1%}" if each.boxes else "-" for each in (before, after))
        table.add_row(name, f"{before.boxes:,}", *recalls, figure(before.mean_iou), figure(after.mean_iou))
    yield f"anchors of {report.before.name}, and the same fitted to {report.data}\n"
    yield table
    numbers = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("map", "scale", "fitted", "aspect ratios", "fitted"):
        numbers.add_column(column)
    old, new = report.before, report.after
    for k, (a, b) in enumerate(zip(old.scales, new.scales, strict=True)):
        ratios = (_listed(c.aspect_ratios[k]) if k < len(c.aspect_ratios) else "" for c in (old, new))
        name = str(k + 1) if k < len(old.aspect_ratios) else "last"
        numbers.add_row(name, f"{a:.3g}", Text(f"{b:.3g}", style="bold"), *ratios)
    yield ""
    yield numbers
    before, after = report.coverage["train, augmented"]
    better = after.recall > before.recall
    if not better:
        yield Text(
            "\nthey reach no more of the boxes that training draws: the preset as it is serves as well", "yellow"
        )
    yield Text.assemble("\nwrote    ", (f"{report.file}", "bold green"))
    preset = report.file if better else Path(report.preset_name)
    yield console.Next(f"python -m ssd.train {quoted(report.data)} --preset {quoted(preset)}")


def _listed(ratios: tuple[float, ...]) -> str:
    return " ".join(f"{ratio:.2f}" for ratio in ratios)


@app.command()
def fit_anchors(
    data: Data = Path("data"),
    preset: Annotated[
        str, typer.Option(metavar="NAME|FILE.json", help="The detector whose anchors are fitted.")
    ] = "mobilenet_v2_ssd_224",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE.json", help="The new preset.", show_default="NAME-OF-DATA-anchors.json"
        ),
    ] = None,
    seed: Seed = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is already there.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Propose scales and aspect ratios for the boxes of a data set, by k-means on IoU, as a preset that train takes.

    Fitted to the training boxes, as they are and as training draws them; the validation boxes show what it is worth.
    """
    from ssdprep.tensorflow import import_tensorflow

    import_tensorflow()
    from ssd.anchor_fitting import fit_folder

    report = fit_folder(data, out, preset_name=preset, seed=seed, force=force, track=console.track)
    console.show(report, fitted_report)


if __name__ == "__main__":
    console.run(app)
