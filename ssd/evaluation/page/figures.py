"""The parts of the page that hold figures: scores of classes, what errors cost, what was taken for what, curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ssd.evaluation.error_costs import KINDS, MEANING
from ssd.evaluation.first_look import first_look, free_misses, taken_for_another
from ssd.evaluation.thresholds import FEW, SCORE
from ssd.tables import figure
from ssdprep.page import charts, sections
from ssdprep.page.grid import card, legend, table
from ssdprep.page.markup import Html, join, tag
from ssdprep.record import Severity
from ssdprep.wording import counted

if TYPE_CHECKING:
    from ssd.evaluation.measuring import Evaluation
    from ssdprep.page.sections import Kind

_ROWS, _CURVES, _CONFUSED = 60, 12, 16  # classes in the table, among the curves, in the matrix


def verdict(report: Evaluation) -> Html:
    """One line that says how it stands."""
    kinds = {severity: sum(f.severity is severity for f in report.findings) for severity in Severity}
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
    pills = [tag("span", counted(n, words[s]), class_=f"pill {s}") for s, n in kinds.items() if n]
    costs = report.diagnosis.costs
    worst = max(KINDS, key=lambda kind: costs[kind])
    said = f"Most AP50 is lost to {worst.value} errors ({costs[worst]:.3f}): {MEANING[worst]}."
    said = said if costs[worst] > 0 else "No kind of error costs AP50 by itself."
    return tag("p", [join(pill, " ") for pill in pills], said, class_="verdict")


def to_do(report: Evaluation, kinds: Sequence[Kind]) -> Html:
    """What findings ask for, and where to look first when too little is found."""
    looks = [tag("li", look) for look in first_look(report)]
    graver = any(kind.severity is not Severity.INFO for kind in kinds)
    listed = sections.to_do(kinds, report.data) if graver or not looks else None
    note = f"AP50 is {report.scores.AP50:.3f}. In this order:"
    return join(listed, card("Where to look first", note, tag("ol", looks)) if looks else None)


def tiles(report: Evaluation) -> Html:
    """The figures that matter first."""
    scores = report.scores
    shown = {
        "AP50": figure(scores.AP50),
        "AP": figure(scores.AP),
        "VOC 2007": figure(scores.voc07),
        "VOC 2010+": figure(scores.voc10),
        "photos": f"{scores.images:,}",
        "boxes": f"{sum(c.boxes for c in scores.per_class):,}",
        "classes": f"{len(scores.per_class):,}",
    }
    return tag("dl", (tag("div", tag("dt", name), tag("dd", value)) for name, value in shown.items()), class_="tiles")


def classes(report: Evaluation) -> Html:
    """A row for each class: its scores, and the score from which on it is best shown."""
    rows = []
    for place, (c, seen) in enumerate(zip(report.scores.per_class, report.diagnosis.classes, strict=True)):
        best = [f"{value:.2f}" for value in seen.best[:3]] if seen.best else ["-"] * 3
        cells = (f"{c.boxes:,}", figure(c.AP50))
        rest = (*map(figure, (c.AP, c.voc07, c.voc10)), *best)
        rows.append(
            tag(
                "tr",
                tag("th", tag("span", class_=f"chip k{place}"), c.name, scope="row"),
                (tag("td", value) for value in cells),
                tag("td", charts.bar(0.0 if math.isnan(c.AP50) else c.AP50), class_="wide"),
                (tag("td", value) for value in rest),
            )
        )
    more = len(rows) - _ROWS
    caption = (
        "AP50 at IoU 0.5 and AP over 0.50 to 0.95 as COCO has them; VOC leaves difficult objects out."
        " Score: where F1 is highest on these photos; precision and recall: of what is shown from it"
        f" on. With fewer than {FEW} boxes it is partly chance: take {SCORE:g}."
        + (f" {_ROWS} of {len(rows)} classes; --json has all." if more > 0 else "")
    )
    heads = ["class", "boxes", "AP50", "", "AP", "VOC07", "VOC10", "score", "precision", "recall"]
    return tag("div", table(caption, heads, rows[:_ROWS]), class_="card")


def coco(report: Evaluation) -> Html:
    """COCO's twelve figures."""
    score, sizes = report.scores.coco, ("small", "medium", "large")
    heads = ["", "all", "IoU 0.50", "IoU 0.75", "1 a photo", "10 a photo", "100 a photo", *sizes]
    precision = (score.AP, score.AP50, score.AP75, None, None, None, *(getattr(score, f"AP_{s}") for s in sizes))
    recall = (None, None, None, score.AR1, score.AR10, score.AR100, *(getattr(score, f"AR_{s}") for s in sizes))
    rows = [
        tag("tr", tag("th", name, scope="row"), (tag("td", "" if v is None else figure(v)) for v in values))
        for name, values in (("average precision", precision), ("average recall", recall))
    ]
    caption = "Small: up to 32 × 32 pixels of the photo; large: from 96 × 96 on. A dash: no such object is here."
    return tag("div", tag("h3", "The twelve figures of COCO"), table(caption, heads, rows), class_="card")


def errors(report: Evaluation) -> Html:
    """What each kind of error costs."""
    costs, made = report.diagnosis.costs, report.diagnosis.made.counts
    most = max(*costs.values(), 1e-9)
    rows = [
        tag(
            "tr",
            tag("th", kind.value, scope="row"),
            tag("td", f"{costs[kind]:.3f}"),
            tag("td", charts.bar(max(0.0, costs[kind]) / most, "bar bad"), class_="wide"),
            tag("td", f"{made[kind]:,}"),
            tag("td", MEANING[kind], class_="said"),
        )
        for kind in KINDS
    ]
    caption = (
        "AP50 lost: what would be gained if all errors of this kind were cured, and no other; they do not add up."
        f" Times: counted from the best score of each class on, from {SCORE:g} where its boxes are few."
    )
    for more in filter(None, (free_misses(report), taken_for_another(report))):
        caption += f" {more[0].upper()}{more[1:]}."
    return card("What errors cost", caption, table("", ["error", "AP50 lost", "", "times", ""], rows))


def confused(report: Evaluation) -> Html:
    """The confusion matrix, with background."""
    counts, names = report.diagnosis.confusion, report.names
    wrong = counts[1:-1].sum(axis=1) - np.diagonal(counts)[1:] + counts[:, 1:].sum(axis=0) - np.diagonal(counts)[1:]
    shown = np.sort(np.argsort(-wrong, kind="stable")[:_CONFUSED]) + 1
    rows = []
    extra = {0: "background", len(names) + 1: "found already"}
    for row, name in [*((i, names[i - 1]) for i in shown.tolist()), *extra.items()]:
        total = counts[row].sum() or 1
        cells = [
            tag(
                "td",
                f"{counts[row, column]:,}" if row or column else "",
                class_=None if not counts[row, column] else "r" if row == column else "k",
                style=f"--k:{counts[row, column] / total:.2f}" if counts[row, column] else None,
            )
            for column in [*shown.tolist(), 0]
        ]
        rows.append(tag("tr", tag("th", name, scope="row"), cells))
    some = f" The {_CONFUSED} classes with most mistakes." if len(names) > _CONFUSED else ""
    caption = (
        "Row: what is labelled; column: what is found there (IoU 0.5), from the best score of each class on, from"
        f" {SCORE:g} where its boxes are few. A label counts once. Background: detections on no label; found already:"
        f" those on a label that has one.{some}"
    )
    heads = ["label", *(names[i - 1] for i in shown.tolist()), "not found"]
    return card("What was taken for what", caption, table("", heads, rows, "matrix"))


def curves(report: Evaluation) -> Html:
    """Precision over recall, a line for each class."""
    order = sorted(
        (i for i, seen in enumerate(report.diagnosis.classes) if seen.precision),
        key=lambda i: -report.scores.per_class[i].boxes,
    )[:_CURVES]
    lines = {i: report.diagnosis.classes[i].precision for i in order}
    said = "Precision over recall at IoU 0.5; the area under each line is its AP50 in the table of classes."
    more = f" The {_CURVES} most frequent classes." if len(report.names) > len(order) else ""
    place = {report.names[i]: i for i in order}
    chart = charts.curves(lines, "recall: share of the objects that is found", "precision: share that is right", said)
    note = f"As the score falls, more is found and less of it is right. The area under a line is AP50.{more}"
    return tag("div", card("At IoU 0.5", note, join(legend(place), chart)), _f1(report, order), class_="pair")


def _f1(report: Evaluation, order: list[int]) -> Html:
    """How F1 goes with the score: where it is flat, the score hardly matters."""
    from ssd.evaluation.thresholds import curve_of

    lines = {}
    steps = np.linspace(0, 1, 101)
    for i in order:
        curve = curve_of(report.diagnosis.judged, i + 1)
        at = np.searchsorted(-curve.scores, -steps, side="right") - 1  # the last detection from this score on
        lines[i] = np.where(at >= 0, np.append(curve.f1, 0.0)[at], 0.0).tolist()
    place = {report.names[i]: i for i in order}
    said = "F1 over the score from which on detections are shown; the table of classes has the best of each."
    chart = charts.curves(lines, "score from which on boxes are shown", "F1", said)
    note = "F1 weighs what is right against what is found. Where a line is flat, the score hardly matters."
    return card("From which score on?", note, join(legend(place), chart))
