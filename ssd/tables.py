"""How each command's report looks on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ssd.messages import clock
from ssdprep.console import Next
from ssdprep.wording import counted, quoted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ssd.evaluation import Evaluation
    from ssd.prediction import Predictions
    from ssd.trainer import Trained


def train_report(report: Trained) -> Iterator[RenderableType | Next]:
    """The epoch that was kept, and where everything is."""
    from rich.text import Text

    best, run = report.best, report.folder
    yield Text.assemble(
        ("trained ", "bold green"),
        f"{counted(len(report.history), 'epoch')} in {clock(report.history[-1].seconds)}; kept epoch {best.epoch}: ",
        (f"val AP50 {best.val_AP50:.3f}, AP {best.val_AP:.3f}", "bold"),
    )
    yield f"  {run}/curves.png      loss and AP over the epochs"
    yield f"  {run}/validation.jpg  labels and detections on photos it did not train on"
    yield Next(f"python -m ssd.evaluate {quoted(run)} {quoted(report.data)}")


def evaluation_report(report: Evaluation) -> Iterator[RenderableType]:
    """AP for each class and over all."""
    from rich.table import Table

    table = Table(
        title=f"{counted(report.images, 'photo')} of {report.source}", title_justify="left", box=None, pad_edge=False
    )
    for column in ("class", "boxes", "AP50", "AP", "VOC07"):
        table.add_column(column, justify="left" if column == "class" else "right")
    table.add_column("")
    for c in report.per_class:
        table.add_row(c.name, str(c.boxes), *map(figure, (c.AP50, c.AP, c.voc07)), bar(c.AP50))
    overall = map(figure, (report.AP50, report.AP, report.voc07))
    table.add_row("all", str(sum(c.boxes for c in report.per_class)), *overall, bar(report.AP50), style="bold")
    yield table


def prediction_report(report: Predictions) -> Iterator[RenderableType]:
    """What was found on each photo, and where the drawings are."""
    from collections import Counter

    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(overflow="fold")  # a path that was cut short names nothing
    table.add_column(min_width=16)
    table.add_column(no_wrap=True)
    for photo in report.photos:
        counts = Counter(thing.name for thing in photo.objects)
        found = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
        best = f"{min(photo.scores):.2f} to {max(photo.scores):.2f}" if photo.scores else ""
        part = f"best {photo.boxes_drawn} drawn" if photo.boxes_drawn < len(photo.objects) else ""
        note = Text(", ".join(filter(None, (best, part))), style="dim")
        table.add_row(str(photo.image), found or Text("nothing", style="dim"), note)
    yield table
    drawn = len(report.photos)
    asked = (
        counted(report.asked, "photo") if drawn == report.asked else f"{drawn:,} of {counted(report.asked, 'photo')}"
    )
    yield Text.assemble(("drawn ", "bold"), f"{asked} into {report.folder}/" if drawn else f"none of {asked}")


def figure(value: float) -> str:
    """Three digits, or a dash where the figure is not defined."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def bar(share: float, width: int = 20) -> str:
    """A bar of block characters for a share in 0..1."""
    eighths = 0 if math.isnan(share) else round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
