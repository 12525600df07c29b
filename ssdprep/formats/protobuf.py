"""``tf.train.Example`` as bytes, without TensorFlow: named lists in the wire format of protocol buffers.

https://protobuf.dev/programming-guides/encoding/, and TensorFlow's ``example.proto`` and ``feature.proto``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

_LEN = 2  # the wire type of what says first how long it is: messages, bytes, numbers in a row


class Kind(IntEnum):
    """What a list holds, by the number that it has in ``tf.train.Feature``."""

    BYTES = 1
    FLOATS = 2  # float32
    INTEGERS = 3  # int64


class Feature(NamedTuple):
    """A list of one kind."""

    kind: Kind
    values: Sequence[Any]


def example(features: Mapping[str, Feature]) -> bytes:
    """A ``tf.train.Example`` in the bytes of ``SerializeToString(deterministic=True)``, where no key begins another."""
    entries: list[bytes] = []
    for key, feature in sorted(features.items()):
        entries += _field(1, [*_field(1, [key.encode()]), *_field(2, _field(feature.kind, _list(feature)))])
    return b"".join(_field(1, entries))


def _list(feature: Feature) -> list[bytes]:
    """What a list's message holds; nothing of an empty one."""
    if feature.kind == Kind.BYTES:
        return [part for value in feature.values for part in _field(1, [value])]
    if not len(feature.values):
        return []
    if feature.kind == Kind.FLOATS:
        return _field(1, [np.asarray(feature.values, "<f4").tobytes()])
    return _field(1, [b"".join(_varint(value % 2**64) for value in feature.values)])  # two's complement


def _field(number: int, parts: Sequence[bytes]) -> list[bytes]:
    """A field of these bytes. They stay in parts: a photo of megabytes is copied once, in the end."""
    return [_varint(number << 3 | _LEN) + _varint(sum(map(len, parts))), *parts]


def _varint(value: int) -> bytes:
    """Seven bits a byte, the low ones first; the top bit says that more follow."""
    if value < 128:
        return bytes((value,))
    return bytes((value & 127 | 128,)) + _varint(value >> 7)
