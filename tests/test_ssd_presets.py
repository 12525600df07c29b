"""Every preset amounts to the numbers that were published of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import ssd
from ssd.anchors import linspace_scales
from ssd.config import Config, Extra
from ssd.detector import anchors_of, build_detector, copy_weights, load_weights, map_sizes
from ssd.facts import group_rows, layer_rows, multiply_adds, parameters
from ssd.keras_port import with_anchors
from ssd.presets import PRESETS, preset
from ssdprep.record import SsdprepError

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", PRESETS)
def test_a_config_survives_json(name: str) -> None:
    config = preset(name)
    assert config.name == name
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_config_written_before_there_were_as_many_fields_is_read() -> None:
    new = preset("mobilenet_v2_ssd_224")
    fields = ("name", "image_size", "backbone", "alpha", "sources", "scales", "aspect_ratios", "two_boxes_for_ar1",
              "separable", "variances", "pos_iou", "neg_iou")  # fmt: skip
    old = {name: new.to_dict()[name] for name in fields} | {"extras": [[256, 512], [128, 256], [128, 256]]}
    read = Config.from_dict(json.loads(json.dumps(old)))
    assert read == replace(new, source="")
    assert read.extras[0] == Extra(256, 512, kernel=3, stride=2, padding="same")


CLASSIC = [(19, 19), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)]
PUBLISHED = {  # classes, all parameters, those learnt, maps, boxes
    "mobilenet_v2_ssd_224": (20, 8_603_076, 8_568_964, [(n, n) for n in (28, 14, 7, 4, 2, 1)], 6300),
    "mobilenet_v2_ssd_300_fine": (20, 5_023_234, 4_989_122, [(38, 38), *CLASSIC[:2]], 11_430),
    "mobilenet_v2_035_ssd_224": (20, 1_005_604, 991_524, [(n, n) for n in (28, 14, 7, 4, 2, 1)], 6300),
    "mobilenet_v2_ssd_224_report": (2, 3_836_924, 3_820_796, [(n, n) for n in (28, 14, 7, 4, 2, 1)], 6300),
    "mobilenet_v2_ssd_300": (20, 4_960_441, 4_922_809, CLASSIC, 1917),
    "ssdlite_mobilenet_v2_320": (20, 3_449_860, 3_399_108, [(20, 20), *CLASSIC[1:]], 3234),
    "mobilenet_v1_ssd_300": (20, 5_821_433, 5_796_089, CLASSIC, 1917),
    "mobilenet_v1_ssd_300x480": (5, 4_058_424, 4_036_536, [(19, 30), (19, 30), (10, 15), (10, 15)], 4320),
    "vgg16_ssd300": (20, 26_285_486, 26_285_486, [(n, n) for n in (38, 19, 10, 5, 3, 1)], 8732),
}


@pytest.mark.parametrize("name", PRESETS)
def test_counts(name: str) -> None:
    classes, total, learnt, maps, boxes = PUBLISHED[name]
    config = preset(name)
    model = build_detector(config, classes)
    assert parameters(model) == (total, learnt)
    assert map_sizes(model, config) == maps
    assert len(anchors_of(model, config)) == boxes
    shapes = {key: tuple(output.shape) for key, output in model.output.items()}
    assert shapes == {"logits": (None, boxes, classes + 1), "offsets": (None, boxes, 4)}


@pytest.mark.parametrize(
    ("name", "classes", "total"), [("ssdlite_mobilenet_v2_320", 90, 4_715_740), ("mobilenet_v1_ssd_300", 90, 6_845_183)]
)
def test_counts_on_coco(name: str, classes: int, total: int) -> None:
    """mobilenet_v1_ssd_300: 6,807,167 as deployed, its normalisations merged into 12,672 biases."""
    model = build_detector(preset(name), classes)
    assert model.count_params() == total
    if name == "mobilenet_v1_ssd_300":
        assert total - 3 * 12_672 == 6_807_167


def test_ssdlite_at_300_is_the_papers_43_million() -> None:
    """Sandler et al. 2018, table 6: 4.3 M parameters, with the 1,917 boxes of MobileNet-SSD and COCO's 80 classes."""
    classic = preset("mobilenet_v1_ssd_300")
    config = replace(
        preset("ssdlite_mobilenet_v2_320"), image_size=(300, 300), aspect_ratios=classic.aspect_ratios,
        two_boxes_for_ar1=classic.two_boxes_for_ar1,
    )  # fmt: skip
    model = build_detector(config, 80)
    assert parameters(model)[1] == 4_337_013
    assert len(anchors_of(model, config)) == 1917


@pytest.mark.parametrize(
    ("name", "file", "key"),
    [
        ("vgg16_ssd300", "ssd300_priors", "voc_unclipped"),
        ("mobilenet_v1_ssd_300", "preset_priors", "chuanqi300_1917"),
        ("mobilenet_v2_ssd_300", "preset_priors", "chuanqi300_1917"),
    ],
)
def test_anchors(name: str, file: str, key: str) -> None:
    config = preset(name)
    got = anchors_of(build_detector(config, 1), config)
    np.testing.assert_allclose(got, np.load(GOLDEN / f"{file}.npz")[key], rtol=0, atol=1e-9)


def test_ssdlite_has_the_boxes_of_torchvision() -> None:
    """It limits their sides to the image's, not where they lie."""
    config = preset("ssdlite_mobilenet_v2_320")
    wanted = np.load(GOLDEN / "preset_priors.npz")["ssdlite320_torchvision_3234_unclipped"]
    assert (wanted[:, 2:] > 1).any()
    wanted[:, 2:] = np.minimum(wanted[:, 2:], 1)
    got = anchors_of(build_detector(config, 1), config)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-9)


def test_every_normalisation_of_document_001s_detector_is_as_it_prints_them() -> None:
    """Its eps and momentum, which are not those of Keras, in the stages on the backbone too."""
    model = build_detector(preset("mobilenet_v2_ssd_300"), 1)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert any(layer.name.startswith("extra") for layer in norms)
    assert {(layer.epsilon, layer.momentum) for layer in norms} == {(1e-5, 0.9)}


def test_two_squares_in_a_cell_have_two_geometric_means() -> None:
    config = replace(preset("mobilenet_v2_035_ssd_224"), aspect_ratios=((1.0, 1.0),) * 6)
    model = build_detector(config, 1)
    assert config.boxes_per_cell == (4,) * 6
    assert model.output["offsets"].shape[1] == len(anchors_of(model, config))


def test_the_reports_scales_are_the_ports() -> None:
    assert preset("mobilenet_v2_ssd_224_report").scales == pytest.approx(linspace_scales(0.2, 0.9, 6), abs=1e-15)


# Document 000


@pytest.fixture(scope="module")
def seed() -> keras.Model:
    config = preset("mobilenet_v1_ssd_300x480")
    return with_anchors(build_detector(config, 5), config)


def test_document_000_row_by_row(seed) -> None:
    """All 113 rows in their order. Its two Lambda layers are Rescaling here, which a saved model can hold."""
    table = json.loads((GOLDEN / "document_000.json").read_text())
    rows = layer_rows(seed)
    assert len(rows) == len(table) == 113
    for wanted, row in zip(table, rows, strict=True):
        assert (row.name, list(row.shape), row.parameters, list(row.inbound)) == (
            wanted["name"], wanted["shape"], wanted["params"], wanted["inbound"],
        )  # fmt: skip
        assert row.kind == "Rescaling" if wanted["cls"] == "Lambda" else row.kind.startswith(wanted["cls"])
    assert parameters(seed) == (4_058_424, 4_036_536)
    assert seed.count_params() - parameters(seed)[1] == 21_888


def test_document_000_scales_to_one(seed) -> None:
    scaled = keras.Model(seed.input, seed.get_layer("input_scaler").output)
    ends = np.zeros((1, 300, 480, 3), np.float32)
    ends[0, 0, 0] = 255
    assert scaled(ends).numpy().min() == -1
    assert scaled(ends).numpy().max() == 1


def test_document_000_anchors(seed) -> None:
    said = seed(np.zeros((1, 300, 480, 3), np.float32)).numpy()[0]
    np.testing.assert_allclose(said[0, -8:], [0.5 / 30, 0.5 / 19, 24 / 480, 24 / 300, 1, 1, 1, 1], rtol=1e-6)
    config = preset("mobilenet_v1_ssd_300x480")
    np.testing.assert_allclose(said[:, -8:-4], anchors_of(seed, config), atol=1e-7)
    np.testing.assert_allclose(said[:, :6].sum(axis=1), 1, atol=1e-5)


def test_document_000_starts_from_imagenet_although_the_grids_differ(weights) -> None:
    """The whole backbone takes its weights by name; on sides that stay even its maps are the published ones."""
    file = next(weights.glob("mobilenet_v1_*.h5"))
    config = replace(preset("mobilenet_v1_ssd_300x480"), image_size=(320, 480))
    model = build_detector(config, 5)
    names = set(load_weights(model, file))
    assert {layer.name for layer in model.layers if layer.name.startswith("conv") and layer.weights} == names
    ours = keras.Model(model.input, model.get_layer("conv_pw_13_relu").output)
    published = keras.applications.MobileNet((320, 480, 3), include_top=False, weights=str(file))
    picture = np.random.default_rng(0).uniform(0, 255, (1, 320, 480, 3)).astype(np.float32)
    np.testing.assert_allclose(ours(picture), published(picture / 127.5 - 1), atol=1e-4)
    oblong = build_detector(preset("mobilenet_v1_ssd_300x480"), 5)
    assert set(load_weights(oblong, file)) == names


# Document 002


def test_document_002_group_by_group() -> None:
    model = build_detector(preset("vgg16_ssd300"), 20)
    groups = {row.name: (row.shape, row.parameters) for row in group_rows(model)}
    assert groups == {
        "block1": ((300, 300, 64), 38_720),
        "block2": ((150, 150, 128), 221_440),
        "block3": ((75, 75, 256), 1_475_328),
        "block4": ((38, 38, 512), 5_899_776),
        "block5": ((19, 19, 512), 7_079_424),
        "extra_norm_block4_conv3": ((38, 38, 512), 512),
        "fc": ((19, 19, 1024), 5_769_216),
        "extra_1": ((10, 10, 512), 1_442_560),
        "extra_2": ((5, 5, 256), 360_832),
        "extra_3": ((3, 3, 256), 328_064),
        "extra_4": ((1, 1, 256), 328_064),
        "boxes_1": ((38, 38, 16), 73_744),
        "classes_1": ((38, 38, 84), 387_156),
        "boxes_2": ((19, 19, 24), 221_208),
        "classes_2": ((19, 19, 126), 1_161_342),
        "boxes_3": ((10, 10, 24), 110_616),
        "classes_3": ((10, 10, 126), 580_734),
        "boxes_4": ((5, 5, 24), 55_320),
        "classes_4": ((5, 5, 126), 290_430),
        "boxes_5": ((3, 3, 16), 36_880),
        "classes_5": ((3, 3, 84), 193_620),
        "boxes_6": ((1, 1, 16), 36_880),
        "classes_6": ((1, 1, 84), 193_620),
    }
    assert multiply_adds(model) / 1e9 == pytest.approx(31.3735, abs=5e-5)


def test_document_002s_multiply_adds_count_weights_twice() -> None:
    """Its 31.43 G are the true 31.37 G and twice the weights of all containers, which the tool that printed it adds."""
    model = build_detector(preset("vgg16_ssd300"), 20)
    kernels = sum(int(np.prod(w.shape)) for layer in model.layers for w in layer.weights if len(w.shape) == 4)
    assert round((multiply_adds(model) + 2 * kernels) / 1e9, 2) == 31.43


def test_pictures_reach_vgg16_as_caffe_gave_them() -> None:
    """Blue, green, red, less the mean of each."""
    config = preset("vgg16_ssd300")
    model = build_detector(config, 1)
    seen = keras.Model(model.input, model.get_layer("block1_conv1").input)
    picture = np.broadcast_to(np.float32([10, 20, 30]), (1, 300, 300, 3))
    np.testing.assert_allclose(seen(picture)[0, 0, 0], [30 - 104, 20 - 117, 10 - 123])


# The table


def test_the_presets_are_listed() -> None:
    table = ssd.presets.table()
    assert [facts.name for facts in table] == list(PRESETS)
    for facts in table:
        assert facts.boxes == PUBLISHED[facts.name][4]
        assert facts.source
        assert 0 < facts.trainable <= facts.parameters
    assert {facts.name: round(facts.multiply_adds / 1e9, 2) for facts in table} == {
        "mobilenet_v2_ssd_224": 0.79,
        "mobilenet_v2_ssd_300_fine": 1.39,
        "mobilenet_v2_035_ssd_224": 0.10,
        "mobilenet_v2_ssd_224_report": 0.69,
        "mobilenet_v2_ssd_300": 0.69,
        "ssdlite_mobilenet_v2_320": 0.71,
        "mobilenet_v1_ssd_300": 1.15,
        "mobilenet_v1_ssd_300x480": 2.26,
        "vgg16_ssd300": 31.37,
    }


def test_weights_of_another_detector_are_refused_by_name() -> None:
    one = build_detector(preset("mobilenet_v2_035_ssd_224"), 1)
    two = build_detector(preset("mobilenet_v2_ssd_224"), 1)
    with pytest.raises(SsdprepError, match="is no backbone for mobilenet_v2_ssd_224"):
        copy_weights(two, {layer.name: layer.get_weights() for layer in one.layers}, "here")
