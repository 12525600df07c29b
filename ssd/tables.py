"""How each command's report looks on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ssd.training.history import is_measured
from ssdprep.console import Next, one_line
from ssdprep.wording import clock, counted, quoted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ssd.prediction.found import Found
    from ssd.prediction.labelling import Labelled
    from ssd.prediction.predicting import Predictions
    from ssd.trainer import Trained


def train_report(report: Trained) -> Iterator[RenderableType | Next]:
    """The epoch that was kept, and where everything is."""
    from rich.text import Text

    best, run, measured = report.best, report.folder, is_measured(report.history)
    how = (
        f"val AP50 {best.val_AP50:.3f}, AP {best.val_AP:.3f}"
        if measured
        else "not measured, for it learnt from val too"
    )
    yield Text.assemble(
        ("trained ", "bold green"),
        f"{counted(len(report.history), 'epoch')} in {clock(report.history[-1].seconds)}; kept epoch {best.epoch}: ",
        (how, "bold"),
    )
    yield f"  {run}/curves.png      {'loss and AP' if measured else 'loss'} over the epochs"
    if measured:
        yield f"  {run}/validation.jpg  labels and detections on photos it did not train on"
    if measured or report.has_test:
        yield Next(f"python -m ssd.evaluate {quoted(run)} {quoted(report.data)}")
    else:
        yield Next(f"python -m ssd.export {quoted(run)}")


def worker_report(report: Trained) -> Iterator[RenderableType | Next]:
    """What a worker that is not the chief says in the end."""
    epochs, took = counted(len(report.history), "epoch"), clock(report.history[-1].seconds)
    yield f"trained {epochs} in {took}; the chief has the run"


def prediction_report(report: Predictions) -> Iterator[RenderableType | Next]:
    """What was found on each photo and in each video, and where everything is."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(overflow="fold")  # a path that was cut short names nothing
    table.add_column(min_width=16)
    table.add_column(no_wrap=True)
    for photo in report.photos:
        part = f"best {photo.boxes_drawn} drawn" if photo.drawn and photo.boxes_drawn < len(photo.objects) else ""
        table.add_row(one_line(str(photo.image)), *_found([photo], part))
    for path, frames in report.videos.items():
        table.add_row(one_line(str(path)), *_found(frames, counted(len(frames), "frame")))
    yield table
    seen = len(report.photos) + len(report.videos)
    asked = counted(report.asked, "picture") if seen < report.asked or report.videos else counted(report.asked, "photo")
    asked = asked if seen == report.asked else f"{seen:,} of {asked}" if seen else f"none of {asked}"
    where = f"{asked} into {report.folder}/" if seen else asked
    yield Text.assemble(("drawn ", "bold"), where) if report.drawn else Text.assemble(("listed ", "bold"), where)
    if report.table:
        yield Text.assemble(("table  ", "bold"), str(report.table))
    if report.labelled:
        yield from _labelled(report.labelled)


def _found(pictures: Sequence[Found], remark: str) -> tuple[RenderableType, RenderableType]:
    """How many of each class, and between which scores."""
    from collections import Counter

    from rich.text import Text

    counts = Counter(thing.name for picture in pictures for thing in picture.objects)
    scores = [score for picture in pictures for score in picture.scores]
    best = " to ".join(dict.fromkeys(f"{score:.2f}" for score in (min(scores), max(scores)))) if scores else ""
    found = ", ".join(f"{n:,} {name}" for name, n in sorted(counts.items()))
    note = Text(", ".join(filter(None, (best, remark))), style="dim")
    return found or Text("nothing", style="dim"), note


def _labelled(labelled: Labelled) -> Iterator[RenderableType | Next]:
    from rich.text import Text

    rest = f"; nothing on {counted(labelled.nothing_found, 'photo')}: none there" if labelled.nothing_found else ""
    yield Text.assemble(("labels ", "bold"), f"{counted(labelled.written, 'annotation')} in {labelled.folder}/{rest}")
    if labelled.written and labelled.beside:
        yield Next(f"ssdprep preview {quoted(labelled.folder)}", "correct them in LabelImg")
    elif labelled.written:
        yield f"       in LabelImg: Open Dir, the photos; Change Save Dir, {labelled.folder}"


def figure(value: float) -> str:
    """Three digits, or a dash where the figure is not defined."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def bar(share: float, width: int = 20) -> str:
    """A bar of block characters for a share in 0..1."""
    eighths = 0 if math.isnan(share) else round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
