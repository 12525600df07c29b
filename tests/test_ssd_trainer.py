"""What training promises, on tiny models and drawn examples: stages, averages, the checkpoint, what is held out."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.util import event_pb2
from tiny import TINY

from ssd.data import Source, train_and_val, train_with_val
from ssd.detector import backbone_layers, build_detector, copy_weights, load_weights
from ssd.pipeline import Example, batch_examples
from ssd.presets import preset
from ssd.run import Run
from ssd.trainer import train, train_folder
from ssd.training.checkpoints import KeepBest
from ssd.training.history import Epoch, best_of
from ssd.training.learner import OPTIMIZERS, AveragedAdam, Scaled, WarmCosine, computing_in
from ssd.training.stages import Recipe, freeze, optimizer
from ssd.training.unfinished import STATE, Unfinished
from ssdprep.images import encode_jpeg
from ssdprep.labels import LabelMap
from ssdprep.record import SsdprepError

SMALL = replace(preset("mobilenet_v2_035_ssd_224"), image_size=(64, 64))


def example(name: str, *ids: int, folder: Path = Path()) -> Example:
    boxes = np.array([[0.2, 0.2, 0.7, 0.8]] * len(ids), np.float32).reshape(-1, 4)
    return Example(str(folder / name), (64, 64), boxes, np.array(ids, np.int32), np.zeros(len(ids), bool))


def source(examples, **splits) -> Source:
    return Source(Path("set"), LabelMap(("a", "b")), {"all": tuple(examples), **splits}, ())


def epoch(number: int, ap50: float, ap: float = 0.0, loss: float = 1.0) -> Epoch:
    return Epoch(number, "all", loss, loss, 0.0, ap50, ap, 1.0, 1.0)


# What is held out


def test_the_test_split_is_never_trained_on():
    parts = {name: tuple(example(f"{name}{i}", 1) for i in range(9)) for name in ("train", "test")}
    training, validation = train_and_val(source([*parts["train"], *parts["test"]], **parts), seed=0)
    assert {e.source for e in (*training, *validation)} == {e.source for e in parts["train"]}
    assert not {e.source for e in training} & {e.source for e in validation}


@pytest.mark.parametrize("parts", [("train", "val", "test"), ("train", "test"), ("train", "val"), ()])
def test_with_val_all_is_trained_on_but_the_test_split_and_what_no_split_has(parts):
    made = {name: tuple(example(f"{name}{i}", 1) for i in range(9)) for name in parts}
    rest = tuple(example(f"rest{i}", 1) for i in range(3))
    training = train_with_val(source([*rest, *(e for part in made.values() for e in part)], **made))
    meant = [e for name in parts if name != "test" for e in made[name]] or rest
    assert sorted(e.source for e in training) == sorted(e.source for e in meant)


@pytest.mark.parametrize("name", ["test", "val"])
def test_a_set_that_has_another_part_and_no_train_is_not_trained_on(name):
    photos = [example(f"{i}", 1) for i in range(9)]
    with pytest.raises(SsdprepError, match="no photo is for training"):
        train_and_val(source(photos, **{name: tuple(photos)}), seed=0)


def test_a_given_val_split_is_used_as_it_is():
    parts = {"train": (example("a", 1),), "val": (example("b", 1),)}
    assert train_and_val(source([], **parts), seed=0) == (parts["train"], parts["val"])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("negatives", "positives"), [(8, 3), (5, 7), (30, 5), (0, 2), (1, 1)])
def test_validation_always_has_a_box(seed, negatives, positives):
    examples = [example(f"n{i}") for i in range(negatives)] + [example(f"p{i}", 1) for i in range(positives)]
    training, validation = train_and_val(source(examples), seed)
    assert any(len(e.ids) for e in validation)
    assert len(training) + len(validation) == negatives + positives


def test_the_choice_depends_on_names_and_seed_alone():
    examples = [example(f"p{i}", 1 + i % 2) for i in range(40)]
    chosen = {e.source for e in train_and_val(source(examples), 3)[1]}
    assert chosen == {e.source for e in train_and_val(source(examples[::-1]), 3)[1]}
    assert chosen != {e.source for e in train_and_val(source(examples), 4)[1]}
    assert len(chosen) == 5


def test_a_photo_and_what_was_drawn_from_it_stay_together():
    photos = [replace(example(f"p{i}.jpg", 1), original=f"p{i}") for i in range(16)]
    drawn = [replace(example(f"p{i}_aug1.jpg", 1), original=f"p{i}") for i in range(16)]
    training, validation = train_and_val(source([*photos, *drawn]), seed=0)
    assert {e.original for e in validation} == {Path(e.source).stem for e in validation}
    assert not {e.original for e in training} & {e.original for e in validation}
    assert len(training) == 2 * (16 - len(validation))


# Weights


@pytest.fixture(scope="module")
def detector() -> keras.Model:
    return build_detector(SMALL, 2)


def test_a_backbone_of_another_width_is_refused(detector, weights):
    file = next(weights.glob("mobilenet_v2_*.h5"))
    with pytest.raises(SsdprepError, match="is no backbone for") as caught:
        load_weights(detector, file)
    assert "--preset mobilenet_v2_ssd_224 or " in caught.value.remedy
    assert SMALL.name not in caught.value.remedy


def test_the_demo_starts_from_its_file(sample):
    model = build_detector(preset("mobilenet_v2_035_ssd_224"), 3)
    copied = set(load_weights(model, sample / "start.h5"))
    assert copied == {layer.name for layer in model.layers if layer.weights} & backbone_layers(model)


def test_heads_for_other_classes_keep_what_they_have(detector):
    other = build_detector(SMALL, 5)
    copied = copy_weights(other, {layer.name: layer.get_weights() for layer in detector.layers}, "here")
    assert {"Conv1", "boxes_1_conv"} <= set(copied)
    assert "classes_1_conv" not in copied


def test_a_file_that_is_no_weights_says_so(detector, tmp_path):
    (tmp_path / "x.h5").write_bytes(b"not a file of weights")
    with pytest.raises(SsdprepError, match="is no Keras weights file"):
        load_weights(detector, tmp_path / "x.h5")
    with pytest.raises(SsdprepError, match="does not exist"):
        load_weights(detector, tmp_path / "y.h5")


def test_a_preset_that_is_no_preset_is_told_before_all_else(tmp_path):
    (tmp_path / "config.json").write_text("{}")  # a run that is finished
    with pytest.raises(SsdprepError, match="there is no preset 'mobilenet'"):
        train_folder(tmp_path / "nowhere", tmp_path, preset_name="mobilenet")
    with pytest.raises(SsdprepError, match="already holds a run"):
        train_folder(tmp_path / "nowhere", tmp_path, preset_name=SMALL.name)


# Stages, schedule, averages


def test_stages_free_what_they_say(detector):
    pretrained = sorted(backbone_layers(detector))
    freeze(detector, "heads", pretrained, Recipe())
    assert {layer.name for layer in detector.layers if layer.trainable_variables} == {
        layer.name for layer in detector.layers if layer.weights and layer.name not in pretrained
    }
    freeze(detector, "all", pretrained, Recipe())
    free = {layer.name for layer in detector.layers if layer.trainable_variables}
    assert {"block_3_expand", "Conv_1", "classes_1_conv"} <= free
    assert not any(name.endswith("BN") or name.startswith(("Conv1", "block_2", "bn_")) for name in free)


def test_random_weights_learn_everything(detector):
    freeze(detector, "all", (), Recipe())
    assert all(layer.trainable for layer in detector.layers)


def test_the_rate_rises_and_falls():
    rate = WarmCosine(peak=1.0, warmup=10, total=110, final=0.02)
    values = [float(rate(step)) for step in (0, 4, 9, 10, 60, 110, 200)]
    assert values == pytest.approx([0.1, 0.5, 1.0, 1.0, 0.51, 0.02, 0.02], abs=1e-6)
    assert float(WarmCosine(1.0, 10, 110, 0.02, begun=60)(0)) == pytest.approx(0.51)


def test_averages_follow_and_step_aside():
    adam = AveragedAdam(0.1, slow=set(), slow_factor=1.0, slow_warmup=1, averaging=0.5)
    variable = keras.Variable([1.0])
    adam.build([variable])
    adam.apply([np.array([1.0], np.float32)])
    moved = variable.numpy().copy()
    keep = min(0.5, 2 / 11)
    with adam.averaged():
        assert variable.numpy() == pytest.approx(keep * 1.0 + (1 - keep) * moved, abs=1e-6)
    assert variable.numpy() == pytest.approx(moved)


def test_slow_variables_move_less():
    fast, slow = keras.Variable([1.0], name="fast"), keras.Variable([1.0], name="slow")
    adam = AveragedAdam(0.1, slow={slow.path}, slow_factor=0.25, slow_warmup=1, averaging=0.9)
    adam.build([fast, slow])
    adam.apply([np.array([1.0], np.float32)] * 2)
    assert (1 - slow.numpy()) == pytest.approx(0.25 * (1 - fast.numpy()), rel=1e-3)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_in_one_operation_steps_as_that_of_keras(name):
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 4)).astype(np.float32)
    kerass = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}[name](0.1)
    ours = OPTIMIZERS[name](0.1, slow=set(), slow_factor=1.0, slow_warmup=1, averaging=0.9)
    variables = [keras.Variable(start), keras.Variable(start)]
    for optimizer_, variable in zip((kerass, ours), variables, strict=True):
        optimizer_.build([variable])
    for step in range(20):
        gradient = tf.constant(rng.normal(size=(3, 4)) * 10.0 ** (step % 7 - 3), tf.float32)
        for optimizer_, variable in zip((kerass, ours), variables, strict=True):
            optimizer_.apply([gradient], [variable])
    assert np.abs(variables[0].numpy() - start).max() > 0.5
    assert variables[1].numpy() == pytest.approx(variables[0].numpy(), abs=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_averages_and_spares_biases(name):
    recipe = Recipe(optimizer=name, weight_decay=0.5, rate=0.1, warmup_epochs=0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, bias_initializer="ones")])
    made = optimizer(model, recipe, steps=10, begun=0, pretrained=())
    kernel, bias = model.trainable_variables
    before = kernel.numpy()
    made.build(model.trainable_variables)
    made.apply([np.zeros((2, 1), np.float32), np.zeros(1, np.float32)])
    assert kernel.numpy() == pytest.approx(before * (1 - 0.5 * 0.1))  # nothing but decay: the gradient is 0
    assert bias.numpy() == 1.0
    with made.averaged():
        assert (np.abs(kernel.numpy()) > np.abs(before) * (1 - 0.5 * 0.1)).all()


def test_decay_is_the_optimizers_own_where_none_is_given():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    decays = {name: optimizer(model, Recipe(optimizer=name), 10, 0, ()).weight_decay for name in OPTIMIZERS}
    assert decays == {"adam": None, "adamw": 0.004, "sgd": None}


# The checkpoint


def test_the_best_epoch_detects_best_whatever_its_loss():
    history = [epoch(1, 0.5, loss=0.1), epoch(2, 0.8, 0.3, loss=5.0), epoch(3, 0.9, 0.2), epoch(4, math.nan, loss=0.0)]
    assert best_of(history).epoch == 2, "by AP, for AP50 is sooner at its best by chance"
    assert best_of([epoch(1, 0.8, 0.3), epoch(2, 0.9, 0.3)]).epoch == 2
    assert best_of([epoch(1, math.nan), epoch(2, 0.0)]).epoch == 2
    assert best_of([epoch(1, 0.5), epoch(2, 0.5)]).epoch == 1
    assert best_of([epoch(1, math.nan, math.nan), epoch(2, math.nan, math.nan)]).epoch == 2, "nothing was measured"


@pytest.mark.parametrize(
    ("stages", "scores", "waited"),
    [
        (["all"] * 3, [0.3, 0.2, 0.1], True),
        (["all"] * 3, [0.1, 0.3, 0.2], False),
        (["all"] * 4, [0.0, 0.0, 0.0, 0.0], False),  # random weights take their time
        (["all"] * 4, [math.nan] * 4, False),
        (["heads"] * 3, [0.3, 0.2, 0.1], False),  # the backbone has not had its turn
        (["heads"] * 2 + ["all"], [0.3, 0.2, 0.1], False),
        (["heads"] * 2 + ["all"] * 2, [0.3, 0.2, 0.1, 0.1], True),
    ],
)
def test_patience_begins_when_all_layers_learn_and_something_is_found(tmp_path, stages, scores, waited):
    lines = [epoch(i, ap, ap) for i, ap in enumerate(scores, start=1)]
    history = [replace(line, stage=stage) for line, stage in zip(lines, stages, strict=True)]
    keep = KeepBest(None, (), Recipe(patience=2), tmp_path, {}, b"", {}, print, history)
    assert keep.has_waited is waited


@pytest.fixture
def squares(tmp_path) -> list[Example]:
    """Six photos of a red or yellow square, the first without a label."""
    for i in range(6):
        picture = np.zeros((64, 64, 3), np.uint8)
        picture[13:51, 13:45] = (255, 255 * (i % 2), 0)
        (tmp_path / f"{i}.jpg").write_bytes(encode_jpeg(picture))
    return [example(f"{i}.jpg", *([1 + i % 2] if i else []), folder=tmp_path) for i in range(6)]


def event_values(folder: Path) -> dict:
    """The tensors of an event file by name: a TFRecord of Event messages."""
    (path,) = folder.iterdir()
    events = map(event_pb2.Event.FromString, tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    return {value.tag: value.tensor for event in events for value in event.summary.value}


def test_an_event_file_tells_of_no_validation_where_there_is_none(squares, tmp_path):
    run = Run.new(TINY, LabelMap(("red", "yellow")))
    recipe = Recipe(epochs=1, batch=2, with_val=True)
    train(run, squares, (), recipe, tmp_path / "run", seed=0, tensorboard=True)
    shown = event_values(tmp_path / "run" / "tensorboard")
    assert {"loss", "learning_rate"} <= set(shown)
    assert not {"val_AP50", "val_AP", "labels and detections"} & set(shown)


@pytest.mark.parametrize("with_val", [True, False])
def test_a_recipe_and_its_photos_agree(squares, tmp_path, with_val):
    run = Run.new(TINY, LabelMap(("red", "yellow")))
    with pytest.raises(ValueError, match="with val exactly where"):
        train(run, squares, squares if with_val else (), Recipe(with_val=with_val), tmp_path / "run", seed=0)


def test_a_run_survives_and_says_what_it_is(squares, tmp_path):
    """Train an epoch on drawn squares: finite loss, a run that loads and detects the same, also without objects."""
    run = Run.new(TINY, LabelMap(("red", "yellow")))
    history = train(run, squares, squares, Recipe(epochs=1, batch=2), tmp_path / "run", seed=0, tensorboard=True)
    assert math.isfinite(history[0].loss)
    shown = event_values(tmp_path / "run" / "tensorboard")
    assert float(tf.make_ndarray(shown["loss"])) == pytest.approx(history[0].loss)
    assert {"val_AP50", "val_AP", "learning_rate", "gradient_norm"} <= set(shown)
    width, height, png = tf.make_ndarray(shown["labels and detections"])
    assert tf.io.decode_png(png).shape == (int(height), int(width), 3)
    loaded = Run.load(tmp_path / "run")
    assert (loaded.config, loaded.labels.names) == (TINY, ("red", "yellow"))
    twice = [[*Run.load(tmp_path / "run").detect(squares)] for _ in range(2)]
    assert all(np.array_equal(a, b) for a, b in zip(*twice, strict=True))
    for rows, e in zip(loaded.detect(squares), squares, strict=True):
        assert ((rows[:, 2:] >= 0) & (rows[:, 2:] <= 64)).all()
        assert (np.diff(rows[:, 1]) <= 0).all()
        assert e.size == (64, 64)


def test_a_finished_run_detects_as_its_model_does(squares, tmp_path):
    """BatchNorm, which is folded then, included; and a model that learns on is seen as it is."""
    run, rng = Run.new(TINY, LabelMap(("red", "yellow"))), np.random.default_rng(0)
    for variable in run.model.variables:
        variable.assign(variable + rng.uniform(0.0, 0.1, variable.shape))
    run.save(tmp_path / "run")
    loaded = Run.load(tmp_path / "run")
    every_box = {"nms_iou": 1.0, "vote": False, "top_k": 10_000}  # for which is suppressed hangs on the last digit
    before = [*run.detect(squares, **every_box)]
    assert sum(map(len, before)) > 20
    for rows, same in zip(before, loaded.detect(squares, **every_box), strict=True):
        apart = np.abs(rows[:, None] - same).max(axis=-1)  # near-equal scores may change places
        assert len(rows) == len(same)
        assert apart.min(axis=0)[_above_the_cut(same)].max() < 1e-3
        assert apart.min(axis=1)[_above_the_cut(rows)].max() < 1e-3
    for either in (run, loaded):
        either.model.trainable_variables[0].assign(either.model.trainable_variables[0] * 0.0)
    assert not np.array_equal(before[0], next(run.detect(squares, **every_box)))
    assert np.array_equal(next(loaded.detect(squares)), next(Run.load(tmp_path / "run").detect(squares)))


def _above_the_cut(rows: np.ndarray) -> np.ndarray:
    """Whether a row is certain to be among the candidates of its class: which is the last hangs on the last digit."""
    lowest = {number: rows[rows[:, 0] == number, 1].min() for number in np.unique(rows[:, 0])}
    certain = np.array([score > lowest[number] + 1e-5 for number, score in rows[:, :2]])
    assert certain.sum() > len(rows) / 2
    return certain


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_layers_learn_in_another_precision_and_all_else_stays_as_it_was(squares, tmp_path, precision):
    losses = {}
    for kind in ("float32", precision):
        keras.utils.set_random_seed(0)
        run = Run.new(TINY, LabelMap(("red", "yellow")))
        with computing_in(kind, run.model):
            assert run.model(np.zeros((1, *TINY.image_size, 3)))["logits"].dtype == kind
        history = train(run, squares, squares, Recipe(epochs=2, batch=3, precision=kind), tmp_path / kind, seed=0)
        losses[kind] = [line.loss for line in history]
    assert losses[precision] == pytest.approx(losses["float32"], rel=2e-2)
    assert losses[precision] != losses["float32"]
    kept = Run.load(tmp_path / precision).model
    assert {layer.dtype_policy.name for layer in kept.layers} == {"float32"}
    assert {variable.dtype for variable in kept.variables} == {"float32"}


def test_steps_beyond_float16_are_passed_over(squares, tmp_path, monkeypatch):
    made = []

    def far_too_large(inner):
        made.append(Scaled(inner, initial_scale=2.0**24))
        return made[-1]

    monkeypatch.setattr("ssd.training.stages.Scaled", far_too_large)
    keras.utils.set_random_seed(0)
    run = Run.new(TINY, LabelMap(("red", "yellow")))
    before = [v.numpy() for v in run.model.trainable_variables]
    recipe = Recipe(epochs=3, batch=1, precision="float16", rate=1e-4)
    history = train(run, squares, squares, recipe, tmp_path / "run", seed=0)
    assert all(math.isfinite(line.loss) for line in history)
    (optimizer_,) = made
    assert float(optimizer_.dynamic_scale.numpy()) < 2.0**24, "scaled less after a step that was beyond"
    steps = 3 * 6
    assert 0 < int(optimizer_.inner_optimizer.iterations.numpy()) < steps
    assert any((v.numpy() != b).any() for v, b in zip(run.model.trainable_variables, before, strict=True))


class Spoil(keras.callbacks.Callback):
    """Makes a weight infinite before the second step of the second epoch."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if (self._epoch, batch) == (1, 1):
            layer = self.model.detector.get_layer("classes_1_conv")
            layer.set_weights([np.full_like(w, np.inf) for w in layer.get_weights()])


def test_a_step_without_a_number_names_its_photos(squares, tmp_path):
    run = Run.new(TINY, LabelMap(("red", "yellow")))
    with pytest.raises(SsdprepError) as caught:
        train(run, squares, squares, Recipe(epochs=3, batch=2), tmp_path / "run", seed=0, callbacks=[Spoil()])
    shown = {e.source for e in batch_examples(squares, 4, batch=2, seed=0)}
    assert "in step 2 of epoch 2" in caught.value.message
    assert {e.source for e in squares if e.source in caught.value.message} == shown
    assert "--rate" in caught.value.remedy


class CutError(Exception):
    """What ends a run before its end."""


class CutIn(keras.callbacks.Callback):
    """Ends a run in the first step of an epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if epoch == self._epoch:
            raise CutError


def test_a_run_cut_between_stages_and_within_one_goes_on(squares, tmp_path):
    """Cut where the backbone is freed and again after; the test of the command compares bit by bit."""
    recipe = Recipe(epochs=4, frozen_epochs=2, batch=2)
    pretrained = sorted(backbone_layers(build_detector(TINY, 2)))
    ends = []
    for cuts in ([], [2, 3]):
        out = tmp_path / f"{len(cuts)} cuts"
        for cut in (*cuts, 99):
            keras.utils.set_random_seed(0)
            run = Run.new(TINY, LabelMap(("red", "yellow")))
            with nullcontext() if cut == 99 else pytest.raises(CutError):
                history = train(run, squares, squares, recipe, out, seed=0, pretrained=pretrained,
                                callbacks=[CutIn(cut)])  # fmt: skip
        assert [line.stage for line in history] == ["heads", "heads", "all", "all"]
        assert not (out / STATE).exists()
        ends.append((np.array([line.loss for line in history]), run.model.get_weights()))
    (losses, weights), (cut_losses, cut_weights) = ends
    np.testing.assert_allclose(cut_losses, losses, rtol=1e-4)
    for a, b in zip(weights, cut_weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_an_unfinished_run_outlives_a_command_that_cannot_begin(sample, tmp_path):
    """`--force` replaces it when training begins, not when a folder or the weights are misspelt."""
    (tmp_path / STATE).write_bytes(b"hours of work")
    with pytest.raises(SsdprepError):
        train_folder(tmp_path / "misspelt", tmp_path, weights="none", force=True)
    with pytest.raises(SsdprepError, match=r"gone\.h5"):
        train_folder(sample / "photos", tmp_path, preset_name=SMALL.name, weights="gone.h5", force=True)
    assert (tmp_path / STATE).read_bytes() == b"hours of work"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut off", b"\x93NUMPY"])
def test_a_damaged_unfinished_run_is_named(tmp_path, data):
    (tmp_path / STATE).write_bytes(data)
    with pytest.raises(SsdprepError, match="cannot be read") as caught:
        Unfinished.parse(Unfinished.stored(tmp_path), tmp_path)
    assert "--force" in caught.value.remedy


def test_an_unfinished_run_of_before_an_option_was_there_goes_on_without_it(tmp_path):
    old = json.loads(json.dumps({"recipe": Recipe().to_dict(), "seed": 0}))
    del old["recipe"]["precision"]
    unfinished = Unfinished(old, (), (), ())
    unfinished.require_same({"recipe": Recipe().to_dict(), "seed": 0}, tmp_path)
    with pytest.raises(SsdprepError, match="precision was float32, is float16"):
        unfinished.require_same({"recipe": Recipe(precision="float16").to_dict(), "seed": 0}, tmp_path)


def test_a_broken_run_is_named(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"config": {}}))
    (tmp_path / "model.keras").write_bytes(b"cut off")
    with pytest.raises(SsdprepError, match="cannot be read"):
        Run.load(tmp_path)
