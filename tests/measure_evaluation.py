"""Which findings of an evaluation fire on planted faults, and which where nothing is wrong.

`python tests/measure_evaluation.py RUN DATA`; docs/evaluation.md has what it printed. Faults are planted into labels
in memory, exchanged colours into copies of the photos.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ssdprep.tensorflow import import_tensorflow

import_tensorflow()

import keras  # noqa: E402

from ssd.data import open_source, readable  # noqa: E402
from ssd.evaluation.diagnosis import diagnose  # noqa: E402
from ssd.evaluation.findings import findings_of  # noqa: E402
from ssd.evaluation.measuring import score  # noqa: E402
from ssd.pipeline import Example, read  # noqa: E402
from ssd.run import Run  # noqa: E402
from ssdprep import boxes as geometry  # noqa: E402
from ssdprep.images import encode_png  # noqa: E402
from ssdprep.record import Size  # noqa: E402

Change = Callable[[Example], Example]


def moved(example: Example, change: Callable[[np.ndarray, Size], np.ndarray]) -> Example:
    """The example with other boxes: ``change`` takes and gives pixels."""
    height, width = example.size
    sides = np.array([width, height] * 2, np.float64)
    boxes = change(example.boxes.astype(np.float64) * sides, Size(width, height)) / sides
    return replace(example, boxes=np.clip(boxes, 0, 1).astype(np.float32))


def shift(x: float, y: float) -> Change:
    """Every box by so many of its own sides."""
    return lambda e: moved(e, lambda b, _: b + np.tile((b[:, 2:] - b[:, :2]) * [x, y], 2))


def pixels(x: float, y: float) -> Change:
    """Every box by so many pixels."""
    return lambda e: moved(e, lambda b, _: b + np.array([x, y, x, y]))


def turn(orientation: int) -> Change:
    """Labels as they stand in the stored frame of a photo of this orientation, read as if it were upright."""
    back = {6: 8, 8: 6}.get(orientation, orientation)
    return lambda e: moved(e, lambda b, size: geometry.upright(b, back, size))


def ids(order: Sequence[int]) -> Change:
    """Class i becomes order[i - 1]."""
    return lambda e: replace(e, ids=np.array(order, np.int32)[e.ids - 1])


def every(n: int, change: Change) -> Callable[[Sequence[Example]], list[Example]]:
    """The change on every n-th photo."""
    return lambda examples: [change(e) if i % n == 0 else e for i, e in enumerate(examples)]


def plants(classes: int) -> Iterator[tuple[str, Callable[[Sequence[Example]], list[Example]]]]:
    """What is planted, in words, and how."""
    yield "nothing", every(1, lambda e: e)
    yield "one pixel left and up", every(1, pixels(-1, -1))
    for share in (0.05, 0.1, 0.2, 0.4):
        yield f"{share:g} of the width right", every(1, shift(share, 0))
    yield "0.1 of the height up", every(1, shift(0, -0.1))
    for orientation in range(2, 9):
        yield f"orientation {orientation} not obeyed", every(1, turn(orientation))
    yield "orientation 3 not obeyed, 1 photo in 8", every(8, turn(3))
    if classes > 1:
        yield "classes 1 and 2 exchanged", every(1, ids([2, 1, *range(3, classes + 1)]))
    if classes > 2:
        yield "classes 1, 2, 3 round in a ring", every(1, ids([2, 3, 1, *range(4, classes + 1)]))


def told(run: Run, folder: Path, data: Path, examples: Sequence[Example], found: Sequence[np.ndarray]) -> str:
    """AP50, and the codes that fire."""
    judged = diagnose(examples, found, run.labels.names).judged
    codes = Counter(f.code for f in findings_of(run, folder, data, examples, found, judged))
    said = ", ".join(f"{code} x {n}" if n > 1 else code for code, n in sorted(codes.items()) if code != "EVAL008")
    return f"{score(examples, found, run.labels.names).AP50:.3f} | {said or '-'}"


def swapped(examples: Sequence[Example], folder: Path) -> list[Example]:
    """Copies of the photos with red and blue exchanged."""
    copies = []
    for i, example in enumerate(examples):
        path = folder / f"{i}.png"
        path.write_bytes(encode_png(np.ascontiguousarray(read(example).numpy()[..., ::-1])))
        copies.append(replace(example, source=str(path), shard=None))
    return copies


def biased(run: Run, class_id: int, by: float) -> Run:
    """The detector with another bias for one class in all its heads."""
    model = keras.models.clone_model(run.model)
    model.set_weights(run.model.get_weights())
    for layer in model.layers:
        if re.fullmatch(r"classes_\d_conv", layer.name):
            *kernels, bias = layer.get_weights()
            each = bias.reshape(-1, len(run.labels.names) + 1)
            each[:, class_id] += by
            layer.set_weights([*kernels, each.reshape(-1)])
    return replace(run, model=model)


def main() -> None:
    """Print a row for each plant."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split")
    options = parser.parse_args()
    run = Run.load(options.run)
    source = open_source(options.data, run.labels)
    examples, _ = readable(source.split(options.split or ("test" if "test" in source.splits else "all")))
    found = list(run.detect(examples))
    for name, plant in plants(len(run.labels.names)):
        print(f"| {name} | {told(run, options.run, options.data, plant(examples), found)} |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        copies = swapped(examples, Path(folder))
        print(f"| red and blue exchanged | {told(run, options.run, options.data, copies, list(run.detect(copies)))} |")
    for by, name in ((4.0, "the detector says class 1 too easily"), (-20.0, "the detector never says class 1")):
        other = biased(run, 1, by)
        said = told(other, options.run, options.data, examples, list(other.detect(examples)))
        print(f"| {name} | {said} |", flush=True)


if __name__ == "__main__":
    main()
