"""How the reports of augment, and of its preview, look on a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ssdprep.console import Next
from ssdprep.wording import counted, left_out, quoted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ssdprep.augment_sheet import SheetReport
    from ssdprep.augmented import AugmentReport

_CLASSES = 30  # in a table on the terminal; --json holds all


def augment_report(report: AugmentReport) -> Iterator[RenderableType | Next]:
    """What was drawn, the boxes that there are now, and what comes next."""
    from rich.text import Text

    made = f"{counted(report.pictures, 'picture')} drawn from {counted(report.drawn_from, 'photo')}"
    yield Text.assemble(("augment  ", "bold"), made, "  ", (_said(report.recipe.operations), "dim"))
    yield _augment_table(report)
    if report.balance:
        asked, before, after = report.balance
        ratio = (
            f"{before:,.1f} boxes of the most frequent class for one of the rarest, now {after:,.1f} (asked: {asked:g})"
        )
        yield Text(f"balance: {ratio}", style="dim")
    if report.dropped:
        share = f"less than {report.recipe.min_visibility:.0%} of it stayed in the picture"
        emptied = f"; {counted(report.emptied, 'picture')} without any left" if report.emptied else ""
        yield Text(f"{counted(report.dropped, 'box')} dropped: {share}{emptied}")
    how = ", ".join(f"{count:,} {how}" for how, count in report.how.items())
    yield Text(f"photos: {report.photos:,} copied upright ({how})", style="dim")
    lost = {"unusable": report.unusable, "without annotation": report.unlabelled}
    if any(lost.values()):
        yield Text(left_out(lost), style="yellow")
    if report.splits:
        yield Text("lists:  " + ", ".join(f"{name} {count:,}" for name, count in report.splits.items()), style="dim")
    yield Text.assemble("wrote   ", (f"{report.out}", "bold green"), "  augmentation.csv says what was done to each")
    yield Next(f"ssdprep preview {quoted(report.out)}")


def _augment_table(report: AugmentReport) -> RenderableType:
    """Boxes of each class that a detector trains on, before and after, and in the whole set."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column("class", max_width=22, overflow="fold")
    for name in ("boxes for training", "with drawn pictures", "in the new set"):
        table.add_column(name, justify="right")
    for name, (before, after) in list(report.for_training.items())[:_CLASSES]:
        table.add_row(Text(name), f"{before:,}", f"{after:,}", f"{report.boxes[name]:,}")
    if len(report.boxes) > _CLASSES:
        table.add_row(Text(f"... and {len(report.boxes) - _CLASSES:,} more", style="dim"), "", "", "")
    return table


def augment_sheet_report(report: SheetReport) -> Iterator[RenderableType | Next]:
    """What is on the sheet, what the run itself would draw, and its command."""
    from rich.text import Text

    shown = f"{counted(len(report.tiles), 'photo')} shown, {report.kept:,} of {counted(report.boxes, 'box')} kept"
    yield Text.assemble(("augment  ", "bold"), shown, ("  nothing else is written", "dim"))
    would = f"{counted(report.pictures, 'picture')} from {counted(report.drawn_from, 'photo')}"
    yield Text(f"would draw {would}")
    yield Text.assemble("wrote   ", (f"{report.out}", "bold green"))
    typed = _flags(report.recipe.operations | report.options)
    yield Next(f"ssdprep augment {quoted(report.root)} {typed}", "the same without --preview")


def _flags(options: dict[str, Any]) -> str:
    """A recipe as it is typed."""
    words = {name: "" if value is True else f" {_word(value)}" for name, value in options.items()}
    return " ".join(f"--{name.replace('_', '-')}{word}" for name, word in words.items())


def _word(value: float | str) -> str:
    return shlex.quote(value) if isinstance(value, str) else f"{value}".removesuffix(".0")


def _said(operations: dict[str, Any]) -> str:
    return ", ".join(name if value is True else f"{name} {value:g}" for name, value in operations.items())
