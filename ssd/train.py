"""`python -m ssd.train DATA`: train a detector on labelled photos."""

from __future__ import annotations

import os
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ssd.options import Data
from ssdprep import console
from ssdprep.options import Debug, Json, Quiet, Seed


class Optimizer(StrEnum):
    """The keys of `ssd.training.learner.OPTIMIZERS`, known before TensorFlow is loaded."""

    ADAM = "adam"
    ADAMW = "adamw"
    SGD = "sgd"


class BoxLoss(StrEnum):
    """`ssd.loss.BoxLoss`."""

    SMOOTH_L1 = "smooth_l1"
    GIOU = "giou"


class Precision(StrEnum):
    """The keys of `ssd.training.learner.PRECISIONS`."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


class Strategy(StrEnum):
    """The keys of `ssd.training.distribution.STRATEGIES`."""

    NONE = "none"
    MIRRORED = "mirrored"
    MULTIWORKER = "multiworker"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def train(
    data: Data = Path("data"),
    weights: Annotated[
        str,
        typer.Option(
            metavar="imagenet|none|PATH",
            help="Where to start: ImageNet (downloaded), random weights, or a file: a keras.applications .h5, "
            "a .keras model, a run folder, an SSD300 of ssd_keras (.h5) or ssd.pytorch (.pth).",
        ),
    ] = "imagenet",
    preset: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE.json",
            help="The detector: python -m ssd.summary lists them, ssd.fit_anchors writes your own.",
        ),
    ] = "mobilenet_v2_ssd_224",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training photos.")] = 40,
    batch: Annotated[int, typer.Option(min=1, help="Photos in one step.")] = 16,
    rate: Annotated[
        float, typer.Option(min=1e-8, help="Peak learning rate of the heads; the backbone's is half of it.")
    ] = 1e-3,
    optimizer: Annotated[Optimizer, typer.Option(help="What takes the steps.")] = Optimizer.ADAM,
    box_loss: Annotated[
        BoxLoss, typer.Option(help="What a box is wrong by: its offsets, as in the papers, or its overlap.")
    ] = BoxLoss.SMOOTH_L1,
    weight_decay: Annotated[
        float | None,
        typer.Option(min=0, help="How fast weights decay, times the rate.", show_default="0.004 with adamw, else 0"),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="EPOCHS", help="Stop when so many brought no better AP on val.", show_default="never"
        ),
    ] = None,
    with_val: Annotated[
        bool,
        typer.Option(
            "--with-val",
            help="Learn from the photos for validation too, once nothing is left to be chosen: no epoch is measured, "
            "the last is kept.",
        ),
    ] = False,
    flip_v: Annotated[
        bool, typer.Option("--flip-v", help="Mirror top to bottom too: cells, parts, aerial photos.")
    ] = False,
    balance: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="How much more often photos of rare classes come: 0.5 by the root of their rarity, 1 fully.",
        ),
    ] = 0.0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="RUN", help="A new folder.", show_default="runs/NAME-OF-DATA"),
    ] = None,
    strategy: Annotated[
        Strategy,
        typer.Option(
            help="mirrored: all GPUs of this machine; multiworker: those of all machines that TF_CONFIG names."
        ),
    ] = Strategy.NONE,
    precision: Annotated[
        Precision,
        typer.Option(help="What layers compute in; the narrow ones are for GPUs."),
    ] = Precision.FLOAT32,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write RUN/tensorboard too: figures, labels and detections by epoch.")
    ] = False,
    seed: Seed = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace a run that is already there.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train an SSD detector on a folder of labelled photos, or on the TFRecords of one.

    The photos of the test split are never looked at. Without a val split, an eighth of train is set aside.

    The checkpoint with the best AP on val is kept (--with-val: the last). The same command goes on with a cut run.
    """
    from ssdprep.tensorflow import import_tensorflow

    if strategy is Strategy.MULTIWORKER:  # where a worker goes, TensorFlow tells it from C++ too
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    tensorflow = import_tensorflow()
    if strategy is Strategy.NONE:  # devices wait for each other, which one thread cannot
        # A map that feeds three layers gets three gradients; threads add them up as they come, never twice the same.
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    from dataclasses import replace

    from ssd.training.distribution import STRATEGIES, is_chief

    devices = STRATEGIES[strategy]()  # before anything is computed
    from ssd.tables import train_report, worker_report
    from ssd.trainer import Recipe, train_folder

    recipe = Recipe(
        epochs=epochs, batch=batch, rate=rate, optimizer=optimizer.value, weight_decay=weight_decay, patience=patience,
        balance=balance, with_val=with_val, box_loss=box_loss.value, precision=precision.value,
    )  # fmt: skip
    if flip_v:
        recipe = replace(recipe, augmentation=recipe.augmentation._replace(flip_v=0.5))
    report = train_folder(
        data, out, preset_name=preset, weights=weights, recipe=recipe, seed=seed, force=force,
        tensorboard=tensorboard, strategy=devices, command=_typed(), say=console.say, track=console.track,
    )  # fmt: skip
    console.show(report, train_report if is_chief(devices) else worker_report)


def _typed() -> str:
    """This command, as it goes on with what it began."""
    return shlex.join(["python", "-m", "ssd.train", *(word for word in sys.argv[1:] if word != "--force")])


if __name__ == "__main__":
    console.run(app)
