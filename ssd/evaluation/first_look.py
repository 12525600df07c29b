"""Where to look first when a detector finds too little: the class and the kind of error that cost most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ssd.evaluation.error_costs import KINDS, MEANING, Kind
from ssd.training.history import HISTORY
from ssdprep.wording import counted, quoted

if TYPE_CHECKING:
    from ssd.evaluation.measuring import Evaluation

GOOD = 0.9  # AP50 from which on there is nothing to be said
PAIRS = 3  # of classes that are named
FREE = 0.0005  # AP50; what costs less is shown as 0.000

CURES = {
    Kind.CLASS: "look at the pairs of classes that are taken for each other: label them alike, or add photos of both",
    Kind.PLACE: "look whether the labels are drawn close; ssd.fit_anchors, or a preset of larger input",
    Kind.BOTH: "more photos of the classes that are found there, and longer training",
    Kind.DUPLICATE: "look for objects that are labelled in parts, or once for several",
    Kind.BACKGROUND: "look for objects there without a label; where there is none, add such photos, without boxes",
    Kind.MISSED: "look whether they are small or rare (ssdprep audit): a preset of larger input, more photos of them",
}


def first_look(report: Evaluation) -> list[str]:
    """What to look at in turn, a sentence each; [] where AP50 is good."""
    if report.scores.AP50 >= GOOD:
        return []
    if report.course.is_little:
        doctor = f"python -m ssd.doctor {quoted(report.data)}"
        return [f"it has learnt next to nothing: more --epochs, or {doctor}, which says what keeps it from learning"]
    known = [each for each in report.scores.per_class if each.boxes]
    worst, costs = min(known, key=lambda each: each.AP50), report.diagnosis.costs
    kind = max(KINDS, key=lambda each: costs[each])
    told = []
    if len(known) > 1:
        told.append(f"{worst.name} is found worst: AP50 {worst.AP50:.3f}, {counted(worst.boxes, 'box')} here")
    if costs[kind] >= FREE:
        told.append(f"{kind.value} errors cost most, {costs[kind]:.3f} AP50 ({MEANING[kind]}): {CURES[kind]}")
    if report.course.still_rises:
        told.append(f"AP on val still rose in the last epochs ({report.run / HISTORY}): more --epochs")
    return told


def free_misses(report: Evaluation) -> str:
    """Why objects that are missed cost nothing; "" where that is not so."""
    times = report.diagnosis.made.counts[Kind.MISSED]
    if not times or report.diagnosis.costs[Kind.MISSED] >= FREE:
        return ""
    return f"missed {counted(times, 'time')} at no cost: AP50 counts lower scores too, and then something is found near"


def taken_for_another(report: Evaluation) -> str:
    """Which classes were most often found as which others; "" where none was."""
    pairs = report.diagnosis.taken_for()[:PAIRS]
    told = (f"{report.names[label - 1]} for {report.names[found - 1]} ({times})" for label, found, times in pairs)
    return f"taken for another: {', '.join(told)}" if pairs else ""
