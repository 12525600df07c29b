"""The Keras pieces that training is made of: a model with the SSD loss, its optimizer, its schedule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from ssd.loss import BoxLoss, multibox_loss
from ssd.replicas import replica_count, total


class Learner(keras.Model):
    """A detector with the SSD loss, for ``compile`` and ``fit``; the detector itself stays a plain model.

    box_loss, variances (of the detector's offsets): as `ssd.loss.multibox_loss` takes them. precision: what layers
    compute in while they learn, a key of `PRECISIONS`; weights, loss and all else stay float32.

    Make it outside of a strategy's scope, compile it inside, and `fit` trains all replicas that the detector has. Keras
    is not told of them: under MultiWorkerMirroredStrategy its `fit` averages the first batch, and later the losses,
    over machines in ways that fail.
    """

    def __init__(
        self,
        detector: keras.Model,
        box_loss: BoxLoss = "smooth_l1",
        variances: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
        precision: str = "float32",
    ) -> None:
        super().__init__()
        self.detector, self.precision = detector, precision
        self.box_loss_kind, self.variances = box_loss, tuple(variances)
        with detector.distribute_strategy.scope():
            self.class_loss = keras.metrics.Mean("class_loss")
            self.box_loss = keras.metrics.Mean("box_loss")
            self.gradient_norm = keras.metrics.Mean("gradient_norm")  # before it is clipped

    def call(self, images: Any, training: bool = False) -> Any:
        """As the detector."""
        return self.detector(images, training=training)

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any) -> Any:
        """Class and box loss over the positives of the batch (`ssd.loss.multibox_loss`), and any weight decay.

        In a replica: its share, which adds up to the loss; the metrics see the whole.
        """
        classes, boxes = multibox_loss(
            y_pred["logits"], y_pred["offsets"], *y, box_loss=self.box_loss_kind, variances=self.variances
        )
        self.class_loss.update_state(total(classes))
        self.box_loss.update_state(total(boxes))
        return classes + boxes + sum(self.detector.losses) / replica_count()

    def train_step(self, data: Any) -> dict[str, Any]:
        """As Keras has it, but gradients of all replicas are summed before they are clipped."""
        images, targets, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            with computing_in(self.precision, self.detector):
                predicted = self(images, training=True)
            loss = self.compute_loss(y=targets, y_pred=predicted)
            scaled = self.optimizer.scale_loss(loss)
        self._loss_tracker.update_state(total(loss))
        gradients = total(tape.gradient(scaled, self.trainable_variables))
        norm = tf.linalg.global_norm(gradients) / self.optimizer.scale_loss(1.0)
        if isinstance(self.optimizer, Scaled):  # passes over a step that was scaled beyond float16, and scales less
            finite = tf.math.is_finite(norm)
            self.gradient_norm.update_state(tf.where(finite, norm, 0.0), sample_weight=tf.cast(finite, norm.dtype))
        else:
            self.gradient_norm.update_state(norm)
        self.optimizer.apply(gradients, self.trainable_variables)
        return self.get_metrics_result()

    def make_train_function(self, force: bool = False) -> Any:
        """One step of all replicas; each ends it with the same weights and the same logs."""
        strategy = self.detector.distribute_strategy
        if strategy.num_replicas_in_sync == 1:
            return super().make_train_function(force)

        @tf.function
        def step(iterator: Any) -> Any:
            logs = strategy.run(self.train_step, args=(next(iterator),))
            return {name: strategy.experimental_local_results(value)[0] for name, value in logs.items()}

        self.train_function = step
        return step


@contextmanager
def computing_in(precision: str, model: keras.Model) -> Iterator[None]:
    """Within the block the layers of a model compute in another precision, a key of `PRECISIONS`; weights are float32.

    Only what is traced within it does so: the model that is evaluated, saved and exported stays what it was.
    """
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    before = [layer.dtype_policy for layer in layers]
    for layer in layers:
        layer.dtype_policy = keras.dtype_policies.get(PRECISIONS[precision])
    try:
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer.dtype_policy = policy


PRECISIONS = {"float32": "float32", "float16": "mixed_float16", "bfloat16": "mixed_bfloat16"}  # Keras' names for them


class Scaled(keras.optimizers.LossScaleOptimizer):
    """An optimizer for float16: the loss is scaled so that small gradients do not vanish, and they are scaled back."""

    def averaged(self) -> Any:
        """As that of the optimizer within, an `Averaged` one."""
        return self.inner_optimizer.averaged()


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
        self._averages: list[Any] = []

    def build(self, variables: Any) -> None:
        """Make the slots; the averages start at the variables' values."""
        if self.built:
            return
        super().build(variables)
        self._is_slow = [v.path in self._slow for v in variables]
        self._averages = self.add_optimizer_variables(variables, "average")
        for average, variable in zip(self._averages, variables, strict=True):
            average.assign(variable)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """One step of all variables. What they have in common is worked out once, which keeps the graph small."""
        self._steps = tf.cast(self.iterations.value + 1, tf.float32)
        self._slow_share = self._slow_factor * tf.minimum(1.0, self._steps / self._slow_warmup)
        # A young average follows faster, so that it does not remember the start.
        self._follow = 1.0 - tf.minimum(self._averaging, (1.0 + self._steps) / (10.0 + self._steps))
        super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step, then its average's."""
        index = self._get_variable_index(variable)
        if self._is_slow[index]:
            learning_rate = learning_rate * self._slow_share
        super().update_step(gradient, variable, learning_rate)
        average = self._averages[index]
        self.assign_add(average, self._follow * (tf.convert_to_tensor(variable) - tf.convert_to_tensor(average)))

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        """Keras sums the gradients of replicas here, each clipped on its own; `Learner.train_step` has done it."""
        return grads_and_vars

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


class _AdamInOne:
    """Adam's step by TensorFlow's one operation for it: of the dozen that Keras makes, tracing takes twice as long.

    Behind `Averaged`, which counts the steps; float32, without AMSGrad.
    """

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """One step of all variables."""
        self._powers = tf.pow(self.beta_1, self._steps), tf.pow(self.beta_2, self._steps)
        super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step (Kingma and Ba 2015, algorithm 1)."""
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self._powers[0],
            beta2_power=self._powers[1],
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class AveragedAdam(Averaged, _AdamInOne, keras.optimizers.Adam):
    """Kingma and Ba 2015."""


class AveragedAdamW(Averaged, _AdamInOne, keras.optimizers.AdamW):
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
