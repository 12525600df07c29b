"""TFRecord files and the Examples in them, written without TensorFlow: the bytes that TensorFlow writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdprep.formats.protobuf import Feature, Kind, example
from ssdprep.formats.records import read_entries, write_entry
from ssdprep.record import SsdprepError

try:
    import tensorflow as tf
except ImportError:
    tf = None
beside_tensorflow = pytest.mark.skipif(tf is None, reason="TensorFlow is not installed")

LISTS = st.one_of(
    st.builds(Feature, st.just(Kind.BYTES), st.lists(st.binary(max_size=300), max_size=4)),
    st.builds(Feature, st.just(Kind.FLOATS), st.lists(st.floats(width=32, allow_nan=False), max_size=40)),
    st.builds(Feature, st.just(Kind.INTEGERS), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40)),
)


KEYS = ("image/encoded", "image/height", "image/object/bbox/xmin", "image/object/class/text", "image/source_id")


def of_tensorflow(features: dict[str, Feature]) -> Any:
    types: dict[Kind, tuple[str, Any]] = {
        Kind.BYTES: ("bytes_list", tf.train.BytesList),
        Kind.FLOATS: ("float_list", tf.train.FloatList),
        Kind.INTEGERS: ("int64_list", tf.train.Int64List),
    }
    made = {
        key: tf.train.Feature(**{types[kind][0]: types[kind][1](value=values)})
        for key, (kind, values) in features.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=made))


def written(path: Path, entries: list[bytes]) -> list[int]:
    with path.open("wb") as file:
        return [write_entry(file, entry) for entry in entries]


@beside_tensorflow
@given(st.dictionaries(st.sampled_from(KEYS), LISTS))
def test_an_example_has_the_bytes_that_tensorflow_gives_it(features: dict[str, Feature]) -> None:
    assert example(features) == of_tensorflow(features).SerializeToString(deterministic=True)


@beside_tensorflow
@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=200), LISTS, max_size=5))
def test_tensorflow_reads_any_example(features: dict[str, Feature]) -> None:
    """Whatever the keys; where one begins another, TensorFlow puts the longer first."""
    assert tf.train.Example.FromString(example(features)) == of_tensorflow(features)


@beside_tensorflow
@pytest.mark.parametrize("length", [0, 127, 128, 16_383, 16_384, 2_097_152])
def test_lengths_of_every_number_of_bytes(length: int) -> None:
    features = {"image/encoded": Feature(Kind.BYTES, [bytes(length)])}
    assert example(features) == of_tensorflow(features).SerializeToString(deterministic=True)


@beside_tensorflow
def test_a_file_has_the_bytes_that_tensorflow_gives_it(tmp_path: Path) -> None:
    entries = [b"", b"a", bytes(range(256)) * 5000]
    written(tmp_path / "ours", entries)
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for entry in entries:
            writer.write(entry)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    assert list(tf.data.TFRecordDataset(str(tmp_path / "ours")).as_numpy_iterator()) == entries


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_what_is_written_is_read_with_its_place_and_checksum(
    tmp_path_factory: pytest.TempPathFactory, entries: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("records") / "a.tfrecord"
    checksums = written(path, entries)
    data, found = path.read_bytes(), list(read_entries(path))
    assert [entry for _, _, entry in found] == entries
    assert [checksum for _, checksum, _ in found] == checksums
    assert all(data[begin : begin + len(entry)] == entry for begin, _, entry in found)


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    written(tmp_path / "sound.tfrecord", [b"apple" * 5, b"milk" * 5])
    return (tmp_path / "sound.tfrecord").read_bytes()


def test_every_changed_byte_is_found(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "a.tfrecord"
    for at in range(len(sound)):
        for bits in (1, 255):
            path.write_bytes(sound[:at] + bytes([sound[at] ^ bits]) + sound[at + 1 :])
            with pytest.raises(SsdprepError, match=r"a\.tfrecord is damaged at byte (12|53).*ssdprep tfrecord"):
                list(read_entries(path))


def test_every_cut_but_those_between_entries_is_found(tmp_path: Path, sound: bytes) -> None:
    path, between = tmp_path / "a.tfrecord", len(sound) - len(b"milk" * 5) - 16
    for end in range(1, len(sound)):
        path.write_bytes(sound[:end])
        if end == between:
            assert len(list(read_entries(path))) == 1
            continue
        with pytest.raises(SsdprepError, match="is damaged at byte"):
            list(read_entries(path))


def test_a_length_beyond_the_file_asks_for_no_memory(tmp_path: Path) -> None:
    """Its checksum holds: such a file was written so."""
    import google_crc32c

    length = (2**62).to_bytes(8, "little")
    crc = google_crc32c.value(length)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    (tmp_path / "a.tfrecord").write_bytes(length + masked.to_bytes(4, "little") + bytes(50))
    with pytest.raises(SsdprepError, match="is damaged at byte 12"):
        list(read_entries(tmp_path / "a.tfrecord"))
