"""Are red and blue where a pretrained network expects them? Photos saved from OpenCV unconverted have them exchanged.

The first convolution of a pretrained backbone has filters for colours, and the BatchNorm after it knows their usual
mean over millions of photos. Each photo is shown as it is and with its channels exchanged; what comes nearer to the
usual is noted. Most photos come nearer as they are. docs/doctor.md has the rates, and where they do not hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssd.examples import Example, evenly
from ssd.pipeline import evaluation_batches
from ssdprep.record import Finding, Severity

EXCHANGED = "DOC006"
PHOTOS = 60  # looked at in each part
FEWEST = 12  # photos in colour
SUSPICIOUS = 0.3  # share of photos that are more usual as they are


@dataclass(frozen=True)
class ColourOrder:
    """Of one part: its photos in colour that were looked at, and the share that is more usual as it is."""

    part: str
    photos: int
    as_they_are: float

    @property
    def is_exchanged(self) -> bool:
        """Whether nearly all photos are more usual with red and blue exchanged."""
        return self.photos >= FEWEST and self.as_they_are <= SUSPICIOUS

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {**asdict(self), "as_they_are": self.as_they_are if self.photos else None}


def colour_orders(
    model: keras.Model, pretrained: Collection[str], parts: Mapping[str, Sequence[Example]]
) -> tuple[ColourOrder, ...]:
    """What each part looks like to a backbone; empty where that has no pretrained BatchNorm to compare with."""
    norm = next((layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)), None)
    if norm is None or norm.name not in pretrained:
        return ()
    seen = keras.Model(model.input, norm.input)
    mean, variance = norm.moving_mean.numpy(), norm.moving_variance.numpy() + norm.epsilon

    @tf.function(reduce_retracing=True)
    def means(pictures: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(seen(pictures, training=False), axis=(1, 2))

    def oddness(pictures: tf.Tensor) -> np.ndarray:
        return ((means(pictures).numpy() - mean) ** 2 / variance).mean(axis=1)

    found = []
    for part, examples in parts.items():
        some = evenly(examples, PHOTOS)
        gains = [
            oddness(pictures[..., ::-1]) - oddness(pictures)
            for pictures in evaluation_batches(some, model.input.shape[1:3], batch=16)
        ]
        gain = np.concatenate([np.zeros(0), *gains])
        decided = gain[np.abs(gain) > 1e-4]  # of a grey photo both are the same
        found.append(ColourOrder(part, len(decided), float((decided > 0).mean()) if len(decided) else float("nan")))
    return tuple(found)


def colour_findings(orders: Sequence[ColourOrder], data: Path) -> Iterator[Finding]:
    """What is said of parts whose red and blue look exchanged."""
    exchanged = [order for order in orders if order.is_exchanged]
    usual = [order.part for order in orders if order.as_they_are > 1 - SUSPICIOUS and order.photos >= FEWEST]
    for order in exchanged:
        beside = f", unlike in {' and '.join(usual)}" if usual else ""
        message = (
            f"red and blue look exchanged in {order.part}{beside} (BGR for RGB): {1 - order.as_they_are:.0%} of "
            f"{order.photos} photos are more usual the other way round"
        )
        remedy = "look at a photo; if colours are wrong, write it anew with cv2.cvtColor(image, cv2.COLOR_RGB2BGR)"
        yield Finding(EXCHANGED, Severity.WARNING, data, 0, message, remedy)
