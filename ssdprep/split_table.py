"""How the report of split looks on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ssdprep.console import Next
from ssdprep.wording import counted, quoted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ssdprep.split import SplitReport

_CLASSES = 30  # in a table on the terminal; --json holds all


def split_report(report: SplitReport) -> Iterator[RenderableType | Next]:
    """Photos and boxes of each part, a line for each class, where the lists are, and what comes next."""
    from rich.text import Text

    parts = report.splits.values()
    photos, boxes = sum(part.images for part in parts), sum(part.boxes for part in parts)
    yield Text.assemble(
        ("split    ", "bold"), f"{counted(photos, 'photo')}, {counted(boxes, 'box')}, seed {report.seed}"
    )
    if report.added is not None:
        yield Text.assemble(("added    ", "bold"), _said_of_added(report.added))
    yield _part_table(report)
    classes = len(report.splits["train"].classes)
    if classes > _CLASSES:
        yield Text(f"... and {classes - _CLASSES:,} rarer classes (--json lists all)", style="dim")
    for count, noun, why in (
        (report.unlabelled, "photo", "without annotation"),
        (report.unusable, "photo", "damaged, with broken labels, or with boxes in an unknown frame"),
        (report.unlistable, "photo", "with a name that no list can hold"),
        (report.held_out, "drawn picture", "of photos that are not in train"),
    ):
        if count:
            yield Text(f"{counted(count, noun)} {why}: in no part")
    if report.groups:
        kept = counted(sum(map(len, report.groups)), "photo")
        yield Text(f"together {kept} in {counted(len(report.groups), 'group')} of copies and bursts: each in one part")
    if report.added is None or any(report.added.values()) or report.kfold:
        yield Text.assemble("wrote    ", (f"{report.out}", "bold green"), "  train.txt val.txt test.txt trainval.txt")
    if report.kfold:
        last = f"fold{report.kfold}_val.txt"
        yield Text(f"         fold1_train.txt fold1_val.txt ... {last}: trainval in {report.kfold} folds")
    if report.removed:
        names = ", ".join(path.name for path in report.removed)
        again = "" if report.added is None else "; --kfold writes them anew"
        yield Text.assemble(("removed  ", "bold yellow"), f"{names}: no part of this split{again}")
    yield Next(f"ssdprep augment {quoted(report.root)} --rotate 15 --flip-h --contrast 0.2")


def _said_of_added(added: Mapping[str, int]) -> str:
    """How many photos came to which part."""
    if not any(added.values()):
        return "nothing: every photo with labels that can be used is in a part"
    where = ", ".join(f"{count:,} to {part}" for part, count in added.items() if count)
    return f"{counted(sum(added.values()), 'photo')}: {where}; all others stay where they are"


def _part_table(report: SplitReport) -> RenderableType:
    """Photos of each class by part; boxes where a photo holds several."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    parts = list(report.splits.values())
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column("", max_width=22, overflow="fold")
    for name in report.splits:
        table.add_column(name, justify="right")
        table.add_column("boxes", justify="right", style="dim")
    rows = [(part.images, part.boxes) for part in parts]
    table.add_row(Text("all photos", style="bold"), *(f"{count:,}" for row in rows for count in row))
    names = sorted(parts[0].classes, key=lambda name: (-sum(part.classes[name].boxes for part in parts), name))
    for name in names[:_CLASSES]:
        counts = [part.classes[name] for part in parts]
        table.add_row(Text(name), *(f"{number:,}" for count in counts for number in (count.images, count.boxes)))
    if any(part.negatives for part in parts):
        cells = (cell for part in parts for cell in (f"{part.negatives:,}", ""))
        table.add_row(Text("without objects", style="dim"), *cells)
    return table
