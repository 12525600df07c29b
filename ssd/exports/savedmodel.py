"""A TensorFlow SavedModel: a folder. Its signature ``serving_default`` has the names of all other formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssd.exports.about import inside
from ssd.exports.runtime import Outputs, Predict, quietly

SUFFIX = ""
ABOUT = Path("assets.extra") / "ssdprep.json"  # the format's own place for what TensorFlow does not read


def write(model: keras.Model, path: Path, about: dict[str, Any], photos: np.ndarray) -> None:
    """The model as a folder, input (1, H, W, 3); ``about`` in ``assets.extra/ssdprep.json``."""

    @tf.function(input_signature=[tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")])
    def forward(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(model(image, training=False))

    holder = tf.Module()
    holder.model, holder.forward = model, forward
    with quietly():
        tf.saved_model.save(holder, str(path), signatures={"serving_default": forward})
    (path / ABOUT.parent).mkdir()
    (path / ABOUT).write_text(inside(about) + "\n", encoding="ascii")


def runtimes(path: Path) -> dict[str, Predict]:
    """The folder in TensorFlow."""
    loaded = tf.saved_model.load(str(path))
    forward = loaded.signatures["serving_default"]

    def predict(picture: np.ndarray) -> Outputs:
        return {name: values[0].numpy() for name, values in forward(image=tf.constant(picture[None])).items()}

    predict.keeps = loaded  # type: ignore[attr-defined]  # a signature does not hold the variables it reads
    return {f"TensorFlow {tf.__version__}": predict}
