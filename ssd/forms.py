"""A model's layers in the form in which its document prints them: Keras' table, Gluon's blocks, PyTorch's tree."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import count, groupby
from operator import itemgetter
from typing import Any

import keras
from keras import layers

from ssd.facts import GroupRow, group_rows, layer_rows, multiply_adds, parameters

Form = Callable[[keras.Model], Iterator[str]]
Block = str | tuple[str, dict[str, Any]]  # in Gluon: one as it is printed, or a title and the blocks in it by name

MB = 2**20


def form_of(name: str) -> Form:
    """The form for a preset or a document's network, by its name."""
    return {"mobilenet_v2_ssd_300": gluon_form, "document_001": gluon_form, "vgg16_ssd300": pytorch_form}.get(
        name, keras_form
    )


def keras_form(model: keras.Model) -> Iterator[str]:
    """A row for each layer, as document 000 has it; then groups of layers, and what all comes to."""
    rule = "_" * 98
    yield f"{rule}\n{'Layer (type)':31} {'Output Shape':20} {'Param #':11} Connected to\n{'=' * 98}"
    for row in layer_rows(model):
        first, *others = (f"{name}[0][0]" for name in row.inbound) if row.inbound else ("",)
        title = f"{row.name} ({row.kind})"[:31]
        lines = [f"{title:31} {_channels_last(row.shape):20} {row.parameters:<11} {first}".rstrip()]
        yield "\n".join([*lines, *(" " * 65 + other for other in others), rule])
    yield from _groups_and_totals(model)


def gluon_form(model: keras.Model) -> Iterator[str]:
    """Blocks within blocks, as document 001 has it: what Gluon counts as a block, so no sums and no reshaping."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for layer in model.layers:
        if printed := _gluon_block(layer):
            part = re.match(r"extra_\d+|(classes|boxes)_\d+|(?=predictions)", layer.name)
            section = "features" if part is None else part[0] or "output"
            bottleneck = re.match(r"block_\d+|expanded_conv|", layer.name)[0]  # type: ignore[index]
            sections.setdefault(section, []).append((bottleneck, printed))
    parts = {name: _sequential(_bottlenecks(blocks)) for name, blocks in sections.items()}
    yield "\n".join([f"{model.name}(", *_nested(parts, "  "), ")"])
    yield from _groups_and_totals(model)


def pytorch_form(model: keras.Model) -> Iterator[str]:
    """A tree of modules, as document 002 has it of SSD300 on VGG-16. Its multiply-adds are the true ones.

    The tool that printed the document's table adds the weights twice: 31.43 G for 31.37 G.
    """
    rule = "=" * 90
    yield f"{rule}\n{'Layer (type:depth-idx)':40} {'Output Shape':25} Param #\n{rule}"
    for depth, title, shape, weights in _modules(group_rows(model)):
        branch = "├─" if depth == 1 else "|    " * (depth - 1) + "└─"
        yield f"{branch + title:40} {shape:25} {weights}"
    inputs, learnt = math.prod(model.input_shape[1:]) * 4 / MB, model.count_params() * 4 / MB
    passes = 2 * sum(math.prod(row.shape) for row in layer_rows(model) if row.parameters) * 4 / MB
    yield f"{rule}\n{_totals(model)}\n{rule}"
    yield f"Input size (MB): {inputs:.2f}\nForward/backward pass size (MB): {passes:.2f}"
    yield f"Params size (MB): {learnt:.2f}\nEstimated Total Size (MB): {inputs + passes + learnt:.2f}"


def _totals(model: keras.Model) -> str:
    everything, learnt = parameters(model)
    return (
        f"Total params: {everything:,}\nTrainable params: {learnt:,}\nNon-trainable params: {everything - learnt:,}\n"
        f"Total mult-adds (G): {multiply_adds(model) / 1e9:.2f}"
    )


def _groups_and_totals(model: keras.Model) -> Iterator[str]:
    yield f"\n{'Group':20} {'Output Shape':20} {'Param #':>12} {'Mult-adds':>16}"
    for group in group_rows(model):
        yield f"{group.name:20} {_channels_last(group.shape):20} {group.parameters:>12,} {group.multiply_adds:>16,}"
    yield f"\n{_totals(model)}"


def _channels_last(shape: tuple[int, ...]) -> str:
    return f"(None, {', '.join(map(str, shape))})"


def _gluon_block(layer: Any) -> str:
    """One layer as Gluon prints it; nothing for one that is no block there."""
    if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
        return _gluon_convolution(layer)
    if isinstance(layer, layers.BatchNormalization):
        return (
            f"BatchNorm(axis=1, eps={layer.epsilon}, momentum={layer.momentum}, fix_gamma=False, "
            f"use_global_stats=False, in_channels={layer.output.shape[-1]})"
        )
    if isinstance(layer, layers.ReLU):
        return "RELU6(\n\n)" if layer.max_value == 6 else "Activation(relu)"
    if isinstance(layer, layers.GlobalAveragePooling2D):
        return "GlobalAvgPool2D(size=(1, 1), stride=(1, 1), padding=(0, 0), ceil_mode=True)"
    return "Flatten" if layer.name == "predictions" else ""


def _gluon_convolution(layer: Any) -> str:
    """Channels in a group, channels out, and of the rest what is not Gluon's default."""
    channels, groups = layer.output.shape[-1], 1
    if isinstance(layer, layers.DepthwiseConv2D):
        groups = channels
    before = layer.input._keras_history[0]
    padding = tuple(side // 2 for side in layer.kernel_size) if layer.padding == "same" else (0, 0)
    if isinstance(before, layers.ZeroPadding2D):
        padding = tuple(first for first, _ in before.padding)
    options = {"kernel_size": layer.kernel_size, "stride": layer.strides}
    options |= {"padding": padding} if any(padding) else {}
    options |= {"groups": groups} if groups > 1 else {}
    options |= {} if layer.use_bias else {"bias": False}
    told = ", ".join(f"{key}={value}" for key, value in options.items())
    return f"Conv2D({layer.input.shape[-1] // groups} -> {channels}, {told})"


def _bottlenecks(blocks: list[tuple[str, str]]) -> Iterator[Block]:
    """What follows one another within the same bottleneck becomes one block."""
    for bottleneck, printed in groupby(blocks, key=itemgetter(0)):
        inside = [block for _, block in printed]
        if bottleneck:
            yield "LinearBottleneck", {"out": _sequential(inside)}
        else:
            yield from inside


def _sequential(blocks: Iterable[Block]) -> Block:
    return "HybridSequential", {str(i): block for i, block in enumerate(blocks)}


def _nested(parts: dict[str, Block], indent: str) -> Iterator[str]:
    for name, block in parts.items():
        if isinstance(block, str):
            yield f"{indent}({name}): " + block.replace("\n", "\n" + indent)
        else:
            yield from (f"{indent}({name}): {block[0]}(", *_nested(block[1], indent + "  "), f"{indent})")


def _modules(groups: list[GroupRow]) -> Iterator[tuple[int, str, str, str]]:
    """Depth, title, output shape and parameters of each module of document 002, from the groups of the model."""
    blocks = [g for g in groups if g.name.startswith("block")]
    (norm,) = (g for g in groups if g.name.startswith("extra_norm"))
    stages = [g for g in groups if g.name == "fc" or re.fullmatch(r"extra_\d", g.name)]
    heads = {g.name: g for g in groups if g.name.startswith(("boxes", "classes"))}
    number = count(1)

    def sequential(group: GroupRow) -> tuple[int, str, str, str]:
        return 3, f"Sequential: 3-{next(number)}", _channels_first(group), f"{group.parameters:,}"

    yield 1, "VGG: 1-1", _channels_first(blocks[0]), "--"
    yield 2, "ModuleList: 2", "[]", "--"
    yield from map(sequential, blocks)
    yield 1, "SsdPredictNeck: 1-2", _channels_first(norm), "--"
    yield 2, "L2Norm: 2-1", _channels_first(norm), f"{norm.parameters:,}"
    yield 2, "ModuleList: 2", "[]", "--"
    yield from map(sequential, stages)
    yield 1, "ModuleList: 1", "[]", "--"
    for i in range(1, len(heads) // 2 + 1):
        yield 2, f"SsdPredictHead: 2-{i + 1}", "[[-1, 4]]", "--"
        yield from map(sequential, (heads[f"boxes_{i}"], heads[f"classes_{i}"]))


def _channels_first(group: GroupRow) -> str:
    rows, columns, channels = group.shape
    return f"[-1, {channels}, {rows}, {columns}]"
