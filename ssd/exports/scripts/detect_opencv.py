"""Find objects with an exported detector on photos, folders, films or a camera: python detect_opencv.py MODEL photo.jpg
folder film.mp4 0 [--threshold 0.5] [--out found] [--show]. Drawings go to --out, one JSON line a picture to stdout.
MODEL.json beside the model holds labels, sizes and thresholds. 0 is the first camera; q ends --show."""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

PHOTOS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def predict(network, picture):
    """A picture (H, W, 3), RGB in 0..255, to scores (n, classes + 1) and boxes (n, 4)."""
    network.setInput(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))
    return [output[0] for output in network.forward(["scores", "boxes"])]


def resampled(rows, count):
    """Rows of a picture, (n, m, 3) to (count, m, 3), by training's filter: a triangle, wider where it shrinks."""
    scale, reach, result = len(rows) / count, max(len(rows) / count, 1), []
    for centre in (np.arange(count) + 0.5) * scale - 0.5:
        first = max(0, int(np.ceil(centre - reach)))
        near = rows[first : int(centre + reach) + 1]
        weights = np.maximum(0, 1 - np.abs(np.arange(first, first + len(near)) - centre) / reach)
        result.append(np.tensordot((weights / weights.sum()).astype(np.float32), near, 1))
    return np.stack(result)


def detect(network, bgr, about, threshold):
    """What is on an upright picture: name, score, box (xmin, ymin, xmax, ymax) in its pixels, best first."""
    rows = resampled(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), about["height"])
    scores, boxes = predict(network, resampled(rows.swapaxes(0, 1), about["width"]).swapaxes(0, 1))
    sides, found = boxes[:, 2:] - boxes[:, :2], []
    for number, name in enumerate(about["labels"], start=1):  # non-maximum suppression, class by class
        left = np.argsort(-scores[:, number], kind="stable")[: about["candidates_per_class"]]
        left = left[scores[left, number] > threshold]
        while len(left):
            best, left = left[0], left[1:]
            pixels = np.clip(boxes[best], 0, 1) * (bgr.shape[1::-1] * 2)
            found.append({"name": name, "score": float(scores[best, number]), "box": pixels.round(2).tolist()})
            common = np.minimum(boxes[best, 2:], boxes[left, 2:]) - np.maximum(boxes[best, :2], boxes[left, :2])
            shared = np.maximum(common, 0).prod(1)
            left = left[shared <= about["nms_iou"] * (sides[best].prod() + sides[left].prod(1) - shared)]
    return sorted(found, key=lambda each: -each["score"])[: about["most"]]


def pictures(source):
    """(name, drawing's name, upright BGR picture or None) of each: OpenCV itself turns a photo as its EXIF says."""
    path, number = Path(source), 0
    for photo in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if photo.suffix.lower() in PHOTOS:
            yield str(photo), photo.relative_to(path if path.is_dir() else path.parent), cv2.imread(str(photo))
    film = None if path.is_dir() or path.suffix.lower() in PHOTOS else cv2.VideoCapture(0 if source == "0" else source)
    while film and ((frame := film.read()[1]) is not None or not number):
        yield f"{source}#{number}", f"{path.stem}-{number:06d}.jpg", frame
        number += 1


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("model"), parser.add_argument("source", nargs="+"), parser.add_argument("--threshold", type=float)
parser.add_argument("--out", default="found", type=Path), parser.add_argument("--show", action="store_true")
args = parser.parse_args()
about, network = json.loads(Path(args.model + ".json").read_text(encoding="utf-8")), cv2.dnn.readNet(args.model)
for image, drawing, bgr in (picture for source in args.source for picture in pictures(source)):
    objects = [] if bgr is None else detect(network, bgr, about, args.threshold or about["score_threshold"])
    print(json.dumps({"image": image, **({"error": "unreadable"} if bgr is None else {"objects": objects})}))
    if bgr is None or (args.out / drawing).resolve() == Path(image).resolve():
        continue  # no photo is drawn over
    for each in objects:
        (x0, y0, x1, y1), line = map(round, each["box"]), 1 + max(bgr.shape) // 700
        cv2.rectangle(bgr, (x0, y0), (x1, y1), (60, 200, 60), 2 * line)
        cv2.putText(bgr, "{name} {score:.2f}".format(**each), (x0, y0 + 20 * line), 0, line / 2, (180, 30, 0), line, 16)
    (args.out / drawing).parent.mkdir(parents=True, exist_ok=True), cv2.imwrite(str(args.out / drawing), bgr)
    if args.show and (cv2.imshow("found", bgr) or cv2.waitKey(1)) == ord("q"):
        break
