"""Several devices and several processes train what one device trains, and only the chief writes."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, Ran
from tiny import TINY

from ssd.preset_file import write_preset
from ssd.training.distribution import multiworker
from ssdprep.record import SsdprepError

TWO_DEVICES = """
import sys
from ssdprep.tensorflow import import_tensorflow
tf = import_tensorflow()
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
"""
TRAIN = """
from ssd.train import app
from ssdprep import console
console.run(app)
"""
FIGURES = ("loss", "class_loss", "box_loss", "val_AP50", "val_AP")
BOUND = 300.0  # seconds, on a machine that has much else to do


@pytest.fixture(scope="module")
def photos(tmp_path_factory, sample) -> Path:
    """A dozen photos of the sample, none of which has to be turned first."""
    folder = tmp_path_factory.mktemp("photos") / "set"
    folder.mkdir()
    for annotation in sorted((sample / "photos").glob("20190[67]*.xml")):
        for part in annotation.parent.glob(annotation.stem + ".*"):
            shutil.copy2(part, folder)
    write_preset(folder.with_name("tiny.json"), TINY)
    return folder


def options(photos: Path, start: Path, out: Path) -> list[str]:
    preset = photos.with_name("tiny.json")
    words = f"--preset {preset} --batch 8 --epochs 2 --weights {start} --json --out {out}"
    return [str(photos), *words.split()]


def begun(*words: object, task: tuple[str, int] = ("", 0), cluster: dict[str, list[str]] | None = None):
    """A process of ours that runs, as one of the cluster where one is given."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    if cluster:
        environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": task[0], "index": task[1]}})
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> Ran:
    """What it left; a process that outlives the bound fails the test, and ends."""
    try:
        out, err = process.communicate(timeout=BOUND)
    finally:
        process.kill()
    return Ran(process.returncode, out, err)


def free_addresses(count: int) -> list[str]:
    """Addresses on this machine that nothing listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    return addresses


def figures(folder: Path) -> np.ndarray:
    lines = csv.DictReader((folder / "history.csv").read_text().splitlines())
    return np.array([[float(line[name]) for name in FIGURES] for line in lines])


@pytest.fixture(scope="module")
def alone(photos, sample) -> Path:
    """A run on one device."""
    folder = photos.with_name("alone")
    done = ended(begun("-m", "ssd.train", *options(photos, sample / "start.h5", folder)))
    assert done.code == 0, done.err
    return folder


def test_two_devices_train_what_one_does(photos, alone, sample, tmp_path):
    words = options(photos, sample / "start.h5", tmp_path / "run")
    done = ended(begun("-c", TWO_DEVICES + TRAIN, *words, "--strategy", "mirrored"))
    assert done.code == 0, done.err
    assert "2 devices in 1 process share each batch" in done.err
    assert figures(tmp_path / "run") == pytest.approx(figures(alone), rel=1e-4)


def test_two_workers_train_what_one_process_does_and_the_chief_writes(photos, alone, sample, tmp_path):
    addresses = free_addresses(2)
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "config.json").write_text("a run of its own")
    processes = [
        begun(
            "-m", "ssd.train", *options(photos, sample / "start.h5", tmp_path / kind), "--strategy", "multiworker",
            task=(kind, 0), cluster={"chief": addresses[:1], "worker": addresses[1:]},
        )
        for kind in ("chief", "worker")
    ]  # fmt: skip
    chief, worker = map(ended, processes)
    assert (chief.code, worker.code) == (0, 0), chief.err + worker.err
    assert figures(tmp_path / "chief") == pytest.approx(figures(alone), rel=1e-4)
    assert {p.name for p in (tmp_path / "chief").iterdir()} == {p.name for p in alone.iterdir()}
    (kept,) = (tmp_path / "worker").iterdir()
    assert kept.read_text() == "a run of its own"
    for told, other in zip(chief.json["history"], worker.json["history"], strict=True):
        assert {name: told[name] for name in FIGURES} == {name: other[name] for name in FIGURES}
    assert "2/2" in chief.err
    assert "2/2" not in worker.err


CUT = """
import os
import keras

ended = keras.callbacks.CallbackList.on_epoch_end
def cut(self, *words):
    ended(self, *words)
    os._exit(9)
keras.callbacks.CallbackList.on_epoch_end = cut
"""
IN_PIECES = """
from ssd.training import distribution
distribution._PIECE = 2**18
"""


def test_workers_that_were_cut_go_on_and_end_as_if_they_had_not_been(photos, alone, sample, tmp_path):
    def run(chief: str, other: str) -> list[Ran]:
        addresses = free_addresses(2)
        processes = [
            begun(
                "-c", program + TRAIN, *options(photos, sample / "start.h5", tmp_path / str(index)),
                "--strategy", "multiworker", task=("worker", index), cluster={"worker": addresses},
            )
            for index, program in enumerate((chief, other))
        ]  # fmt: skip
        return [*map(ended, processes)]

    assert [done.code for done in run(CUT, "")] == [9, 2]
    assert len(figures(tmp_path / "0")) == 1
    chief, other = run(IN_PIECES, IN_PIECES)
    assert (chief.code, other.code) == (0, 0), chief.err + other.err
    assert "going on after epoch 1 of 2" in chief.err
    assert figures(tmp_path / "0") == pytest.approx(figures(alone), rel=1e-4)
    assert not (tmp_path / "1").exists()


SAME = """
import sys
from ssdprep.tensorflow import import_tensorflow
import_tensorflow()
from ssd.training.distribution import lost_workers_named, multiworker, require_same
from ssdprep.record import SsdprepError

strategy = multiworker()
try:
    with lost_workers_named():
        require_same(strategy, lambda: "what both see")
        require_same(strategy, lambda: sys.argv[1])
        require_same(strategy, lambda: "what the chief goes on with")
except SsdprepError as error:
    sys.exit(error.message)
"""


def test_a_worker_that_sees_something_else_ends_and_the_chief_with_it():
    addresses = free_addresses(2)
    processes = [
        begun("-c", SAME, f"photos of worker {index}", task=("worker", index), cluster={"worker": addresses})
        for index in range(2)
    ]
    chief, other = map(ended, processes)
    assert "this worker does not see the photos, labels, classes, start weights and options" in other.err
    assert re.search(r"worker( 1)? has gone", chief.err)
    assert (chief.code, other.code) == (1, 1)


def test_a_worker_that_is_killed_ends_the_chief_with_one_message(photos, sample, tmp_path):
    addresses = free_addresses(2)
    chief, other = (
        begun(
            "-m", "ssd.train", *options(photos, sample / "start.h5", tmp_path / "run"), "--strategy", "multiworker",
            task=("worker", index), cluster={"worker": addresses},
        )
        for index in range(2)
    )  # fmt: skip
    assert "share each batch" in other.stderr.readline()
    other.kill()
    other.communicate()
    said = ended(chief)
    assert said.code == 2
    assert re.search(r"worker( 1)? has gone", said.err)
    assert said.err.count("error:") == 1
    assert "Traceback" not in said.err


MATHEMATICS = """
import numpy as np
from ssd.training.distribution import distributed, mirrored
from ssd.training.learner import OPTIMIZERS
from ssd.loss import multibox_loss
from ssd.replicas import total
import keras
from ssdprep.record import SsdprepError

strategy = mirrored()
assert strategy.num_replicas_in_sync == 2
rng = np.random.default_rng(0)
logits, offsets = rng.normal(size=(4, 30, 3)).astype("f"), rng.normal(size=(4, 30, 4)).astype("f")
classes = rng.choice([-1, 0, 0, 0, 0, 0, 0, 1, 2], size=(4, 30)).astype("i")
classes[2:] = np.minimum(classes[2:], 0)  # all positives are in the first replica's half
targets = rng.normal(size=(4, 30, 4)).astype("f")

def gradient(mining, begin, end):
    values = [tf.constant(a)[begin:end] for a in (logits, offsets, classes, targets)]
    with tf.GradientTape() as tape:
        tape.watch(values[:2])
        loss = sum(multibox_loss(*values, mining=mining))
    return total(loss), *tape.gradient(loss, values[:2])

for mining in ("batch", "image"):
    whole = gradient(mining, 0, 4)
    @tf.function
    def shares():
        def share():
            begin = 2 * tf.distribute.get_replica_context().replica_id_in_sync_group
            return gradient(mining, begin, begin + 2)
        return strategy.run(share)
    loss, *gradients = shares()
    assert np.allclose(strategy.experimental_local_results(loss), whole[0], rtol=1e-6), mining
    for parts, expected in zip(gradients, whole[1:], strict=True):
        assert np.abs(expected).max() > 0
        assert np.allclose(np.concatenate(strategy.experimental_local_results(parts)), expected, atol=1e-7), mining

def trained(kind, strategy, shares):
    with strategy.scope():
        variable = keras.Variable([1.0, -2.0])
        optimizer = OPTIMIZERS[kind](0.1, set(), 1.0, 1, 0.9, global_clipnorm=0.5)
        optimizer.build([variable])
    def step():
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        optimizer.apply(total([shares[number]]), [variable])
    for _ in range(3):
        tf.function(lambda: strategy.run(step))()
    return [variable.numpy(), *(v.numpy() for v in optimizer._averages)]

pieces = tf.constant([[3.0, 0.1], [-2.8, 0.5]])  # each would be clipped, their sum much less
for kind in OPTIMIZERS:
    one = trained(kind, tf.distribute.get_strategy(), tf.reduce_sum(pieces, 0, keepdims=True))
    assert np.allclose(trained(kind, strategy, pieces), one, atol=1e-6), kind
    assert not np.allclose(one[0], [1.0, -2.0])

try:
    distributed(strategy, 7, None)
except SsdprepError as error:
    assert (error.message, error.remedy) == ("2 devices cannot share batches of 7 evenly", "--batch 8")
else:
    raise AssertionError("an uneven batch was taken")
"""


def test_shares_of_loss_and_gradient_add_up_and_clipping_sees_their_sum():
    done = ended(begun("-c", TWO_DEVICES + MATHEMATICS))
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    "told",
    [
        "",
        "not JSON",
        "[]",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_a_cluster_that_is_not_told_is_asked_for(told, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", told)
    with pytest.raises(SsdprepError, match="TF_CONFIG does not say") as raised:
        multiworker()
    assert '"cluster"' in raised.value.remedy
