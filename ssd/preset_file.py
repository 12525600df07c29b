"""A detector of one's own as a JSON file: `Config.to_dict`, written by `ssd.fit_anchors` or by hand, read with care."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import MISSING, fields
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from ssd.config import Config, Extra, LayerNames
from ssdprep.files import write_new
from ssdprep.record import SsdprepError
from ssdprep.wording import first_line

BACKBONES = ("mobilenet_v1", "mobilenet_v2", "vgg16")
_ANEW = "python -m ssd.fit_anchors DATA --out FILE.json writes a preset"
_PADDINGS = ("same", "valid", "symmetric")
_SCALINGS = ("unit", "unit_in_two", "caffe")
_CLIPS = (False, True, "corners", "pixels", "centroids", "sides")


def write_preset(path: Path, config: Config) -> None:
    """Write a config as JSON, whole or not at all."""
    write_new(path, (json.dumps(config.to_dict(), indent=1, ensure_ascii=False) + "\n").encode())


def is_preset(path: Path) -> bool:
    """Is the file a preset, if perhaps with a fault? A run's config.json, which holds one, is none."""
    try:
        return {"sources", "scales"} <= _read(path).keys()
    except SsdprepError:
        return False


def read_preset(path: Path) -> Config:
    """The config in a JSON file; `SsdprepError` names the field that is wrong and what it should be.

    The detector is built once, without weights, so that a layer that its backbone lacks is told here too.
    """
    values = _read(path)
    known = {field.name: field.default is MISSING for field in fields(Config)}
    for name in sorted(values.keys() - known.keys()):
        near = get_close_matches(name, known, n=1)
        raise _wrong(path, f"no preset has a field {name!r}", f"did you mean {near[0]!r}? " if near else "")
    for name, is_needed in known.items():
        if name not in values and is_needed:
            raise _wrong(path, f"{name} is missing: {_RULES[name].words}")
        if name in values and not _RULES[name].holds(values[name]):
            raise _wrong(path, f"{name} must be {_RULES[name].words}, not {json.dumps(values[name])[:80]}")
    config = Config.from_dict(values)
    _check_lengths(path, config)
    _check_build(path, config)
    return config


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SsdprepError(f"{path} does not exist", _ANEW)
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _wrong(path, f"the file is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise _wrong(path, "it must be one JSON object")
    return values


def _check_lengths(path: Path, config: Config) -> None:
    """Each map has its aspect ratios and its scale; one scale more is for the last geometric mean."""
    maps = len(config.sources) + len(config.extras)
    given = {name: getattr(config, name) for name in ("aspect_ratios", "two_boxes_for_ar1", "steps")}
    for name, values in given.items():
        if isinstance(values, tuple) and len(values) != maps:
            raise _wrong(path, f"{name} must have one entry for each of the {maps} maps, not {len(values)}")
    if len(config.scales) != maps + 1:
        raise _wrong(path, f"scales must be {maps + 1} numbers, one a map and one more, not {len(config.scales)}")


def _check_build(path: Path, config: Config) -> None:
    from ssd.detector import build_detector

    try:
        build_detector(config, 1)
    except (ValueError, TypeError, KeyError) as error:
        raise _wrong(path, f"no detector can be built from it: {first_line(error)[:160]}") from error


def _wrong(path: Path, what: str, hint: str = "") -> SsdprepError:
    return SsdprepError(f"{path} is no preset: {what}", f"{hint}correct it there, or begin anew: {_ANEW}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e6


def _is_count(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 1e6


def _is_share(value: Any) -> bool:
    return (_is_number(value) or value == 0) and not isinstance(value, bool) and value <= 1


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _list_of(rule: Callable[[Any], bool], length: int = 0, least: int = 0) -> Callable[[Any], bool]:
    def holds(value: Any) -> bool:
        return isinstance(value, list) and len(value) >= least and length in (0, len(value)) and all(map(rule, value))

    return holds


def _is_rising(value: Any) -> bool:
    return _list_of(_is_number, least=2)(value) and all(a < b for a, b in pairwise(value))


def _is_extra(value: Any) -> bool:
    rules = (lambda v: _is_count(v, 0), _is_count, _is_count, _is_count, lambda v: v in _PADDINGS, _is_text)
    return _list_of(lambda v: True, len(rules))(value) and all(rule(v) for rule, v in zip(rules, value, strict=True))


def _is_names(value: Any) -> bool:
    *texts, first = value if isinstance(value, list) and value else [None]
    return len(texts) == len(LayerNames._fields) - 1 and all(map(_is_word, texts)) and _is_count(first, 0)


class _Rule(NamedTuple):
    """What a field must be: a test of its JSON value, and the same in words."""

    holds: Callable[[Any], bool]
    words: str


_RULES = {
    name: _Rule(*rule)
    for name, rule in {
        "name": (_is_word, "a name"),
        "image_size": (_list_of(_is_count, 2), "[height, width] in pixels"),
        "backbone": (lambda v: v in BACKBONES, f"one of {', '.join(BACKBONES)}"),
        "alpha": (_is_number, "a number greater than 0"),
        "sources": (_list_of(_is_word, least=1), "a list of layer names"),
        "extras": (_list_of(_is_extra), f"a list of [{', '.join(Extra._fields)}]"),
        "scales": (_is_rising, "a list of numbers greater than 0, each greater than the one before"),
        "aspect_ratios": (_list_of(_list_of(_is_number, least=1)), "for each map a list of numbers greater than 0"),
        "two_boxes_for_ar1": (
            lambda v: _is_flag(v) or _list_of(_is_flag, least=1)(v),
            "true, false, or a list of them",
        ),
        "separable": (_is_flag, "true or false"),
        "variances": (_list_of(_is_number, 4), "four numbers greater than 0"),
        "pos_iou": (_is_share, "a number from 0 to 1"),
        "neg_iou": (_is_share, "a number from 0 to 1"),
        "steps": (lambda v: v is None or _list_of(_is_number)(v), "null, or a number of pixels for each map"),
        "clip": (lambda v: v in _CLIPS and not _is_number(v), f"one of {json.dumps(_CLIPS)[1:-1]}"),
        "scaling": (lambda v: v in _SCALINGS, f"one of {', '.join(_SCALINGS)}"),
        "backbone_options": (
            _list_of(lambda v: isinstance(v, list) and len(v) == 2 and _is_word(v[0])),
            "a list of pairs",
        ),
        "l2_normalized": (_list_of(_is_word), "a list of layer names"),
        "head_kernel": (_is_count, "a whole number from 1 on"),
        "batch_norm": (_is_flag, "true or false"),
        "activation": (lambda v: v in ("relu", "relu6"), "relu or relu6"),
        "head_initializer": (_is_word, "the name of an initializer"),
        "l2_reg": (_is_share, "a number from 0 to 1"),
        "names": (_is_names, f"a list of {', '.join(LayerNames._fields)}"),
        "source": (_is_text, "a text"),
    }.items()
}
