"""A run: a trained detector and all that is needed to use it, as `ssd.train` leaves it in one folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from ssd.decoder import NMS_IOU, detect
from ssd.detector import anchors_of, build_detector
from ssd.pipeline import Example, evaluation_batches
from ssd.presets import Config
from ssdprep.disk import put_in_place
from ssdprep.files import write_new
from ssdprep.labels import LabelMap
from ssdprep.record import SsdprepError, Track, untracked
from ssdprep.wording import listed, quoted

MODEL, CONFIG = "model.keras", "config.json"
MAX_DETECTIONS = 100  # on one photo, as COCO counts them


@dataclass(frozen=True)
class Origin:
    """What a run folder tells of how it was trained."""

    data: Path | None  # the folder it learnt from, where that is recorded
    seed: int
    with_val: bool  # it learnt from the photos for validation too
    boxes: Mapping[str, int] | None  # it learnt from, of each class; earlier runs do not tell

    @classmethod
    def of(cls, folder: Path) -> Origin:
        """What `Run.save` was told."""
        stored = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        data = stored.get("data")
        return cls(
            data=Path(data) if isinstance(data, str) and data else None,
            seed=int(stored.get("seed", 0)),
            with_val=stored.get("recipe", {}).get("with_val", False),
            boxes=stored.get("boxes", {}).get("train"),
        )

    def is_of(self, data: Path) -> bool:
        """Is that the folder it learnt from?"""
        return self.data is not None and self.data.resolve() == data.resolve()


def _missing(folder: Path) -> str:
    """What a run folder lacks; "" where it is one."""
    if not folder.is_dir():
        return "it is a file" if folder.exists() else "there is no such folder"
    return next((f"{name} is missing" for name in (MODEL, CONFIG) if not (folder / name).is_file()), "")


def _run_meant(path: Path) -> str:
    """Which run folder is meant by a path that is none: one that it lies in, those in it, or one spelled alike."""
    around = next((folder for folder in path.parents if not _missing(folder)), None)
    if around is not None:
        return f"name the run folder: {quoted(around)}"
    near = path if path.exists() else path.parent
    runs = {config.parent.name: config.parent for config in near.glob(f"*/{CONFIG}") if not _missing(config.parent)}
    alike = sorted(runs) if path.exists() else get_close_matches(path.name, runs, n=1)
    if not alike:
        return "python -m ssd.train DATA --out RUN first"
    return f"name the run folder: {listed([quoted(runs[name]) for name in alike])}"


@dataclass(frozen=True)
class Run:
    """A detector, its anchors, what it was built from, and the names of its classes."""

    model: keras.Model
    config: Config
    labels: LabelMap
    anchors: np.ndarray  # float64 (n_boxes, 4), centroids, shares of the sides
    finished: bool = False  # nobody trains the model further: `detect` may hold on to its weights

    @classmethod
    def new(cls, config: Config, labels: LabelMap) -> Run:
        """A run with random weights."""
        model = build_detector(config, len(labels.names))
        return cls(model, config, labels, anchors_of(model, config))

    @classmethod
    def load(cls, folder: Path) -> Run:
        """The run that `save` wrote, finished; `SsdprepError` where the folder holds none."""
        if missing := _missing(folder):
            raise SsdprepError(f"{folder} holds no trained detector: {missing}", _run_meant(folder))
        try:
            stored = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            config = Config.from_dict(stored["config"])
            model = keras.models.load_model(folder / MODEL, compile=False)
            labels = LabelMap.from_names(stored["classes"])
            return cls(model, config, labels, anchors_of(model, config), finished=True)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise SsdprepError(f"the detector in {folder} cannot be read: {error}", "train it again") from error

    def save(self, folder: Path, **facts: Any) -> None:
        """Write the model and ``config.json``, with any further facts about how it came to be."""
        folder.mkdir(parents=True, exist_ok=True)
        with put_in_place(folder / MODEL) as partial:  # a cut must not cost the checkpoint that is there
            self.model.save(partial)
        described = {"config": self.config.to_dict(), "classes": list(self.labels.names), **facts}
        write_new(folder / CONFIG, (json.dumps(described, indent=1, ensure_ascii=False) + "\n").encode())

    def detect(
        self,
        examples: Sequence[Example],
        *,
        score: float = 0.01,
        nms_iou: float = NMS_IOU,
        top_k: int = MAX_DETECTIONS,
        vote: bool = True,
        batch: int = 16,
        track: Track = untracked,
        label: str = "detecting",
    ) -> Iterator[np.ndarray]:
        """What the detector sees on each photo, in order.

        Yields float64 (M, 6) rows class id, score, xmin, ymin, xmax, ymax in pixels of the upright photo, cut at its
        borders, best first. nms_iou, top_k, vote: as `ssd.decoder.detect` takes them.
        """
        pictures = evaluation_batches(examples, self.config.image_size, batch=batch)
        sizes = (example.size for example in track(examples, label, len(examples)))
        yield from self.detect_pictures(pictures, sizes, score=score, nms_iou=nms_iou, top_k=top_k, vote=vote)

    def detect_pictures(
        self,
        batches: Iterable[Any],
        sizes: Iterable[tuple[int, int]],
        *,
        score: ArrayLike = 0.01,
        nms_iou: float = NMS_IOU,
        top_k: int = MAX_DETECTIONS,
        vote: bool = True,
    ) -> Iterator[np.ndarray]:
        """What the detector sees on pictures at its input, rows as `detect` yields them.

        batches: arrays (B, h, w, 3) float32 in 0..255; sizes: (height, width) of each upright photo, as many as there
        are pictures in all batches; score: a number, or one for each class.
        """
        predicted = (pair for pictures in batches for pair in zip(*self._predict(pictures), strict=True))
        for (height, width), (scores, offsets) in zip(sizes, predicted, strict=True):
            found = detect(
                scores,
                offsets,
                self.anchors,
                variances=self.config.variances,
                score=score,
                nms_iou=nms_iou,
                top_k=top_k,
                vote=vote,
            )
            corners = np.clip(found[:, 2:], 0.0, 1.0) * [width, height, width, height]
            yield np.concatenate([found[:, :2], corners], axis=1)

    def _predict(self, pictures: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
        outputs = self._forward(pictures)
        return outputs[0].numpy(), outputs[1].numpy()

    @cached_property
    def _forward(self) -> Any:
        """The model as a graph, traced once: eight times faster than eager calls.

        Of a finished run with BatchNorm all weights are constants: TensorFlow folds BatchNorm into the convolutions.
        """
        normed = any(isinstance(layer, keras.layers.BatchNormalization) for layer in self.model.layers)
        constants = [(v, v.numpy()) for v in self.model.variables] if self.finished and normed else []

        @tf.function(input_signature=[tf.TensorSpec(self.model.input_shape, tf.float32)])  # of any number of pictures
        def forward(pictures: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with keras.StatelessScope([(variable, tf.constant(value)) for variable, value in constants]):
                outputs = self.model(pictures, training=False)
            return tf.nn.softmax(outputs["logits"]), outputs["offsets"]

        return forward
