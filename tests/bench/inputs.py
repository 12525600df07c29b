"""What the benchmarks run on: LabelImg XML by the thousand, and photos of 1280x960 made from the sample photos."""

from __future__ import annotations

import io
import os
import random
import shutil
from pathlib import Path
from zlib import crc32

from PIL import Image

from ssdprep.formats import voc
from ssdprep.record import Box, Object, Record, Size

SIZE = Size(1280, 960)
NAMES = ("apple", "banana", "orange")


def xml(folder: Path, count: int) -> Path:
    """A VOC folder of ``count`` annotations as LabelImg writes them, one to five boxes each, made once."""
    if not (folder / "labelmap.txt").exists():
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "Annotations").mkdir(parents=True)
        (folder / "ImageSets" / "Main").mkdir(parents=True)
        rng = random.Random(0)
        for i in range(count):
            (folder / "Annotations" / f"{_name(i)}.xml").write_bytes(_annotation(rng, i, SIZE))
        stems = "".join(f"{_name(i)}\n" for i in range(count))
        (folder / "ImageSets" / "Main" / "train.txt").write_text(stems)
        (folder / "labelmap.txt").write_text("".join(f"{name}:::\n" for name in NAMES))
    return folder


def photos(place: Path, count: int, *, tagged: bool, source: Path) -> Path:
    """A folder in ``place`` with ``count`` photos, each four cuts of photos of ``source`` at about their own size.

    Of quality 90, with XML; made once for each source, which is in the folder's name.
    tagged: stored lying, with orientation 6 and boxes in the upright frame; else upright without a tag.
    """
    source = source.resolve()
    made_from = f"{source.name}-{crc32(str(source).encode()):08x}"
    folder = place / f"{'tagged' if tagged else 'upright'}-{count}-{made_from}"
    if (folder / f"{_name(count - 1)}.xml").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = random.Random(0)
    if not (originals := sorted(source.glob("*.jpg"))):
        raise SystemExit(f"{source} holds no .jpg to make photos from")
    exif = Image.Exif()
    exif[0x0112] = 6
    for i in range(count):
        whole = Image.new("RGB", SIZE)
        for x in (0, SIZE.width // 2):
            for y in (0, SIZE.height // 2):
                whole.paste(_cut(rng, rng.choice(originals)), (x, y))
        data = io.BytesIO()
        whole.save(data, "JPEG", quality=90, **({"exif": exif} if tagged else {}))
        (folder / f"{_name(i)}.jpg").write_bytes(data.getvalue())
        (folder / f"{_name(i)}.xml").write_bytes(_annotation(rng, i, SIZE.swapped if tagged else SIZE))
    return folder


def _cut(rng: random.Random, path: Path) -> Image.Image:
    """A quarter of a picture: photographic texture, not the blur of a small photo that was enlarged."""
    size = SIZE.width // 2, SIZE.height // 2
    with Image.open(path) as image:
        share = rng.uniform(0.85, 1.0)
        width, height = image.width * share, image.height * share
        x, y = rng.uniform(0, image.width - width), rng.uniform(0, image.height - height)
        return image.convert("RGB").resize(size, Image.Resampling.LANCZOS, (x, y, x + width, y + height))


def fresh(kept: Path, used: Path, aside: Path) -> None:
    """A copy to be changed, on the disk already: no contender has to wait for what it did not write.

    The last one is put aside: ext4 makes new files slowly for minutes after as many were deleted.
    """
    if used.exists():
        aside.mkdir(exist_ok=True)
        used.rename(aside / str(len(list(aside.iterdir()))))
    shutil.copytree(kept, used)
    os.sync()


def _annotation(rng: random.Random, number: int, size: Size) -> bytes:
    objects = []
    for _ in range(rng.randint(1, 5)):
        width, height = rng.randrange(20, 270), rng.randrange(20, 250)
        x, y = rng.randrange(1, size.width - width), rng.randrange(1, size.height - height)
        objects.append(Object(rng.choice(NAMES), Box(x, y, x + width, y + height)))
    record = Record(None, None, tuple(objects))
    return voc.dumps(record, folder="photos", filename=f"{_name(number)}.jpg", size=size)


def _name(number: int) -> str:
    return f"IMG_{number:06d}"
