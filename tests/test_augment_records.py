"""Drawn pictures keep the name of their photo on the way into TFRecords and out again."""

from __future__ import annotations

from pathlib import Path

import pytest
from make_labelled import labelled_folder

from ssdprep import augment_folder
from ssdprep.augment import Recipe


@pytest.fixture
def drawn(tmp_path):
    return augment_folder(labelled_folder(tmp_path / "data"), recipe=Recipe(rotate=9), copies=2, jobs=1).out


def test_what_is_set_aside_is_not_trained_on_in_other_guises(cli, drawn, tmp_path):
    from ssd.data import open_source, train_and_val

    done = cli("tfrecord", drawn, "--out", tmp_path / "records")
    assert done.code == 0, done.err
    for place in (drawn, tmp_path / "records"):
        training, validation = train_and_val(open_source(place), 0)
        assert {Path(example.source).stem for example in validation} <= {f"p{n}" for n in range(6)} | {
            "turned",
            "negative",
        }
        held = {Path(example.source).stem for example in validation}
        assert held
        assert not [example.source for example in training if Path(example.source).stem.split("_aug")[0] in held]
        assert len(training) == 24 - 3 * len(held)


def test_only_drawn_pictures_name_another(cli, drawn, tmp_path):
    import tensorflow as tf

    assert cli("tfrecord", drawn, "--out", tmp_path / "records").code == 0
    originals = {}
    for shard in (tmp_path / "records").glob("*.tfrecord"):
        for message in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
            features = tf.train.Example.FromString(message).features.feature
            name = features["image/filename"].bytes_list.value[0].decode()
            original = list(features["image/original"].bytes_list.value) if "image/original" in features else None
            originals[name] = original
    assert len(originals) == 24
    assert originals["p0.jpg"] is None
    assert originals["p0_aug1.jpg"] == originals["p0_aug2.jpg"] == [b"p0"]
