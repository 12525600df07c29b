"""The Keras pieces that training is made of: a model with the SSD loss, its optimizer, its schedule."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from ssd.loss import multibox_loss


class Learner(keras.Model):
    """A detector with the SSD loss, for ``compile`` and ``fit``; the detector itself stays a plain model."""

    def __init__(self, detector: keras.Model) -> None:
        super().__init__()
        self.detector = detector
        self.class_loss = keras.metrics.Mean("class_loss")
        self.box_loss = keras.metrics.Mean("box_loss")

    def call(self, images: Any, training: bool = False) -> Any:
        """As the detector."""
        return self.detector(images, training=training)

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any) -> Any:
        """Class and box loss over the positives of the batch (`ssd.loss.multibox_loss`), and any weight decay."""
        classes, boxes = multibox_loss(y_pred["logits"], y_pred["offsets"], *y)
        self.class_loss.update_state(classes)
        self.box_loss.update_state(boxes)
        return classes + boxes + sum(self.detector.losses)


class Averaged:
    """For any Keras optimizer: a slower rate, and a warm-up, for some variables; a moving average of all beside them.

    rate: a number or a schedule; slow: paths of the variables that learn at ``slow_factor`` of it, after
    ``slow_warmup`` steps; averaging: how much of the average each step keeps.
    """

    def __init__(
        self, rate: Any, slow: set[str], slow_factor: float, slow_warmup: int, averaging: float, **options: Any
    ) -> None:
        super().__init__(rate, **options)
        self._slow, self._slow_factor, self._slow_warmup = slow, slow_factor, slow_warmup
        self._averaging = averaging
        self._averages: list[tf.Variable] = []

    def build(self, variables: Any) -> None:
        """Make the slots; the averages start at the variables' values."""
        super().build(variables)
        self._is_slow = [v.path in self._slow for v in variables]
        self._averages = [tf.Variable(v.value, trainable=False) for v in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step."""
        if self._is_slow[self._get_variable_index(variable)]:
            warm = tf.minimum(1.0, tf.cast(self.iterations.value + 1, tf.float32) / self._slow_warmup)
            learning_rate = learning_rate * self._slow_factor * warm
        super().update_step(gradient, variable, learning_rate)

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        """One step of all variables, then of their averages."""
        result = super().apply(grads, trainable_variables)
        # A young average follows faster, so that it does not remember the start.
        steps = tf.cast(self.iterations.value, tf.float32)
        keep = tf.minimum(self._averaging, (1.0 + steps) / (10.0 + steps))
        for average, variable in zip(self._averages, self._trainable_variables, strict=True):
            average.assign(keep * average + (1.0 - keep) * variable.value)
        return result

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the block the variables hold their averages."""
        kept = [v.numpy() for v in self._trainable_variables]
        for average, variable in zip(self._averages, self._trainable_variables, strict=True):
            variable.assign(average)
        try:
            yield
        finally:
            for value, variable in zip(kept, self._trainable_variables, strict=True):
                variable.assign(value)


class AveragedAdam(Averaged, keras.optimizers.Adam):
    """Kingma and Ba 2015."""


class AveragedAdamW(Averaged, keras.optimizers.AdamW):
    """Loshchilov and Hutter 2019: the weights themselves decay, not the loss."""


class AveragedSGD(Averaged, keras.optimizers.SGD):
    """Stochastic gradient descent, with the momentum of the SSD paper (Liu et al. 2016, section 3)."""

    def __init__(self, *values: Any, momentum: float = 0.9, **options: Any) -> None:
        super().__init__(*values, momentum=momentum, **options)


OPTIMIZERS = {"adam": AveragedAdam, "adamw": AveragedAdamW, "sgd": AveragedSGD}


class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise over ``warmup`` steps, then a cosine down to ``final`` of the peak at step ``total``.

    ``begun``: the steps that earlier stages took; each stage has a fresh optimizer that counts from 0.
    """

    def __init__(self, peak: float, warmup: int, total: int, final: float, begun: int = 0) -> None:
        self._values = peak, warmup, total, final, begun

    def __call__(self, step: Any) -> Any:
        """The rate at a step."""
        peak, warmup, total, final, begun = self._values
        at = tf.cast(step, tf.float32) + begun
        share = tf.clip_by_value((at - warmup) / max(1, total - warmup), 0.0, 1.0)
        cosine = final + (1.0 - final) * 0.5 * (1.0 + tf.cos(math.pi * share))
        return peak * tf.minimum((at + 1.0) / warmup, cosine)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return dict(zip(("peak", "warmup", "total", "final", "begun"), self._values, strict=True))
