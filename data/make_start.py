"""Train the small checkpoint that `make demo` starts from, on nothing but drawn pictures.

    python data/make_start.py --scenes 3000 --epochs 20

It draws scenes under other keys than the sample set's, trains ``mobilenet_v2_035_ssd_224`` on them from random
weights, as `python -m ssd.train` does, and keeps the backbone, as float16, in ``data/start.h5``.
Heads and extra stages are not kept: the demo learns those from the photos.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
START = HERE / "start.h5"
sys.path.insert(0, str(HERE))

PRESET = "mobilenet_v2_035_ssd_224"
SIZES = ((320, 240), (240, 320), (272, 272), (320, 216))


def draw(number: int, folder: Path) -> str:
    """Draw one scene into a folder, as photo and annotation; the same number gives the same scene."""
    from drawing.scene import draw_scene

    from ssdprep.formats import voc
    from ssdprep.images import encode_jpeg
    from ssdprep.record import Box, Object, Record, Size

    rng = np.random.default_rng([2026, 1_000_000 + number])  # the sample set's scenes have other keys
    pixels, labels = draw_scene(rng, SIZES[number % len(SIZES)])
    size = Size(pixels.shape[1], pixels.shape[0])
    objects = tuple(
        Object(name, Box(*box), "Unspecified", truncated, difficult) for name, box, truncated, difficult in labels
    )
    record = Record(folder / f"{number:05}.jpg", None, objects, size)
    (folder / f"{number:05}.jpg").write_bytes(encode_jpeg(pixels, quality=90))
    annotation = voc.dumps(record, folder=folder.name, filename=f"{number:05}.jpg", size=size)
    (folder / f"{number:05}.xml").write_bytes(annotation)
    return f"{number:05}"


def keep_backbone(run: Path, target: Path) -> None:
    """The weights of a run's backbone, in the layer-by-layer layout of Keras' .h5 files, as float16."""
    import h5py

    from ssd.detector import backbone_layers
    from ssd.run import Run

    model = Run.load(run).model
    names = backbone_layers(model)
    with h5py.File(target, "w") as file:
        for layer in model.layers:
            if layer.name in names and layer.weights:
                group = file.create_group(layer.name)
                group.attrs["weight_names"] = [weight.name for weight in layer.weights]
                for weight, value in zip(layer.weights, layer.get_weights(), strict=True):
                    group.create_dataset(weight.name, data=value.astype(np.float16), compression="gzip", shuffle=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--work", type=Path, default=Path("build/start"))
    options = parser.parse_args()

    from ssdprep import console
    from ssdprep.parallel import in_order
    from ssdprep.tensorflow import import_tensorflow

    photos, run = options.work / "photos", options.work / "run"
    photos.mkdir(parents=True, exist_ok=True)
    run.mkdir(exist_ok=True)
    missing = [n for n in range(options.scenes) if not (photos / f"{n:05}.xml").exists()]
    for _ in console.track(in_order(partial(draw, folder=photos), missing, at_once=8), "drawing", len(missing)):
        pass
    import_tensorflow()
    train_on(photos, run, options.epochs)
    keep_backbone(run, START)
    console.say(f"{START}: {START.stat().st_size:,} bytes")


def train_on(photos: Path, out: Path, epochs: int) -> None:
    """Train the demo's detector on drawn scenes, at a smaller input: a backbone serves any size of picture."""
    import keras

    from ssd.data import open_source, train_and_val
    from ssd.presets import preset
    from ssd.run import Run
    from ssd.trainer import Recipe, train
    from ssdprep import console

    keras.utils.set_random_seed(0)
    source = open_source(photos)
    training, validation = train_and_val(source, seed=0)
    run = Run.new(replace(preset(PRESET), image_size=(160, 160)), source.labels)
    recipe = Recipe(epochs=epochs, batch=24, rate=2e-3, averaging=0.998)
    train(run, training, validation[:120], recipe, out, seed=0, say=console.say)


if __name__ == "__main__":
    main()
