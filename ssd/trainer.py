"""What happens in training: stages, schedule, averaged weights, and the checkpoint that detects best."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from ssd.augmentation import Augmentation
from ssd.data import Source, open_source, readable, train_and_val
from ssd.detector import backbone_layers, load_imagenet, load_weights
from ssd.evaluation import evaluate
from ssd.history import HEADER, Epoch, best_of, told, write_history
from ssd.learner import AveragedAdam, Learner, WarmCosine
from ssd.pictures import curves, sheet
from ssd.pipeline import Example, training_batches
from ssd.presets import preset
from ssd.run import Run
from ssdprep import __version__
from ssdprep.derived import merged
from ssdprep.record import Finding, Say, Severity, SsdprepError, Track, untracked


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are what docs/benchmarks.md measured."""

    epochs: int = 40
    frozen_epochs: int = 3  # the first so many train only what is new; none where all weights are random
    batch: int = 16
    rate: float = 1e-3  # of the heads, and of everything where all weights are random
    backbone_share: float = 0.5  # of that rate, for pretrained layers
    warmup_epochs: float = 2.0  # of the run, and again of the backbone when it is freed
    final_rate: float = 0.02  # share of the peak that the cosine ends at
    clip_norm: float = 10.0
    averaging: float = 0.995  # of the weights' moving average, which is what is evaluated and kept
    first_free_block: int = 3  # pretrained blocks before it stay frozen
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True)
class Trained:
    """What training left: the folder, its history, and the epoch that was kept."""

    folder: Path
    data: Path
    classes: tuple[str, ...]
    photos: dict[str, int]  # "train", "val": how many
    pretrained: int  # layers that came with weights
    history: tuple[Epoch, ...]
    findings: tuple[Finding, ...]

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return best_of(self.history)

    @property
    def exit_code(self) -> int:
        """1 where photos had to be left out because of an error in them."""
        return int(any(f.severity is Severity.ERROR for f in self.findings))

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "run": str(self.folder),
            "data": str(self.data),
            "classes": list(self.classes),
            "photos": self.photos,
            "pretrained_layers": self.pretrained,
            "best": self.best.to_dict(),
            "history": [line.to_dict() for line in self.history],
            "findings": [f.to_dict() for f in self.findings],
        }


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
        self._images = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self._epoch_begun = time.monotonic()
        self._images = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop at a loss that is no number."""
        self._images += self._recipe.batch
        if not math.isfinite(logs["loss"]):
            raise SsdprepError(
                f"the loss became {logs['loss']} in step {batch + 1} of epoch {len(self.history) + 1}",
                "train with a lower --rate; `ssdprep audit` finds boxes that no network can learn",
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluate, remember, tell."""
        trained = time.monotonic() - self._epoch_begun
        with self.model.optimizer.averaged():
            scores, _ = evaluate(self._run, self._validation)
            line = Epoch(
                epoch=epoch + 1,
                stage=self.stage,
                loss=logs["loss"],
                class_loss=logs["class_loss"],
                box_loss=logs["box_loss"],
                val_AP50=scores.AP50,
                val_AP=scores.AP,
                images_per_second=self._images / trained,
                seconds=time.monotonic() - self._begun,
            )
            self.history.append(line)
            if best_of(self.history) is line:
                self._run.save(self._out, **self._facts, kept=line.to_dict())
        write_history(self._out / "history.csv", self.history)
        self._say(told(line, self._recipe.epochs, best_of(self.history) is line))


def train_folder(
    data: Path,
    out: Path | None = None,
    *,
    preset_name: str = "mobilenet_v2_ssd_224",
    weights: str = "imagenet",
    recipe: Recipe | None = None,
    seed: int = 0,
    force: bool = False,
    say: Say = lambda line: None,
    track: Track = untracked,
) -> Trained:
    """Train a detector on a photo or TFRecord folder and leave a run folder.

    ``weights``: "imagenet", "none", or a path. The run folder holds model.keras and config.json (the best epoch by AP50
    on val), history.csv, curves.png and validation.jpg. Raises `SsdprepError` where it cannot start.
    """
    recipe = recipe or Recipe()
    folder = out or Path("runs") / data.resolve().name
    if (folder / "config.json").exists() and not force:
        raise SsdprepError(f"{folder} already holds a run", "choose another --out, or replace it with --force")
    keras.utils.set_random_seed(seed)
    source = open_source(data, track=track)
    (training, bad), (validation, also_bad) = (readable(part, track=track) for part in train_and_val(source, seed))
    _require_boxes(source, train=training, val=validation)
    run = Run.new(preset(preset_name), source.labels)
    pretrained = start_from(run, weights)
    folder.mkdir(parents=True, exist_ok=True)
    start = f"{len(pretrained)} layers from {weights}" if pretrained else "random weights"
    say(_introduced(run, source, training, validation, start))
    facts = {
        "data": str(data),
        "weights": weights,
        "seed": seed,
        "recipe": {**asdict(recipe), "augmentation": recipe.augmentation._asdict()},
        "photos": {"train": len(training), "val": len(validation)},
        "versions": {"ssdprep": __version__, "tensorflow": tf.__version__, "keras": keras.__version__,
                     "python": platform.python_version()},
    }  # fmt: skip
    history = train(
        run, training, validation, recipe, folder, seed=seed, pretrained=pretrained, facts=facts, say=say,
        callbacks=[EpochBar(track, recipe.epochs)],
    )  # fmt: skip
    curves(history, folder / "curves.png")
    best = Run.load(folder)
    sheet(best, validation, folder / "validation.jpg")
    return Trained(
        folder,
        data,
        source.labels.names,
        facts["photos"],
        len(pretrained),
        tuple(history),
        merged(source.findings, bad, also_bad),
    )


def _require_boxes(source: Source, **parts: Sequence[Example]) -> None:
    for name, examples in parts.items():
        if not any(len(example.ids) for example in examples):
            raise SsdprepError(
                f"no photo of the {name} part of {source.path} has a box: nothing can be learnt or measured",
                f"label more photos, or share them out anew: ssdprep split {source.path} --force",
            )


def start_from(run: Run, weights: str) -> tuple[str, ...]:
    """Give a run its first weights: "imagenet", "none", or a path; the names of the layers that got any."""
    if weights == "none":
        return ()
    if weights == "imagenet":
        return load_imagenet(run.model, run.config)
    return load_weights(run.model, Path(weights))


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
    say: Say = lambda line: None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> list[Epoch]:
    """Freeze what is pretrained and train the rest; free it and train all; keep the weights that detect best.

    ``pretrained`` names the layers of ``run.model`` that came with weights. ``out`` receives the run of the epoch with
    the highest AP50 on ``validation`` and history.csv. Raises `SsdprepError` when the loss stops being a number.
    """
    pretrained = sorted(backbone_layers(run.model) & set(pretrained))  # heads and extras always learn
    keep = KeepBest(run, validation, recipe, out, facts or {}, say)
    steps = max(1, math.ceil(len(training) / recipe.batch))
    begun = 0
    for number, (stage, epochs) in enumerate(_stages(recipe, pretrained)):
        _freeze(run.model, stage, pretrained, recipe)
        learner = Learner(run.model)
        learner.compile(optimizer=_optimizer(run.model, recipe, steps, begun, pretrained), jit_compile=False)
        batches = training_batches(
            training,
            run.config,
            run.anchors,
            batch=recipe.batch,
            seed=seed + 1_000_003 * number,
            how=recipe.augmentation,
        )
        keep.stage = stage
        learner.fit(
            batches,
            steps_per_epoch=steps,
            initial_epoch=begun,
            epochs=begun + epochs,
            callbacks=[*callbacks, keep],  # bars close before the epoch is told
            verbose=0,
            shuffle=False,  # the stream is shuffled already
        )
        begun += epochs
    return keep.history


def _stages(recipe: Recipe, pretrained: Sequence[str]) -> list[tuple[str, int]]:
    """Names of the stages and how many epochs each has."""
    frozen = min(recipe.frozen_epochs, recipe.epochs) if pretrained else 0
    stages = [("heads", frozen), ("all", recipe.epochs - frozen)]
    return [(stage, epochs) for stage, epochs in stages if epochs]


def _freeze(model: keras.Model, stage: str, pretrained: Sequence[str], recipe: Recipe) -> None:
    """Set which layers learn. BatchNorm that came with statistics keeps them, and its scale, throughout.

    Where statistics are learnt, they follow within a few dozen steps: the published momentum, 0.999, is for millions of
    photos, and on hundreds would evaluate with the statistics of random weights.
    """
    known = set(pretrained)
    early = True  # layers stand in the order of the graph: the first blocks come first
    for layer in model.layers:
        early = early and not layer.name.startswith(f"block_{recipe.first_free_block}_")
        statistics = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer.name not in known or (stage == "all" and not early and not statistics)
        if statistics and layer.trainable:
            layer.momentum = min(layer.momentum, 0.98)


def _optimizer(model: keras.Model, recipe: Recipe, steps: int, begun: int, pretrained: Sequence[str]) -> AveragedAdam:
    total = recipe.epochs * steps
    warmup = max(1, min(round(recipe.warmup_epochs * steps), total // 4))
    known = set(pretrained)
    slow = {v.path for layer in model.layers if layer.name in known for v in layer.trainable_variables}
    return AveragedAdam(
        WarmCosine(recipe.rate, warmup, total, recipe.final_rate, begun * steps),
        slow,
        recipe.backbone_share,
        warmup,
        recipe.averaging,
        global_clipnorm=recipe.clip_norm,
    )


def _introduced(
    run: Run, source: Source, training: Sequence[Example], validation: Sequence[Example], start: str
) -> str:
    return (
        f"{run.config.name}: {run.model.count_params():,} parameters, {len(run.anchors):,} anchors, {start}\n"
        f"{source.path}: {len(training)} photos to train on, {len(validation)} to validate on, "
        f"{len(source.labels.names)} classes: {', '.join(source.labels.names)}\n\n{HEADER}"
    )
