"""What TensorBoard shows of a run: the figures of every epoch, and what is found on photos beside their labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.core.framework.summary_pb2 import SummaryMetadata

from ssd.pictures import sheet_picture
from ssd.pipeline import Example
from ssd.run import Run
from ssd.training.checkpoints import KeepBest

FOLDER = "tensorboard"
_PHOTOS = 4
_FIGURES = ("loss", "class_loss", "box_loss", "val_AP50", "val_AP", "images_per_second")


class EventFile(keras.callbacks.Callback):
    """Writes an event file for `tensorboard --logdir`, an epoch at a time. Comes after the `KeepBest` that it asks."""

    def __init__(self, run: Run, validation: Sequence[Example], keep: KeepBest, folder: Path) -> None:
        super().__init__()
        self._run, self._validation, self._keep = run, validation, keep
        self._writer = tf.summary.create_file_writer(str(folder))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """The figures of history.csv, the rate and the gradient; what the averaged weights find."""
        line = self._keep.history[-1]
        figures = {key: getattr(line, key) for key in _FIGURES}
        figures["learning_rate"] = float(self.model.optimizer.learning_rate)
        figures["gradient_norm"] = logs["gradient_norm"]
        with self._writer.as_default(step=line.epoch):
            for key, value in figures.items():
                if not math.isnan(value):
                    _write("scalars", key, tf.constant(value, tf.float32))
            if self._validation:
                with self.model.optimizer.averaged():
                    picture = sheet_picture(self._run, self._validation, count=_PHOTOS)
                height, width, _ = picture.shape
                _write("images", "labels and detections", [str(width), str(height), tf.io.encode_png(picture)])
        self._writer.flush()


def _write(plugin: str, tag: str, value: Any) -> None:
    """One value for a plugin, in its own layout; ``tf.summary.scalar`` wants TensorBoard installed where it trains."""
    which = SummaryMetadata.PluginData(plugin_name=plugin)
    tf.summary.write(tag, value, metadata=SummaryMetadata(plugin_data=which))
