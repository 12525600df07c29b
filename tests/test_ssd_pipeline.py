"""The input of training: which photos a step shows, the same bytes however it is read, faults that name their photo."""

from __future__ import annotations

import resource
import tracemalloc
from collections import Counter
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from make_labelled import labelled_folder

from ssd.anchors import anchor_boxes
from ssd.augmentation import Augmentation
from ssd.checkup.box_evidence import box_evidence
from ssd.data import open_source
from ssd.examples import Example, RecordTable, chosen
from ssd.pipeline import batch_examples, evaluation_batches, faults_named, read, training_batches
from ssd.presets import preset
from ssd.sampling import Order, repeat_factors, steps_per_epoch
from ssdprep.formats.tfexample import serialise
from ssdprep.formats.tfrecord import write_tfrecords
from ssdprep.images import Encoded, encode_jpeg
from ssdprep.labels import LabelMap
from ssdprep.record import Box, Object, Size, SsdprepError

SMALL = replace(preset("mobilenet_v2_035_ssd_224"), image_size=(64, 64))
ANCHORS = anchor_boxes(
    SMALL.image_size, [(8, 8), (4, 4), (2, 2), (1, 1), (1, 1), (1, 1)], SMALL.scales, SMALL.aspect_ratios
).reshape(-1, 4)


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> list[Example]:
    """Ten noisy photos, each brighter than the last, with none, one or two boxes, of several sizes."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    made = []
    for i in range(10):
        size = (90 + 20 * i, 200 - 10 * i)
        path = folder / f"{i}.jpg"
        path.write_bytes(encode_jpeg(rng.integers(20 * i, 20 * i + 60, (*size, 3), np.uint8)))
        boxes = np.array([[0.2, 0.2, 0.7, 0.8], [0.5, 0.1, 0.9, 0.6]], np.float32)[: i % 3]
        made.append(Example(str(path), size, boxes, np.arange(1, i % 3 + 1, dtype=np.int32), np.zeros(i % 3, bool)))
    return made


def stream(examples, *, batch: int = 4, seed: int = 3, **options) -> tf.data.Dataset:
    return training_batches(examples, SMALL, ANCHORS, batch=batch, seed=seed, how=Augmentation(), **options)


def taken(batches: tf.data.Dataset, count: int) -> list[list[np.ndarray]]:
    """The first batches: pictures, classes and offsets of each."""
    return [tf.nest.flatten(batch) for batch in islice(batches.as_numpy_iterator(), count)]


def equal(one, two, tolerance: float = 0.0) -> bool:
    return len(one) == len(two) and all(
        np.allclose(a, b, rtol=0, atol=tolerance)
        for left, right in zip(one, two, strict=True)
        for a, b in zip(left, right, strict=True)
    )


# Which photos


@given(photos=st.integers(1, 60), batch=st.integers(1, 20), seed=st.integers(0, 99), epoch=st.integers(0, 5))
def test_an_epoch_shows_every_photo_and_none_much_more_often(photos, batch, seed, epoch):
    order, steps = Order(np.ones(photos), batch, seed), steps_per_epoch(photos, batch)
    shown = Counter(i for step in range(epoch * steps, (epoch + 1) * steps) for i in order.photos(step))
    assert set(shown) == set(range(photos))
    assert max(shown.values()) - min(shown.values()) <= 1
    assert shown.total() == steps * batch < photos + batch


def test_epochs_and_seeds_differ():
    order = Order(np.ones(50), 10, seed=0)
    epochs = [tuple(i for step in range(5 * e, 5 * e + 5) for i in order.photos(step)) for e in range(3)]
    assert len({*epochs, tuple(i for step in range(5) for i in Order(np.ones(50), 10, seed=1).photos(step))}) == 4


@given(weights=st.lists(st.floats(0.1, 10), min_size=1, max_size=40), batch=st.integers(1, 16))
def test_each_photo_comes_as_often_as_its_weight_asks_within_one(weights, batch):
    order = Order(weights, batch, seed=5)
    shown = np.bincount([order.photo(n) for n in range(order.length)], minlength=len(weights))
    asked = np.array(weights) / sum(weights) * order.length
    assert (np.abs(shown - asked) < 1 + 1e-9).all()


def test_repeat_factors_by_hand():
    """Class 1 in all four photos, class 2 in one, class 3 in none; a photo without objects counts as the commonest."""
    ids = [[1], [1, 1], [1], [1, 2]]
    assert repeat_factors([*ids, []], 0.5).tolist() == [1, 1, 1, 2, 1]
    assert repeat_factors([*ids, []], 1.0).tolist() == [1, 1, 1, 4, 1]
    assert repeat_factors([*ids, []], 0.0).tolist() == [1] * 5
    assert repeat_factors([[], []], 1.0).tolist() == [1, 1]
    with pytest.raises(ValueError, match="must lie in"):
        repeat_factors(ids, 1.5)


def test_a_set_without_photos_is_refused():
    with pytest.raises(ValueError, match="no photo"):
        Order([], 4, 0)


# The same bytes


def test_a_stream_is_the_same_however_it_is_read(examples):
    """With one thread or four, with and without room for photos, begun anywhere, and read by workers in shares."""
    whole = taken(stream(examples, workers=1), 8)
    assert equal(whole, taken(stream(examples, workers=4, cached=0), 8))
    assert equal(whole[5:], taken(stream(examples, first=5, cached=150_000), 3))
    assert not equal(whole, taken(stream(examples, seed=4), 8))


def test_workers_together_see_one_stream(examples):
    """Pixels and classes to the bit; the logarithm in an offset rounds by its place in the batch."""
    whole = taken(stream(examples), 4)
    for i in range(3):
        share = taken(stream(examples, shard=(i, 3)), 4)
        expected = [[part[i::3] for part in batch] for batch in whole]
        assert equal([batch[:2] for batch in expected], [batch[:2] for batch in share])
        assert equal(expected, share, tolerance=1e-5)


def test_the_photos_of_a_step_can_be_named(examples):
    """Without augmentation, each picture of a step is the photo that was named for it."""
    still = Augmentation(zoom_out=0, crop=0, flip_h=0, photometric=0)
    batches = training_batches(examples, SMALL, ANCHORS, batch=4, seed=3, how=still, balance=1.0)
    for step, (pictures, _) in enumerate(islice(batches.as_numpy_iterator(), 4)):
        named = batch_examples(examples, step, batch=4, seed=3, balance=1.0)
        (alike,) = evaluation_batches(named, SMALL.image_size, batch=4)
        assert np.abs(pictures - alike).mean() < 2  # shrunk in two steps there, in one here


def test_a_set_smaller_than_a_batch_fills_it(examples):
    ((pictures, classes, offsets),) = taken(stream(examples[:3], batch=7), 1)
    assert (pictures.shape, classes.shape, offsets.shape) == ((7, 64, 64, 3), (7, len(ANCHORS)), (7, len(ANCHORS), 4))
    with pytest.raises(ValueError, match="cannot share"):
        stream(examples, batch=2, shard=(0, 3))


# Faults


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("spoil", "told"), [(Path.unlink, "No such file"), (lambda p: p.write_bytes(b""), "IMG001")])
def test_a_photo_that_goes_while_training_runs_is_named(examples, tmp_path, training, spoil, told):
    copies = []
    for number, example in enumerate(chain(*[examples] * 10)):  # more than is read ahead
        (path := tmp_path / f"{number}-{Path(example.source).name}").write_bytes(Path(example.source).read_bytes())
        copies.append(replace(example, source=str(path)))
    batches = stream(copies, cached=0) if training else evaluation_batches(copies, SMALL.image_size, batch=4)

    def use() -> None:
        with faults_named():
            for number, _ in enumerate(batches):
                if not number:
                    spoil(Path(copies[-1].source))

    with pytest.raises(SsdprepError) as raised:
        use()
    assert copies[-1].source in raised.value.message
    assert raised.value.remedy


def test_photos_in_memory_are_not_read_again(examples, tmp_path):
    """Once all have been seen the files may go; ``cached=0`` above shows the contrary."""
    copies = []
    for example in examples:
        (path := tmp_path / Path(example.source).name).write_bytes(Path(example.source).read_bytes())
        copies.append(replace(example, source=str(path)))
    batches = stream(copies, batch=10).as_numpy_iterator()
    next(batches)
    for path in tmp_path.iterdir():
        path.unlink()
    assert len(next(batches)[0]) == 10


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux how much memory is in use")
def test_memory_stays_within_its_bound(tmp_path):
    """An epoch of 294 MB of pictures: kept, they fill memory; with room for 5 MB they do not."""

    def grown(cached: int, steps: int = 20) -> float:
        pages = [int(Path("/proc/self/statm").read_text().split()[1])]
        batches = training_batches(
            many, replace(SMALL, image_size=(350, 64)), ANCHORS, batch=10, seed=0, how=Augmentation(), cached=cached
        )
        for _ in islice(batches, steps):
            pages.append(int(Path("/proc/self/statm").read_text().split()[1]))
        return (max(pages) - pages[0]) * resource.getpagesize() / 1e6

    (path := tmp_path / "grey.jpg").write_bytes(encode_jpeg(np.full((700, 700, 3), 90, np.uint8)))
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, bool)
    many = [Example(str(path), (700, 700), *nothing) for _ in range(200)]
    grown(0, steps=4)  # what TensorFlow takes for itself
    assert grown(5_000_000) < 100
    assert grown(1_000_000_000) > 150


def test_a_photo_that_has_gone_is_named_whoever_reads_it(examples):
    gone = replace(examples[1], source="photos/gone.jpg")
    for use in (lambda: read(gone), lambda: box_evidence([gone] * 12)):
        with pytest.raises(SsdprepError, match=r"photos/gone\.jpg"):
            use()


# TFRecords


@pytest.fixture
def records(tmp_path) -> Path:
    """A labelled folder, split, as TFRecords."""
    write_tfrecords(labelled_folder(tmp_path / "set", splits=True), tmp_path / "records", shards=2)
    return tmp_path / "records"


def test_records_are_the_photos_that_they_were_written_from(records):
    ours, theirs = open_source(records), open_source(records.parent / "set")
    assert ours.labels == theirs.labels
    for split in ("train", "val", "test"):
        named = {Path(example.source).name: example for example in theirs.split(split)}
        assert {example.source for example in ours.split(split)} == set(named)
        for example in ours.split(split):
            photo = named[example.source]
            assert (example.size, example.original) == (photo.size, photo.original)
            assert example.encoded() == photo.encoded()
            assert np.allclose(example.boxes, photo.boxes, atol=1e-6)
            assert (example.ids.tolist(), example.difficult.tolist()) == (photo.ids.tolist(), photo.difficult.tolist())


def test_records_train_as_photos_do(records):
    """The order in which they stand is another: the same photos, sorted, make the same pictures."""
    both = (records, records.parent / "set")
    sets = [sorted(open_source(folder).split("train"), key=lambda e: Path(e.source).name) for folder in both]
    assert equal(*(taken(stream(each, batch=3), 2) for each in sets), tolerance=1e-3)


def test_parts_of_records_stay_records(records):
    source = open_source(records)
    training = source.split("train")
    assert [e.source for e in chosen(training, [2, 0])] == [training[2].source, training[0].source]
    assert [e.source for e in training[1:]] == [e.source for e in training][1:]
    assert len(source.split("all")) == sum(len(source.split(name)) for name in ("train", "val", "test"))
    with pytest.raises(IndexError):
        training[len(training)]


def spoil(shard: Path, where: bytes) -> None:
    data = bytearray(shard.read_bytes())
    data[data.index(where) + len(where)] ^= 1
    shard.write_bytes(data)


@pytest.mark.parametrize("where", [b"image/encoded", b"image/object/bbox/xmin", b"image/key/sha256"])
def test_a_damaged_record_names_its_file_before_training(records, where):
    spoil(shard := next(records.glob("train-*")), where)
    with pytest.raises(SsdprepError, match=f"{shard.name} is damaged.*again"):
        open_source(records)


@pytest.mark.parametrize("change", ["flipped", "cut"])
def test_a_record_damaged_in_training_names_its_file(records, change):
    (train,) = (open_source(records).split("train"),)
    for shard in records.glob("train-*"):
        at = shard.read_bytes().index(b"\xff\xd8\xff") + 200 if change == "flipped" else 100
        data = bytearray(shard.read_bytes())
        data[at] ^= 255
        shard.write_bytes(data if change == "flipped" else data[:at])

    def use() -> None:
        with faults_named():
            next(iter(stream(train)))

    with pytest.raises(SsdprepError, match=r"train-0000.-of-00002.tfrecord is damaged at byte.*ssdprep tfrecord"):
        use()


def test_a_million_records_fit_in_memory(tmp_path):
    """A row with two boxes stays below 250 bytes, whatever its photo weighs."""
    labels, count = LabelMap(("apple", "milk")), 1500
    things = [Object("apple", Box(1, 1, 30, 40)), Object("milk", Box(10, 10, 60, 60))]
    with tf.io.TFRecordWriter(str(shard := tmp_path / "train-00000-of-00001.tfrecord")) as writer:
        for i in range(count):
            photo = Encoded(b"x" * 40_000, "JPEG", Size(64, 64), "passed through")
            writer.write(serialise(f"photos/IMG_{i:06}.jpg", photo, "0" * 64, things, labels))
    table = RecordTable()
    tracemalloc.start()
    for _ in table.add(shard):
        pass
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(table) == count
    assert held / count < 250


def test_other_errors_pass_through():
    with pytest.raises(tf.errors.InvalidArgumentError), faults_named():
        tf.io.decode_png(b"nothing")
