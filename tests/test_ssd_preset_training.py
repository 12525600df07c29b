"""Every preset learns from a few photos, is saved, and says the same when it is read back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssd.data import open_source
from ssd.detector import anchors_of
from ssd.pipeline import Example, evaluation_batches
from ssd.presets import PRESETS, preset
from ssd.run import Run
from ssd.trainer import train
from ssd.training.stages import Recipe
from ssdprep.labels import LabelMap


@pytest.fixture(scope="module")
def photos() -> tuple[LabelMap, list[Example]]:
    """Ten real photos of raccoons where they are, else ten of the sample's whose frame is certain."""
    real = Path(os.environ.get("SSDPREP_REAL_DATA", "")) / "raccoon"
    source = open_source(real if real.is_dir() else Path(__file__).parents[1] / "data" / "photos")
    examples = [e for e in source.split("all") if len(e.ids)][:10]
    assert len(examples) == 10
    return source.labels, examples


class Losses(keras.callbacks.Callback):
    """The loss of each step; Keras hands on the mean since the epoch began."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        total = logs["loss"] * (batch + 1)
        self.steps.append(total - sum(self.steps))


@pytest.fixture
def unpolished() -> Iterator[None]:
    """TensorFlow takes longer to polish a graph than to run it ten times: leave it as it is."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PRESETS if not name.endswith("_fine")])  # only its input is another
def test_some_steps(name: str, photos, tmp_path: Path, unpolished: None) -> None:
    labels, examples = photos
    keras.utils.set_random_seed(0)
    run, losses = Run.new(preset(name), labels), Losses()
    # VGG has no normalisation, and thirty times the work.
    batch, steps = (1, 6) if name.startswith("vgg") else (2, 10)
    recipe = Recipe(epochs=1, batch=batch, warmup_epochs=0.2)
    train(run, examples[:steps] * batch, examples[:1], recipe, tmp_path, seed=0, callbacks=[losses])
    assert len(losses.steps) == steps
    assert np.isfinite(losses.steps).all()
    assert np.mean(losses.steps[-3:]) < np.mean(losses.steps[:3])

    run.save(tmp_path / "last")
    read = Run.load(tmp_path / "last")
    assert read.config == run.config
    pictures = next(iter(evaluation_batches(examples[:1], run.config.image_size, batch=1)))
    said, again = run.model(pictures), read.model(pictures)
    for key in ("logits", "offsets"):
        assert np.isfinite(said[key]).all()
        assert np.array_equal(said[key], again[key])
    assert np.array_equal(read.anchors, anchors_of(run.model, run.config))
