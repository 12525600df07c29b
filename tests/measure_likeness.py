"""How well copies are found: `python tests/measure_likeness.py SHARED_DATA` prints the tables of docs/likeness.md."""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageOps

from ssdprep.alike import near_duplicates
from ssdprep.likeness import fingerprint, fingerprints

# Pairs that show the same: the likeliest of a search over every pair and shift, judged by eye.
_CARDS = ("IMG_2464 IMG_2465", "IMG_2466 IMG_2467", "IMG_2468 IMG_2469", "IMG_2471 IMG_2472", "IMG_2473 IMG_2474")
_RACCOONS = ((11, 116), (120, 83), (21, 45), (51, 85), (65, 98), (50, 52), (50, 74), (52, 74), (186, 199))
_CELLS = ((37, 38), (227, 260), (229, 258), (230, 257), (231, 256), (382, 395), (386, 391), (204, 277))
KNOWN = {
    "cards": [*_CARDS, "cam_image1 cam_image54"],
    "raccoon": [f"raccoon-{one} raccoon-{other}" for one, other in _RACCOONS],
    "bccd": [f"BloodImage_{one:05} BloodImage_{other:05}" for one, other in _CELLS],
}
_SMOOTH = Image.Resampling.BICUBIC
Change = Callable[[Image.Image], Image.Image]


def cut(image: Image.Image, share: float, left: float, top: float) -> Image.Image:
    """A part of the picture, ``share`` of its sides; left and top: 0 at the one border, 1 at the other."""
    width, height = (round(side * share) for side in image.size)
    x, y = round((image.width - width) * left), round((image.height - height) * top)
    return image.crop((x, y, x + width, y + height))


def saved(image: Image.Image, quality: int) -> Image.Image:
    """After a trip through a JPEG file."""
    target = io.BytesIO()
    image.save(target, "JPEG", quality=quality)
    return Image.open(target).convert("RGB")


CHANGES: dict[str, tuple[Change, Change]] = {  # what two copies of one photo went through
    "saved with quality 30": (lambda image: image, lambda image: saved(image, 30)),
    "half the size": (lambda image: image, lambda image: image.resize((image.width // 2, image.height // 2))),
    "30% brighter, clipped": (
        lambda image: image,
        lambda image: image.point([min(int(v * 1.3), 255) for v in range(256)] * 3),
    ),
    "40% darker": (lambda image: image, lambda image: image.point([int(v * 0.6) for v in range(256)] * 3)),
    "mirrored": (lambda image: image, ImageOps.mirror),
    "cut to 98%": (lambda image: image, lambda image: cut(image, 0.98, 0.5, 0.5)),
    "cut to 95%": (lambda image: image, lambda image: cut(image, 0.95, 0.3, 0.7)),
    "cut to 90%": (lambda image: image, lambda image: cut(image, 0.9, 0.6, 0.4)),
    "moved by 3%": (lambda image: cut(image, 0.97, 0, 0.3), lambda image: cut(image, 0.97, 1, 0.6)),
    "moved by 6%": (lambda image: cut(image, 0.94, 0, 0.3), lambda image: cut(image, 0.94, 1, 0.6)),
    "turned by 2 degrees": (
        lambda image: image,
        lambda image: cut(image.rotate(2, _SMOOTH), 0.92, 0.5, 0.5),
    ),
    "turned by 5 degrees": (
        lambda image: image,
        lambda image: cut(image.rotate(5, _SMOOTH), 0.85, 0.5, 0.5),
    ),
    "cut to 80%": (lambda image: image, lambda image: cut(image, 0.8, 0.5, 0.5)),
}


def photos_of(folder: Path) -> list[Path]:
    """All JPEGs below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".jpg")


def pairs_of(groups: Sequence[Sequence[Path]]) -> set[str]:
    """Every pair of every group, as two stems in order."""
    return {
        " ".join(sorted((one.stem, other.stem)))
        for group in groups
        for place, one in enumerate(group)
        for other in group[:place]
    }


def found_and_known(folder: Path) -> tuple[set[str], set[str]]:
    """Pairs found in one of the real sets, and those known."""
    found = pairs_of(near_duplicates(fingerprints(photos_of(folder), jobs=1)))
    return found, {" ".join(sorted(pair.split())) for pair in KNOWN.get(folder.name, ())}


def recall(photos: Sequence[Path], change: str, folder: Path) -> float:
    """The share of photos whose changed copy is found among the photos and copies of all."""
    for number, path in enumerate(photos):
        image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        for letter, alter in zip("ab", CHANGES[change], strict=True):
            alter(image).save(folder / f"{number}{letter}.jpg", quality=92 if letter == "a" else 85)
    found = pairs_of(near_duplicates(fingerprints(photos_of(folder), jobs=1)))
    return sum(f"{number}a {number}b" in found for number in range(len(photos))) / len(photos)


def main(data: Path) -> None:
    """Print both tables, and the time that a photo takes."""
    folders = [data / name for name in KNOWN] + [Path(__file__).parents[1] / "data" / "photos"]
    for folder in folders:
        started = time.perf_counter()
        found, known = found_and_known(folder)
        took = (time.perf_counter() - started) / len(photos_of(folder))
        wrong, missed = sorted(found - known), sorted(known - found)
        count = len(photos_of(folder))
        print(f"{folder.name}: {count} photos, {1000 * took:.1f} ms each; {len(found & known)} of {len(known)} pairs")
        print(f"    wrong: {', '.join(wrong) or 'none'}; missed: {', '.join(missed) or 'none'}")
    for change in CHANGES:
        shares = []
        for folder in folders:
            with tempfile.TemporaryDirectory() as scratch:
                shares.append(recall(photos_of(folder)[::7], change, Path(scratch)))
        print(f"{change:24}" + "".join(f"{share:8.0%}" for share in shares))
    first = photos_of(data / "cards")[0]
    with tempfile.TemporaryDirectory() as scratch:
        phone = Path(scratch) / "phone.jpg"
        Image.open(first).convert("RGB").resize((3024, 4032)).save(phone, quality=95)
        started = time.perf_counter()
        fingerprint(phone)
        print(f"a JPEG of 12 million pixels: {1000 * (time.perf_counter() - started):.0f} ms")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
