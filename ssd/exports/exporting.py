"""A trained detector as a file for other runtimes: what `python -m ssd.export` does, as one call.

The file is written into a temporary folder, run there in its own runtime beside Keras on the same pictures, and moved
to its place only if it agrees.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import keras
import numpy as np

from ssd.data import open_source, readable, train_and_val
from ssd.examples import Example, evenly
from ssd.exports import check, frozen, onnx, savedmodel, tflite
from ssd.exports.about import about
from ssd.exports.check import EXACT, HALF, INT8, Agreement, Tolerance
from ssd.exports.graph import exported
from ssd.exports.outdated import BEFORE, FOLDER, is_outdated
from ssd.exports.scripts import LITERT, LITERT_NMS, ONNXRUNTIME_NMS, OPENCV, TENSORFLOW, TENSORFLOW_NMS, script
from ssd.exports.suppression import suppressed
from ssd.learnt import Learnt, validation_of
from ssd.pipeline import evaluation_batches
from ssd.prediction.limits import Limits
from ssd.prediction.sources import sources_in
from ssd.run import Origin, Run
from ssd.training.unfinished import not_finished
from ssdprep.disk import require_place
from ssdprep.files import write_new
from ssdprep.record import Finding, Severity, SsdprepError, Track, untracked
from ssdprep.wording import first_line, quoted

MOST = 200  # photos that are looked at, and that int8 is calibrated on
NOISE = "noise"
CHANGED = "EXP003"


class Format(NamedTuple):
    """How a file is written and checked, and which script goes beside it."""

    module: ModuleType
    allowed: Tolerance
    kind: str = ""  # of tflite
    script: str = ""
    nms_script: str = ""
    no_nms: str = ""  # why suppression cannot be inside
    channels_first: bool = False


FORMATS = {
    "onnx": Format(onnx, EXACT, script=OPENCV, nms_script=ONNXRUNTIME_NMS, channels_first=True),
    "tflite": Format(tflite, EXACT, script=LITERT, nms_script=LITERT_NMS),
    "tflite-fp16": Format(tflite, HALF, "fp16", LITERT, LITERT_NMS),
    "tflite-int8": Format(tflite, INT8, "int8", LITERT, no_nms="8-bit integers are too coarse to compare boxes with"),
    "savedmodel": Format(savedmodel, EXACT, script=TENSORFLOW, nms_script=TENSORFLOW_NMS),
    "pb": Format(frozen, EXACT, script=OPENCV, no_nms="OpenCV's dnn module, which it is for, has no such operation"),
}


@dataclass(frozen=True)
class Export:
    """The files that were written, and what each runtime made of the export."""

    files: tuple[Path, ...]  # the export first
    format: str
    size: int  # bytes of the export
    source: str  # the pictures it was checked on, in words; `NOISE` where there were no photos
    agreements: tuple[Agreement, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: what does not agree raises."""
        return 0

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "format": self.format,
            "files": [str(path) for path in self.files],
            "bytes": self.size,
            "checked_on": self.source,
            "runtimes": [each.to_dict() for each in self.agreements],
            "findings": [f.to_dict() for f in self.findings],
        }


class Photos(NamedTuple):
    """What an export is checked on, what it is calibrated on, and in words what the former is."""

    checked: tuple[Example, ...]
    calibration: tuple[Example, ...]
    source: str
    findings: tuple[Finding, ...] = ()


def export_run(
    run: Path,
    format: str = "onnx",
    out: Path | None = None,
    *,
    nms: bool = False,
    threshold: Sequence[str] = (),
    data: Path | None = None,
    force: bool = False,
    track: Track = untracked,
) -> Export:
    """Write the detector in a run folder as a file of a format (a key of `FORMATS`) into ``out``.

    nms: with non-maximum suppression inside. threshold: words as `Limits.parse` takes them, told in the file.
    It is checked on the photos of ``data`` (labelled or not), else on the validation photos of the run (which it may
    have learnt from), else on noise. int8 is calibrated on the training photos of the same. Raises `SsdprepError` where
    a package is missing, no photo can be read, ``nms`` is not possible, a runtime refuses the file, or one says
    something else than Keras: then nothing is written.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, not {format!r}")
    way = FORMATS[format]
    if nms and way.no_nms:
        raise SsdprepError(
            f"{format} cannot have suppression inside: {way.no_nms}",
            "leave out --nms (the script beside the file suppresses), or --format onnx, tflite or savedmodel",
        )
    detector = Run.load(run)
    limits = Limits.parse(threshold, detector.labels)
    out = out or run / FOLDER
    variant = (f"-{way.kind}" if way.kind else "") + ("-nms" if nms else "")
    path = out / f"{run.resolve().name}{variant}{way.module.SUFFIX or '-savedmodel'}"
    beside_it = way.nms_script if nms else way.script
    require_place(path, named=out)
    if not force:
        _require_free(path, run)
    changed = [] if force or not beside_it else _changed(path.with_name(beside_it))
    photos = _photos(run, detector, data, track)
    if way.kind == "int8" and not photos.calibration:
        raise SsdprepError(
            "8-bit integers are calibrated on photos, and the training photos of this run are not where they were",
            f"python -m ssd.export {quoted(run)} --format {format} --check DATA",
        )
    described = about(
        detector, run.resolve().name, format, limits, nms=nms, channels_first=way.channels_first,
        type="uint8" if way.kind == "int8" else "float32",
    )  # fmt: skip
    model = suppressed(exported(detector)) if nms else exported(detector)
    with tempfile.TemporaryDirectory(prefix="ssd-export-") as folder:
        written = Path(folder) / path.name
        _write(way, model, written, described, _pictures(photos.calibration, detector))
        agreements = _checked(way, written, detector, photos)
        size = sum(f.stat().st_size for f in written.rglob("*")) if written.is_dir() else written.stat().st_size
        files = _put(written, path, described, "" if changed else beside_it)
    doubts = filter(None, (each.doubt(way.allowed, path) for each in agreements))
    return Export(
        files, format, size, photos.source, agreements, (*not_finished(run), *photos.findings, *doubts, *changed)
    )


def _photos(run: Path, detector: Run, data: Path | None, track: Track) -> Photos:
    """The photos of ``data``, or those that the run recorded, or none."""
    if data is not None and not any(any(data.rglob(kind)) for kind in ("*.xml", "*.tfrecord")):
        checked, findings = readable(_some([_unlabelled(source.path) for source in sources_in([data])]), track=track)
        return Photos(checked, checked, f"{data}, without labels", findings)
    origin = Origin.of(run)
    folder = data or origin.data
    if folder is None or (data is None and not folder.is_dir()):
        return Photos((), (), NOISE)
    source = open_source(folder, detector.labels, track=track)
    if data is None or source.splits.get("val"):
        training, _ = train_and_val(source, origin.seed)
        validation = validation_of(Learnt.of(run), source, origin.seed)
        learnt_all = origin.with_val and origin.is_of(folder)
        part = "photos that it learnt from" if learnt_all else "validation photos"
    else:
        part = "test" if source.splits.get("test") else "all"
        validation, part = source.split(part), f"{part} photos"
        training = source.split("train" if source.splits.get("train") else "all")
    checked, bad = readable(_some(validation), track=track)
    calibration, also_bad = readable(_some(training), track=track)
    return Photos(checked, calibration, f"{part} of {folder}" if checked else NOISE, (*bad, *also_bad))


def _unlabelled(photo: Path) -> Example:
    """A photo of which nothing is known. Its size matters only where there are boxes to be scored."""
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, bool)
    return Example(str(photo), (1, 1), *nothing)


def _some(examples: Sequence[Example]) -> tuple[Example, ...]:
    """At most `MOST` of them, from all over the set."""
    return tuple(evenly(examples, MOST))


def _pictures(examples: Sequence[Example], detector: Run) -> np.ndarray:
    """The photos at the network's input: float32 (N, H, W, 3) in 0..255."""
    if not examples:
        return np.zeros((0, *detector.config.image_size, 3), np.float32)
    return np.concatenate([b.numpy() for b in evaluation_batches(examples, detector.config.image_size, batch=16)])


def _noise(detector: Run) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, *detector.config.image_size, 3)).astype(np.float32)


def _write(way: Format, model: keras.Model, path: Path, about: dict[str, Any], photos: np.ndarray) -> None:
    write = partial(way.module.write, kind=way.kind) if way.module is tflite else way.module.write
    write(model, path, about, photos)


def _checked(way: Format, path: Path, detector: Run, photos: Photos) -> tuple[Agreement, ...]:
    """What each runtime makes of the file; `SsdprepError` where one refuses it, or disagrees with Keras."""
    pictures = _pictures(photos.checked, detector) if photos.checked else _noise(detector)
    keras_says = list(check.predictions_of_keras(detector, pictures))
    try:
        runtimes = way.module.runtimes(path)
        agreements = tuple(
            check.compare(name, predict, keras_says, pictures, photos.checked, detector.labels.names)
            for name, predict in runtimes.items()
        )
    except SsdprepError:
        raise
    except Exception as error:  # each runtime has its own
        raise SsdprepError(
            f"the exported file does not run: {first_line(error)}",
            "it was not written; another --format, or report the preset and the message",
        ) from error
    faults = [f"{each.runtime}: {fault}" for each in agreements for fault in each.faults(way.allowed)]
    if faults:
        raise SsdprepError(
            f"the export does not say what Keras says ({'; '.join(faults)}): it was not written",
            way.allowed.remedy,
        )
    return agreements


def _changed(place: Path) -> list[Finding]:
    """That a script is there which is not as it came: it is left alone."""
    if not place.exists() or place.read_bytes() == script(place.name).encode():
        return []
    message = "it is not as it came: left as it is"
    return [Finding(CHANGED, Severity.INFO, place, 0, message, "nothing to do; --force replaces it")]


def _require_free(path: Path, run: Path) -> None:
    """`SsdprepError` where an export would replace anything."""
    taken = [each for each in (path, path.with_name(path.name + ".json")) if each.exists()]
    if taken:
        older = f", {BEFORE}" if is_outdated(taken[0], run) else ""
        raise SsdprepError(f"{taken[0]} is there already{older}", "choose another --out, or replace it with --force")


def _put(written: Path, path: Path, about: dict[str, Any], beside_it: str) -> tuple[Path, ...]:
    """The export, its description and its script in their places, the export last."""
    beside = path.with_name(path.name + ".json")
    write_new(beside, (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode())
    files = [path, beside]
    if beside_it:
        files.append(path.with_name(beside_it))
        write_new(files[-1], script(beside_it).encode())
    if written.is_dir():
        whole, old = (path.with_name(f".{state}-{path.name}") for state in ("partial", "replaced"))
        for left in (whole, old):  # by a run that was cut
            shutil.rmtree(left, ignore_errors=True)
        shutil.copytree(written, whole)
        if path.exists():
            path.rename(old)
        whole.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    else:
        write_new(path, written.read_bytes())
    return tuple(files)
