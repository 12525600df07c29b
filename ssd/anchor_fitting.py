"""What the command `fit_anchors` does: anchors of a preset for the boxes of a data set, measured before and after.

The fit sees two kinds of boxes: those of the training photos as they are, which the detector will be asked for, and at
half their weight those of pictures that training draws from them, zoomed out and cropped, which it is taught with. The
plain boxes alone would crowd all maps into the few sizes that a small set has, and most drawn pictures would then
find no anchor. Boxes of validation photos take no part: they show whether the gain is more than learnt by heart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ssd.anchor_clusters import fit
from ssd.augmentation import Augmentation, augment_boxes
from ssd.config import Config
from ssd.coverage import Coverage, best_ious
from ssd.data import open_source, train_and_val
from ssd.detector import anchors_of, build_detector, map_sizes
from ssd.examples import Example
from ssd.preset_file import is_preset, write_preset
from ssd.presets import preset
from ssdprep.disk import free_name, require_place
from ssdprep.record import Finding, Report, Severity, SsdprepError, Track, untracked
from ssdprep.wording import counted, quoted

NOT_BETTER = "FIT001"
FEWEST = 20  # boxes; what fewer have in common is chance
PICTURES = 1000  # drawn as training draws them, in all
MOST = 1500  # boxes of each kind that are fitted to; more say the same
WEIGHTS = 2.0, 1.0  # of plain and of drawn boxes
LOSS = 0.03  # of recall and mean IoU together on validation boxes, from which on a fit is worse than none


@dataclass(frozen=True)
class Fitted(Report):
    """A preset before and after, and how well each covers three kinds of boxes."""

    data: Path
    preset_name: str
    file: Path
    before: Config
    after: Config
    coverage: dict[str, tuple[Coverage, Coverage]]  # "train", "train, augmented", "val": before, after
    findings: tuple[Finding, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        return {
            "data": str(self.data),
            "preset": self.preset_name,
            "wrote": str(self.file),
            "scales": {"before": list(self.before.scales), "after": list(self.after.scales)},
            "aspect_ratios": {
                "before": [list(ratios) for ratios in self.before.aspect_ratios],
                "after": [list(ratios) for ratios in self.after.aspect_ratios],
            },
            "coverage": {
                name: {"before": before.to_dict(), "after": after.to_dict()}
                for name, (before, after) in self.coverage.items()
            },
        }


def fit_folder(
    data: Path,
    out: Path | None = None,
    *,
    preset_name: str = "mobilenet_v2_ssd_224",
    augmentation: Augmentation | None = None,
    seed: int = 0,
    force: bool = False,
    track: Track = untracked,
) -> Fitted:
    """Fit a preset's anchors to the training boxes of a data set, and write the preset as JSON.

    out: by default ``NAME-OF-DATA-anchors.json`` in the current folder. The test split is never looked at.
    `SsdprepError` where there are fewer than 20 boxes to fit to, or a file is already there and ``force`` is not given.
    """
    file = out or Path(f"{data.resolve().name}-anchors.json")
    _check_place(file, force)
    config = preset(preset_name)
    source = open_source(data, track=track)
    training, validation = train_and_val(source, seed)
    plain = boxes_of(training)
    if len(plain) < FEWEST:
        raise SsdprepError(
            f"{data} has {counted(len(plain), 'box')} to train on: it takes {FEWEST} to fit anchors to",
            f"label more photos; until then --preset {quoted(Path(preset_name))} as it is",
        )
    drawn = drawn_boxes(training, config, augmentation or Augmentation(), seed=seed, track=track)
    model = build_detector(config, 1)
    some = [kind[:: max(1, math.ceil(len(kind) / MOST))] for kind in (plain, drawn)]
    weights = np.concatenate([np.full(len(kind), w / max(1, len(kind))) for kind, w in zip(some, WEIGHTS, strict=True)])
    fitted = fit(config, map_sizes(model, config), np.concatenate(some), weights)
    fitted = replace(fitted, name=f"{config.name}_fitted", source=f"{config.name}, anchors fitted by ssd.fit_anchors")
    old, new = anchors_of(model, config), anchors_of(model, fitted)
    coverage = {
        name: (Coverage.of(best_ious(some, old)), Coverage.of(best_ious(some, new)))
        for name, some in {"train": plain, "train, augmented": drawn, "val": boxes_of(validation)}.items()
    }
    write_preset(file, fitted)
    return Fitted(data, preset_name, file, config, fitted, coverage, _findings(file, preset_name, coverage))


def boxes_of(examples: Sequence[Example]) -> np.ndarray:
    """All boxes of a set: float64 (N, 4) corners, shares of the sides, those without area left out."""
    boxes = np.concatenate([np.zeros((0, 4)), *(example.boxes for example in examples)])
    return boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]


def drawn_boxes(
    examples: Sequence[Example],
    config: Config,
    how: Augmentation,
    *,
    seed: int,
    pictures: int = PICTURES,
    track: Track = untracked,
) -> np.ndarray:
    """The boxes of pictures as training draws them, without reading a photo: float64 (N, 4) corners, shares."""

    @tf.function(input_signature=[tf.TensorSpec((None, 4)), tf.TensorSpec((2,), tf.int32)])
    def draw(boxes: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        ids = tf.zeros(tf.shape(boxes)[:1], tf.int32)
        return augment_boxes(boxes, ids, key, config.image_size, how)[0]

    labelled = [example.boxes for example in examples if len(example.boxes)]
    some = [draw(labelled[i % len(labelled)], [seed, i]).numpy() for i in track(range(pictures), "Drawing", pictures)]
    return np.concatenate([np.zeros((0, 4)), *some])


def _check_place(file: Path, force: bool) -> None:
    if file.suffix != ".json" or file.is_dir():
        raise SsdprepError(f"{file} is no .json file", f"--out {quoted(file.with_suffix('.json'))}")
    if file.exists() and not force:
        raise SsdprepError(f"{file} already exists", "choose another --out, or replace it with --force")
    if file.exists() and not is_preset(file):
        raise SsdprepError(f"{file} is there and is no preset: it is not replaced", f"--out {quoted(free_name(file))}")
    require_place(file)


def _findings(file: Path, preset_name: str, coverage: dict[str, tuple[Coverage, Coverage]]) -> tuple[Finding, ...]:
    before, after = coverage["val"]
    if not before.boxes or after.recall + after.mean_iou > before.recall + before.mean_iou - LOSS:
        return ()
    was, now = (f"IoU {each.mean_iou:.2f}, {each.recall:.0%} reached" for each in (before, after))
    message = f"the fitted anchors cover the validation boxes worse: {now}; those of the preset: {was}"
    remedy = f"train with --preset {quoted(Path(preset_name))} as it is, or label more photos"
    return (Finding(NOT_BETTER, Severity.WARNING, file, 0, message, remedy),)
