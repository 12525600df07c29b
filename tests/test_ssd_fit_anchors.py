"""Anchors fitted to the boxes of a data set: the command as a process, the preset file it writes, the clustering."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import run
from folders import pair
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd.anchor_clusters import APART, LARGEST, fit, grids, ordered
from ssd.anchor_fitting import fit_folder
from ssd.anchors import anchor_boxes
from ssd.config import Config
from ssd.coverage import Coverage, best_ious
from ssd.fit_anchors import fitted_report
from ssd.preset_file import read_preset, write_preset
from ssd.presets import PRESETS, preset
from ssd.run import Run
from ssdprep.labels import LabelMap
from ssdprep.record import SsdprepError

SMALL = PRESETS["mobilenet_v2_035_ssd_224"]
MAPS = [(28, 28), (14, 14), (7, 7), (4, 4), (2, 2), (1, 1)]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, sample):
    """The sample's photos, and what the command answered about them, run from another folder."""
    photos = tmp_path_factory.mktemp("fit") / "photos"
    shutil.copytree(sample / "photos", photos)
    assert run("ssdprep", "fix-exif", photos, "--frame", "stored").code in (0, 1)
    here = photos.with_name("here")
    here.mkdir()
    done = run("ssd.fit_anchors", photos, "--preset", SMALL.name, "--json", cwd=here)
    assert done.code == 0, done.err
    return photos, done.json


def covered(config: Config, boxes: np.ndarray) -> Coverage:
    anchors = anchor_boxes(config.image_size, MAPS, config.scales, config.aspect_ratios, config.two_boxes)
    return Coverage.of(best_ious(boxes, anchors))


def test_fitted_anchors_cover_boxes_better_also_those_held_out(fitted):
    _, answer = fitted
    for part in ("train", "train, augmented", "val"):
        before, after = answer["coverage"][part]["before"], answer["coverage"][part]["after"]
        assert before["boxes"] == after["boxes"] > 0
        assert after["mean_iou"] > before["mean_iou"], part
    assert answer["coverage"]["train"]["after"]["recall"] > answer["coverage"]["train"]["before"]["recall"]
    assert answer["findings"] == []


def test_the_file_is_a_preset_that_a_detector_is_built_from(fitted, tmp_path):
    photos, answer = fitted
    file = photos.with_name("here") / "photos-anchors.json"
    assert answer["wrote"] == file.name
    assert not photos.with_name(file.name).exists()
    config = preset(str(file))
    assert list(config.scales) == answer["scales"]["after"]
    assert replace(config, scales=SMALL.scales, aspect_ratios=SMALL.aspect_ratios, name="", source="") == replace(
        SMALL, name="", source=""
    )
    Run.new(config, LabelMap(("apple",))).save(tmp_path / "run")
    assert Run.load(tmp_path / "run").config == config


def test_the_same_seed_gives_the_same_file_and_no_file_is_replaced_unasked(fitted, tmp_path):
    photos, answer = fitted
    file = photos.with_name("here") / answer["wrote"]
    before = file.read_bytes()
    with pytest.raises(SsdprepError, match="already exists"):
        fit_folder(photos, file, preset_name=SMALL.name)
    again = fit_folder(photos, tmp_path / "again.json", preset_name=SMALL.name)
    assert (tmp_path / "again.json").read_bytes() == before == file.read_bytes()
    shown = " ".join(str(part) for part in fitted_report(again) if isinstance(part, (str, tuple)))
    assert f"--preset {tmp_path / 'again.json'}" in shown


def test_a_preset_replaces_a_preset_only(fitted, tmp_path):
    photos, _ = fitted
    file = tmp_path / "config.json"
    file.write_text('{"config": {}, "classes": ["apple"]}')
    with pytest.raises(SsdprepError, match="is no preset: it is not replaced") as caught:
        fit_folder(photos, file, preset_name=SMALL.name, force=True)
    assert caught.value.remedy == f"--out {tmp_path / 'config-2.json'}"
    assert "apple" in file.read_text()


def test_few_boxes_are_not_fitted_to(tmp_path):
    for number in range(9):
        pair(tmp_path / "photos", f"photo-{number}", [("apple", 10, 10, 30, 40), ("pear", 20, 5, 60, 40)])
    with pytest.raises(SsdprepError, match="it takes 20 to fit anchors to") as caught:
        fit_folder(tmp_path / "photos", preset_name=SMALL.name)
    assert f"--preset {SMALL.name} as it is" in caught.value.remedy
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos"]


def changed(path: Path, **values: object) -> Path:
    """A preset file with other values; None takes a field out."""
    stored = SMALL.to_dict() | values
    path.write_text(json.dumps({key: value for key, value in stored.items() if value is not None}))
    return path


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"scale": [0.1]}, "did you mean 'scales'"),
        ({"backbone": None}, "backbone is missing"),
        ({"scales": "0.1 0.2"}, "scales must be a list of numbers"),
        ({"scales": [0.1, 0.3, 0.2, 0.4, 0.5, 0.6, 0.7]}, "each greater than the one before"),
        ({"scales": [0.1, 0.2, 0.3]}, "scales must be 7 numbers"),
        ({"aspect_ratios": [[1.0, 2.0]] * 5}, "one entry for each of the 6 maps, not 5"),
        ({"aspect_ratios": [[1.0, -2.0]] * 6}, "aspect_ratios must be"),
        ({"image_size": [224, True]}, "image_size must be [height, width]"),
        ({"backbone": "resnet50"}, "one of mobilenet_v1, mobilenet_v2, vgg16"),
        ({"alpha": float("nan")}, "alpha must be a number"),
        ({"extras": [[128, 256]]}, "extras must be a list of [reduce, channels"),
        ({"names": ["a"]}, "names must be a list of classes"),
        ({"sources": ["block_6_expand_relu", "block_13_expand_relu", "nowhere"]}, "nowhere"),
        ({"activation": "rleu"}, "relu or relu6"),
        ({"head_initializer": "glorot"}, "no detector can be built from it"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_preset_that_is_wrong_is_refused_by_name(tmp_path, values, says):
    with pytest.raises(SsdprepError) as caught:
        preset(str(changed(tmp_path / "own.json", **values)))
    assert says in str(caught.value)
    assert "own.json" in caught.value.message


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": ' * 5000, "\xff"])
def test_what_is_no_preset_at_all_is_refused(tmp_path, text):
    (tmp_path / "own.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(SsdprepError, match="is no preset"):
        preset(str(tmp_path / "own.json"))


def test_a_wrong_preset_is_refused_without_a_traceback(tmp_path):
    done = run("ssd.summary", changed(tmp_path / "own.json", scales=[1]))
    assert done.code == 2
    assert "scales must be" in done.err
    assert "try: correct it there" in done.err
    assert "Traceback" not in done.err
    with pytest.raises(SsdprepError, match="does not exist"):
        preset(str(tmp_path / "nowhere.json"))


@pytest.mark.parametrize("name", ["mobilenet_v1_ssd_300x480", "mobilenet_v2_ssd_300"])
def test_a_preset_goes_through_a_file(tmp_path, name):
    write_preset(tmp_path / "own.json", PRESETS[name])
    assert read_preset(tmp_path / "own.json") == PRESETS[name]


def test_boxes_of_two_shapes_get_both():
    """Wide boxes of a fifth of the image and tall ones of a half, where the preset has squares and 2:1 only."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(0.3, 0.7, (200, 2))
    sides = np.where(np.arange(200)[:, None] % 2, (0.4, 0.1), (0.25, 0.5)) * rng.uniform(0.95, 1.05, (200, 1))
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
    own = replace(SMALL, aspect_ratios=((1.0, 2.0),) * 6)
    found = fit(own, MAPS, boxes, np.ones(200))
    assert covered(found, boxes).mean_iou > covered(own, boxes).mean_iou + 0.1
    assert covered(found, boxes).recall > 0.95
    assert any(3.0 < ratio < 5.0 for ratios in found.aspect_ratios for ratio in ratios)
    assert found.boxes_per_cell == own.boxes_per_cell


@settings(max_examples=6)
@given(st.integers(0, 2**31 - 1), st.integers(20, 60), st.floats(0.02, 0.9))
def test_fitted_scales_rise_and_cover_no_worse(seed, count, size):
    rng = np.random.default_rng(seed)
    sides = np.minimum(size * rng.lognormal(0, 0.4, (count, 2)), 1.0)
    corners = rng.uniform(0, 1, (count, 2)) * (1 - sides)
    boxes = np.concatenate([corners, corners + sides], axis=1)
    config = replace(SMALL, aspect_ratios=((1.0, 2.0, 0.5),) * 6)
    found = fit(config, MAPS, boxes, np.ones(count))
    assert all(b / a >= APART - 1e-2 for a, b in zip(found.scales, found.scales[1:], strict=False))
    assert found.scales[0] > 0
    assert found.scales[-1] <= LARGEST
    assert all(1 in ratios and len(set(ratios)) == 3 for ratios in found.aspect_ratios)
    before, after = covered(config, boxes), covered(found, boxes)
    assert (
        after.mean_iou + after.recall >= before.mean_iou + before.recall - 0.03
    )  # cells beside the next one count too


def test_grids_are_where_the_anchors_are():
    config = PRESETS["mobilenet_v1_ssd_300x480"]
    (grid,) = grids(replace(config, aspect_ratios=config.aspect_ratios[:1]), [(19, 30)])
    anchors = anchor_boxes(config.image_size, [(19, 30)], (0.1, 0.2), ((1.0,),), False)
    centres = anchors[:, :2] * [480 / 300, 1.0]
    assert np.allclose(grid.distance(centres), 0, atol=1e-9)
    assert np.allclose(grid.distance(centres + np.array([0.01, -0.02])), [0.01, 0.02], atol=1e-9)


def test_scales_are_kept_apart():
    assert ordered(SMALL, [0.0, 0.0, 0.5, 0.5, 0.4, 2.0, 2.0]) == pytest.approx(
        (4 / 224, 4 / 224 * 1.12, 0.5, 0.56, 0.6272, 1.05 / 1.12, 1.05), abs=1e-4
    )
