"""Pictures of a run: its curves, and what it sees on photos that it did not learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ssd.examples import Example, evenly
from ssd.pipeline import read
from ssd.run import Run
from ssd.training.history import best_of, is_measured
from ssdprep.record import Box, Object

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from ssd.training.history import Epoch
    from ssdprep.palette import Colour
    from ssdprep.sheets import Panel

MOST = 20  # boxes on one photo: an untrained detector finds hundreds, which hide it and each other
INK, CLASS, BOXES, GOOD, TIGHT = "#24292f", "#8250df", "#bf8700", "#1a7f37", "#0969da"


def curves(history: Sequence[Epoch], path: Path) -> None:
    """Loss over the epochs, and AP where it was measured, as PNG; the epoch that was kept is marked."""
    from ssdprep.files import write_new

    png = BytesIO()
    curves_figure(history).savefig(png)
    write_new(path, png.getvalue())


def curves_figure(history: Sequence[Epoch]) -> Figure:
    """What `curves` saves."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [line.epoch for line in history]
    figure = Figure(figsize=(9, 4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    loss, *measured = figure.subplots(1, 1 + is_measured(history), squeeze=False)[0]
    dot = "o" if len(history) == 1 else None  # a line of one point cannot be seen
    loss.plot(epochs, [line.loss for line in history], color=INK, marker=dot, label="loss")
    loss.plot(epochs, [line.class_loss for line in history], color=CLASS, marker=dot, label="class")
    loss.plot(epochs, [line.box_loss for line in history], color=BOXES, marker=dot, label="box")
    loss.set(title="training loss", ylim=(0, None))
    for found in measured:  # one, or none
        best = best_of(history)
        found.plot(epochs, [line.val_AP50 for line in history], color=GOOD, marker=dot, label="AP50")
        found.plot(epochs, [line.val_AP for line in history], color=TIGHT, marker=dot, label="AP")
        found.plot([best.epoch], [best.val_AP], "o", color=TIGHT, label=f"kept: epoch {best.epoch}, {best.val_AP:.3f}")
        found.set(title="on validation photos", ylim=(0, 1.02))
    freed = next((b.epoch - 0.5 for a, b in pairwise(history) if a.stage != b.stage), None)
    for axes in (loss, *measured):
        if freed:
            axes.axvline(freed, color="#afb8c1", linestyle=":", label="backbone freed" if axes is loss else None)
        axes.set(xlabel="epoch", xlim=(0.5, epochs[-1] + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#d0d7de", linewidth=0.6)
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=4)  # off the curves
    return figure


def found_objects(run: Run, rows: np.ndarray) -> tuple[tuple[Object, ...], tuple[float, ...]]:
    """Rows of `Run.detect` as objects and their scores."""
    objects = tuple(Object(run.labels.name_of(int(row[0])), Box(*map(float, row[2:]))) for row in rows)
    return objects, tuple(map(float, rows[:, 1]))


def best_part(found: int, most: int) -> str:
    """What to say where not all boxes are drawn: "best 20 of 131"; "" where they are."""
    return f"best {most} of {found:,}" if found > most else ""


def sheet(run: Run, examples: Sequence[Example], path: Path, *, count: int = 9, threshold: float = 0.5) -> None:
    """`sheet_picture` as a JPEG."""
    from ssdprep.files import write_new
    from ssdprep.images import encode_jpeg

    write_new(path, encode_jpeg(sheet_picture(run, examples, count=count, threshold=threshold), quality=90))


def sheet_picture(run: Run, examples: Sequence[Example], *, count: int = 9, threshold: float = 0.5) -> np.ndarray:
    """A contact sheet of photos, each twice: left its labels, right what the run finds, from ``threshold`` on.

    uint8 (H, W, 3).
    """
    from ssdprep.palette import palette
    from ssdprep.sheets import contact_sheet

    chosen = evenly(examples, count)
    tiles, colours = [], palette(run.labels.names)
    for example, rows in zip(chosen, run.detect(chosen, score=threshold), strict=True):
        image, name = read(example).numpy(), Path(example.source).name
        objects, scores = found_objects(run, rows)
        found = found_panel(image, objects, scores, "", "found", colours=colours)
        tiles.append((panel(image, labelled(run, example), None, name, "labels", colours=colours), found))
    title = f"{run.config.name}: labels, and what it finds from score {threshold:g} on"
    return contact_sheet(tiles, title=title, row=360)


def labelled(run: Run, example: Example) -> tuple[Object, ...]:
    """An example's labels as objects, in pixels of the upright photo."""
    height, width = example.size
    corners = (example.boxes * [width, height, width, height]).tolist()
    return tuple(Object(run.labels.name_of(i), Box(*box)) for i, box in zip(example.ids.tolist(), corners, strict=True))


def found_panel(
    image: np.ndarray,
    objects: tuple[Object, ...],
    scores: tuple[float, ...],
    caption: str,
    note: str = "",
    *,
    most: int = MOST,
    colours: Mapping[str, Colour] | None = None,
) -> Panel:
    """A photo with the best of what was found on it, best first; its note says how many more there were."""
    few = min(most, MOST)
    notes = [note, best_part(len(objects), few)] if objects else [f"{note} nothing".lstrip()]
    return panel(image, objects[:few], scores[:few], caption, ", ".join(filter(None, notes)), colours=colours)


def panel(
    image: np.ndarray,
    objects: tuple[Object, ...],
    scores: tuple[float, ...] | None,
    caption: str,
    note: str = "",
    *,
    colours: Mapping[str, Colour] | None = None,
) -> Panel:
    """A photo for a contact sheet, its boxes drawn at the sheet's size: lines shrunk with the photo would fade."""
    from ssdprep.draw import draw_boxes
    from ssdprep.sheets import Panel, thumbnail

    small = thumbnail(Panel(image, objects))
    return Panel(draw_boxes(small.image, small.objects, scores=scores, colours=colours), (), caption, note)
