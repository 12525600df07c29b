"""What is done around each epoch: its bar, its evaluation, the line about it, and the checkpoint that detects best."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from ssd.evaluation.measuring import evaluate
from ssd.learnt import PHOTOS
from ssd.pipeline import Example, batch_examples
from ssd.run import Run
from ssd.training.distribution import from_chief, is_chief
from ssd.training.history import HISTORY, Epoch, best_of, is_measured, write_history
from ssd.training.messages import sparkline, told
from ssd.training.stages import ALL, Recipe
from ssd.training.unfinished import Unfinished
from ssdprep.files import write_new
from ssdprep.record import Say, SsdprepError, Track


class EpochBar(keras.callbacks.Callback):
    """A progress bar for each epoch, with the AP of those before."""

    def __init__(self, track: Track, epochs: int, history: Sequence[Epoch]) -> None:
        """history: the epochs so far, which grows."""
        super().__init__()
        self._track, self._epochs, self._history = track, epochs, history
        self._bar: Iterator[int] = iter(())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Draw the bar."""
        steps = self.params["steps"]
        found = f"  AP {sparkline([line.val_AP for line in self._history])}" if is_measured(self._history) else ""
        self._bar = self._track(range(steps), f"epoch {epoch + 1}/{self._epochs}{found}", steps)
        next(self._bar)  # shown from now on: the first step takes its time, the graph is traced in it

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """One step on."""
        next(self._bar, None)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Take the bar away."""
        for _ in self._bar:
            pass


class StopAtNonFinite(keras.callbacks.Callback):
    """Stop at a loss or a gradient that is no number, with the names of the photos of that step."""

    def __init__(self, training: Sequence[Example], recipe: Recipe, seed: int, begun: int) -> None:
        super().__init__()
        self._training, self._recipe, self._seed, self._begun = training, recipe, seed, begun
        self._epoch = begun

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember which."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the means so far, which one such step is enough to spoil."""
        for key, noun in (("loss", "loss"), ("gradient_norm", "gradient")):
            if not math.isfinite(logs[key]):
                step = (self._epoch - self._begun) * self.params["steps"] + batch
                photos = batch_examples(
                    self._training, step, batch=self._recipe.batch, seed=self._seed, balance=self._recipe.balance
                )
                raise SsdprepError(
                    f"the {noun} became {logs[key]} in step {batch + 1} of epoch {self._epoch + 1}, "
                    f"on {', '.join(dict.fromkeys(example.source for example in photos))}",
                    "look at these photos' boxes (ssdprep audit); where they are sound, train anew with a lower --rate "
                    "and --force",
                )


class KeepBest(keras.callbacks.Callback):
    """After each epoch: evaluate the averaged weights, write history.csv, save the run if it detects best so far.

    The measure is AP on the validation photos (`Epoch.rank`), not their loss, which a detector can lower while it
    unlearns to find anything. Without any the last epoch is kept. What is needed to go on from here is written last
    (`ssd.training.unfinished`).
    """

    def __init__(
        self,
        run: Run,
        validation: Sequence[Example],
        recipe: Recipe,
        out: Path,
        facts: Mapping[str, Any],
        photos: bytes,
        identity: Mapping[str, Any],
        say: Say,
        history: Sequence[Epoch] = (),
    ) -> None:
        super().__init__()
        self.history = list(history)
        self.stage = ""
        self._run, self._validation, self._recipe, self._say = run, validation, recipe, say
        self._out, self._facts, self._photos, self._identity = out, facts, photos, identity
        self._begun = time.monotonic() - (history[-1].seconds if history else 0.0)
        self._ends: list[float] = []  # when the epoch began, and when each of its steps ended

    @property
    def has_waited(self) -> bool:
        """Have as many epochs as the recipe's patience brought nothing better?

        Those before all layers learn do not count, nor those in which nothing has been found yet.
        """
        patience = self._recipe.patience
        if patience is None or not self.history or not best_of(self.history).val_AP > 0:
            return False
        freed = sum(line.stage != ALL for line in self.history)  # as many epochs were frozen
        return self.history[-1].epoch - max(best_of(self.history).epoch, freed) >= patience

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self._ends = [time.monotonic()]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the clock."""
        self._ends.append(time.monotonic())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluate, remember, tell."""
        trained, trained_at = usual_seconds(self._ends), time.monotonic()
        strategy = self._run.model.distribute_strategy
        with self.model.optimizer.averaged():
            ap50, ap = json.loads(from_chief(strategy, self._scores)) if self._validation else (math.nan, math.nan)
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
                if self._photos:
                    write_new(self._out / PHOTOS, self._photos)
        self.model.stop_training = self.has_waited
        if not is_chief(strategy):
            return
        write_history(self._out / HISTORY, self.history)
        self._state().save(self._out)
        left = (trained + time.monotonic() - trained_at) * (self._recipe.epochs - line.epoch)
        self._say(told(line, self._recipe.epochs, best_of(self.history) is line, left))

    def _scores(self) -> bytes:
        scores, _ = evaluate(self._run, self._validation)
        return json.dumps([scores.AP50, scores.AP]).encode()

    def _state(self) -> Unfinished:
        weights, slots = self._run.model.variables, self.model.optimizer.variables
        arrays = (tuple(v.numpy() for v in variables) for variables in (weights, slots))
        return Unfinished(self._identity, tuple(self.history), *arrays)


def usual_seconds(ends: Sequence[float]) -> float:
    """How long an epoch takes whose first step is like the others, from when it began and when each step ended.

    In the first step of a stage the graph is traced and the photos are read: that comes once, not in every epoch.
    """
    begun, first, last, steps = ends[0], ends[1], ends[-1], len(ends) - 1
    return (last - first) / (steps - 1) * steps if steps > 1 else last - begun
