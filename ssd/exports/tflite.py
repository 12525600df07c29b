"""TensorFlow Lite by TensorFlow's converter, for LiteRT: float32, float16 weights, or 8-bit integers throughout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssd.exports.about import ENTRY, inside
from ssd.exports.runtime import Outputs, Predict, quietly, require

SUFFIX = ".tflite"


def write(model: keras.Model, path: Path, about: dict[str, Any], photos: np.ndarray, *, kind: str = "") -> None:
    """The model for LiteRT, input (1, H, W, 3); ``about`` in a metadata buffer.

    kind: "" float32; "fp16" weights halved; "int8" weights and activations, calibrated on ``photos`` (N, H, W, 3), the
    picture as bytes. Its outputs are floats all the same.
    """
    schema = require("ai_edge_litert.schema_py_generated")
    flatbuffers = require("flatbuffers")
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "int8":
        converter.representative_dataset = lambda: ([photo[None]] for photo in photos)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
    with quietly():
        converted = converter.convert()

    content = schema.ModelT.InitFromObj(schema.Model.GetRootAs(converted, 0))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(inside(about).encode(), np.uint8)
    entry.name, entry.buffer = ENTRY, len(content.buffers)
    content.buffers.append(buffer)
    content.metadata = [*(content.metadata or ()), entry]
    builder = flatbuffers.Builder(len(converted))
    builder.Finish(content.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())


def runtimes(path: Path) -> dict[str, Predict]:
    """The file in LiteRT."""
    litert = require("ai_edge_litert.interpreter")
    run = litert.Interpreter(str(path)).get_signature_runner()
    (image,) = run.get_input_details().values()
    as_given = np.rint if image["dtype"] == np.uint8 else np.asarray

    def predict(picture: np.ndarray) -> Outputs:
        answer = run(image=as_given(picture[None]).astype(image["dtype"]))
        return {name: values[0] for name, values in answer.items()}

    with quietly():  # its first call greets on stderr
        predict(np.zeros(image["shape"][1:], np.float32))
    return {"LiteRT": predict}
