"""``python -m fuzz``, in tests/: mutated inputs for a time; by atheris where it is installed, for it sees new branches.

An input that breaks a promise, or takes longer than `PATIENCE`, ends the run; it is kept, and its path printed.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import sys
import tempfile
import time
from pathlib import Path

from fuzz.targets import TARGETS, seeds

PATIENCE = 20.0  # seconds for one input, on a busy machine
_MOST = 200_000  # bytes
_TOKENS = [
    *(
        b"<object>",
        b"</object>",
        b"<bndbox>",
        b"<xmin>",
        b"<!DOCTYPE a [",
        b"]>",
        b"<!ENTITY a 'b'>",
        b"&a;",
        b"<![CDATA[",
    ),
    *(
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"encoding='gbk'",
        b"NaN",
        b"-1",
        b"1e999",
        b"9" * 40,
        b"\0",
        b"]]>",
        b"<?",
        b"<!--",
    ),
    *(
        b"item {",
        b"}",
        b"id: 0",
        b'name: "',
        b"\\u",
        b"\\777",
        b"#",
        b"\r",
        b"\xff\xd8",
        b"\xff\xda",
        b"\xff\xe1",
        b"Exif\0\0",
    ),
    *(b"IHDR", b"eXIf", b"IDAT", b"acTL", b"II*\0", b"MM\0*", b"RIFF", b"WEBP", b"VP8X", b"GIF89a", b"BM", b"ftypavif"),
]


def mutated(rng: random.Random, corpus: list[bytes]) -> bytes:
    """One of the seeds with one to eight things done to it; most of them where structure is, at the start."""
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.randint(1, 8)):
        start = rng.randrange(min(len(data), rng.choice((64, 512, _MOST))) + 1)
        match rng.randrange(7):
            case 0:
                data[start : start + 1] = bytes([rng.randrange(256)])
            case 1:
                data[start : start + rng.randint(1, 64)] = b""
            case 2:
                data[start:start] = rng.choice(_TOKENS)
            case 3:
                data[start : start + 4] = rng.choice(
                    (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1")
                )
            case 4:
                del data[rng.randrange(len(data) + 1) :]
            case 5:
                other = rng.choice(corpus)
                data[start:] = other[rng.randrange(len(other) + 1) :]
            case _:
                data[start:start] = data[start : start + rng.randint(1, 200)] * rng.choice((1, 2, 50))
    return bytes(data[:_MOST])


def run(target: str, seconds: float, seed: int, folder: Path) -> int:
    """Feed mutated inputs to a target for a time; how many they were."""
    corpus, rng, count = seeds(target, folder), random.Random(seed), 0
    end = time.monotonic() + seconds
    for data in corpus:
        _feed(target, data, folder)
    while time.monotonic() < end:
        _feed(target, mutated(rng, corpus), folder)
        count += 1
    return count


def _feed(target: str, data: bytes, folder: Path) -> None:
    kept = folder / f"{target}.input"
    kept.write_bytes(data)  # before it is tried: a hang or a crash of C code leaves nobody to write it
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    try:
        TARGETS[target](data, folder)
    except BaseException:
        print(f"{target}: this input broke it: {kept}", file=sys.stderr)
        raise
    finally:
        faulthandler.cancel_dump_traceback_later()


def _run_atheris(target: str, seconds: float, seed: int, folder: Path) -> None:
    """Guided by the branches that an input takes. Ends the process."""
    import atheris

    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(seeds(target, folder)):
        (corpus / str(number)).write_bytes(data)
    atheris.instrument_all()
    limits = [f"-max_total_time={seconds:.0f}", f"-seed={seed + 1}", f"-timeout={PATIENCE:.0f}", f"-max_len={_MOST}"]
    atheris.Setup(
        [sys.argv[0], *limits, f"-artifact_prefix={folder}/", str(corpus)], lambda data: _feed(target, data, folder)
    )
    atheris.Fuzz()


def main() -> None:
    """Parse, run, say how many inputs were tried."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true", help="guided by branches; needs `pip install atheris`")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    if options.atheris:
        _run_atheris(options.target, options.seconds, options.seed, folder)
    count = run(options.target, options.seconds, options.seed, folder)
    print(f"{options.target}: {count:,} inputs in {options.seconds:g} s, none broke it")


if __name__ == "__main__":
    main()
