"""How often `ssd.doctor` is right about planted faults: `python tests/measure_doctor.py [SET...]`.

Prints what docs/doctor.md says. Sets: cards, raccoon, bccd of SSDPREP_REAL_DATA with the backbone in SSDPREP_WEIGHTS,
and sample, this repository's own with data/start.h5. Each is looked at as it is, and with one fault planted at a time.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from conftest import REPOSITORY, run

from ssd.checkup.box_evidence import box_evidence
from ssd.checkup.colour_order import colour_orders
from ssd.checkup.label_doubts import label_looks
from ssd.data import open_source
from ssd.examples import Example
from ssd.pipeline import read
from ssd.presets import preset
from ssd.run import Run
from ssd.trainer import start_from
from ssdprep.images import encode_png

BACKBONE = "mobilenet_v2_1.0_224_no_top_from_int8_bncal.h5"


def moved(change: Callable[[Example, np.ndarray], np.ndarray]) -> Callable[[Example], Example]:
    """A fault: every box of a photo elsewhere, cut at the border, as a tool would leave it."""

    def planted(example: Example) -> Example:
        boxes = np.clip(change(example, example.boxes.astype(np.float64)), 0, 1)
        keep = (boxes[:, 2:] - boxes[:, :2] > 0.005).all(axis=1)
        return replace(example, boxes=boxes[keep].astype(np.float32), ids=example.ids[keep])

    return planted


def by_share(dx: float, dy: float) -> Callable[[Example], Example]:
    return moved(lambda _, boxes: boxes + np.tile((boxes[:, 2:] - boxes[:, :2]) * [dx, dy], 2))


def by_pixels(dx: float, dy: float) -> Callable[[Example], Example]:
    return moved(lambda example, boxes: boxes + np.tile([dx / example.size[1], dy / example.size[0]], 2))


SHIFTS = {
    "as it is": lambda example: example,
    "10% right": by_share(0.1, 0),
    "15% left": by_share(-0.15, 0),
    "15% right, 15% down": by_share(0.15, 0.15),
    "25% down": by_share(0, 0.25),
    "20 pixels right and down": by_pixels(20, 20),
    "mirrored": moved(lambda _, b: np.stack([1 - b[:, 2], b[:, 1], 1 - b[:, 0], b[:, 3]], axis=1)),
    "turned by 90 degrees": moved(lambda _, b: np.stack([1 - b[:, 3], b[:, 0], 1 - b[:, 1], b[:, 2]], axis=1)),
    "x and y exchanged": moved(lambda _, b: b[:, [1, 0, 3, 2]]),
}


def as_bgr(example: Example, folder: Path) -> Example:
    """The photo as OpenCV saves what it took for RGB, as a file in a folder."""
    target = folder / f"{Path(example.source).stem}.png"
    target.write_bytes(encode_png(np.ascontiguousarray(read(example).numpy()[..., ::-1])))
    return replace(example, source=str(target))


def mislabelled(examples: Sequence[Example], share: float, classes: int, seed: int) -> tuple[list[Example], set]:
    """Some boxes with another class, and which."""
    rng = np.random.default_rng(seed)
    wrong, changed = set(), []
    for example in examples:
        hit = rng.random(len(example.ids)) < share
        other = (example.ids - 1 + rng.integers(1, classes, len(example.ids))) % classes + 1
        changed.append(replace(example, ids=np.where(hit, other, example.ids).astype(np.int32)))
        wrong |= {(example.source, tuple(box)) for box in _pixels(example)[hit].tolist()}
    return changed, wrong


def _pixels(example: Example) -> np.ndarray:
    height, width = example.size
    return np.round(example.boxes * [width, height, width, height]).astype(int)


def halves(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Two thirds to learn from, one to measure."""
    return {
        "train": [e for i, e in enumerate(examples) if i % 3],
        "test": [e for i, e in enumerate(examples) if i % 3 == 0],
    }


def lines(name: str, folder: Path, weights: Path, out: Path) -> Iterator[str]:
    source = open_source(folder)
    examples = [example for example in source.split("all") if len(example.ids)]
    some = examples[:: max(1, len(examples) // 80)][:80]
    for fault, plant in SHIFTS.items():
        found = box_evidence([plant(example) for example in some])
        assert found is not None
        told = f"{found.change} {found.dx:+.2f} {found.dy:+.2f}" if found.is_off else "-"
        yield f"{name:8} boxes   {fault:25} {told:45} gain {found.gain:.2f}, {found.certainty:.1f} standard errors"
    detector = Run.new(
        preset("mobilenet_v2_035_ssd_224" if name == "sample" else "mobilenet_v2_ssd_224"), source.labels
    )
    pretrained = start_from(detector, str(weights))
    some = examples[:: max(1, len(examples) // 60)][:60]
    for fault, photos in {"as it is": some, "BGR for RGB": [as_bgr(example, out) for example in some]}.items():
        (order,) = colour_orders(detector.model, pretrained, {"train": photos})
        said = "exchanged" if order.is_exchanged else "-"
        yield f"{name:8} colours {fault:25} {said:45} {order.as_they_are:.0%} of {order.photos} photos usual as RGB"
    yield from label_lines(name, detector, pretrained, examples, source.labels.names)


def label_lines(
    name: str, detector: Run, pretrained: Sequence[str], examples: Sequence[Example], classes: Sequence[str]
) -> Iterator[str]:
    def looked(photos: Sequence[Example], parts=halves):
        return label_looks(detector.model, detector.config, pretrained, parts(photos), classes)

    if len(classes) < 2:
        yield f"{name:8} labels  one class: not compared"
        return
    for share in (0.0, 0.05, 0.1, 0.2):
        photos, wrong = mislabelled(examples, share, len(classes), seed=0)
        found = looked(photos)
        named = {(doubt.photo, doubt.box) for doubt in found.doubts}
        right = len(named & wrong)
        fault, told = f"{share:.0%} of {found.boxes} boxes wrong", f"{len(named)} named, {right} rightly"
        yield f"{name:8} labels  {fault:25} {told:45} looks tell {found.recognised:.0%}"
    for first in range(1, len(classes)):
        parts = halves(examples)
        table = np.arange(len(classes) + 1)
        table[[first, first + 1]] = first + 1, first
        parts["test"] = [replace(e, ids=table[e.ids].astype(np.int32)) for e in parts["test"]]
        found = looked(examples, lambda _, parts=parts: parts)
        said = "; ".join(f"{e.label} like {e.looks_like}" for e in found.exchanges) or "-"
        yield f"{name:8} labels  {f'{classes[first - 1]} and {classes[first]} swapped in test':25} {said}"


def main(names: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            if name == "sample":
                photos = Path(folder) / "photos"
                shutil.copytree(REPOSITORY / "data" / "photos", photos)
                run("ssdprep", "fix-exif", photos, "--frame", "stored")
                weights = REPOSITORY / "data" / "start.h5"
            else:
                photos = Path(os.environ["SSDPREP_REAL_DATA"]) / name
                weights = Path(os.environ["SSDPREP_WEIGHTS"]) / BACKBONE
            for line in lines(name, photos, weights, Path(folder)):
                print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["cards", "raccoon", "bccd", "sample"])
