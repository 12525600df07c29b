"""A picture of the first batch: what training drew, the objects on it, and the anchors that answer for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ssd.checkup.first_steps import Drawn
from ssd.run import Run
from ssdprep.draw import draw_boxes
from ssdprep.palette import palette
from ssdprep.record import Box, Object
from ssdprep.sheet_files import write_sheet
from ssdprep.sheets import Panel, contact_sheet
from ssdprep.wording import counted

PICTURES = 12
SHOWN = 480  # pixels of a picture's longer side: enlarged first, or its lines would be as coarse as its pixels
WHITE = (255, 255, 255)


def write_batch_sheet(path: Path, run: Run, drawn: Sequence[Drawn], folders: Sequence[Path]) -> None:
    """Draw the first pictures and write them as a marked PNG; folders: those that it must not lie in.

    `SsdprepError` where the place holds another file (`ssdprep.sheet_files`).
    """
    colours = palette(run.labels.names)
    panels = [(_panel(run, picture, colours),) for picture in drawn[:PICTURES]]
    positives = {
        name: int(sum((picture.class_index == i).sum() for picture in drawn))
        for i, name in enumerate(run.labels.names, start=1)
    }
    title = f"What {run.config.name} learns from first"
    subtitle = "white: objects; in colour: anchors that answer for them"
    sheet = contact_sheet(panels, title=title, subtitle=subtitle, legend=positives, colours=colours, row=400)
    write_sheet(path, sheet, folders)


def _panel(run: Run, picture: Drawn, colours: dict[str, tuple[int, int, int]]) -> Panel:
    height, width = picture.image.shape[:2]
    scale = SHOWN / max(height, width)
    image = cv2.resize(picture.image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_CUBIC)
    sides = np.array([image.shape[1], image.shape[0]] * 2)
    held = np.flatnonzero(picture.class_index > 0)
    for anchor, i in zip(run.anchors[held], picture.class_index[held].tolist(), strict=True):
        corners = np.concatenate([anchor[:2] - anchor[2:] / 2, anchor[:2] + anchor[2:] / 2]) * sides
        x0, y0, x1, y1 = np.round(corners).astype(int).tolist()
        cv2.rectangle(image, (x0, y0), (x1, y1), colours[run.labels.name_of(i)], 1)
    objects = [
        Object(run.labels.name_of(i), Box(*box))
        for i, box in zip(picture.ids.tolist(), (picture.boxes * sides).tolist(), strict=True)
    ]
    marked = draw_boxes(image, objects, colours=dict.fromkeys(run.labels.names, WHITE))
    note = f"{counted(len(objects), 'object')}, {counted(len(held), 'anchor')}"
    return Panel(marked, (), Path(picture.source).name, note)
