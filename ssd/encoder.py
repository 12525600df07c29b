"""Objects to training targets: what a detector should say at each anchor.

`encode_targets` is the form that training uses, on tensors; `SSDInputEncoder` the dense one, in NumPy, under the names
of the well-known Keras port. Both match as `ssd.matching` says and agree to float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from ssd import boxes_tf, geometry
from ssd.anchors import Clip, Pair, anchor_boxes, four_variances, layer_anchor_boxes, linspace_scales
from ssd.matching import match, match_bipartite_greedy, match_multi

Floats = NDArray[np.float64]


class DegenerateBoxError(ValueError):
    """A ground-truth box without width or height."""


class Targets(NamedTuple):
    """What training compares a detector with, one row an anchor."""

    class_index: tf.Tensor  # int32 (..., n_boxes): class 1.., 0 background, -1 neutral
    offsets: tf.Tensor  # float32 (..., n_boxes, 4), 0 where no object is


def encode_targets(
    boxes: Any,
    class_ids: Any,
    anchors: Any,
    *,
    variances: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
    pos_iou: float = 0.5,
    neg_iou: float = 0.3,
) -> Targets:
    """The targets of an image or of a batch, on tensors, for `ssd.loss.multibox_loss`.

    boxes: (..., N, 4) corners as shares of the image's sides; class_ids: int (..., N), from 1; an id of 0 or less is
    padding, whatever its box. anchors: (n_boxes, 4) centroids as shares. N may be 0. Objects without area, beyond all
    anchors, or with an edge that is no number get none.
    """
    class_ids = tf.cast(class_ids, tf.int32)
    boxes = tf.cast(boxes, tf.float32)
    real = (class_ids > 0) & tf.reduce_all(tf.math.is_finite(boxes), axis=-1)
    boxes = tf.where(real[..., None], boxes, 0.0)
    anchors = tf.cast(anchors, tf.float32)
    weights = boxes_tf.iou(boxes, boxes_tf.convert_coordinates(anchors, 0, "centroids2corners"), coords="corners")
    objects = match(weights, pos_iou, neg_iou)
    named = tf.concat(
        [tf.fill(tf.concat([tf.shape(class_ids)[:-1], [1]], 0), value) for value in (-1, 0)] + [class_ids], -1
    )
    class_index = tf.gather(named, objects + 2, axis=-1, batch_dims=class_ids.shape.rank - 1)

    positive = tf.where(objects >= 0)
    places = tf.concat([positive[:, :-1], tf.cast(tf.gather_nd(objects, positive), tf.int64)[:, None]], axis=1)
    centroids = boxes_tf.convert_coordinates(tf.gather_nd(boxes, places), 0, "corners2centroids")
    offsets = boxes_tf.encode_offsets(centroids, tf.gather(anchors, positive[:, -1]), variances)
    shape = tf.cast(tf.concat([tf.shape(objects), [4]], axis=0), tf.int64)
    return Targets(class_index, tf.scatter_nd(positive, offsets, shape))


class SSDInputEncoder:
    """Ground truth to the dense training targets of the Keras port, in NumPy float64.

    img_height, img_width: of the network's input, in pixels. n_classes: without background. predictor_sizes: (rows,
    columns) of each layer. scales: one a layer and one more, as shares of the shorter side; where they are not given,
    evenly from min_scale to max_scale, which is the extra one. aspect_ratios_per_layer goes before
    aspect_ratios_global. steps, offsets, clip_boxes: see `ssd.anchors`. matching_type "bipartite" gives each object
    its best anchor only, "multi" also every anchor from pos_iou_threshold on; other anchors from neg_iou_limit on are
    neutral. coords: the format of anchors and offsets. normalize_coords: anchors as shares of the image's sides.
    background_id is 0, as the loss and the decoder expect. `ValueError` where these do not fit together.
    """

    def __init__(
        self,
        img_height: int,
        img_width: int,
        n_classes: int,
        predictor_sizes: ArrayLike,
        min_scale: float = 0.1,
        max_scale: float = 0.9,
        scales: Sequence[float] | None = None,
        aspect_ratios_global: Sequence[float] | None = (0.5, 1.0, 2.0),
        aspect_ratios_per_layer: Sequence[Sequence[float]] | None = None,
        two_boxes_for_ar1: bool = True,
        steps: Sequence[Pair] | None = None,
        offsets: Sequence[Pair] | None = None,
        clip_boxes: Clip = False,
        variances: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
        matching_type: Literal["multi", "bipartite"] = "multi",
        pos_iou_threshold: float = 0.5,
        neg_iou_limit: float = 0.3,
        border_pixels: geometry.Border = "half",
        coords: geometry.Coords = "centroids",
        normalize_coords: bool = True,
        background_id: int = 0,
    ) -> None:
        sizes = [(int(h), int(w)) for h, w in np.reshape(predictor_sizes, (-1, 2))]
        _check(
            {
                "min_scale and max_scale must be 0 < min <= max": scales is not None or 0 < min_scale <= max_scale,
                "scales must be greater than 0": scales is None or min(scales) > 0,
                "aspect ratios are missing": aspect_ratios_global or aspect_ratios_per_layer,
                "matching_type must be multi or bipartite": matching_type in ("multi", "bipartite"),
                "coords must be corners, minmax or centroids": coords in geometry.COORDS,
                "background_id must be 0: loss and decoder know no other": background_id == 0,
            }
        )
        geometry.border_width(border_pixels)
        self.image_size = (img_height, img_width)
        self.n_classes = n_classes + 1  # with background
        self.predictor_sizes = sizes
        self.scales = tuple(scales) if scales is not None else linspace_scales(min_scale, max_scale, len(sizes))
        self.aspect_ratios = aspect_ratios_per_layer or [aspect_ratios_global] * len(sizes)
        if min(ratio for ratios in self.aspect_ratios for ratio in ratios) <= 0:
            raise ValueError("aspect ratios must be greater than 0")
        self.two_boxes_for_ar1, self.clip_boxes = two_boxes_for_ar1, clip_boxes
        self.variances = np.array(four_variances(variances))
        self.matching_type, self.pos_iou_threshold, self.neg_iou_limit = matching_type, pos_iou_threshold, neg_iou_limit
        self.border_pixels, self.coords, self.normalize_coords = border_pixels, coords, normalize_coords
        layers = self.image_size, sizes, self.scales, self.aspect_ratios, two_boxes_for_ar1, steps, offsets, clip_boxes
        self._anchors = anchor_boxes(*layers, normalize_coords, coords)
        # A border rule counts pixels, so with one, matching is done in pixels; otherwise in the unit of the anchors.
        in_pixels = not normalize_coords or border_pixels != "half"
        self._unit = np.ones(4) if in_pixels else np.array([img_width, img_height] * 2, np.float64)
        self._priors = anchor_boxes(*layers, not in_pixels, coords)

    def __call__(
        self, ground_truth_labels: Sequence[ArrayLike], diagnostics: bool = False
    ) -> Floats | tuple[Floats, Floats]:
        """The targets of a batch: float64 (B, n_boxes, C + 12).

        ground_truth_labels: for each image (k, 5) rows [class, xmin, ymin, xmax, ymax] in pixels, class from 1; k may
        be 0. Columns: class one-hot, 0 first (all zero: neutral); four offsets, 0 without an object; four anchor
        coordinates; four variances. `DegenerateBoxError` for a box without width or height, `ValueError` for a class
        that does not exist. diagnostics: return a second array beside it, the same with offsets of 0, which decodes to
        the anchors that answer for an object.
        """
        encoded = self.generate_encoding_template(len(ground_truth_labels))
        encoded[:, :, 0] = 1.0
        encoded[:, :, -12:-8] = 0.0
        for target, labels in zip(encoded, ground_truth_labels, strict=True):
            classes, boxes = self._checked(labels)
            if not len(classes):
                continue
            owner, neutral = self._match(boxes)
            held = np.flatnonzero(owner >= 0)
            target[held, 0] = 0.0
            target[neutral, 0] = 0.0
            target[held, classes[owner[held]]] = 1.0
            target[held, -12:-8] = self._offsets(boxes[owner[held]], self._priors[held])
        if not diagnostics:
            return encoded
        matched = encoded.copy()
        matched[:, :, -12:-8] = 0.0
        return encoded, matched

    def generate_anchor_boxes_for_layer(
        self,
        feature_map_size: tuple[int, int],
        aspect_ratios: Sequence[float],
        this_scale: float,
        next_scale: float,
        this_steps: Pair = None,
        this_offsets: Pair = None,
    ) -> Floats:
        """The anchors of one layer, in the encoder's format and unit: float64 (rows, columns, boxes, 4)."""
        return layer_anchor_boxes(
            self.image_size,
            feature_map_size,
            this_scale,
            next_scale,
            aspect_ratios,
            self.two_boxes_for_ar1,
            this_steps,
            this_offsets,
            self.clip_boxes,
            self.normalize_coords,
            self.coords,
        )

    def generate_encoding_template(self, batch_size: int) -> Floats:
        """Targets in which nothing is said yet: (batch_size, n_boxes, C + 12).

        No class; where the offsets will be, and in the four columns after, the anchors; then the variances.
        """
        template = np.zeros((batch_size, len(self._anchors), self.n_classes + 12))
        template[..., -12:-8] = template[..., -8:-4] = self._anchors
        template[..., -4:] = self.variances
        return template

    def _checked(self, labels: ArrayLike) -> tuple[NDArray[np.int64], Floats]:
        """Classes of one image's objects, and corners in the unit of matching."""
        table = np.asarray(labels, np.float64)
        table = table.reshape(-1, 5) if table.size == 0 else table
        if table.ndim != 2 or table.shape[1] != 5:
            raise ValueError(f"ground truth must have the shape (k, 5), not {table.shape}")
        classes, boxes = table[:, 0], table[:, 1:]
        for row in table[~(boxes[:, :2] < boxes[:, 2:]).all(axis=1)]:
            raise DegenerateBoxError(f"the box {row[1:].tolist()} has no width or no height")
        for name in classes[(classes != np.floor(classes)) | (classes < 1) | (classes >= self.n_classes)]:
            raise ValueError(f"class {name:g} is not a whole number from 1 to {self.n_classes - 1}")
        return classes.astype(np.int64), boxes / self._unit

    def _match(self, boxes: Floats) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The object of each anchor, or -1; and which anchors are neutral."""
        weights = geometry.iou(
            _converted(boxes, "corners", self.coords), self._priors, self.coords, border_pixels=self.border_pixels
        )
        owner = np.full(len(self._priors), -1)
        if self.matching_type == "multi":
            rows, columns = match_multi(weights, self.pos_iou_threshold)
            owner[columns] = rows
        own = match_bipartite_greedy(weights)
        owner[own[own >= 0]] = np.flatnonzero(own >= 0)
        return owner, (owner < 0) & (weights.max(axis=0) >= self.neg_iou_limit)

    def _offsets(self, boxes: Floats, anchors: Floats) -> Floats:
        """Offsets of boxes (k, 4), corners, to their anchors (k, 4), which are in the encoder's format."""
        if self.coords == "centroids":
            boxes = geometry.convert_coordinates(boxes, 0, "corners2centroids", self.border_pixels)
            shift = (boxes[:, :2] - anchors[:, :2]) / anchors[:, 2:]
            return np.concatenate([shift, np.log(boxes[:, 2:] / anchors[:, 2:])], axis=1) / self.variances
        sides = _converted(anchors, self.coords, "centroids")[:, 2:]
        sides = sides[:, [0, 1, 0, 1] if self.coords == "corners" else [0, 0, 1, 1]]
        return (_converted(boxes, "corners", self.coords) - anchors) / sides / self.variances


def _converted(boxes: Floats, source: str, target: str) -> Floats:
    return boxes if source == target else geometry.convert_coordinates(boxes, 0, f"{source}2{target}")


def _check(rules: dict[str, Any]) -> None:
    for rule, kept in rules.items():
        if not kept:
            raise ValueError(rule)
