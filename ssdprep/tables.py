"""How each verb's report looks on a terminal: one function a report, each yields rich renderables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ssdprep.augmented import AugmentReport
    from ssdprep.formats.tfrecord import TfrecordReport


def augment_report(report: AugmentReport) -> Iterator[RenderableType]:
    """What was drawn, the boxes that there are now, and what comes next."""
    from rich.table import Table
    from rich.text import Text

    made = f"{report.pictures:,} pictures drawn from {report.photos:,} photos"
    yield Text.assemble(("augment  ", "bold"), made, "  ", (_said(report.recipe.operations), "dim"))
    table = Table(box=_rule(), pad_edge=False, header_style="dim")
    table.add_column("class")
    table.add_column("boxes in the new set", justify="right")
    for name, count in report.boxes.items():
        table.add_row(Text(name), f"{count:,}")
    yield table
    if report.dropped:
        share = f"less than {report.recipe.min_visibility:.0%} of each stayed in the picture"
        emptied = f"; {report.emptied:,} pictures lost their last" if report.emptied else ""
        yield Text(f"{report.dropped:,} boxes dropped: {share}{emptied}")
    yield Text("photos: " + ", ".join(f"{count:,} {how}" for how, count in report.how.items()), style="dim")
    if report.splits:
        yield Text("lists:  " + ", ".join(f"{name} {count:,}" for name, count in report.splits.items()), style="dim")
    yield Text.assemble("wrote   ", (f"{report.out}", "bold green"), "  augmentation.csv says what was done to each")
    yield _next(f"ssdprep preview {report.out}")


def tfrecord_report(report: TfrecordReport) -> Iterator[RenderableType]:
    """What is in each split, how it was checked, and what comes next."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=_rule(), pad_edge=False, header_style="dim")
    for column in ("split", "photos", "negatives", "boxes", "shards", "MB"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for name, part in report.splits.items():
        size = sum(shard["bytes"] for shard in part["shards"]) / 1e6
        counts = (part["images"], part["negatives"], part["boxes"], len(part["shards"]))
        table.add_row(name, *(f"{count:,}" for count in counts), f"{size:,.1f}")
    yield Text("tfrecord", style="bold")
    yield table
    yield Text("labels:  " + ", ".join(f"{number} {name}" for name, number in report.labels.items()), style="dim")
    yield Text("photos:  " + ", ".join(f"{count:,} {how}" for how, count in report.how.items()), style="dim")
    total = sum(report.how.values())
    checked = f"{total:,} records read back and compared; TensorFlow decoded {report.decoded:,} of them"
    yield Text.assemble("checked  ", checked)
    yield Text.assemble("wrote    ", (f"{report.out}", "bold green"))
    yield _next(f"python -m ssd.train {report.out}")


def _said(operations: dict[str, Any]) -> str:
    return ", ".join(name if value is True else f"{name} {value:g}" for name, value in operations.items())


def _rule() -> Any:
    from rich import box

    return box.SIMPLE_HEAD


def _next(command: str) -> RenderableType:
    """The one command that usually comes after."""
    from rich.text import Text

    return Text.assemble(("next:    ", "dim"), (command, "bold cyan"))
