"""TFRecord files: entries one behind the other, each with its length and a CRC-32C of both."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from ssdprep.record import SsdprepError

AGAIN = "write it again with ssdprep tfrecord"
_HEAD = struct.Struct("<QI")  # length, its CRC
_TAIL = struct.Struct("<I")  # CRC of the entry


def write_entry(file: BinaryIO, entry: bytes) -> int:
    """Append an entry, and return its checksum."""
    length, checksum = len(entry), _masked_crc(entry)
    file.write(_HEAD.pack(length, _masked_crc(length.to_bytes(8, "little"))))
    file.write(entry)
    file.write(_TAIL.pack(checksum))
    return checksum


def read_entries(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Where each entry begins, in bytes, its checksum and the entry. `SsdprepError` where a checksum does not hold."""
    left = path.stat().st_size
    with path.open("rb") as file:
        while left:
            begin = file.tell() + _HEAD.size
            head = file.read(_HEAD.size)
            length, expected = _HEAD.unpack(head) if len(head) == _HEAD.size else (left, 0)
            left -= _HEAD.size + length + _TAIL.size
            if left < 0 or _masked_crc(head[:8]) != expected:  # before so many bytes are asked for
                raise SsdprepError(f"{path} is damaged at byte {begin:,}", AGAIN)
            entry, tail = file.read(length), file.read(_TAIL.size)
            checksum = _masked_crc(entry)
            if tail != _TAIL.pack(checksum):
                raise SsdprepError(f"{path} is damaged at byte {begin:,}", AGAIN)
            yield begin, checksum, entry


def _masked_crc(data: bytes) -> int:
    """CRC-32C, masked as TFRecord has it, so that the checksum of data with checksums is a good one too."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
