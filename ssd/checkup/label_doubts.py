"""Labels that look wrong: boxes whose content looks like another class, to a pretrained backbone.

The content of each box is described by the mean of the backbone's source maps over it, and compared with the seven
boxes of other photos that look most alike (cosine of standardised features). That names two faults: single boxes that
none of seven agrees with, while six of them agree on another class; and classes of one part that look, by the majority
of their boxes, like another class of train. docs/doctor.md has the rates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ssd.augmentation import sample
from ssd.config import Config
from ssd.detector import backbone_layers
from ssd.examples import Example, evenly
from ssd.heads import scaled
from ssd.pipeline import read
from ssdprep.record import Finding, Severity, Track, untracked
from ssdprep.wording import quoted

DOUBTFUL, SWAPPED = "DOC007", "DOC008"

Floats = NDArray[np.float64]

SIDE = 64  # pixels of a box as the backbone sees it
BOXES = 900  # looked at, over all parts
NEIGHBOURS = 7
AGREED = 6  # of them
FEWEST = 8  # boxes of a class in a part, to be spoken of as a class
MAJORITY = 0.6  # of those
RECOGNISED = 0.5  # mean over the classes of how often neighbours are right; below, looks do not tell the classes


@dataclass(frozen=True)
class Doubt:
    """One box that looks like another class."""

    photo: str
    box: tuple[int, int, int, int]  # in pixels of the upright photo
    label: str
    looks_like: str


@dataclass(frozen=True)
class Exchange:
    """A class that in one part looks like another class of train; ``both``: and the other way round."""

    part: str
    label: str
    looks_like: str
    share: float  # of its boxes
    boxes: int
    both: bool


@dataclass(frozen=True)
class LabelLooks:
    """How well looks tell the classes, and what does not fit."""

    boxes: int
    recognised: float  # mean over the classes of train: share of boxes whose neighbours have their label
    doubts: tuple[Doubt, ...] = ()
    exchanges: tuple[Exchange, ...] = ()

    @property
    def are_known(self) -> bool:
        """Whether looks tell the classes well enough to doubt a label."""
        return self.recognised >= RECOGNISED

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class _Crops:
    """Boxes of all parts as rows."""

    features: Floats  # (N, F)
    ids: NDArray[np.int64]
    parts: NDArray[np.str_]
    photos: NDArray[np.int64]  # a number for each photo
    places: list[tuple[Example, int]] = field(repr=False)  # photo and number of the box on it


def label_looks(
    model: keras.Model,
    config: Config,
    pretrained: Collection[str],
    parts: Mapping[str, Sequence[Example]],
    classes: Sequence[str],
    *,
    track: Track = untracked,
) -> LabelLooks | None:
    """What looks say about labels; None without a pretrained backbone, or with one class alone."""
    if len(classes) < 2 or not backbone_layers(model) & set(pretrained):
        return None
    crops = _crops(_describer(model, config), parts, track)
    if crops is None:
        return None
    likeness = crops.features @ crops.features.T
    likeness[crops.photos[:, None] == crops.photos] = -np.inf
    in_train = crops.parts == "train"
    votes = _votes(np.where(in_train, likeness, -np.inf), crops.ids, len(classes))
    right = votes.argmax(axis=1) == crops.ids
    known = [i for i in range(1, len(classes) + 1) if (in_train & (crops.ids == i)).any()]
    recognised = float(np.mean([right[in_train & (crops.ids == i)].mean() for i in known])) if known else 0.0
    looks = LabelLooks(len(crops.ids), recognised)
    if not looks.are_known:
        return looks
    exchanges = tuple(_exchanges(crops, votes, classes))
    spoken_of = {(e.part, e.label) for e in exchanges}
    doubts = tuple(d for part, d in _doubts(crops, votes, classes) if (part, d.label) not in spoken_of)
    return replace(looks, doubts=doubts, exchanges=exchanges)


def label_findings(looks: LabelLooks | None, data: Path) -> Iterator[Finding]:
    """What is said of labels in doubt."""
    if looks is None:
        return
    for e in looks.exchanges:
        if e.both and (e.part, e.looks_like) < (e.part, e.label):
            continue  # said already
        what = f"the labels {e.label!r} and {e.looks_like!r} look swapped in {e.part}" if e.both else (
            f"what is labelled {e.label!r} in {e.part} looks like {e.looks_like!r} of train"
        )  # fmt: skip
        message = f"{what}: so do {e.share:.0%} of {e.boxes} boxes"
        remedy = f"compare: ssdprep preview {quoted(data)}; then rename in one part, or label it anew"
        yield Finding(SWAPPED, Severity.ERROR, data, 0, message, remedy)
    for doubt in looks.doubts:
        message = f"labelled {doubt.label!r}, but looks like {doubt.looks_like!r}: box {', '.join(map(str, doubt.box))}"
        yield Finding(DOUBTFUL, Severity.WARNING, Path(doubt.photo), 0, message, "look at it, and correct the label")


def _describer(model: keras.Model, config: Config) -> Any:
    """The backbone with the detector's weights, for small pictures: (B, 64, 64, 3) in 0..255 to (B, F)."""
    image = keras.Input((SIDE, SIDE, 3))
    backbone = import_module(f"ssd.backbones.{config.backbone}")
    x = backbone.features(scaled(image, config.scaling), config.alpha, **dict(config.backbone_options))
    small = keras.Model(image, x)
    for layer in small.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    maps = keras.Model(image, [small.get_layer(name).output for name in config.sources])

    @tf.function(reduce_retracing=True)
    def describe(pictures: tf.Tensor) -> list[tf.Tensor]:
        outputs = maps(pictures, training=False)
        return [tf.reduce_mean(each, axis=(1, 2)) for each in (outputs if isinstance(outputs, list) else [outputs])]

    return describe


def _crops(describe: Any, parts: Mapping[str, Sequence[Example]], track: Track) -> _Crops | None:
    """The boxes of all parts, evenly thinned out, described."""
    rows = [(part, e, i) for part, examples in parts.items() for e in examples for i in range(len(e.ids))]
    rows = evenly(rows, BOXES)
    if len(rows) <= NEIGHBOURS:
        return None
    pictures = []
    decoded: tuple[Example | None, Any] = (None, None)
    for _, example, i in track(rows, "Comparing boxes", len(rows)):
        if decoded[0] is not example:
            decoded = example, read(example)
        pictures.append(sample(decoded[1], tf.constant(example.boxes[i]), (SIDE, SIDE)))
    batches = [tf.stack(pictures[first : first + 32]) for first in range(0, len(pictures), 32)]
    described = [
        np.concatenate(kind) for kind in zip(*([m.numpy() for m in describe(b)] for b in batches), strict=True)
    ]
    photos = {id(example): number for number, (_, example, _) in enumerate(rows)}
    return _Crops(
        np.concatenate([_standardised(kind) for kind in described], axis=1) / np.sqrt(len(described)),
        np.array([example.ids[i] for _, example, i in rows], np.int64),
        np.array([part for part, _, _ in rows]),
        np.array([photos[id(example)] for _, example, _ in rows]),
        [(example, i) for _, example, i in rows],
    )


def _standardised(features: NDArray[np.float32]) -> Floats:
    """Each feature with mean 0 and deviation 1, each row of length 1."""
    wide = features.astype(np.float64)
    wide = (wide - wide.mean(axis=0)) / (wide.std(axis=0) + 1e-6)
    rows: Floats = wide / (np.linalg.norm(wide, axis=1, keepdims=True) + 1e-9)
    return rows


def _votes(likeness: Floats, ids: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How many of each box's nearest neighbours have which label: (N, classes + 1)."""
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :NEIGHBOURS]
    is_one = np.take_along_axis(np.isfinite(likeness), nearest, axis=1)
    return np.stack([((ids[nearest] == i) & is_one).sum(axis=1) for i in range(classes + 1)], axis=1)


def _doubts(crops: _Crops, votes: NDArray[np.int64], classes: Sequence[str]) -> Iterator[tuple[str, Doubt]]:
    """Boxes that none of seven agrees with, and their parts."""
    own = votes[np.arange(len(crops.ids)), crops.ids]
    for row in np.flatnonzero((own == 0) & (votes.max(axis=1) >= AGREED)):
        example, i = crops.places[row]
        height, width = example.size
        x0, y0, x1, y1 = np.round(example.boxes[i] * [width, height, width, height]).astype(int).tolist()
        label, other = classes[crops.ids[row] - 1], classes[votes[row].argmax() - 1]
        yield str(crops.parts[row]), Doubt(example.source, (x0, y0, x1, y1), label, other)


def _exchanges(crops: _Crops, votes: NDArray[np.int64], classes: Sequence[str]) -> Iterator[Exchange]:
    """Classes of val and test of which most boxes look like one other class of train."""
    looks = votes.argmax(axis=1)
    other: dict[tuple[str, int], tuple[int, float, int]] = {}
    for part in sorted(set(crops.parts.tolist()) - {"train"}):
        for i in range(1, len(classes) + 1):
            mine = looks[(crops.parts == part) & (crops.ids == i)]
            if len(mine) >= FEWEST:
                counts = np.bincount(mine, minlength=len(classes) + 1)
                if (most := int(counts.argmax())) != i and counts[most] >= MAJORITY * len(mine):
                    other[part, i] = most, counts[most] / len(mine), len(mine)
    for (part, i), (most, share, boxes) in other.items():
        both = other.get((part, most), (0,))[0] == i
        yield Exchange(part, classes[i - 1], classes[most - 1], float(share), boxes, both)
