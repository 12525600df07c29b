"""What detectors reach on cards, raccoon and bccd, on photos that no choice was made by.

`python tests/measure_results.py OUT` trains and tests all that is not in OUT yet, then prints the table of
docs/benchmarks.md and draws OUT/curves.png. It needs SSDPREP_REAL_DATA (the three sets) and SSDPREP_WEIGHTS
(MobileNetV2 of ImageNet). Every run is a command that it prints, in a process of its own; document 004's recipe has no
command, for who would want it, and is trained by this file. `--only cards-pretrained` trains some of them.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

REAL, WEIGHTS = (Path(os.environ.get(name, "")) for name in ("SSDPREP_REAL_DATA", "SSDPREP_WEIGHTS"))
IMAGENET = "mobilenet_v2_1.0_224_no_top_from_int8_bncal.h5"
PRESET = "mobilenet_v2_ssd_300_fine"
STARTS = {
    "pretrained": "ImageNet",
    "last": "ImageNet",
    "random": "random",
    "report": "document 004's recipe",
}
SEEDS = {"pretrained": (0,), "last": (0, 1, 2), "random": (0,), "report": (0,)}
WITH_VAL = ("--with-val",)
FOLDS = 5


class Set(NamedTuple):
    """A data set: where it is trained on, what the test is, and what is said to train."""

    train: Path
    test: tuple[str, ...]
    options: tuple[str, ...]
    preset: str = PRESET


def sets(out: Path) -> dict[str, Set]:
    """The three of them.

    raccoon comes without a split and is given one of 160 and 40, in a copy. The cells of bccd are the only boxes that
    `ssd.fit_anchors` reaches more of, as they are and as training draws them: 96 for 86 of a hundred.
    """
    raccoon = out / "raccoon"
    if not raccoon.exists():
        shared_out(REAL / "raccoon", raccoon, "--test", "0.2")
    fitted = out / "bccd-anchors.json"
    if not fitted.exists():
        command = [sys.executable, "-m", "ssd.fit_anchors", REAL / "bccd", "--preset", PRESET, "--out", fitted]
        called(command, out / "bccd-anchors.log")
    return {
        "cards": Set(REAL / "cards" / "train", (str(REAL / "cards" / "test"),), ("--epochs", "40")),
        "raccoon": Set(raccoon, (str(raccoon), "--split", "test"), ("--epochs", "80")),
        "bccd": Set(
            REAL / "bccd", (str(REAL / "bccd"), "--split", "test"), ("--epochs", "30", "--flip-v"), str(fitted)
        ),
    }


def folds(out: Path) -> dict[str, Set]:
    """raccoon again, whole: each fifth of it the test of what the other four trained. 40 photos alone say little."""
    whole, found = out / "raccoon-folds", {}
    if not whole.exists():
        shared_out(REAL / "raccoon", whole, "--test", "0", "--kfold", str(FOLDS))
    lists = whole / "ImageSets" / "Main"
    for k in range(1, FOLDS + 1):
        folder = out / f"raccoon-fold{k}"
        if not folder.exists():
            parts = {"train": f"fold{k}_train.txt", "test": f"fold{k}_val.txt"}
            relisted(whole, folder, {part: (lists / name).read_text().split() for part, name in parts.items()})
        found[folder.name] = Set(folder, (str(folder), "--split", "test"), ("--epochs", "80"))
    return found


def relisted(data: Path, copy: Path, parts: dict[str, list[str]]) -> None:
    """A copy of a set that is shared out in another way."""
    copied(data, copy)
    lists = copy / "ImageSets" / "Main"
    shutil.rmtree(lists, ignore_errors=True)
    lists.mkdir(parents=True)
    for part, stems in parts.items():
        (lists / f"{part}.txt").write_text("".join(f"{stem}\n" for stem in stems))


def copied(data: Path, copy: Path) -> None:
    """A copy that lists can be written into: the original may be read-only."""
    shutil.copytree(data, copy)
    copy.chmod(0o755)


def shared_out(data: Path, copy: Path, *how: str) -> None:
    """A copy of a set, with lists of its parts."""
    copied(data, copy)
    subprocess.run([sys.executable, "-m", "ssdprep", "split", copy, "--val", "0", *how], check=True)


def train(data: Set, start: str, seed: int, run: Path) -> None:
    """Train one detector."""
    if start == "report":
        command = [sys.executable, __file__, "--report", data.train, run, str(seed)]
    else:
        weights = "none" if start == "random" else WEIGHTS / IMAGENET
        command = [sys.executable, "-m", "ssd.train", data.train, "--weights", weights, "--preset", data.preset,
                   *data.options, *(WITH_VAL if start == "last" else ()),
                   "--seed", str(seed), "--out", run]  # fmt: skip
    called(command, run.with_suffix(".log"))


def train_report(data: Path, run: Path, seed: int) -> None:
    """Document 004's detector as its report trains it.

    A frozen backbone, boxes encoded without variances, Adam at a constant rate, no zoom, no crop; for 40 epochs.
    """
    from ssdprep.tensorflow import import_tensorflow

    import_tensorflow()
    from ssd.augmentation import Augmentation
    from ssd.trainer import Recipe, train_folder

    epochs = 40
    recipe = Recipe(
        epochs=epochs, frozen_epochs=epochs, warmup_epochs=0.0, final_rate=1.0,
        augmentation=Augmentation(zoom_out=0.0, crop=0.0),
    )  # fmt: skip
    weights = str(WEIGHTS / IMAGENET)
    train_folder(
        data, run, preset_name="mobilenet_v2_ssd_224_report", weights=weights, recipe=recipe, seed=seed, say=print
    )


def measured(data: Set, run: Path) -> dict[str, Any]:
    """The figures on the test photos."""
    command = [sys.executable, "-m", "ssd.evaluate", run, *data.test, "--json"]
    return json.loads(called(command, run.with_suffix(".test.json")))


def called(command: Sequence[str | Path], log: Path) -> str:
    """Run a command, its words to a file; those on stdout. ``RuntimeError`` where it fails."""
    words = [str(word) for word in command]
    print(shlex.join(["python" if word == sys.executable else word for word in words]), flush=True)
    with log.open("w") as file, log.with_suffix(".err").open("w") as errors:
        done = subprocess.run(words, stdout=file, stderr=errors, check=False)
    if done.returncode not in (0, 1):  # 1: it has remarks on the data
        raise RuntimeError(f"it failed, see {log}")
    return log.read_text()


def row(title: str, start: str, data: Set, runs: Sequence[Path]) -> str | None:
    """A line of the table: medians, and how far the runs lie apart."""
    runs = [run for run in runs if run.with_suffix(".test.json").exists()]
    if not runs:
        return None
    tests = [json.loads(run.with_suffix(".test.json").read_text()) for run in runs]
    facts = [json.loads((run / "config.json").read_text()) for run in runs]
    last = [(run / "history.csv").read_text().splitlines()[-1].split(",") for run in runs]
    photos, how = facts[0]["photos"], ", `--with-val`" if start == "last" else ""
    cells = (
        title, STARTS[start] + how, f"{photos['train']} / {photos['val']} / {tests[0]['images']}",
        f"{last[0][0]}, {median(float(line[-1]) for line in last) / 60:.0f}",
        spread([each["AP50"] for each in tests]), spread([each["AP"] for each in tests]), str(len(runs)),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def spread(values: Sequence[float]) -> str:
    """The median, and the least and the largest of several."""
    several = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
    return f"{median(values):.3f}{several}"


def curves(out: Path, names: Sequence[str]) -> None:
    """AP50 on the validation photos, epoch by epoch: a picture for each set, a colour for each start."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colours = {"pretrained": "#1a7f37", "random": "#8250df", "report": "#bf8700"}
    figure = Figure(figsize=(11, 3.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(1, len(names), sharey=True), names, strict=True):
        for start, colour in colours.items():
            label = STARTS[start]
            for seed in SEEDS[start]:
                file = out / f"{name}-{start}-{seed}" / "history.csv"
                if file.exists():
                    lines = list(csv.DictReader(file.open()))
                    values = [float(line["val_AP50"]) for line in lines]
                    axes.plot(range(1, len(lines) + 1), values, color=colour, linewidth=1.2, label=label)
                    label = None
        axes.set(title=name, xlabel="epoch", ylim=(0, 1.02))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#d0d7de", linewidth=0.6)
    figure.axes[0].set_ylabel("AP50 on validation photos")
    drawn = {label: line for axes in figure.axes for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(drawn.values(), drawn.keys(), frameon=False, loc="outside lower center", ncols=3)
    figure.savefig(out / "curves.png")


def main() -> None:
    """Train what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=Path("build/results"))
    parser.add_argument(
        "--only", nargs="*", default=[], help="beginnings of names: cards, bccd-random, raccoon-report-0"
    )
    parser.add_argument("--report", nargs=3, metavar=("DATA", "RUN", "SEED"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.report:
        train_report(Path(args.report[0]), Path(args.report[1]), int(args.report[2]))
        return
    args.out.mkdir(parents=True, exist_ok=True)
    known, parts = sets(args.out), folds(args.out)
    jobs = [(name, data, start, seed) for name, data in known.items() for start in STARTS for seed in SEEDS[start]]
    jobs += [(name, data, "last", 0) for name, data in parts.items()]
    for name, data, start, seed in jobs:
        run = args.out / f"{name}-{start}-{seed}"
        wanted = not args.only or any(run.name.startswith(each) for each in args.only)
        if wanted and not run.with_suffix(".test.json").exists():
            train(data, start, seed, run)
            measured(data, run)
    print("\n| data | start | photos (train / val / test) | epochs, minutes | test AP50 | test AP | runs |")
    print(f"{'|---' * 7}|")
    rows = [
        row(name, start, data, [args.out / f"{name}-{start}-{seed}" for seed in SEEDS[start]])
        for name, data in known.items()
        for start in STARTS
    ]
    fifths = [args.out / f"{name}-last-0" for name in parts]
    rows.append(row("raccoon, each fifth", "last", known["raccoon"], fifths))
    print(*filter(None, rows), sep="\n")
    curves(args.out, list(known))


if __name__ == "__main__":
    main()
