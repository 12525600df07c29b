"""Train the small checkpoint that `make demo` starts from, on nothing but drawn pictures.

    python data/make_start.py --scenes 3000 --epochs 30

It draws scenes under other keys than the sample set's, trains ``mobilenet_v2_035_ssd_224`` on them from random
weights with the call that `python -m ssd.train` makes, and keeps the backbone, as float16, in ``data/start.h5``.
Heads and extra stages are not kept: the demo learns those from the photos.
"""

from __future__ import annotations

import argparse
import sys
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
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--work", type=Path, default=Path("build/start"))
    options = parser.parse_args()

    from ssd.trainer import Recipe, train_folder
    from ssdprep import console
    from ssdprep.parallel import in_order

    photos = options.work / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    missing = [n for n in range(options.scenes) if not (photos / f"{n:05}.xml").exists()]
    for _ in console.track(in_order(partial(draw, folder=photos), missing, at_once=8), "drawing", len(missing)):
        pass
    recipe = Recipe(epochs=options.epochs, batch=32, rate=2e-3, averaging=0.999)
    trained = train_folder(
        photos, options.work / "run", preset_name=PRESET, weights="none", recipe=recipe, force=True, say=console.say
    )
    keep_backbone(trained.folder, START)
    console.say(f"{HERE / 'start.h5'}: {(HERE / 'start.h5').stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
