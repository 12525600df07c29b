"""`ssdprep tfrecord`: shards that a plain TensorFlow reader of the object-detection API's keys understands."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import REPOSITORY
from make_labelled import add_photo, contents, labelled_folder, marker_in
from PIL import Image

from ssdprep import Box, Size, SsdprepError, write_tfrecords
from ssdprep.formats.tfrecord import parse_example, read_tfrecords

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return labelled_folder(tmp_path_factory.mktemp("whole") / "data", splits=True)


@pytest.fixture(scope="module")
def written(data):
    return write_tfrecords(data)


@pytest.fixture
def plain(tmp_path):
    return labelled_folder(tmp_path / "data")


def of(split, out):
    return {stored.source_id: stored for name, stored in read_tfrecords(out) if name == split}


def test_the_command_writes_shards_label_map_and_manifest(cli, plain, tmp_path):
    before = contents(plain)
    done = cli("tfrecord", plain, "--shards", 3, "--json")
    assert done.code == 0, done.err
    assert done.err == ""
    out = tmp_path / "data-tfrecord"
    shards = [f"train-{k:05d}-of-00003.tfrecord" for k in range(3)]
    assert sorted(path.name for path in out.iterdir()) == sorted([*shards, "label_map.pbtxt", "manifest.json"])
    assert contents(plain) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "data-tfrecord"]
    part = done.json["splits"]["train"]
    assert (part["images"], part["negatives"], part["boxes"]) == (8, 1, 10)
    assert part["classes"] == {"apple": 7, "milk carton": 3}
    assert [shard["images"] for shard in part["shards"]] == [3, 3, 2]
    assert done.json["labels"] == {"apple": 1, "milk carton": 2}
    assert [done.json[key] for key in ("unusable", "unlabelled", "unlisted")] == [0, 1, 0]
    assert [f["code"] for f in done.json["findings"] if f["code"].startswith("TFR")] == ["TFR001"]
    assert "every photo goes to train" in json.dumps(done.json["findings"])


def test_a_plain_reader_of_the_known_keys_understands_it(data, written):
    spec = {
        **{f"image/{key}": tf.io.FixedLenFeature([], tf.int64) for key in ("height", "width")},
        **{
            f"image/{key}": tf.io.FixedLenFeature([], tf.string)
            for key in ("filename", "source_id", "key/sha256", "encoded", "format")
        },
        **{f"image/object/bbox/{side}": tf.io.VarLenFeature(tf.float32) for side in ("xmin", "xmax", "ymin", "ymax")},
        "image/object/class/text": tf.io.VarLenFeature(tf.string),
        "image/object/class/label": tf.io.VarLenFeature(tf.int64),
        "image/object/difficult": tf.io.VarLenFeature(tf.int64),
        "image/object/truncated": tf.io.VarLenFeature(tf.int64),
        "image/object/view": tf.io.VarLenFeature(tf.string),
    }
    files = sorted(map(str, written.out.glob("train-*")))
    found = {}
    for serialised in tf.data.TFRecordDataset(files):
        example = tf.io.parse_single_example(serialised, spec)
        found[example["image/filename"].numpy().decode()] = example
    assert set(found) == {"p0.jpg", "p1.jpg", "p2.jpg", "turned.jpg", "negative.jpg"}
    one = found["p1.jpg"]
    assert (one["image/height"].numpy(), one["image/width"].numpy()) == (64, 96)
    sides = {
        side: tf.sparse.to_dense(one[f"image/object/bbox/{side}"]).numpy() for side in ("xmin", "xmax", "ymin", "ymax")
    }
    assert np.allclose(sides["xmin"], np.float32([13, 50]) / 96)
    assert np.allclose(sides["xmax"], np.float32([43, 80]) / 96)
    assert np.allclose(sides["ymin"], np.float32([8, 34]) / 64)
    assert np.allclose(sides["ymax"], np.float32([30, 60]) / 64)
    assert tf.sparse.to_dense(one["image/object/class/text"]).numpy().tolist() == [b"apple", b"milk carton"]
    assert tf.sparse.to_dense(one["image/object/class/label"]).numpy().tolist() == [1, 2]
    assert one["image/format"].numpy() == b"jpeg"
    assert one["image/encoded"].numpy() == (data / "p1.jpg").read_bytes()
    assert one["image/key/sha256"].numpy().decode() == hashlib.sha256((data / "p1.jpg").read_bytes()).hexdigest()
    assert found["negative.jpg"]["image/object/class/label"].shape == (0,)


def test_tensorflow_and_opencv_and_pillow_see_the_same_upright_photo(written):
    import cv2

    turned = of("train", written.out)["turned.jpg"]
    assert turned.size == Size(64, 96)
    seen = (
        tf.io.decode_image(turned.encoded).numpy(),
        cv2.imdecode(np.frombuffer(turned.encoded, np.uint8), cv2.IMREAD_COLOR)[..., ::-1],
        np.asarray(Image.open(io.BytesIO(turned.encoded))),
    )
    for pixels in seen:
        assert pixels.shape == (96, 64, 3)
        assert np.abs(marker_in(pixels) - turned.objects[0].box).max() <= 1
    assert turned.objects[0].box == Box(20, 10, 50, 40)


@pytest.mark.parametrize("name", ["cards/test", "raccoon", "bccd"])
def test_tensorflow_decodes_every_real_photo_to_the_stated_size(real_data, tmp_path, name):
    written = write_tfrecords(real_data / name, tmp_path / "records", jobs=2)
    files = sorted(map(str, written.out.glob("*.tfrecord")))
    count = 0
    for each in tf.data.TFRecordDataset(files).map(parse_example):
        assert tf.io.decode_image(each["image"], expand_animations=False).shape == (*each["size"].numpy(), 3)
        count += 1
    assert count == sum(part["images"] for part in written.splits.values()) > 60


def test_splits_go_to_their_own_files(written):
    assert {name: part["images"] for name, part in written.splits.items()} == {"train": 5, "val": 1, "test": 1}
    assert list(of("val", written.out)) == ["p3.png"]
    assert list(of("test", written.out)) == ["p4.jpg"]
    assert [(f.code, f.path.name) for f in written.findings if f.code.startswith("TFR")] == [("TFR002", "p5.jpg")]
    assert {split for split, _ in read_tfrecords(written.out, "val")} == {"val"}


def test_no_photo_is_in_two_parts_whatever_the_lists_say(tmp_path):
    data = labelled_folder(tmp_path / "data", splits=True)
    for name, more in (("train", "p3\np4\n"), ("val", "p4\n")):
        with (data / f"ImageSets/Main/{name}.txt").open("a") as file:
            file.write(more)
    report = write_tfrecords(data, tmp_path / "out")
    assert {name: part["images"] for name, part in report.splits.items()} == {"train": 5, "val": 1, "test": 1}
    assert list(of("test", report.out)) == ["p4.jpg"]
    assert not {"p3.png", "p4.jpg"} & set(of("train", report.out))


def test_the_manifest_holds(written):
    manifest = json.loads((written.out / "manifest.json").read_text())
    assert manifest["labels"] == written.labels
    for part in manifest["splits"].values():
        for shard in part["shards"]:
            data = (written.out / shard["file"]).read_bytes()
            assert len(data) == shard["bytes"]
    assert {photo["source_id"] for photo in manifest["photos"]} >= {"p0.jpg", "turned.jpg"}
    assert set(manifest["written_by"]) == {"ssdprep"}
    assert 'name: "milk carton"' in (written.out / "label_map.pbtxt").read_text().replace("'", '"')


def test_parse_example_serves_a_training_pipeline(written):
    files = sorted(map(str, written.out.glob("train-*")))
    parsed = {
        each["source_id"].decode(): each
        for each in tf.data.TFRecordDataset(files).map(parse_example).as_numpy_iterator()
    }
    two, none = parsed["p1.jpg"], parsed["negative.jpg"]
    assert np.allclose(two["boxes"], np.array([[13, 8, 43, 30], [50, 34, 80, 60]]) / [96, 64, 96, 64])
    assert (two["boxes"].dtype, two["classes"].tolist(), two["difficult"].tolist()) == (
        np.float32,
        [1, 2],
        [False, False],
    )
    assert two["size"].tolist() == [64, 96]
    assert tf.io.decode_jpeg(two["image"]).shape == (64, 96, 3)
    assert (none["boxes"].shape, none["classes"].shape, none["difficult"].shape) == ((0, 4), (0,), (0,))


def test_the_same_folder_gives_the_same_bytes(data, written, tmp_path):
    assert contents(write_tfrecords(data, tmp_path / "again").out) == contents(written.out)


def test_photos_are_mixed(tmp_path):
    data = tmp_path / "data"
    for number in range(30):
        add_photo(data, f"{number:02d}.jpg", ("apple", Box(5, 5, 20, 20)), size=Size(32, 32))
    out = write_tfrecords(data, shards=2).out
    order = [stored.source_id for _, stored in read_tfrecords(out)]
    assert sorted(order) == [f"{number:02d}.jpg" for number in range(30)]
    first = {int(name[:2]) for name in order[:15]}
    assert 3 <= len(first & set(range(15))) <= 12


def test_what_is_no_upright_rgb_jpeg_or_png_is_transcoded(tmp_path):
    data = tmp_path / "data"
    box = ("apple", Box(10, 10, 60, 50))
    kinds = {"gray.jpg": "L", "palette.png": "P", "alpha.png": "RGBA", "photo.bmp": "RGB", "photo2.webp": "RGB"}
    for name, mode in kinds.items():
        path = add_photo(data, name, box)
        Image.open(path).convert(mode).save(path)
    add_photo(data, "as-is.jpg", box)
    report = write_tfrecords(data)
    assert report.how == {"passed through": 1, "transcoded": 5} | {"passed through": report.how["passed through"]}
    for _, stored in read_tfrecords(report.out):
        image = Image.open(io.BytesIO(stored.encoded))
        assert (image.mode, image.format, image.size) == ("RGB", image.format, (96, 64))
        assert image.format in ("JPEG", "PNG")


def test_a_damaged_photo_becomes_a_finding_and_the_rest_goes_on(cli, plain, tmp_path):
    whole = (plain / "p1.jpg").read_bytes()
    (plain / "p1.jpg").write_bytes(whole[: len(whole) // 2])
    (plain / "p2.jpg").write_bytes(b"")
    done = cli("tfrecord", plain, "--json")
    assert done.code == 1
    assert done.json["splits"]["train"]["images"] == 6
    errors = {f["path"].rpartition("/")[2]: f for f in done.json["findings"] if f["severity"] == "error"}
    assert set(errors) == {"p1.jpg", "p2.jpg"}
    assert all(f["remedy"] and f["message"] for f in errors.values())
    assert "p1.jpg" not in of("train", tmp_path / "data-tfrecord")


def test_the_label_map_gives_the_ids_and_an_unknown_class_stops(cli, plain, tmp_path):
    (tmp_path / "labels.txt").write_text("banana\nmilk carton\napple\n")
    done = cli("tfrecord", plain, "--labels", tmp_path / "labels.txt", "--json")
    assert done.code == 0, done.err
    assert done.json["labels"] == {"banana": 1, "milk carton": 2, "apple": 3}
    assert of("train", tmp_path / "data-tfrecord")["p0.jpg"].ids == (3,)
    (tmp_path / "labels.txt").write_text("aple\nmilk carton\n")
    done = cli("tfrecord", plain, "--labels", tmp_path / "labels.txt", "--out", tmp_path / "other")
    assert done.code == 2
    assert re.search(r"\.xml:\d+: class 'apple' is not in .*did you mean 'aple'", " ".join(done.err.split()))
    assert not (tmp_path / "other").exists()


def test_a_label_map_of_the_object_detection_api_keeps_its_ids(cli, plain, tmp_path):
    path = tmp_path / "label_map.pbtxt"
    path.write_text('item { id: 3 name: "apple" }\nitem { id: 1 name: "Apple" }\nitem { id: 2 name: "milk carton" }\n')
    done = cli("tfrecord", plain, "--labels", path, "--json")
    assert done.code == 0, done.err
    assert done.json["labels"] == {"Apple": 1, "milk carton": 2, "apple": 3}
    assert [f["code"] for f in done.json["findings"] if f["code"].startswith("LBL")] == ["LBL001", "LBL002"]
    path.write_text('item { id: 1 name: "apple" }\nitem { id: 3 name: "milk carton" }\n')
    done = cli("tfrecord", plain, "--labels", path, "--out", tmp_path / "other")
    assert done.code == 2
    assert "no class has the id 2" in " ".join(done.err.split())


def test_a_folder_with_something_in_it_is_left_alone(cli, plain, tmp_path):
    (tmp_path / "data-tfrecord").mkdir()
    (tmp_path / "data-tfrecord/mine.txt").write_text("keep me")
    done = cli("tfrecord", plain)
    assert done.code == 2
    assert "exists and is not empty" in done.err
    assert sorted(path.name for path in (tmp_path / "data-tfrecord").iterdir()) == ["mine.txt"]


@pytest.mark.parametrize(
    ("out", "proposed"),
    [("made/train1.log", "made/train1"), ("made/full.v1", "made/full.v1-3"), ("made/log", "made/log-2")],
)
def test_a_free_folder_is_proposed(cli, plain, tmp_path, out, proposed):
    for folder in ("full.v1", "full.v1-2"):
        (tmp_path / "made" / folder).mkdir(parents=True)
        (tmp_path / "made" / folder / "mine.txt").write_text("keep me")
    for file in ("train1.log", "log"):
        (tmp_path / "made" / file).write_text("keep me")
    done = cli("tfrecord", plain, "--out", out, cwd=tmp_path)
    assert done.code == 2
    assert done.err.endswith(f" folder: --out {proposed}\n")
    assert ("is a file, no folder" in done.err) is (tmp_path / out).is_file()


def test_a_class_called_background_is_cured_by_a_command_that_runs(cli, plain):
    path = next(plain.glob("*.xml"))
    path.write_text(path.read_text().replace("<name>apple<", "<name>background<", 1))
    done = cli("tfrecord", plain)
    assert done.code == 2
    command = done.err.partition("try: ")[2].partition(", or delete")[0]
    assert command == f"ssdprep repair {plain} --rename background=NAME"
    assert cli(*command.split()[1:]).code == 0
    assert cli("tfrecord", plain).code == 0


def test_a_flipped_byte_is_found(written, tmp_path):
    import shutil

    copy = shutil.copytree(written.out, tmp_path / "copy")
    shard = next(copy.glob("train-*"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(SsdprepError, match="is damaged"):
        list(read_tfrecords(copy))
    with pytest.raises(SsdprepError, match="holds no TFRecords"):
        list(read_tfrecords(tmp_path))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda shard, _: shard.unlink(), "is gone"),
        (lambda shard, _: shard.write_bytes(b""), "is damaged: it has 0 bytes of"),
        (lambda shard, _: shard.write_bytes(2 * shard.read_bytes()), "is damaged: it has"),
        (lambda _, manifest: manifest.write_text("{}"), "manifest.json is damaged"),
        (lambda _, manifest: manifest.write_text("[]"), "manifest.json is damaged"),
        (lambda _, manifest: manifest.write_text(manifest.read_text()[:-200]), "manifest.json is damaged"),
        (lambda _, manifest: manifest.write_text('{"splits": {"train": {"shards": [3]}}}'), "manifest.json is damaged"),
    ],
)
def test_a_lost_shard_is_missed_by_every_reader(written, tmp_path, change, said):
    import shutil

    from ssd.data import open_source

    copy = shutil.copytree(written.out, tmp_path / "copy")
    change(next(copy.glob("test-*")), copy / "manifest.json")
    for read in (open_source, lambda folder: list(read_tfrecords(folder))):
        with pytest.raises(SsdprepError, match=said) as caught:
            read(copy)
        assert "ssdprep tfrecord" in caught.value.remedy


def test_a_link_to_an_empty_folder_is_followed(cli, plain, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    done = cli("tfrecord", plain, "--out", tmp_path / "link")
    assert done.code == 0, done.err
    assert (tmp_path / "disk/manifest.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "disk", "link"]


def test_drawn_pictures_that_are_for_no_part_are_said_once(cli, plain, tmp_path):
    assert cli("augment", plain, "--flip-h", "--out", tmp_path / "drawn").code == 0
    assert cli("split", tmp_path / "drawn", "--val", 0, "--test", 0.4).code == 0
    done = cli("tfrecord", tmp_path / "drawn", "--json")
    said = [
        (f["code"], f["severity"], f["message"]) for f in done.json["findings"] if f["code"] in ("TFR002", "SPL006")
    ]
    drawn = done.json["unlisted"]
    assert drawn > 1
    assert said == [
        ("SPL006", "info", f"{drawn} drawn pictures in no part: what they were drawn from is in val or test, or gone")
    ]


def test_the_summary_counts_what_is_left_out(cli, plain, tmp_path):
    whole = (plain / "p1.jpg").read_bytes()
    (plain / "p1.jpg").write_bytes(whole[: len(whole) // 2])
    (plain / "p2.xml").write_text("<annotation>")
    done = cli("tfrecord", plain)
    assert "left out 3 photos: 2 unusable, 1 without annotation\n" in done.out
    assert "left out 3 photos: 2 unusable, 1 without annotation\n" in cli("augment", plain, "--flip-h").out


def test_what_differs_when_read_back_stops_the_run(plain, tmp_path, monkeypatch):
    """A disk that loses the end of a file."""
    from ssdprep.formats import tfrecord

    read = tfrecord.read_entries
    monkeypatch.setattr(tfrecord, "read_entries", lambda path: list(read(path))[:-1])
    with pytest.raises(SsdprepError, match="8 photos were written, 7 read back"):
        write_tfrecords(plain, tmp_path / "out")
    monkeypatch.setattr(tfrecord, "read_entries", lambda path: [(at, crc ^ 1, entry) for at, crc, entry in read(path)])
    with pytest.raises(SsdprepError, match="does not read back as it was written"):
        write_tfrecords(plain, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_any_number_of_workers_writes_the_same_bytes(plain, tmp_path):
    one, two = (write_tfrecords(plain, tmp_path / str(jobs), shards=2, jobs=jobs) for jobs in (1, 2))
    assert sorted(path.name for path in one.out.iterdir()) == sorted(path.name for path in two.out.iterdir())
    for path in one.out.iterdir():
        assert path.read_bytes() == (two.out / path.name).read_bytes()


def test_flags_and_poses_come_back(tmp_path):
    path = add_photo(tmp_path / "data", "a.jpg", ("apple", Box(10, 10, 60, 50)))
    xml = path.with_suffix(".xml")
    text = xml.read_text().replace("<difficult>0<", "<difficult>1<").replace("Unspecified", "Left")
    xml.write_text(text.replace("<truncated>0<", "<truncated>1<"))
    stored = of("train", write_tfrecords(tmp_path / "data").out)["a.jpg"]
    thing = stored.objects[0]
    assert (thing.name, thing.pose, thing.difficult, thing.truncated) == ("apple", "Left", True, True)
    assert thing.box == Box(10, 10, 60, 50)


def test_records_are_written_without_tensorflow(plain, tmp_path):
    (tmp_path / "block/tensorflow").mkdir(parents=True)
    (tmp_path / "block/tensorflow/__init__.py").write_text("raise ImportError('not here')")
    done = subprocess.run(
        [sys.executable, "-m", "ssdprep", "tfrecord", str(plain)],
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'block'}{os.pathsep}{REPOSITORY}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(of("train", tmp_path / "data-tfrecord")) == 8


def test_a_kill_leaves_nothing_half_written(tmp_path):
    data = tmp_path / "data"
    pixels = np.random.default_rng(0).integers(0, 255, (1500, 1500, 3), dtype=np.uint8)
    for number in range(6):
        path = add_photo(data, f"{number}.png", ("apple", Box(5, 5, 90, 90)), size=Size(1500, 1500))
        Image.fromarray(pixels).save(path.with_suffix(".bmp"))
        path.unlink()
    running = subprocess.Popen(
        [sys.executable, "-m", "ssdprep", "tfrecord", str(data)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    partial = tmp_path / ".data-tfrecord.partial"
    deadline = time.monotonic() + 60
    while not list(partial.glob("*.tfrecord")):
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.kill()
    running.wait(60)
    assert not (tmp_path / "data-tfrecord").exists()
    assert write_tfrecords(data).splits["train"]["images"] == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "data-tfrecord"]
