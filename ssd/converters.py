"""Weights of the two public ports of SSD300, brought into the layout of `vgg16_ssd300` here.

Both count boxes in the order of ours. pierluigiferrari/ssd_keras keeps Keras' layout under other names, and Caffe's
blue-green-red input; amdegroot/ssd.pytorch keeps PyTorch's layout, and takes red, green, blue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import numpy as np

from ssdprep.record import SsdprepError

Stored = dict[str, list[np.ndarray]]  # of each layer by its name here: kernel and bias, or scales

L2_NORM = "extra_norm_block4_conv3"
BLOCKS = (2, 2, 3, 3, 3)  # convolutions of each block of VGG-16
CONVOLUTIONS = [
    *(f"block{b}_conv{i}" for b, count in enumerate(BLOCKS, start=1) for i in range(1, count + 1)), "fc6", "fc7"
]  # fmt: skip
# Where they stand in ssd.pytorch's list, in which pools and activations count too.
PYTORCH_PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28, 31, 33)


def read_ssd_pytorch(path: Path) -> Stored:
    """The weights in a .pth file of ssd.pytorch: a whole SSD300, or its VGG-16 alone (vgg16_reducedfc.pth).

    Needs PyTorch, which is imported here and nowhere else; nothing but tensors is read from the file.
    """
    try:
        import torch
    except ImportError as error:
        raise SsdprepError(f"{path} can be read by PyTorch alone, which is not here", "pip install torch") from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return from_ssd_pytorch({name: tensor.detach().float().numpy() for name, tensor in state.items()})
    except UnpicklingError as error:
        raise SsdprepError(
            f"{path} is no file of numbers alone, and what else it holds could run as a program: it was not read",
            "give a state dict, as torch.save(net.state_dict(), PATH) writes it",
        ) from error
    except Exception as error:
        raise SsdprepError(
            f"{path} holds no SSD300 of ssd.pytorch: {error}", "give the state dict that ssd.pytorch saves, as .pth"
        ) from error


def from_ssd_pytorch(state: Mapping[str, np.ndarray]) -> Stored:
    """The same from arrays by name: kernels (out, in, rows, columns) become (rows, columns, in, out)."""
    vgg = "" if "0.weight" in state else "vgg."
    names = {f"{vgg}{place}": name for place, name in zip(PYTORCH_PLACES, CONVOLUTIONS, strict=True)}
    for i in range(4):
        names[f"extras.{2 * i}"], names[f"extras.{2 * i + 1}"] = f"extra_{i + 1}_reduce", f"extra_{i + 1}_conv"
    for i in range(6):
        names[f"loc.{i}"], names[f"conf.{i}"] = f"boxes_{i + 1}_conv", f"classes_{i + 1}_conv"
    stored = {
        name: [state[f"{theirs}.weight"].transpose(2, 3, 1, 0), state[f"{theirs}.bias"]]
        for theirs, name in names.items()
        if f"{theirs}.weight" in state
    }
    if missing := set(CONVOLUTIONS) - set(stored):
        raise ValueError(f"it has no {', '.join(sorted(missing))}")
    if "L2Norm.weight" in state:
        stored[L2_NORM] = [state["L2Norm.weight"]]
    kernel, bias = stored["block1_conv1"]
    return stored | {"block1_conv1": [kernel[:, :, ::-1], bias]}  # from red, green, blue


def is_ssd_keras(stored: Stored) -> bool:
    """Does a file speak of layers as ssd_keras names them?"""
    return "conv1_1" in stored and "fc6" in stored


def from_ssd_keras(stored: Stored) -> Stored:
    """The weights of ssd_keras' SSD300, or of the VGG-16 that it starts from, under the names of here."""
    return {_ours(name): values for name, values in stored.items() if values}


def _ours(name: str) -> str:
    if name == "conv4_3_norm":
        return L2_NORM
    if head := re.fullmatch(r"(conv4_3_norm|fc7|conv[6-9]_2)_mbox_(conf|loc)", name):
        maps = ("conv4_3_norm", "fc7", "conv6_2", "conv7_2", "conv8_2", "conv9_2")
        return f"{'classes' if head[2] == 'conf' else 'boxes'}_{maps.index(head[1]) + 1}_conv"
    if block := re.fullmatch(r"conv([1-5])_([123])", name):
        return f"block{block[1]}_conv{block[2]}"
    if extra := re.fullmatch(r"conv([6-9])_([12])", name):
        return f"extra_{int(extra[1]) - 5}_{'reduce' if extra[2] == '1' else 'conv'}"
    return name
