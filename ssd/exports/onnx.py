"""ONNX by tf2onnx, for onnxruntime and OpenCV's dnn module: one picture, channels first."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssd.exports.about import ENTRY, inside
from ssd.exports.runtime import Outputs, Predict, open_cv, quietly, require
from ssd.exports.suppression import DETECTIONS

SUFFIX = ".onnx"
OPSET = 13  # what OpenCV 4.11 to 5.0 and every onnxruntime in use read


def write(model: keras.Model, path: Path, about: dict[str, Any], photos: np.ndarray) -> None:
    """The model as ONNX, input (1, 3, H, W); ``about`` in its metadata, as JSON."""
    tf2onnx = require("tf2onnx")
    require("onnx")
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    signature = [tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")]

    @tf.function(input_signature=signature)
    def forward(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(model(image, training=False))

    with quietly():
        proto, _ = tf2onnx.convert.from_function(
            forward, input_signature=signature, opset=OPSET, inputs_as_nchw=["image"]
        )
    proto.producer_name = "ssdprep"
    proto.metadata_props.add(key=ENTRY, value=inside(about))
    path.write_bytes(proto.SerializeToString())


def runtimes(path: Path) -> dict[str, Predict]:
    """The file in onnxruntime and, unless it suppresses, in OpenCV, which cannot."""
    onnxruntime = require("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    names = [output.name for output in session.get_outputs()]

    def predict(picture: np.ndarray) -> Outputs:
        answer = session.run(names, {"image": picture.transpose(2, 0, 1)[None]})
        return {name: values[0] for name, values in zip(names, answer, strict=True)}

    others = {} if DETECTIONS in names else open_cv(path)
    return {f"onnxruntime {onnxruntime.__version__}": predict, **others}
