"""What is done around each epoch: its bar, its evaluation, the line about it, and the checkpoint that detects best."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from ssd.distribution import from_chief, is_chief
from ssd.evaluation import evaluate
from ssd.history import Epoch, best_of, write_history
from ssd.messages import told
from ssd.pipeline import Example
from ssd.run import Run
from ssd.stages import Recipe
from ssdprep.record import Say, SsdprepError, Track


class EpochBar(keras.callbacks.Callback):
    """A progress bar for each epoch."""

    def __init__(self, track: Track, epochs: int) -> None:
        super().__init__()
        self._track, self._epochs = track, epochs
        self._bar: Iterator[int] = iter(())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Draw the bar."""
        steps = self.params["steps"]
        self._bar = self._track(range(steps + 1), f"epoch {epoch + 1}/{self._epochs}", steps)
        next(self._bar)  # shown from now on: the first step takes its time, the graph is traced in it

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """One step on."""
        next(self._bar, None)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Take the bar away."""
        for _ in self._bar:
            pass


class KeepBest(keras.callbacks.Callback):
    """After each epoch: evaluate the averaged weights, write history.csv, save the run if it detects best so far.

    The measure is AP50 on the validation photos, not their loss, which a detector can lower while it unlearns to find
    anything. Equal AP50: the higher AP wins.
    """

    def __init__(
        self, run: Run, validation: Sequence[Example], recipe: Recipe, out: Path, facts: dict[str, Any], say: Say
    ):
        super().__init__()
        self.history: list[Epoch] = []
        self.stage = ""
        self._run, self._validation, self._recipe, self._out, self._facts, self._say = (
            run, validation, recipe, out, facts, say,
        )  # fmt: skip
        self._begun = time.monotonic()
        self._ends: list[float] = []  # when the epoch began, and when each of its steps ended

    @property
    def has_waited(self) -> bool:
        """Have as many epochs as the recipe's patience brought nothing better?"""
        patience = self._recipe.patience
        return patience is not None and self.history[-1].epoch - best_of(self.history).epoch >= patience

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self._ends = [time.monotonic()]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop at a loss that is no number."""
        self._ends.append(time.monotonic())
        if not math.isfinite(logs["loss"]):
            raise SsdprepError(
                f"the loss became {logs['loss']} in step {batch + 1} of epoch {len(self.history) + 1}",
                "train with a lower --rate; `ssdprep audit` finds boxes that no network can learn",
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluate, remember, tell."""
        trained, trained_at = usual_seconds(self._ends), time.monotonic()
        strategy = self._run.model.distribute_strategy
        with self.model.optimizer.averaged():
            ap50, ap = json.loads(from_chief(strategy, self._scores))
            line = Epoch(
                epoch=epoch + 1,
                stage=self.stage,
                loss=logs["loss"],
                class_loss=logs["class_loss"],
                box_loss=logs["box_loss"],
                val_AP50=ap50,
                val_AP=ap,
                images_per_second=(len(self._ends) - 1) * self._recipe.batch / trained,
                seconds=time.monotonic() - self._begun,
            )
            self.history.append(line)
            if best_of(self.history) is line and is_chief(strategy):
                self._run.save(self._out, **self._facts, kept=line.to_dict())
        self.model.stop_training = self.has_waited
        if not is_chief(strategy):
            return
        write_history(self._out / "history.csv", self.history)
        left = (trained + time.monotonic() - trained_at) * (self._recipe.epochs - line.epoch)
        self._say(told(line, self._recipe.epochs, best_of(self.history) is line, left))

    def _scores(self) -> bytes:
        scores, _ = evaluate(self._run, self._validation)
        return json.dumps([scores.AP50, scores.AP]).encode()


def usual_seconds(ends: Sequence[float]) -> float:
    """How long an epoch takes whose first step is like the others, from when it began and when each step ended.

    In the first step of a stage the graph is traced and the photos are read: that comes once, not in every epoch.
    """
    begun, first, last, steps = ends[0], ends[1], ends[-1], len(ends) - 1
    return (last - first) / (steps - 1) * steps if steps > 1 else last - begun
