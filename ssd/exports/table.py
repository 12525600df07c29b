"""How the report of `ssd.export` looks on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ssd.tables import figure
from ssdprep.console import Next
from ssdprep.wording import counted, quoted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ssd.exports.exporting import Export


def export_report(report: Export) -> Iterator[RenderableType | Next]:
    """What each runtime says, beside Keras, and the files."""
    from rich.table import Table
    from rich.text import Text

    pictures = counted(report.agreements[0].pictures, "photo")
    if report.source == "noise":
        yield Text("checked on noise only: the run's photos are not where they were; --check DATA names some", "yellow")
    else:
        yield f"checked on {pictures}: {report.source}"
    table = Table(box=None, pad_edge=False)
    labelled = not math.isnan(report.agreements[0].AP50_before)
    for column in ("runtime", "scores", "boxes", "detections", *(("AP50", "AP") if labelled else ()), "ms"):
        table.add_column(column, justify="left" if column == "runtime" else "right")
    first = report.agreements[0]
    ap = [figure(first.AP50_before), figure(first.AP_before)] if labelled else []
    table.add_row("Keras", "", "", str(first.detections), *ap, "")
    for each in report.agreements:
        ap = [figure(each.AP50_after), figure(each.AP_after)] if labelled else []
        same = f"{each.same} the same" + (f", {each.more} others" if each.more else "")
        apart = ("-" if value is None else f"±{value:.1g}" for value in (each.scores, each.boxes))
        table.add_row(each.runtime, *apart, same, *ap, f"{each.milliseconds:.1f}")
    yield table
    yield Text.assemble(("written", "bold green"), f"  {report.files[0]}  {report.size / 1e6:.1f} MB")
    for path in report.files[1:]:
        yield f"         {path}"
    scripts = [path for path in report.files if path.suffix == ".py"]
    if scripts:
        yield Next(f"python {quoted(scripts[0])} {quoted(report.files[0])} PHOTOS")
