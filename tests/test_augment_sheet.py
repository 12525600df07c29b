"""`ssdprep augment --preview`: what a recipe does, as one picture; and what is said before anything is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from make_labelled import add_photo, contents, labelled_folder
from PIL import Image

from ssdprep import SsdprepError
from ssdprep.augment import Recipe
from ssdprep.augment_sheet import DRAWS, preview_augmentation, said
from ssdprep.augmented import augment_folder
from ssdprep.record import Box

RECIPE = ("--rotate", 20, "--scale", 0.1, "--flip-h", "--noise", 0.05)


@pytest.fixture
def data(tmp_path):
    return labelled_folder(tmp_path / "data", splits=True)


def test_a_sheet_appears_beside_the_folder_and_nothing_else(cli, data, tmp_path):
    before = contents(data)
    done = cli("augment", "data", *RECIPE, "--preview", "--copies", 2, cwd=tmp_path)
    assert done.code == 0, done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "data-augmented.png"]
    assert contents(data) == before
    with Image.open(tmp_path / "data-augmented.png") as sheet:
        assert sheet.width == 1680
        assert len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 1000
    assert "would draw 10 pictures from 5 photos" in done.out
    typed = "ssdprep augment data --rotate 20 --scale 0.1 --flip-h --noise 0.05 --copies 2"
    assert typed in done.out.replace("\n", " ")


def test_the_sheet_shows_what_the_run_draws(cli, data, tmp_path):
    done = cli("augment", data, *RECIPE, "--preview", "--copies", DRAWS, "--json")
    assert done.code == 0, done.err
    tiles = {tile["image"].rpartition("/")[2]: tile["pictures"] for tile in done.json["tiles"]}
    assert set(tiles) <= {"p0.jpg", "p1.jpg", "p2.jpg", "turned.jpg", "negative.jpg"}  # what is for training
    recipe = Recipe(rotate=20, scale=0.1, flip_h=True, noise=0.05)
    out = augment_folder(data, recipe=recipe, copies=DRAWS, jobs=1).out
    for line in (out / "augmentation.csv").read_text().splitlines()[1:]:
        _, _, source, copy, *_, rotate, _, _, _, _, _, _, _, _ = line.split(",")
        if source in tiles and abs(float(rotate)) >= 0.01:
            assert f"rotate {float(rotate):.2g}" in tiles[source][int(copy) - 1]


@pytest.mark.parametrize(("copies", "shown"), [(1, 1), (2, 2), (9, 4)])
def test_no_picture_is_shown_that_the_run_does_not_draw(cli, data, copies, shown):
    done = cli("augment", data, *RECIPE, "--preview", "--copies", copies, "--json")
    assert {len(tile["pictures"]) for tile in done.json["tiles"]} == {shown}


def test_with_few_pictures_of_each_more_photos_are_shown(cli, tmp_path):
    for number in range(20):
        add_photo(tmp_path / "data", f"{number:02}.jpg", ("apple", Box(10, 10, 40, 30)))
    shown = {}
    for copies in (1, 4):
        done = cli("augment", tmp_path / "data", "--flip-h", "--preview", "--copies", copies, "--json")
        shown[copies] = len(done.json["tiles"])
    assert shown == {1: 15, 4: 6}


def test_the_next_command_names_the_folder_that_was_asked_for(cli, data, tmp_path):
    done = cli("augment", "data", "--flip-h", "--preview", "--out", "new sets/v1.0", cwd=tmp_path)
    assert "ssdprep augment data --flip-h --out 'new sets/v1.0'" in done.out.replace("\n", " ")
    assert (tmp_path / "new sets/v1.0.png").is_file()
    assert "--out" not in cli("augment", "data", "--flip-h", "--preview", "--out", "it.png", cwd=tmp_path).out


def test_a_balance_that_is_reached_draws_nothing_and_says_so(cli, tmp_path):
    add_photo(tmp_path / "data", "a.jpg", ("apple", Box(10, 10, 40, 30)))
    done = cli("augment", "data", "--flip-h", "--preview", "--copies", 0, "--balance", 2, cwd=tmp_path)
    assert (done.code, "no picture would be drawn" in done.err) == (2, True)
    assert not (tmp_path / "data-augmented.png").exists()


def test_the_same_seed_gives_the_same_sheet(data, tmp_path):
    sheets = [
        preview_augmentation(data, tmp_path / name, Recipe(rotate=9, noise=0.1), seed=seed).out.read_bytes()
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert sheets[0] == sheets[1] != sheets[2]


def test_with_a_balance_it_shows_the_photos_that_would_be_drawn_from(cli, tmp_path):
    for number in range(4):
        add_photo(tmp_path / "data", f"apple{number}.jpg", ("apple", Box(10, 10, 40, 30)))
    add_photo(tmp_path / "data", "fig.jpg", ("fig", Box(10, 10, 40, 30)))
    done = cli("augment", tmp_path / "data", "--flip-h", "--copies", 0, "--balance", 1, "--preview", "--json")
    assert done.code == 0, done.err
    assert [tile["image"].rpartition("/")[2] for tile in done.json["tiles"]] == ["fig.jpg"]
    assert (done.json["pictures"], done.json["drawn_from"]) == (3, 1)


def test_boxes_that_would_be_dropped_are_counted(data):
    report = preview_augmentation(data, recipe=Recipe(translate=0.9))
    assert 0 <= report.kept < report.boxes


def test_an_out_names_where_the_set_would_lie(cli, data, tmp_path):
    for out, sheet in ((tmp_path / "new", "new.png"), (tmp_path / "it.png", "it.png")):
        assert cli("augment", data, *RECIPE, "--preview", "--out", out).code == 0
        assert (tmp_path / sheet).is_file()
    done = cli("augment", data, *RECIPE, "--preview", "--out", data / "inside")
    assert done.code == 2
    assert "inside" in done.err
    assert not (data / "inside.png").exists()


def test_a_missing_folder_is_said_before_missing_operations(cli, tmp_path):
    for words in ((), ("--rotate", 5), ("--preview",)):
        done = cli("augment", "nosuch", *words, cwd=tmp_path)
        assert done.code == 2
        assert "nosuch" in done.err
        assert "nothing to draw" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_without_operations_is_said(data):
    with pytest.raises(SsdprepError, match="nothing to draw"):
        preview_augmentation(data)


def test_numbers_agree_with_their_nouns(cli, tmp_path):
    add_photo(tmp_path / "data", "a.jpg", ("apple", Box(10, 10, 40, 30)))
    drawn = cli("augment", tmp_path / "data", "--flip-h")
    assert "1 picture drawn from 1 photo " in drawn.out
    shown = cli("augment", tmp_path / "data", "--flip-h", "--preview")
    assert "would draw 1 picture from 1 photo\n" in shown.out


def test_what_was_done_is_said_in_a_line():
    assert said({"flip_h": True, "rotate": -12.3456, "scale": 1.0, "noise": 0.0}) == "flip_h, rotate -12"
    assert said({"flip_h": False, "contrast": 1.0}) == "as it was"
