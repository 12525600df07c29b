"""What one drawn picture costs, beside a bare imgaug loop and albumentations; and what a second worker saves.

    python tests/bench/augment.py                 a minute
    python tests/bench/augment.py --workers       and the whole command with one worker and with two: some minutes

Each contender takes 640x480 JPEG files with four boxes each, rotates, shears, scales, shifts, mirrors, blurs, changes
contrast and brightness, adds noise, and encodes a JPEG of quality 95 with full colour. All run in one process on one
thread, in turn, round after round; a figure is the median of the rounds, in CPU time (`time.process_time`): what else
the machine does hardly counts. albumentations is taken from ``build/bench/peers`` (`make bench`) where it is there.
Workers are compared by the clock, so that needs two idle cores: what two busy loops at once take of the time of one is
printed with it, 1.0 where the machine has them, 2.0 where all but one are taken.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from ssdprep import images
from ssdprep.augment import Recipe, augment_image, rng_for
from ssdprep.formats import voc
from ssdprep.imgaug_numpy2 import iaa
from ssdprep.record import Box, Object, Record, Size

ROOT = Path(__file__).parents[2]
SIZE = Size(640, 480)
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
OPTIONS: dict[str, Any] = {
    "rotate": 15,
    "shear": 5,
    "scale": 0.2,
    "translate": 0.1,
    "flip_h": True,
    "noise": 0.02,
    "blur": 1,
    "contrast": 0.2,
    "brightness": 0.2,
}
RECIPE = Recipe(**OPTIONS)
BOXES = [(40, 60, 200, 220), (300, 80, 420, 300), (100, 250, 260, 400), (430, 300, 600, 440)]
THINGS = [Object("apple", Box(*box)) for box in BOXES]
Contender = Callable[[Path, int], object]


def make_photos(folder: Path, count: int) -> list[Path]:
    """Cuts of the sample photos, 640x480, quality 90, with XML beside them."""
    sources = sorted((ROOT / "data" / "photos").rglob("*.jpg"))
    paths = []
    for number in range(count):
        pixels = images.read_upright(sources[number % len(sources)])
        edge = number // len(sources) * 3
        path = folder / f"photo{number:04d}.jpg"
        path.write_bytes(images.encode_jpeg(cv2.resize(pixels[edge:, edge:], SIZE), quality=90))
        record = Record(path, None, tuple(THINGS))
        path.with_suffix(".xml").write_bytes(voc.dumps(record, folder="photos", filename=path.name, size=SIZE))
        paths.append(path)
    return paths


def ours(path: Path, copy: int) -> object:
    """What `ssdprep augment` does for one picture."""
    picture = augment_image(images.read_upright(path), THINGS, RECIPE, rng_for(0, path.name, copy))
    return images.encode_jpeg(picture.image), picture.objects


def bare_imgaug() -> Contender:
    """The loop of imgaug's own documentation."""
    from imgaug.augmentables.bbs import BoundingBox, BoundingBoxesOnImage

    steps = iaa.Sequential(
        [
            iaa.Fliplr(0.5),
            iaa.Affine(
                rotate=(-15, 15),
                shear=(-5, 5),
                scale=(0.8, 1.2),
                translate_percent={"x": (-0.1, 0.1), "y": (-0.1, 0.1)},
                cval=128,
            ),
            iaa.GaussianBlur((0, 1.0)),
            iaa.LinearContrast((0.8, 1.2)),
            iaa.Multiply((0.8, 1.2)),
            iaa.AdditiveGaussianNoise(scale=(0, 0.02 * 255), per_channel=True),
        ]
    )

    def draw(path: Path, copy: int) -> object:
        pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        boxes = BoundingBoxesOnImage([BoundingBox(*box, label="apple") for box in BOXES], shape=pixels.shape)
        image, moved = steps(image=pixels, bounding_boxes=boxes)
        kept = moved.remove_out_of_image().clip_out_of_image()
        return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), JPEG), kept

    return draw


def albumentations() -> Contender | None:
    """Its Compose with the same operations; None where it is not installed."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    sys.path += map(str, (ROOT / "build/bench/peers/lib").glob("python*/site-packages"))  # behind our own packages
    try:
        import albumentations as A
    except ImportError:
        return None
    steps = A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.Affine(
                rotate=(-15, 15),
                shear=(-5, 5),
                scale=(0.8, 1.2),
                translate_percent={"x": (-0.1, 0.1), "y": (-0.1, 0.1)},
                fill=128,
                p=1,
            ),
            A.GaussianBlur(blur_limit=0, sigma_limit=(0.01, 1.0), p=1),
            A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=1),
            A.GaussNoise(std_range=(0.0, 0.02), per_channel=True, p=1),
        ],
        bbox_params=A.BboxParams(format="pascal_voc", label_fields=["labels"], min_visibility=0.3),
    )

    def draw(path: Path, copy: int) -> object:
        pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        drawn = steps(image=pixels, bboxes=BOXES, labels=["apple"] * len(BOXES))
        return cv2.imencode(".jpg", cv2.cvtColor(drawn["image"], cv2.COLOR_RGB2BGR), JPEG), drawn["bboxes"]

    return draw


def race(contenders: dict[str, Contender], photos: list[Path], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of CPU for a picture, by contender and round; the first round is not counted."""
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, draw in contenders.items():
            start = time.process_time()
            for path in photos:
                draw(path, number + 1)
            if number:
                spent[name].append(1000 * (time.process_time() - start) / len(photos))
    return spent


def workers(photos: Path, rounds: int, copies: int) -> None:
    """The whole command as a process, by the clock, with one worker and with two."""
    out = photos.with_name("drawn")
    chosen = [f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}") for name, value in OPTIONS.items()]
    command = [sys.executable, "-m", "ssdprep", "augment", photos, "--out", out, "--copies", copies, *chosen, "--quiet"]
    spent: dict[int, list[float]] = {1: [], 2: []}
    crowded = []
    for _ in range(rounds):
        crowded.append(_busy(2) / _busy(1))
        for jobs, seconds in spent.items():
            start = time.perf_counter()
            subprocess.run([*map(str, command), "--jobs", str(jobs)], check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
            pictures = len(list((out / "images").iterdir())) - len(list(photos.glob("*.jpg")))
            shutil.rmtree(out)
    ratio = median(two / one for one, two in zip(spent[1], spent[2], strict=True))
    print(
        f"workers: {pictures:,} pictures, {median(spent[1]):.1f} s with one, {median(spent[2]):.1f} s with two, "
        f"ratio {ratio:.2f} (two busy loops at once: {median(crowded):.1f} times one)"
    )


def _busy(count: int) -> float:
    """Seconds that so many processes, each with the same work, take at once."""
    start = time.perf_counter()
    loops = [subprocess.Popen([sys.executable, "-c", "for _ in range(20_000_000): pass"]) for _ in range(count)]
    for loop in loops:
        loop.wait()
    return time.perf_counter() - start


def main() -> None:
    """Print a line for each contender."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--workers", action="store_true", help="compare the command with one worker and with two, too")
    parser.add_argument("--copies", type=int, default=20, help="pictures of a photo that they draw")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    named: dict[str, Any] = {"imgaug": bare_imgaug(), "ssdprep": ours, "albumentations": albumentations()}
    with TemporaryDirectory() as place:
        folder = Path(place) / "photos"
        folder.mkdir()
        photos = make_photos(folder, args.photos)
        spent = race({name: draw for name, draw in named.items() if draw}, photos, args.rounds)
        for name, values in spent.items():
            ratio = np.median(np.array(values) / spent["imgaug"])
            print(f"{name}: {median(values):.1f} ms CPU a picture, {ratio:.2f} of the bare imgaug loop")
        if args.workers:
            workers(folder, 3, args.copies)


if __name__ == "__main__":
    main()
