"""What happens in training: a data set and a recipe in, a run folder out."""

from __future__ import annotations

import json
import platform
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ssd.data import BOX_LEFT_OUT, open_source, readable, train_and_val, train_with_val
from ssd.detector import load_imagenet, load_weights
from ssd.exports.outdated import outdated
from ssd.learnt import photos_csv
from ssd.pipeline import Example
from ssd.presets import preset
from ssd.run import CONFIG, Run
from ssd.training.distribution import Strategy, is_chief, lost_workers_named, require_same, worker_count
from ssd.training.history import HISTORY, Course, Epoch, best_of
from ssd.training.loop import train
from ssd.training.messages import introduced, introduced_devices, left_out
from ssd.training.stages import Recipe
from ssd.training.unfinished import STATE, identity_of_run
from ssdprep import __version__
from ssdprep.disk import in_plain_words, require_place
from ssdprep.labels import LabelMap
from ssdprep.lock import held
from ssdprep.record import Finding, Report, Say, Severity, SsdprepError, Track, merged, untracked
from ssdprep.set_checks import UNLISTED
from ssdprep.wording import quoted

LEARNT_NOTHING = "RUN003"


@dataclass(frozen=True)
class Trained(Report):
    """What training left: the folder, its history, and the epoch that was kept."""

    folder: Path
    data: Path
    classes: tuple[str, ...]
    photos: dict[str, int]  # "train", "val": how many
    pretrained: int  # layers that came with weights
    history: tuple[Epoch, ...]
    findings: tuple[Finding, ...]
    has_test: bool = False  # photos that it will be measured on

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return best_of(self.history)

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        return {
            "run": str(self.folder),
            "data": str(self.data),
            "classes": list(self.classes),
            "photos": self.photos,
            "pretrained_layers": self.pretrained,
            "best": self.best.to_dict(),
            "history": [line.to_dict() for line in self.history],
        }


@lost_workers_named()
def train_folder(
    data: Path,
    out: Path | None = None,
    *,
    preset_name: str = "mobilenet_v2_ssd_224",
    weights: str = "imagenet",
    recipe: Recipe | None = None,
    seed: int = 0,
    force: bool = False,
    tensorboard: bool = False,
    strategy: Strategy | None = None,
    command: str = "",
    say: Say = lambda line: None,
    track: Track = untracked,
) -> Trained:
    """Train a detector on a photo or TFRecord folder and leave a run folder.

    ``weights``: "imagenet", "none", or a path. The run folder holds model.keras and config.json (of the epoch with the
    best AP on val; of the last where ``recipe`` is with val), photos.csv, history.csv, curves.png and, where there is a
    val, validation.jpg. A run that was cut goes on after its last whole epoch, and ends as if it had not been cut.
    ``tensorboard``: an event file too, where one process trains. ``strategy``: one of `ssd.training.distribution`; of
    several workers only the chief says anything and writes. ``command``: what was typed, for whoever finds the run cut.
    Raises `SsdprepError` where it cannot start.
    """
    recipe = recipe or Recipe()
    strategy = strategy or tf.distribute.get_strategy()
    if strategy is not tf.distribute.get_strategy():
        say(introduced_devices(strategy.num_replicas_in_sync, worker_count(strategy), is_chief(strategy)))
    if tensorboard and worker_count(strategy) > 1:
        raise SsdprepError(
            "several workers write no event file", "leave out --tensorboard; history.csv has the figures"
        )
    config, folder = preset(preset_name), out or Path("runs") / data.resolve().name
    if data.resolve() in (folder.resolve(), *folder.resolve().parents):
        beside = data.resolve().parent / "runs" / data.resolve().name
        raise SsdprepError(f"{folder} is within {data}: a run's pictures are no photos", f"--out {quoted(beside)}")
    keras.utils.set_random_seed(seed)
    with ExitStack() as stack:
        if is_chief(strategy):
            stack.enter_context(_alone_in(folder, force))
        else:
            say, track = (lambda line: None), untracked
        photos = _photos_of(data, recipe, seed, track)
        with strategy.scope():
            run = Run.new(config, photos.labels)
        pretrained = start_from(run, weights)
        require_same(strategy, lambda: _identity(run, photos, recipe, seed))
        start = f"{len(pretrained)} layers from {weights}" if pretrained else "random weights"
        say(f"{run.config.name}: {run.model.count_params():,} parameters, {len(run.anchors):,} anchors, {start}")
        say(introduced(data, len(photos.training), len(photos.validation), run.labels.names))
        if photos.left_out:
            say(photos.left_out)
        for late in (finding for finding in photos.findings if finding.code == UNLISTED):
            say(f"{late.message} - {late.remedy}")
        if is_chief(strategy) and force:
            (folder / STATE).unlink(missing_ok=True)  # not before all else is known to be well
        # The whole path, for whoever evaluates it from another folder.
        facts = _facts(run, photos, recipe, strategy) | {"data": str(data.resolve()), "weights": weights, "seed": seed}
        if command and worker_count(strategy) == 1:
            facts["begun"] = {"command": command, "in": str(Path.cwd()), "out": str(folder.resolve())}
        history = train(
            run, photos.training, photos.validation, recipe, folder, seed=seed, pretrained=pretrained, facts=facts,
            photos=photos_csv({"train": photos.training, "val": photos.validation}, data),
            say=say, track=track, tensorboard=tensorboard,
        )  # fmt: skip
    return Trained(
        folder,
        data,
        run.labels.names,
        facts["photos"],
        len(pretrained),
        tuple(history),
        (
            *photos.findings,
            *((*outdated(folder), *_learnt_nothing(history, folder, data)) if is_chief(strategy) else ()),
        ),
        photos.has_test,
    )


class _Photos(NamedTuple):
    """What is trained and validated on, and what is said about it."""

    labels: LabelMap
    training: Sequence[Example]
    validation: Sequence[Example]
    findings: tuple[Finding, ...]
    left_out: str  # "" where nothing is
    has_test: bool


def _photos_of(data: Path, recipe: Recipe, seed: int, track: Track) -> _Photos:
    """The readable photos of a data set; `SsdprepError` where one of the parts has no box."""
    source = open_source(data, track=track)
    parts = (train_with_val(source), ()) if recipe.with_val else train_and_val(source, seed)
    (training, bad), (validation, also_bad) = (readable(part, track=track) for part in parts)
    for name, examples in {"train": training, **({} if recipe.with_val else {"val": validation})}.items():
        if not any(len(example.ids) for example in examples):
            lost = "; its annotations have errors" * any(f.severity is Severity.ERROR for f in source.findings)
            anew = f"label more photos, or share them out anew: {source.shared_out_anew}"
            raise SsdprepError(
                f"no photo of the {name} part of {source.path} has a box: nothing can be learnt or measured{lost}",
                f"ssdprep audit {quoted(source.path)} says what is wrong with them" if lost else anew,
            )
    findings = merged(source.findings, bad, also_bad)
    lost = source.photos_left_out + len(bad) + len(also_bad)
    used = {Path(example.source).stem for example in (*training, *validation)}
    why = [f for f in findings if f.code in BOX_LEFT_OUT or (f.path != data and f.path.stem not in used)]
    told = left_out(data, lost, source.boxes_left_out, why)
    return _Photos(source.labels, training, validation, findings, told, bool(source.splits.get("test")))


def _facts(run: Run, photos: _Photos, recipe: Recipe, strategy: Strategy) -> dict[str, Any]:
    """What config.json tells of how a run came to be, beside where it came from."""
    parts = {"train": photos.training, "val": photos.validation}
    return {
        "recipe": recipe.to_dict(),
        "photos": {name: len(examples) for name, examples in parts.items()},
        "boxes": {name: boxes_by_class(examples, run.labels) for name, examples in parts.items()},
        "versions": {"ssdprep": __version__, "tensorflow": tf.__version__, "keras": keras.__version__,
                     "python": platform.python_version()},
        "devices": {"workers": worker_count(strategy), "replicas": strategy.num_replicas_in_sync},
    }  # fmt: skip


def _learnt_nothing(history: Sequence[Epoch], folder: Path, data: Path) -> tuple[Finding, ...]:
    """A finding where not one epoch found anything to speak of."""
    if not Course.of(folder / HISTORY).is_little:
        return ()
    rose = history[-1].loss > history[0].loss
    ap50 = best_of(history).val_AP50
    message = f"it has learnt next to nothing: AP50 on val is {ap50:.3f}" + ", and the loss rose" * rose
    cure = "a lower --rate" if rose else "more --epochs"
    remedy = f"{cure}; python -m ssd.doctor {quoted(data)} says what else keeps it from learning"
    return (Finding(LEARNT_NOTHING, Severity.WARNING, folder, 0, message, remedy),)


def boxes_by_class(examples: Sequence[Example], labels: LabelMap) -> dict[str, int]:
    """How many boxes each class has, classes without any among them."""
    counts = Counter(class_id for example in examples for class_id in example.ids.tolist())
    return {name: counts[number] for number, name in enumerate(labels.names, start=1)}


@contextmanager
def _alone_in(folder: Path, force: bool) -> Iterator[None]:
    """Keep every other training out of a run folder, which is gone again where it was new and nothing is left in it.

    `SsdprepError` where another one is at it, or a finished run would be replaced unasked; an unfinished one goes on.
    """
    require_place(folder / CONFIG, named=folder)
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    with in_plain_words(folder, "written", "--out"):
        folder.mkdir(parents=True, exist_ok=True)
    lock = folder / ".lock"
    with held(lock, f"another training is writing {folder}", "choose another --out, or wait until that one is done"):
        try:
            if not force and (folder / CONFIG).exists() and not (folder / STATE).exists():
                raise SsdprepError(f"{folder} already holds a run", "choose another --out, or replace it with --force")
            yield
        finally:
            with suppress(PermissionError):  # Windows removes nothing that is open
                lock.unlink(missing_ok=True)
            with suppress(OSError):  # where something is in it, as after every training
                for place in new:
                    place.rmdir()


def _identity(run: Run, photos: _Photos, recipe: Recipe, seed: int) -> str:
    """What several workers must have in common, wherever each keeps its files."""
    weights = 0
    for value in run.model.get_weights():
        weights = zlib.crc32(np.ascontiguousarray(value), weights)
    return json.dumps(identity_of_run(run, photos.training, photos.validation, recipe, seed, weights))


def start_from(run: Run, weights: str) -> tuple[str, ...]:
    """Give a run its first weights: "imagenet", "none", or a path; the names of the layers that got any."""
    if weights == "none":
        return ()
    if weights == "imagenet":
        return load_imagenet(run.model, run.config)
    return load_weights(run.model, Path(weights))
