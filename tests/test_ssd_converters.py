"""Weights of the public ports of SSD300 give here what they give there."""

from __future__ import annotations

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from ssd.converters import PYTORCH_PLACES, from_ssd_pytorch
from ssd.detector import build_detector, copy_weights, load_weights
from ssd.presets import preset
from ssdprep.record import SsdprepError

CHANNELS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
EXTRAS = ((256, 1), (512, 3), (128, 1), (256, 3), (128, 1), (256, 3), (128, 1), (256, 3))
MAPS = ((512, 4), (1024, 6), (512, 6), (256, 6), (256, 4), (256, 4))
CLASSES = 3  # with background


@pytest.fixture(scope="module")
def state() -> dict[str, np.ndarray]:
    """Random weights under the names and in the layout of ssd.pytorch."""
    rng = np.random.default_rng(0)
    made: dict[str, np.ndarray] = {"L2Norm.weight": rng.uniform(10, 30, 512)}

    def convolution(name: str, before: int, after: int, kernel: int) -> int:
        scale = np.sqrt(2 / (before * kernel * kernel))
        made[f"{name}.weight"] = rng.normal(size=(after, before, kernel, kernel)) * scale
        made[f"{name}.bias"] = rng.normal(size=after) * 0.1
        return after

    last = 3
    for place, channels in zip(PYTORCH_PLACES, CHANNELS, strict=True):
        last = convolution(f"vgg.{place}", last, channels, 1 if place == 33 else 3)
    for i, (channels, kernel) in enumerate(EXTRAS):
        last = convolution(f"extras.{i}", last, channels, kernel)
    for i, (channels, boxes) in enumerate(MAPS):
        convolution(f"loc.{i}", channels, boxes * 4, 3)
        convolution(f"conf.{i}", channels, boxes * CLASSES, 3)
    return {name: values.astype(np.float32) for name, values in made.items()}


def as_ssd_pytorch_computes(state: dict[str, np.ndarray], picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and classes of its forward pass, written out: red, green, blue less the mean; pools; L2 norm; heads."""

    def conv(x: tf.Tensor, name: str, stride: int = 1, pad: int = 0, dilation: int = 1) -> tf.Tensor:
        kernel = state[f"{name}.weight"].transpose(2, 3, 1, 0)
        padded = tf.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        return tf.nn.conv2d(padded, kernel, stride, "VALID", dilations=dilation) + state[f"{name}.bias"]

    x = tf.constant(picture - np.float32([123, 117, 104]))
    maps = []
    for place in PYTORCH_PLACES:
        if place in (5, 10, 17, 24):
            x = tf.nn.max_pool2d(x, 2, 2, "SAME")
        if place == 31:
            x = tf.nn.max_pool2d(x, 3, 1, "SAME")
        pad, dilation = {31: (6, 6), 33: (0, 1)}.get(place, (1, 1))
        x = tf.nn.relu(conv(x, f"vgg.{place}", pad=pad, dilation=dilation))
        if place == 21:
            maps.append(x / (tf.norm(x, axis=-1, keepdims=True) + 1e-10) * state["L2Norm.weight"])
    maps.append(x)
    for i in range(8):
        stride, pad = (2, 1) if i in (1, 3) else (1, 0)
        x = tf.nn.relu(conv(x, f"extras.{i}", stride, pad))
        if i % 2:
            maps.append(x)
    loc = [tf.reshape(conv(m, f"loc.{i}", pad=1), (1, -1, 4)) for i, m in enumerate(maps)]
    conf = [tf.reshape(conv(m, f"conf.{i}", pad=1), (1, -1, CLASSES)) for i, m in enumerate(maps)]
    return tf.concat(loc, 1).numpy(), tf.concat(conf, 1).numpy()


@pytest.fixture(scope="module")
def detector() -> keras.Model:
    return build_detector(preset("vgg16_ssd300"), CLASSES - 1)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, (1, 300, 300, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def wanted(state, picture) -> tuple[np.ndarray, np.ndarray]:
    return as_ssd_pytorch_computes(state, picture)


def assert_equal(model: keras.Model, picture: np.ndarray, wanted: tuple[np.ndarray, np.ndarray]) -> None:
    said = model(picture)
    for got, expected in zip((said["offsets"], said["logits"]), wanted, strict=True):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, atol=2e-5 * np.abs(expected).max())


def learnt(model: keras.Model) -> set[str]:
    return {layer.name for layer in model.layers if layer.weights}


def test_ssd_pytorch(detector, state, picture, wanted) -> None:
    assert set(copy_weights(detector, from_ssd_pytorch(state), "here")) == learnt(detector)
    assert_equal(detector, picture, wanted)


def test_a_pth_file(detector, state, picture, wanted, tmp_path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not here: .pth files are not read")
    torch.save({name: torch.from_numpy(values) for name, values in state.items()}, tmp_path / "ssd300.pth")
    assert set(load_weights(detector, tmp_path / "ssd300.pth")) == learnt(detector)
    assert_equal(detector, picture, wanted)


class Program:
    """What an unpickler that trusts a file would run."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pth_file_cannot_run_anything(detector, tmp_path, zipped) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not here: .pth files are not read")
    held = {"vgg.0.weight": torch.zeros(64, 3, 3, 3), "vgg.0.bias": Program(tmp_path / "mark")}
    torch.save(held, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(SsdprepError, match="could run as a program"):
        load_weights(detector, tmp_path / "x.pth")
    assert not (tmp_path / "mark").exists()


def test_a_pth_file_of_other_number_types(detector, state, picture, wanted, tmp_path) -> None:
    """Twice as wide, and parameters that still ask for gradients."""
    torch = pytest.importorskip("torch", reason="PyTorch is not here: .pth files are not read")
    held = {name: torch.nn.Parameter(torch.from_numpy(values).double()) for name, values in state.items()}
    torch.save(held, tmp_path / "x.pth")
    assert set(load_weights(detector, tmp_path / "x.pth")) == learnt(detector)
    assert_equal(detector, picture, wanted)


def test_its_backbone_alone(state) -> None:
    """vgg16_reducedfc.pth, from which ssd.pytorch trains: the same names without "vgg."."""
    alone = {name.removeprefix("vgg."): values for name, values in state.items() if name.startswith("vgg.")}
    stored = from_ssd_pytorch(alone)
    assert set(stored) == {name for name in from_ssd_pytorch(state) if name.startswith(("block", "fc"))}


def test_a_state_of_something_else_is_named(detector, tmp_path) -> None:
    with pytest.raises(ValueError, match="it has no block1_conv1, block1_conv2"):
        from_ssd_pytorch({"conv1.weight": np.zeros((1, 1, 1, 1))})
    (tmp_path / "x.pth").write_bytes(b"not a file of weights")
    with pytest.raises(SsdprepError, match=r"PyTorch alone|no SSD300 of ssd.pytorch|it was not read"):
        load_weights(detector, tmp_path / "x.pth")


def test_ssd_keras(detector, state, picture, wanted, tmp_path) -> None:
    """A .h5 as ssd_keras saves it: its layer names, kernels in Keras' layout, blue, green, red."""
    write_as_ssd_keras(from_ssd_pytorch(state), tmp_path / "ssd300.h5")
    model = build_detector(preset("vgg16_ssd300"), CLASSES - 1)
    assert set(load_weights(model, tmp_path / "ssd300.h5")) == learnt(model)
    assert_equal(model, picture, wanted)


def write_as_ssd_keras(stored: dict[str, list[np.ndarray]], path: Path) -> None:
    maps = ("conv4_3_norm", "fc7", "conv6_2", "conv7_2", "conv8_2", "conv9_2")
    theirs = {"extra_norm_block4_conv3": "conv4_3_norm", "fc6": "fc6", "fc7": "fc7"}
    theirs |= {f"block{b}_conv{i}": f"conv{b}_{i}" for b in range(1, 6) for i in range(1, 4)}
    theirs |= {f"extra_{i}_reduce": f"conv{i + 5}_1" for i in range(1, 5)}
    theirs |= {f"extra_{i}_conv": f"conv{i + 5}_2" for i in range(1, 5)}
    theirs |= {f"classes_{i}_conv": f"{name}_mbox_conf" for i, name in enumerate(maps, start=1)}
    theirs |= {f"boxes_{i}_conv": f"{name}_mbox_loc" for i, name in enumerate(maps, start=1)}
    with h5py.File(path, "w") as file:
        for ours, values in stored.items():
            group = file.create_group(theirs[ours])
            parts = ("kernel:0", "bias:0") if len(values) == 2 else ("gamma:0",)
            group.attrs["weight_names"] = [f"{theirs[ours]}/{part}".encode() for part in parts]
            for part, value in zip(parts, values, strict=True):
                group.create_dataset(f"{theirs[ours]}/{part}", data=value)
        file.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
