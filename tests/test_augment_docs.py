"""What docs/augment.md shows, run."""

from __future__ import annotations

import re

import numpy as np
from bench.box_fit import main as box_fit
from conftest import REPOSITORY
from make_labelled import labelled_folder

PAGE = (REPOSITORY / "docs" / "augment.md").read_text(encoding="utf-8")


def test_the_examples_run_as_they_stand(tmp_path):
    data = labelled_folder(tmp_path / "data")
    names = {"path": data / "p1.jpg", "seed": 0, "data": data}
    drawing, generating = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.M | re.S)
    exec(drawing, names)
    assert names["picture"].shape == (64, 96, 3)
    assert names["kept"][0].name == "apple"
    assert set(names["applied"]) >= {"rotate", "flip_h"}
    exec(generating, names)
    assert (names["picture"].shape, names["picture"].dtype) == ((224, 224, 3), np.uint8)
    assert names["boxes"].shape == (2, 5)
    assert set(names["boxes"][:, 0]) == {1, 2}  # apple, milk carton


def test_the_table_of_fits_is_what_its_command_prints(capsys):
    box_fit()
    printed = capsys.readouterr().out.splitlines()
    shown = [line for line in PAGE.splitlines() if re.match(r"\| (ellipse|diamond|bottle|rectangle) ", line)]
    assert len(shown) == 12
    assert set(shown) <= set(printed)
