"""What the input of training costs: does the step ever wait for photos, and how long is it to the first step.

    python tests/bench/ssd_input.py [PHOTOS]   a labelled folder, such as cards/train; else the sample set; minutes
    python tests/bench/ssd_input.py --rounds 3   a look

The photos are written to TFRecords first. The default preset, all layers free, steps in turn on one batch that is
ready and on the stream of `ssd.train` with full augmentation, block after block in one process; a ratio is the median
of the rounds' ratios. CPU seconds count what all threads of the process do: other work on the machine does not show
in them. Weights come from the folder SSDPREP_WEIGHTS, or are random.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

BATCH, WARM, BLOCK = 16, 3, 12
SHARE, START = 0.9, 20.0  # speed of the step on the stream, the ready batch being 1; seconds to the first step
# Runs a module as `python -m` does, and stops it when Keras has finished a step.
FIRST_STEP = """
import os, runpy, sys, time
import keras
def stop(*_, **__):
    print("cpu", time.process_time(), flush=True)
    os._exit(0)
keras.callbacks.CallbackList.on_train_batch_end = stop
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


class Cost(NamedTuple):
    """Of an image, in milliseconds."""

    wall: float
    cpu: float


def cost(steps: Any, count: int) -> Cost:
    """What ``count`` calls cost, after some that bring the buffers to their usual level."""
    for _ in range(WARM):
        steps()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        steps()
    images = count * BATCH / 1000
    return Cost((time.perf_counter() - wall) / images, (time.process_time() - cpu) / images)


def learner_on(source: Any) -> tuple[Any, Any]:
    """A run and what trains it, all layers free."""
    from ssd.presets import preset
    from ssd.run import Run
    from ssd.trainer import start_from
    from ssd.training.learner import Learner
    from ssd.training.stages import Recipe, freeze, optimizer

    run, recipe = Run.new(preset("mobilenet_v2_ssd_224"), source.labels), Recipe(batch=BATCH, first_free_block=0)
    pretrained = sorted(start_from(run, str(weights())))
    freeze(run.model, "all", pretrained, recipe)
    learner = Learner(run.model)
    learner.compile(optimizer=optimizer(run.model, recipe, 100, 0, pretrained), jit_compile=False)
    learner.optimizer.build(learner.trainable_variables)
    return run, learner


def weights() -> Path | str:
    folder = os.environ.get("SSDPREP_WEIGHTS")
    return next(iter(sorted(Path(folder).glob("mobilenet_v2_1.0_224*.h5"))), "none") if folder else "none"


def bench_step(records: Path, rounds: int) -> None:
    """The step on the stream beside the step on one batch, and the stream alone."""
    import tensorflow as tf

    from ssd.augmentation import Augmentation
    from ssd.data import open_source
    from ssd.pipeline import training_batches

    source = open_source(records)
    run, learner = learner_on(source)
    photos = source.split("train")
    stream = training_batches(photos, run.config, run.anchors, batch=BATCH, seed=0, how=Augmentation())
    flowing = iter(stream)
    for _ in range(-(-len(photos) // BATCH)):
        batch = next(flowing)  # each photo is decoded once
    learner.make_train_function()
    ready = iter(tf.data.Dataset.from_tensors(batch).repeat().prefetch(2))
    found: list[tuple[Cost, ...]] = []
    for _ in range(rounds + 1):
        on_ready, on_stream = (cost(lambda b=b: learner.train_function(b), BLOCK) for b in (ready, flowing))
        found.append((on_ready, on_stream, cost(lambda: next(flowing), 2 * BLOCK)))
    print("| | CPU ms an image | wall ms an image | speed by CPU | by wall | target |\n|---|---|---|---|---|---|")
    for column, name in enumerate(("step on a ready batch", "step on the stream", "the stream alone")):
        costs = [each[column] for each in found[1:]]  # the first round traces the graph
        ratios = [Cost(each[0].wall / each[column].wall, each[0].cpu / each[column].cpu) for each in found[1:]]
        wall, cpu = (median(values) for values in zip(*costs, strict=True))
        by_wall, by_cpu = (median(values) for values in zip(*ratios, strict=True))
        target = SHARE if column == 1 else ""
        print(f"| {name} | {cpu:.2f} | {wall:.2f} | {by_cpu:.2f} | {by_wall:.2f} | {target} |", flush=True)


def bench_start(photos: Path) -> None:
    """`python -m ssd.train PHOTOS` until its first step is done."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["ssd.train", photos, "--weights", weights(), "--out", Path(folder, "run"), "--quiet"]
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", FIRST_STEP, *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        wall = time.perf_counter() - begun
    if not (found := re.search(r"^cpu (.*)$", done.stdout, re.M)):
        raise RuntimeError(done.stderr[-2000:])
    print(f"first step of ssd.train after {wall:.1f} s, {float(found[1]):.1f} s of CPU; target: {START:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path, nargs="?", default=ROOT / "data")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ssdprep", "tfrecord", options.photos, "--out", Path(folder, "records")]
        made = subprocess.run([*map(str, command), "--quiet"], check=False, cwd=ROOT, capture_output=True, text=True)
        if made.returncode not in (0, 1):  # 1: it left photos out, as it does of the sample set
            raise RuntimeError(made.stderr)
        bench_step(Path(folder, "records"), options.rounds)
    bench_start(options.photos)


if __name__ == "__main__":
    main()
