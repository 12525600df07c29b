"""ONNX by tf2onnx, for onnxruntime and OpenCV's dnn module: one picture, channels first."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssd.exports.graph import OUTPUTS
from ssd.exports.runtime import Predict, open_cv, quietly, require

SUFFIX = ".onnx"
OPSET = 13  # what OpenCV 4.11 to 5.0 and every onnxruntime in use read


def write(model: keras.Model, path: Path, about: dict[str, Any], photos: np.ndarray) -> None:
    """The model as ONNX, input (1, 3, H, W); ``about`` in its metadata, each entry as JSON."""
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
    for key, value in about.items():
        proto.metadata_props.add(key=key, value=json.dumps(value, ensure_ascii=False))
    path.write_bytes(proto.SerializeToString())


def runtimes(path: Path) -> dict[str, Predict]:
    """The file in onnxruntime and in OpenCV."""
    onnxruntime = require("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def predict(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores, boxes = session.run(list(OUTPUTS), {"image": picture.transpose(2, 0, 1)[None]})
        return scores[0], boxes[0]

    return {f"onnxruntime {onnxruntime.__version__}": predict, **open_cv(path)}
