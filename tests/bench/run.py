"""What ssdprep costs, as ratios to the floor of each task and to its peers: the tables of docs/benchmarks.md.

    make bench                                   all of it, in a few minutes
    python tests/bench/run.py csv tfrecord       some of it
    python tests/bench/run.py --small --rounds 1 a look, in a minute

Every contender is a process of its own, start-up included, and all of a table run in turn, round after round; a ratio
is the median of the rounds' ratios. CPU counts all processes of a contender, wall what a person waits. Every contender
is held to one core, but where its name says two.
"""

from __future__ import annotations

import argparse
import compileall
import shutil
import sys
from pathlib import Path

import inputs
from timing import HERE, ROOT, Contender, costs, race, table

BUILD = ROOT / "build" / "bench"
PEERS = BUILD / "peers" / "bin" / "python"
PYTHON = Path(sys.executable)
SSDPREP = (PYTHON, "-m", "ssdprep")


def floor(name: str, source: Path, out: Path, **how: object) -> Contender:
    """One of floors.py."""
    return Contender(name, (PYTHON, HERE / "floors.py", name, source, out), **how)


def bench_csv(count: int, rounds: int) -> None:
    """XML to CSV."""
    voc = inputs.xml(BUILD / f"xml-{count}", count)
    folder, out = voc / "Annotations", BUILD / "out"
    ours = (*SSDPREP, "xml2csv", folder, "--quiet", "--out", BUILD / "ours.csv")
    contenders = [
        floor("elementtree", folder, BUILD / "tutorial.csv"),
        floor("lxml", folder, BUILD / "lxml.csv"),
        Contender("ssdprep, 1 core", ours),
        Contender("ssdprep, 2 cores", ours, cores=2),
    ]
    if PEERS.exists():
        for name in ("labelformat", "globox", "datumaro"):
            source = (PEERS, HERE / "peers.py", name, voc, out / name)
            contenders.append(Contender(name, source, before=lambda: (_drop(out), out.mkdir())))
    limits = {"ssdprep, 1 core": "CPU 1.5", "ssdprep, 2 cores": "wall 0.9"}
    print(f"\n### {count:,} annotations to one table\n")
    print(table(race(contenders, rounds), "elementtree", limits))


def bench_memory(count: int) -> None:
    """How much memory a large folder takes."""
    folder = inputs.xml(BUILD / f"xml-{count}", count) / "Annotations"
    cost = costs(Contender("ssdprep", (*SSDPREP, "xml2csv", folder, "--quiet", "--out", BUILD / "ours.csv"), cores=2))
    print(f"\n{count:,} annotations: {cost.rss:.0f} MB in the largest process (target: under 400), {cost.wall:.0f} s.")


def bench_fix(count: int, rounds: int, source: Path) -> None:
    """Photos made upright."""
    tagged = inputs.photos(BUILD, count, tagged=True, source=source)
    upright = inputs.photos(BUILD, count, tagged=False, source=source)
    used, aside = BUILD / "used", BUILD / "aside"
    _drop(aside)
    fix = (*SSDPREP, "fix-exif", used, "--quiet")
    contenders = [
        floor("pillow", used, used, before=lambda: inputs.fresh(tagged, used, aside)),
        Contender("ssdprep, 1 core", fix, before=lambda: inputs.fresh(tagged, used, aside)),
        Contender("ssdprep, 2 cores", fix, cores=2, before=lambda: inputs.fresh(tagged, used, aside)),
        Contender("ssdprep, nothing to do", fix, before=lambda: inputs.fresh(upright, used, aside)),
    ]
    if shutil.which("jpegtran"):
        contenders.append(floor("jpegtran", used, BUILD / "out.jpg", before=lambda: inputs.fresh(tagged, used, aside)))
    limits = {"ssdprep, 1 core": "wall 0.7", "ssdprep, 2 cores": "wall 0.45", "ssdprep, nothing to do": "wall 0.03"}
    print(f"\n### {count:,} photos of {inputs.SIZE} made upright\n")
    print(table(race(contenders, rounds), "pillow", limits))
    _drop(used)
    _drop(aside)


def bench_tfrecord(count: int, rounds: int, source: Path) -> None:
    """TFRecords of photos whose bytes pass through."""
    folder = inputs.photos(BUILD, count, tagged=False, source=source)
    out = BUILD / "records"
    ours = (*SSDPREP, "tfrecord", folder, "--out", out, "--quiet")
    contenders = [
        floor("tensorflow_import", folder, BUILD / "out.tfrecord"),
        floor("append", folder, BUILD / "out.bytes"),
        floor("tensorflow_writer", folder, BUILD / "out.tfrecord"),
        Contender("ssdprep, 1 core", ours, before=lambda: _drop(out)),
        Contender("ssdprep, 2 cores", ours, cores=2, before=lambda: _drop(out)),
    ]
    found = race(contenders, rounds)
    print(f"\n### {count:,} photos of {inputs.SIZE} to TFRecords\n")
    print(table(found, "append"))
    _drop(out)


def bench_help(rounds: int) -> None:
    """The first thing that a person sees."""
    pairs = (("bare_help", "ssdprep --help"), ("bare_verb_help", "ssdprep tfrecord --help"))
    contenders = [
        each
        for bare, ours in pairs
        for each in (floor(bare, BUILD, BUILD), Contender(ours, (*SSDPREP, *ours.split()[1:])))
    ]
    found = race(contenders, 5 * rounds)
    print("\n### --help\n")
    for bare, ours in pairs:
        print(table({name: found[name] for name in (bare, ours)}, bare, {ours: "CPU 1.5"}) + "\n")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["csv", "memory", "fix", "tfrecord", "help", []], default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="a tenth of everything")
    parser.add_argument("--photos", type=Path, default=ROOT / "data" / "photos", help="where photos are made from")
    args = parser.parse_args()
    what, share = args.what or ["csv", "memory", "fix", "tfrecord", "help"], 10 if args.small else 1
    BUILD.mkdir(parents=True, exist_ok=True)
    compileall.compile_dir(ROOT / "ssdprep", quiet=1)  # as pip does when it installs; a clone does it at its first run
    if "csv" in what:
        bench_csv(20_000 // share, args.rounds)
    if "memory" in what:
        bench_memory(100_000 // share)
    if "fix" in what:
        bench_fix(1000 // share, args.rounds, args.photos)
    if "tfrecord" in what:
        bench_tfrecord(1000 // share, args.rounds, args.photos)
    if "help" in what:
        bench_help(args.rounds)


def _drop(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main()
