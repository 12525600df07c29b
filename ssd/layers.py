"""The layers that Keras lacks; two of them under the names and with the arguments of the well-known Keras port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from ssd.anchors import Clip, Pair, box_shapes, four_variances, layer_anchor_boxes
from ssd.geometry import Coords


@keras.saving.register_keras_serializable("ssd")
class Flip(keras.layers.Layer):
    """The last axis reversed: red, green, blue to blue, green, red."""

    def call(self, inputs: Any) -> Any:
        """Any shape, as it came in."""
        return ops.flip(inputs, axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the input."""
        return input_shape


@keras.saving.register_keras_serializable("ssd")
class L2Normalization(keras.layers.Layer):
    """Vectors brought to length 1 and multiplied by a learnt scale for each channel (Liu et al. 2016b, ParseNet).

    Any shape; ``axis`` holds the channels. gamma_init: where the scales start, 20 in SSD. y = gamma * x / (|x| + 1e-10)
    as in Caffe and ssd.pytorch, so that nothing stays nothing; here it also teaches nothing.
    """

    def __init__(self, gamma_init: float = 20, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gamma_init, self.axis = gamma_init, axis

    def build(self, input_shape: Sequence[int | None]) -> None:
        """One scale for each channel."""
        self.gamma = self.add_weight(
            shape=(input_shape[self.axis],), initializer=keras.initializers.Constant(self.gamma_init), name="gamma"
        )

    def call(self, inputs: Any) -> Any:
        """Computed in float32: the squares of float16 activations exceed its range."""
        x = ops.cast(inputs, "float32")
        squared = ops.sum(ops.square(x), axis=self.axis, keepdims=True)
        something = squared > 0  # what is nothing has no direction, and a derivative of 1e10
        length = ops.sqrt(ops.where(something, squared, 1.0)) + 1e-10
        shape = [1] * len(inputs.shape)
        shape[self.axis] = -1
        unit = ops.where(something, x / length, 0.0)
        return ops.cast(unit * ops.reshape(ops.cast(self.gamma, "float32"), shape), inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "gamma_init": self.gamma_init, "axis": self.axis}


@keras.saving.register_keras_serializable("ssd")
class AnchorBoxes(keras.layers.Layer):
    """The anchors of one map as a tensor: (B, rows, columns, C) to (B, rows, columns, boxes, 8).

    The last axis holds four coordinates and four variances. img_height, img_width: the network's input in pixels;
    this_scale, next_scale: shares of its shorter side; this_steps, this_offsets, clip_boxes, coords, normalize_coords:
    as in `ssd.anchors.layer_anchor_boxes`. Only the shape of the input counts. `ValueError` for arguments that make no
    boxes.
    """

    def __init__(
        self,
        img_height: int,
        img_width: int,
        this_scale: float,
        next_scale: float,
        aspect_ratios: Sequence[float] = (0.5, 1.0, 2.0),
        two_boxes_for_ar1: bool = True,
        this_steps: Pair = None,
        this_offsets: Pair = None,
        clip_boxes: Clip = False,
        variances: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
        coords: Coords = "centroids",
        normalize_coords: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if this_scale <= 0 or next_scale <= 0:
            raise ValueError(f"scales must be greater than 0, not {this_scale} and {next_scale}")
        self.arguments: dict[str, Any] = {
            "img_height": img_height,
            "img_width": img_width,
            "this_scale": this_scale,
            "next_scale": next_scale,
            "aspect_ratios": list(aspect_ratios),
            "two_boxes_for_ar1": two_boxes_for_ar1,
            "this_steps": this_steps,
            "this_offsets": this_offsets,
            "clip_boxes": clip_boxes,
            "variances": list(four_variances(variances)),
            "coords": coords,
            "normalize_coords": normalize_coords,
        }
        self.trainable = False
        self.compute_output_shape((None, 1, 1, 1))  # aspect ratios that make no box are refused here, not when called

    def call(self, inputs: Any) -> Any:
        """The same boxes for each image."""
        boxes = ops.convert_to_tensor(self.boxes_of(tuple(inputs.shape[1:3])).astype("float32"))
        return ops.tile(boxes[None], (ops.shape(inputs)[0], 1, 1, 1, 1))

    def boxes_of(self, feature_size: tuple[int, int]) -> np.ndarray:
        """The boxes over a map of (rows, columns): float64 (rows, columns, boxes, 8)."""
        a = self.arguments
        boxes = layer_anchor_boxes(
            (a["img_height"], a["img_width"]),
            feature_size,
            a["this_scale"],
            a["next_scale"],
            a["aspect_ratios"],
            a["two_boxes_for_ar1"],
            a["this_steps"],
            a["this_offsets"],
            a["clip_boxes"],
            a["normalize_coords"],
            a["coords"],
        )
        return np.concatenate([boxes, np.broadcast_to(a["variances"], boxes.shape)], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(B, rows, columns, boxes, 8)."""
        a = self.arguments
        shapes = box_shapes(1.0, a["this_scale"], a["next_scale"], a["aspect_ratios"], a["two_boxes_for_ar1"])
        return (*input_shape[:3], len(shapes), 8)

    def get_config(self) -> dict[str, Any]:
        """All of the constructor's arguments: a layer read back makes the same boxes."""
        return {**super().get_config(), **self.arguments}
