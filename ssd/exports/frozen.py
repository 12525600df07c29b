"""A frozen TensorFlow graph in one .pb, for OpenCV's dnn module: it needs no .pbtxt beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssd.exports.about import ENTRY, inside
from ssd.exports.graph import OUTPUTS
from ssd.exports.runtime import Outputs, Predict, open_cv, quietly

SUFFIX = ".pb"


def write(model: keras.Model, path: Path, about: dict[str, Any], photos: np.ndarray) -> None:
    """The model as a graph of constants; ``about`` stands in an attribute of its placeholder ``image`` (1, H, W, 3)."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    @tf.function(input_signature=[tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")])
    def forward(image: tf.Tensor) -> list[tf.Tensor]:
        answer = model(image, training=False)
        return [tf.identity(answer[name], name=name) for name in OUTPUTS]

    with quietly():
        frozen = convert_variables_to_constants_v2(forward.get_concrete_function())
        graph = _folded(frozen)
    for name in OUTPUTS:
        _rename(graph, name)
    for node in graph.node:
        if node.op == "Const":
            _spell_out(node.attr["value"].tensor)
        if node.op == "Placeholder":
            node.attr[f"_{ENTRY}"].s = inside(about).encode()  # names with a line before them are free for all
    path.write_bytes(graph.SerializeToString())


def runtimes(path: Path) -> dict[str, Predict]:
    """The file in TensorFlow and in OpenCV."""
    graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph, name=""), [])
    forward = wrapped.prune("image:0", [f"{name}:0" for name in OUTPUTS])

    def predict(picture: np.ndarray) -> Outputs:
        answer = forward(tf.constant(picture[None]))
        return {name: values[0].numpy() for name, values in zip(OUTPUTS, answer, strict=True)}

    return {f"TensorFlow {tf.__version__}": predict, **open_cv(path)}


def _folded(frozen: Any) -> Any:
    """The graph after Grappler's pruning and constant folding: OpenCV knows neither Identity chains nor BatchNorm."""
    from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
    from tensorflow.python.grappler import tf_optimizer

    config = config_pb2.ConfigProto()
    rewriter = config.graph_options.rewrite_options
    rewriter.optimizers.extend(["pruning", "constfold", "dependency", "pruning"])
    rewriter.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.TWO
    rewriter.min_graph_nodes = -1
    meta = tf.compat.v1.train.export_meta_graph(graph_def=frozen.graph.as_graph_def(), graph=frozen.graph)
    meta.collection_def["train_op"].node_list.value.extend(OUTPUTS)
    return tf_optimizer.OptimizeGraph(config, meta)


def _rename(graph: Any, name: str) -> None:
    """Give an output's name to the operation that computes it: OpenCV drops the Identity that bears it."""
    (alias,) = (node for node in graph.node if node.name == name)
    source = alias.input[0]
    graph.node.remove(alias)
    for node in graph.node:
        if node.name == source:
            node.name = name
        node.input[:] = [name if each == source else each for each in node.input]


def _spell_out(tensor: Any) -> None:
    """A constant with all its values: OpenCV cannot read the short forms, of equal ones and of a single 0."""
    values = tf.make_ndarray(tensor)
    plain = tf.make_tensor_proto(values)  # a single one as a number
    if values.ndim:
        plain = type(tensor)(dtype=tensor.dtype, tensor_shape=tensor.tensor_shape, tensor_content=values.tobytes())
    tensor.CopyFrom(plain)
