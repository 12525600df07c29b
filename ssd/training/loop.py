"""The training of a detector, stage by stage and epoch by epoch: examples and a recipe in, a run folder out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssd.detector import backbone_layers
from ssd.pictures import curves, sheet
from ssd.pipeline import Example, faults_named, readers, training_batches
from ssd.run import Run
from ssd.sampling import steps_per_epoch
from ssd.training.checkpoints import EpochBar, KeepBest, StopAtNonFinite
from ssd.training.distribution import Strategy, distributed, from_chief, is_chief
from ssd.training.history import Epoch
from ssd.training.learner import Learner
from ssd.training.messages import HEADER
from ssd.training.stages import Recipe, Stage, freeze, optimizer, stages
from ssd.training.tensorboard import FOLDER, EventFile
from ssd.training.unfinished import STATE, Unfinished, identity_of_run
from ssdprep.record import Say, SsdprepError, Track, untracked

SHEET = "validation.jpg"


def train(
    run: Run,
    training: Sequence[Example],
    validation: Sequence[Example],
    recipe: Recipe,
    out: Path,
    *,
    seed: int,
    pretrained: Sequence[str] = (),
    facts: dict[str, Any] | None = None,
    photos: bytes = b"",
    say: Say = lambda line: None,
    track: Track = untracked,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tensorboard: bool = False,
) -> list[Epoch]:
    """Freeze what is pretrained and train the rest; free it and train all; keep the weights that detect best.

    ``pretrained`` names the layers of ``run.model`` that came with weights; ``photos`` is what `ssd.learnt.photos_csv`
    makes of the examples. ``out`` receives the run of the epoch with
    the highest AP on ``validation`` (without any, of the last one), history.csv and pictures of both; an unfinished run
    of the same kind that it holds goes on. ``tensorboard``: it receives an event file too. Raises `SsdprepError` when
    the loss stops being a number, or the unfinished run is of another kind; ``ValueError`` where there are validation
    photos and ``recipe`` is with val, or there are none and it is not.
    """
    if recipe.with_val != (not validation):
        raise ValueError("a recipe is with val exactly where no photos are kept for validation")
    run = replace(run, finished=False)  # what was loaded, too, is seen as it is after each epoch
    pretrained = sorted(backbone_layers(run.model) & set(pretrained))  # heads and extras always learn
    facts = facts or {}
    identity = identity_of_run(run, training, validation, recipe, seed, facts.get("weights"))
    strategy = run.model.distribute_strategy
    cut = _cut(strategy, out, identity)
    if cut:
        _restore(run.model, cut.weights)
        say(f"going on after epoch {len(cut.history)} of {recipe.epochs}")
    if is_chief(strategy):
        out.mkdir(parents=True, exist_ok=True)
        for replaced in () if cut else (out / FOLDER).glob("events.out.tfevents.*"):
            replaced.unlink()
    say(f"\n{HEADER}")
    done = len(cut.history) if cut else 0
    keep = KeepBest(run, validation, recipe, out, facts, photos, identity, say, cut.history if cut else ())
    bar = EpochBar(track, recipe.epochs, keep.history)
    callbacks = [bar, *callbacks, keep]  # the bar goes before the epoch is told
    if tensorboard:
        callbacks.append(EventFile(run, validation, keep, out / FOLDER))
    steps = steps_per_epoch(len(training), recipe.batch)
    for number, stage in enumerate(stages(recipe, pretrained)):
        if done >= stage.end or keep.has_waited:
            continue
        freeze(run.model, stage.name, pretrained, recipe)
        learner = Learner(run.model, recipe.box_loss, run.config.variances, recipe.precision)
        with strategy.scope():
            learner.compile(optimizer=optimizer(run.model, recipe, steps, stage.begin, pretrained), jit_compile=False)
            learner.optimizer.build(learner.trainable_variables)  # else in the first step, which is traced twice
        if cut and done > stage.begin:
            _restore(learner.optimizer, cut.slots)
        keep.stage = stage.name
        _fit(learner, run, training, recipe, stage, max(stage.begin, done), seed + 1_000_003 * number, callbacks)
    if is_chief(strategy):
        curves(keep.history, out / "curves.png")
        if validation:
            sheet(Run.load(out), validation, out / SHEET)
        else:
            (out / SHEET).unlink(missing_ok=True)  # of the run that was there before
        (out / STATE).unlink(missing_ok=True)
    return keep.history


def _cut(strategy: Strategy, out: Path, identity: dict[str, Any]) -> Unfinished | None:
    """The unfinished run in ``out`` as the chief has it: of several workers each may have a disk of its own.

    Only the chief compares it: start weights may have another path where another worker keeps them.
    """
    stored = from_chief(strategy, lambda: Unfinished.stored(out))
    cut = Unfinished.parse(stored, out) if stored else None
    if cut and is_chief(strategy):
        cut.require_same(identity, out)
    return cut


def _fit(
    learner: Learner,
    run: Run,
    training: Sequence[Example],
    recipe: Recipe,
    stage: Stage,
    first: int,
    seed: int,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Train a stage from epoch ``first`` of the run, its own first one or a later. `SsdprepError` without memory."""
    steps = steps_per_epoch(len(training), recipe.batch)
    batches = partial(
        training_batches,
        training,
        run.config,
        run.anchors,
        batch=recipe.batch,
        seed=seed,
        how=recipe.augmentation,
        balance=recipe.balance,
        first=(first - stage.begin) * steps,
    )
    try:
        with faults_named():
            learner.fit(
                distributed(run.model.distribute_strategy, recipe.batch, batches),
                steps_per_epoch=steps,
                initial_epoch=first,
                epochs=stage.end,
                callbacks=[
                    StopAtNonFinite(training, recipe, seed, stage.begin),
                    *callbacks,
                    keras.callbacks.LambdaCallback(
                        on_train_end=lambda logs: readers.rest()
                    ),  # `fit` drops its iterator
                ],
                verbose=0,
                shuffle=False,  # the stream is shuffled already
            )
    except tf.errors.ResourceExhaustedError as error:
        raise SsdprepError(
            f"the device has too little memory for batches of {recipe.batch}", f"--batch {max(1, recipe.batch // 2)}"
        ) from error


def _restore(owner: Any, values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(owner.variables, values, strict=True):
        variable.assign(value)
