"""What predicting a folder costs beside the exported model alone, on the same photos.

    python tests/bench/ssd_predict.py              drawn photos of 1280x960, the default preset with weights of chance
    python tests/bench/ssd_predict.py --photos DIR --run RUN   a detector that finds something

All take turns, round after round, in one process on two cores, each over all photos; a ratio is the median of the
rounds' ratios. Start-up is not counted: imports, loading and tracing, the first call of a session. "bare": onnxruntime
on the exported file, one photo after the other, as anyone would write it: cv2.imread, cv2.resize (INTER_AREA), run,
suppression. "script": the same with the exported script's own functions, whose resampling is that of training.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

import cv2
import numpy as np
import onnxruntime
from make_photos import scene

from ssd.decoder import NMS_IOU, VOTE_SCORE
from ssd.exports import check, onnx
from ssd.exports.graph import exported
from ssd.exports.scripts import OPENCV, script
from ssd.prediction import predicting
from ssd.presets import preset
from ssd.run import Run
from ssdprep.images import encode_jpeg
from ssdprep.labels import LabelMap
from ssdprep.record import Size
from ssdprep.walk import walk

SCORE = 0.5


def drawn(folder: Path, count: int) -> list[Path]:
    """Photos of a phone's reduced size."""
    for number in range(count):
        (folder / f"{number:03d}.jpg").write_bytes(encode_jpeg(scene(Size(1280, 960), seed=number), quality=90))
    return sorted(folder.iterdir())


def bare(session: onnxruntime.InferenceSession, size: tuple[int, int], photos: Sequence[Path]) -> None:
    for photo in photos:
        rgb = cv2.cvtColor(cv2.imread(str(photo)), cv2.COLOR_BGR2RGB)
        picture = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
        scores, boxes = session.run(["scores", "boxes"], {"image": picture.transpose(2, 0, 1)[None]})
        rows = check.detections(scores[0], boxes[0], SCORE)
        rows[:, 2:] *= [*rgb.shape[1::-1], *rgb.shape[1::-1]]


def as_in_the_script(
    session: onnxruntime.InferenceSession, about: dict[str, object]
) -> Callable[[Sequence[Path]], None]:
    """The functions of `detect_opencv.py` with onnxruntime for OpenCV, which is slower."""
    functions: dict[str, Callable] = {}
    exec(script(OPENCV).split("parser = ")[0], functions)

    class Network:
        def setInput(self, image: np.ndarray) -> None:  # noqa: N802
            self.image = image

        def forward(self, names: list[str]) -> list[np.ndarray]:
            return session.run(names, {"image": self.image})

    limits = np.full(len(about["labels"]), SCORE)

    def run(photos: Sequence[Path]) -> None:
        for photo in photos:
            functions["detect"](Network(), cv2.imread(str(photo)), about, limits)

    return run


def race(rounds: int, contenders: dict[str, Callable[[], object]]) -> dict[str, list[tuple[float, float]]]:
    """Wall and CPU seconds of each, round after round."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, work in contenders.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            if number:  # the first round warms up
                found[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs instead of the drawn ones")
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--preset", default="mobilenet_v2_ssd_224")
    parser.add_argument("--run", type=Path, help="a trained detector instead of a preset with weights of chance")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "photos").mkdir()
        names = walk(options.photos).photos if options.photos else ()
        photos = [options.photos / name for name in names] or drawn(folder / "photos", options.count)
        detector = Run.load(options.run) if options.run else Run.new(preset(options.preset), LabelMap(tuple("abcdef")))
        onnx.write(exported(detector), folder / "it.onnx", {"ssdprep": ""}, np.zeros(0))
        session = onnxruntime.InferenceSession(folder / "it.onnx", providers=["CPUExecutionProvider"])
        about = {"height": detector.config.image_size[0], "width": detector.config.image_size[1], "nms_iou": NMS_IOU}
        about |= {"labels": detector.labels.names, "most": 100, "lowest_score": VOTE_SCORE, "candidates_per_class": 400}
        run_script = as_in_the_script(session, about)
        run = folder / "run"
        detector.save(run)
        loaded = Run.load(run)
        predicting.Run.load = lambda _: loaded  # loading is start-up

        def predict(draw: bool) -> None:
            predicting.predict_photos(run, photos, folder / "out", threshold=SCORE, draw=draw)

        found = race(
            options.rounds,
            {
                "bare model in onnxruntime": lambda: bare(session, detector.config.image_size, photos),
                "the script's functions": lambda: run_script(photos),
                "ssd.predict --no-draw": lambda: predict(False),
                "ssd.predict": lambda: predict(True),
            },
        )
    base = found["bare model in onnxruntime"]
    print(f"{len(photos)} photos, {detector.config.name}\n")
    print("| | wall ms a photo | CPU ms | wall ratio | CPU ratio | target |")
    print("|---|---|---|---|---|---|")
    for name, runs in found.items():
        each = [1000 * median(column) / len(photos) for column in zip(*runs, strict=True)]
        ratios = [median(a[i] / b[i] for a, b in zip(runs, base, strict=True)) for i in (0, 1)]
        target = "1.25" if name.endswith("--no-draw") else ""
        print(f"| {name} | {each[0]:.1f} | {each[1]:.1f} | {ratios[0]:.2f} | {ratios[1]:.2f} | {target} |")


if __name__ == "__main__":
    main()
