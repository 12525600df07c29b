"""How a checkup looks on a terminal: a section a check, calm where all is well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ssd.tables import figure
from ssdprep.console import Next
from ssdprep.record import Severity
from ssdprep.wording import counted, quoted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ssd.checkup.checking import Checkup

_CLASSES = 20  # in a table on the terminal; --json holds all
_FAR = 5  # boxes that no anchor reaches, likewise


def checkup_report(report: Checkup) -> Iterator[RenderableType | Next]:
    """Every section, and what comes next."""
    from rich.text import Text

    height, width = report.image_size
    start = f"{report.pretrained} layers from {report.weights}" if report.pretrained else "random weights"
    yield Text.assemble(
        ("doctor   ", "bold"), f"{report.data}, as {report.preset_name} sees it: {width}x{height}, {start}"
    )
    yield _heading("label map and boxes")
    yield _census(report)
    yield _heading("boxes at the input, and the anchors that reach them")
    yield _reach(report)
    yield from _far(report)
    yield _heading("labels against pixels")
    yield from (_said(name, text, is_well) for name, text, is_well in _evidence(report))
    yield _heading("the first steps of training")
    yield from (_said(name, text, is_well) for name, text, is_well in _first_steps(report))
    yield _said("picture", str(report.sheet), True)
    if report.memorised:
        yield _heading("eight photos by heart")
        yield from (_said(name, text, is_well) for name, text, is_well in _memory(report))
    serious = [f for f in report.findings if f.severity is not Severity.INFO]
    if not any(f.code.startswith("DOC") or f.severity is Severity.ERROR for f in serious):
        yield Text("\nnothing stands in the way", style="bold green")
    preset, weights = quoted(Path(report.preset_name)), quoted(Path(report.weights))
    yield Next(f"python -m ssd.train {quoted(report.data)} --preset {preset} --weights {weights}")


def _heading(text: str) -> RenderableType:
    from rich.text import Text

    return Text(f"\n{text}", style="bold cyan")


def _said(name: str, text: str, is_well: bool | None) -> RenderableType:
    """One line: what, how it is, and whether that is well; None where nobody can say."""
    from rich.table import Table
    from rich.text import Text

    style = {True: "green", False: "bold red", None: "dim"}[is_well]
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_column(width=2)
    row.add_column(width=10)
    row.add_column()
    row.add_row("", Text(name, style="dim"), Text(text, style=style if is_well is not True else ""))
    return row


def _table(*columns: str) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(
            column, justify="right" if number else "left", max_width=None if number else 24, overflow="fold"
        )
    return table


def _census(report: Checkup) -> RenderableType:
    """A row a class, a column a part; photos and negatives below."""
    from rich.text import Text

    table = _table("  class", "id", *(part.name for part in report.parts))
    for i, name in enumerate(report.classes[:_CLASSES], start=1):
        counts = [Text(f"{part.boxes[name]:,}", style="" if part.boxes[name] else "bold red") for part in report.parts]
        table.add_row(Text(f"  {name}"), str(i), *counts)
    if len(report.classes) > _CLASSES:
        table.add_row(Text(f"  and {len(report.classes) - _CLASSES:,} more", style="dim"))
    table.add_row(Text("  photos", style="dim"), "", *(f"{part.photos:,}" for part in report.parts))
    table.add_row(Text("  without objects", style="dim"), "", *(f"{part.negatives:,}" for part in report.parts))
    return table


def _reach(report: Checkup) -> RenderableType:
    from rich.text import Text

    table = _table("  class", "boxes", "median size", "IoU >= 0.5", "mean best IoU", "anchors/object")
    for each in report.reach[:_CLASSES]:
        drawn = report.steps.objects[each.name]
        table.add_row(
            Text(f"  {each.name}"),
            f"{each.coverage.boxes:,}",
            f"{each.width:.0f} x {each.height:.0f}",
            f"{each.coverage.recall:.1%}",
            figure(each.coverage.mean_iou),
            f"{report.steps.positives[each.name] / drawn:.1f}" if drawn else "-",
        )
    return table


def _far(report: Checkup) -> Iterator[RenderableType]:
    """The boxes that no anchor reaches, the farthest first."""
    from rich.text import Text

    for box in report.unreached[:_FAR]:
        text = f"{box.label} {box.width:.0f}x{box.height:.0f}, best IoU {box.best_iou:.2f}, {Path(box.photo).name}"
        yield Text(f"  no anchor: {text}", style="dim")
    if len(report.unreached) > _FAR:
        yield Text(f"  and {len(report.unreached) - _FAR:,} more boxes (--json lists all)", style="dim")


def _evidence(report: Checkup) -> Iterator[tuple[str, str, bool | None]]:
    """Boxes on objects, labels that look right, colours in their order."""
    boxes = report.evidence
    if boxes is None:
        yield "boxes", "too few photos to say whether boxes lie on objects", None
    else:
        where = (
            f"not on their objects: {boxes.change}"
            if boxes.is_off
            else "differ most from their surroundings where they are"
        )
        yield "boxes", f"{where} ({counted(boxes.boxes, 'box')} on {boxes.photos} photos)", not boxes.is_off
    looks = report.looks
    if looks is None:
        yield "labels", "not compared: that takes two classes and a pretrained backbone", None
    else:
        doubts = len(looks.doubts) + len(looks.exchanges)
        text = f"{looks.recognised:.0%} of boxes look like others of their class"
        if not looks.are_known:
            yield "labels", f"{text}: too few to doubt any", None
        else:
            yield "labels", f"{text}; {doubts or 'no'} doubts", not doubts
    for order in report.colours:
        share = f"{order.as_they_are:.0%} of {order.photos} photos look usual as RGB" if order.photos else "all grey"
        yield f"RGB, {order.part}", share, None if not order.photos else not order.is_exchanged
    if not report.colours:
        yield "RGB", "not looked at: that takes a pretrained backbone", None


def _first_steps(report: Checkup) -> Iterator[tuple[str, str, bool | None]]:
    steps = report.steps
    objects, anchors = sum(steps.objects.values()), sum(steps.positives.values())
    text = f"{counted(steps.pictures, 'picture')}, {steps.without_objects} without objects, {objects} objects"
    yield "drawn", f"{text}, {anchors / steps.pictures:.1f} anchors a picture", True
    wrong = any(finding.code == "DOC009" for finding in report.findings)
    classes = f"class {steps.class_loss:.2f} (a detector that says nothing: {steps.silent_class_loss:.2f})"
    yield "loss", f"{classes}, box {steps.box_loss:.2f} ({steps.silent_box_loss:.2f})", not wrong


def _memory(report: Checkup) -> Iterator[tuple[str, str, bool | None]]:
    found = report.memorised
    assert found is not None
    text = f"AP50 {found.AP50:.3f} after {found.steps} steps on {counted(found.boxes, 'box')}"
    yield "learnt", text if found.passed else f"{text}: {found.cause}", found.passed
