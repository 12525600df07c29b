"""How the report of `ssd.evaluate` looks on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ssd.evaluation.error_costs import KINDS, MEANING
from ssd.evaluation.first_look import first_look, free_misses, taken_for_another
from ssd.evaluation.thresholds import FEW
from ssd.tables import bar, figure
from ssdprep.console import Next
from ssdprep.wording import counted, quoted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ssd.evaluation.measuring import Evaluation


def evaluation_report(report: Evaluation) -> Iterator[RenderableType | Next]:
    """AP for each class and over all, COCO's twelve figures, what errors cost, what is taken for what."""
    from rich.text import Text

    yield _classes(report)
    if any(c.boxes for c in report.scores.per_class):
        few = ", ".join(c.name for c in report.scores.per_class if 0 < c.boxes < FEW)
        yield _dim(
            "score: where F1 is best on these photos; prec and recall: precision and recall of what is shown from it on"
            + (f" - of {few} by chance, with fewer than {FEW} boxes" if few else "")
        )
    yield ""
    yield _coco(report)
    yield ""
    yield _errors(report)
    if free := free_misses(report):
        yield _dim(free)
    if confused := taken_for_another(report):
        yield _dim(confused)
    if looks := first_look(report):
        yield ""
        yield _first(looks)
    if report.page:
        yield Text.assemble("wrote    ", (f"{report.page}", "bold green"))
    else:
        asked = f"{quoted(report.run)} {quoted(report.data)} --split {report.split}"
        yield Next(f"python -m ssd.evaluate {asked} --html evaluation.html")


def _classes(report: Evaluation) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    scores = report.scores
    lost = f", without {counted(report.strangers, 'box')} of classes that it does not know" if report.strangers else ""
    table = Table(
        title=Text(f"{counted(scores.images, 'photo')} of {report.source}{lost}"),
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("class", max_width=18, overflow="fold")
    for column in ("boxes", "AP50", "AP", "VOC07", "VOC10", "score", "prec", "recall"):
        table.add_column(column, justify="right")
    table.add_column("")
    for c, seen in zip(scores.per_class, report.diagnosis.classes, strict=True):
        best = [f"{value:.2f}" for value in seen.best[:3]] if seen.best else ["-"] * 3
        figures = map(figure, (c.AP50, c.AP, c.voc07, c.voc10))
        table.add_row(Text(c.name), f"{c.boxes:,}", *figures, *best, bar(c.AP50, 10))
    overall = map(figure, (scores.AP50, scores.AP, scores.voc07, scores.voc10))
    boxes = sum(c.boxes for c in scores.per_class)
    table.add_row("all", f"{boxes:,}", *overall, "", "", "", bar(scores.AP50, 10), style="bold")
    return table


def _coco(report: Evaluation) -> RenderableType:
    """The twelve figures: of precision above, of recall below."""
    from rich.table import Table
    from rich.text import Text

    coco = report.scores.coco
    sizes = ("small", "medium", "large")
    rows = (
        {"AP": coco.AP, "AP50": coco.AP50, "AP75": coco.AP75, **{s: getattr(coco, f"AP_{s}") for s in sizes}},
        {"AR1": coco.AR1, "AR10": coco.AR10, "AR100": coco.AR100, **{s: getattr(coco, f"AR_{s}") for s in sizes}},
    )
    table = Table(box=None, pad_edge=False, show_header=False)
    for place in range(13):
        table.add_column(justify="right" if place and place % 2 == 0 else "left", no_wrap=True)
    for head, row in zip(("COCO", ""), rows, strict=True):
        cells = (cell for name, value in row.items() for cell in (Text(name, style="dim"), figure(value)))
        table.add_row(Text(head, style="bold"), *cells)
    return table


def _errors(report: Evaluation) -> RenderableType:
    """Each kind of error: the AP50 that would be gained without it, and how often it was made."""
    from rich.table import Table
    from rich.text import Text

    costs, made = report.diagnosis.costs, report.diagnosis.made.counts
    most = max(*costs.values(), 1e-9)
    table = Table(
        title=Text("errors, counted from the score on that F1 is best at, or 0.5 where boxes are few"),
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
    )
    for column in ("error", "AP50 lost", "times"):
        table.add_column(column, justify="left" if column == "error" else "right")
    table.add_column("")
    table.add_column("")
    for kind in KINDS:
        cost, said = costs[kind], Text(MEANING[kind], style="dim")
        table.add_row(kind.value, f"{cost:.3f}", f"{made[kind]:,}", bar(max(0.0, cost) / most, 10), said)
    return table


def _first(looks: list[str]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for place, look in enumerate(looks):
        table.add_row(Text("" if place else "look at", style="bold"), Text(look))
    return table


def _dim(text: str) -> RenderableType:
    from rich.text import Text

    return Text(text, style="dim")
