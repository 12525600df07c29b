"""How the report of repair looks on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ssdprep.console import Next
from ssdprep.wording import counted, quoted

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from ssdprep.repair import RepairReport

_COLOUR = {"+": "green", "-": "red", "@": "cyan"}


def repair_report(report: RepairReport) -> Iterator[RenderableType | Next]:
    """What could be cured and by which command; or what was, or in a dry run the difference in each file."""
    from rich.text import Text

    from ssdprep.repair_plan import CURES

    data = quoted(report.root)
    if not report.chosen:
        yield from _offer(report)
        return
    for fixed in report.files:
        if fixed.diff:
            yield _Diff(fixed.diff)
    changed = f"{counted(len(report.files), 'annotation')} {'would be ' * report.dry_run}changed"
    yield Text.assemble(("repair   ", "bold"), changed if report.files else "nothing to do")
    for code, count in report.counts.items():
        if count.places:
            what, places = CURES.get(code, "gives classes another name"), f"{count.places:,}"
            yield Text.assemble("  ", (f"{code:<6}", "bold"), f"  {what}: {places} in {counted(count.files, 'file')}")
    for old, new, boxes in report.renamed:
        if boxes:
            yield Text(f"          {old} -> {new}: {counted(boxes, 'box')}")
    if report.recovered:
        ending = "completed" if report.recovered.forward else "taken back"
        tense = "would be" if report.dry_run else "was"
        yield Text(f"before   a run that was interrupted ({report.recovered.when}) {tense} {ending}", style="yellow")
    if report.files and not report.dry_run:
        yield Text.assemble(("undo:    ", "dim"), (f"ssdprep undo {data}", "cyan"))
    if report.files and report.dry_run:
        yield Next(report.command(",".join(code for code in report.chosen if code in CURES), report.renames))
    else:
        yield Next(f"ssdprep audit {data}")


def _offer(report: RepairReport) -> Iterator[RenderableType | Next]:
    from rich.text import Text

    from ssdprep.repair_plan import CURES

    what = "these can be cured without you; nothing is changed yet"
    yield Text.assemble(("repair   ", "bold"), what if report.counts else "nothing is wrong that has a safe cure")
    for code, count in report.counts.items():
        places = f"{count.places:,} in {counted(count.files, 'file')}"
        yield Text.assemble("  ", (code, "bold"), f"  {CURES[code]}: {places}")
        yield Text.assemble("          ", (report.command(code), "cyan"))
    for old, new, boxes in report.slips:
        yield Text.assemble(
            "  ", ("rename", "bold"), f"  {old!r} ({counted(boxes, 'box')}) is nearly {new!r}; if that is meant:"
        )
        yield Text.assemble("          ", (report.command("", {old: new}), "cyan"))
    data = quoted(report.root)
    yield Next(f"ssdprep repair {data} --only all --dry-run" if report.counts else f"ssdprep audit {data}")


class _Diff:
    """A unified diff: coloured and wrapped on a terminal, to the letter in a pipe."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment
        from rich.text import Text

        for line in self.text.splitlines():
            shown = "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in line)
            if console.is_terminal:
                yield Text(shown, style="bold" if line[:3] in ("+++", "---") else _COLOUR.get(line[:1], "dim"))
            else:
                yield Segment(shown + "\n")
