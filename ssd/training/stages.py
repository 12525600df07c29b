"""How to train: the recipe, and what it means stage by stage - which layers learn, how fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import keras

from ssd.augmentation import Augmentation
from ssd.loss import BoxLoss
from ssd.training.learner import OPTIMIZERS, Averaged, Scaled, WarmCosine
from ssdprep.record import SsdprepError

HEADS, ALL = "heads", "all"  # what learns: everything that is new, or pretrained layers as well


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
    box_loss: BoxLoss = "smooth_l1"  # what a box is wrong by: `ssd.loss.multibox_loss`
    precision: str = "float32"  # of what layers compute: a key of `ssd.training.learner.PRECISIONS`
    optimizer: str = "adam"  # a key of `ssd.training.learner.OPTIMIZERS`
    weight_decay: float | None = None  # a step, times the rate; None: as the optimizer has it (adamw 0.004, others 0)
    patience: int | None = None  # epochs without a better AP on val after which training ends; None: it never does
    with_val: bool = False  # the photos for validation are learnt from too: no epoch is measured, the last is kept
    balance: float = 0.0  # how strongly photos of rare classes are preferred, 0..1: `ssd.sampling.repeat_factors`
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        """`SsdprepError` where its parts contradict each other."""
        if self.with_val and self.patience is not None:
            raise SsdprepError(
                "without photos for validation there is no better AP to wait for", "leave out --patience"
            )

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {**asdict(self), "augmentation": self.augmentation._asdict()}


class Stage(NamedTuple):
    """A part of the run in which the same layers learn: its name, and how many epochs were done before and with it."""

    name: str
    begin: int
    end: int


def stages(recipe: Recipe, pretrained: Sequence[str]) -> list[Stage]:
    """What is new, while pretrained layers are frozen; then everything. Without a stage that has no epoch."""
    frozen = min(recipe.frozen_epochs, recipe.epochs) if pretrained else 0
    both = [Stage(HEADS, 0, frozen), Stage(ALL, frozen, recipe.epochs)]
    return [stage for stage in both if stage.end > stage.begin]


def freeze(model: keras.Model, stage: str, pretrained: Sequence[str], recipe: Recipe) -> None:
    """Set which layers learn. BatchNorm that came with statistics keeps them, and its scale, throughout.

    Where statistics are learnt, they follow within a few dozen steps: the published momentum, 0.999, is for millions of
    photos, and on hundreds would evaluate with the statistics of random weights.
    """
    known = set(pretrained)
    n = recipe.first_free_block
    first_free = (f"block_{n}_", f"block{n}_", f"conv_dw_{n}")  # as MobileNetV2, VGG-16 and MobileNet name it
    early = True  # layers stand in the order of the graph: the first blocks come first
    for layer in model.layers:
        early = early and not layer.name.startswith(first_free)
        statistics = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer.name not in known or (stage == ALL and not early and not statistics)
        if statistics and layer.trainable:
            layer.momentum = min(layer.momentum, 0.98)


def optimizer(
    model: keras.Model, recipe: Recipe, steps: int, begun: int, pretrained: Sequence[str]
) -> Averaged | Scaled:
    """The optimizer of a stage that begins after ``begun`` epochs of ``steps`` steps each.

    Biases, BatchNorm and the lengths of normalised maps do not decay.
    """
    total = recipe.epochs * steps
    warmup = max(1, min(round(recipe.warmup_epochs * steps), total // 4))
    known = set(pretrained)
    slow = {v.path for layer in model.layers if layer.name in known for v in layer.trainable_variables}
    made = OPTIMIZERS[recipe.optimizer](
        WarmCosine(recipe.rate, warmup, total, recipe.final_rate, begun * steps),
        slow,
        recipe.backbone_share,
        warmup,
        recipe.averaging,
        global_clipnorm=recipe.clip_norm,
        **({} if recipe.weight_decay is None else {"weight_decay": recipe.weight_decay}),
    )
    made.exclude_from_weight_decay(var_names=["bias", "beta", "gamma", "scale"])
    return Scaled(made) if recipe.precision == "float16" else made
