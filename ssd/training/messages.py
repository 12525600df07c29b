"""What training says on the way, as lines of text: what it starts with, what it leaves out, how each epoch went."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ssd.tables import figure
from ssdprep.record import Severity
from ssdprep.wording import clock, counted, listed, quoted

if TYPE_CHECKING:
    from pathlib import Path

    from ssd.training.history import Epoch
    from ssdprep.record import Finding

HEADER = "epoch   stage     loss    class      box   val AP50   val AP     photos/s   left"


def introduced(data: Path, training: int, validation: int, classes: Sequence[str]) -> str:
    """What is trained on."""
    return (
        f"{data}: {counted(training, 'photo')} to train on, {validation:,} to validate on, "
        f"{counted(len(classes), 'class')}: {listed(classes)}"
    )


def introduced_devices(replicas: int, workers: int, chief: bool) -> str:
    """What it is trained on: devices, and processes."""
    role = "" if workers == 1 else "; this one evaluates and writes" if chief else "; the chief evaluates and writes"
    return f"{counted(replicas, 'device')} in {counted(workers, 'process')} share each batch{role}"


def left_out(data: Path, photos: int, boxes: int, findings: Sequence[Finding]) -> str:
    """How many photos and boxes do not take part, and the codes of what is wrong with them; "" where all do."""
    parts = [counted(n, noun) for n, noun in ((photos, "photo"), (boxes, "box")) if n]
    if not parts:
        return ""
    codes = Counter(f.code for f in findings if f.severity is not Severity.INFO).most_common()
    why = f" ({', '.join(f'{n} x {code}' for code, n in codes)})" if codes else ""
    return f"left out: {' and '.join(parts)}{why}; which, and what cures it: ssdprep audit {quoted(data)}"


def told(line: Epoch, epochs: int, better: bool, left: float) -> str:
    """A row below `HEADER`, which fits 80 columns; the star marks weights that were kept. ``left``: seconds."""
    figures = [figure(value) for value in (line.val_AP50, line.val_AP)]
    return (
        f"{f'{line.epoch}/{epochs}':<7} {line.stage:<6} {line.loss:7.3f}  {line.class_loss:7.3f}  {line.box_loss:7.3f}"
        f"{figures[0]:>10}{figures[1]:>9} {'*' if better else ' '}{line.images_per_second:11.0f}"
        f"{clock(left):>8}"
    )


def sparkline(shares: Sequence[float], width: int = 16) -> str:
    """The last values in 0..1 as block characters, a blank where one is not defined."""
    return "".join(" " if math.isnan(v) else "▁▂▃▄▅▆▇█"[min(7, int(v * 8))] for v in shares[-width:])
