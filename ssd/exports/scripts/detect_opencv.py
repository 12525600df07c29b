"""Find objects with an exported detector: a JSON line a picture, drawings in a new folder; exit code 1: unreadable."""

import argparse
import json
from os import W_OK, access
from pathlib import Path
from signal import SIG_DFL, SIGINT, Signals, signal

import cv2
import numpy as np


def resampled(rows, count):
    """Rows of a picture, (n, m, 3) to (count, m, 3), by training's filter: a triangle, wider where it shrinks."""
    reach, centre = max(1, len(rows) / count), (np.arange(count)[:, None] + 0.5) * len(rows) / count - 0.5
    near = np.floor(centre - reach).astype(int) + np.arange(1, int(2 * reach) + 2)
    weights = (np.maximum(0, 1 - np.abs(near - centre) / reach) * (near >= 0) * (near < len(rows))).astype(np.float32)
    mixed = sum(w * rows[i.clip(0, len(rows) - 1)] for w, i in zip(weights.T[..., None, None], near.T, strict=True))
    return mixed / weights.sum(1)[:, None, None]


def detect(network, bgr, about, limits):
    """What is on an upright picture: name, score, box (xmin, ymin, xmax, ymax) in its pixels, best first."""
    picture = resampled(resampled(bgr, about["height"]).swapaxes(0, 1).copy(), about["width"]).swapaxes(0, 1)[..., ::-1]
    network.setInput(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))
    scores, boxes = (output[0] for output in network.forward(["scores", "boxes"]))
    best = np.sort(scores[:, 1:], axis=0)[-1 - about["candidates_per_class"] :]  # and one more, of each label
    number, anchor = np.nonzero((scores[:, 1:] > np.maximum(best[0], about["lowest_score"])).T)
    score, sized = scores[anchor, number + 1], np.c_[(box := boxes[anchor])[:, :2], box[:, 2:] - box[:, :2]].tolist()
    kept = cv2.dnn.NMSBoxesBatched(sized, score.tolist(), number.tolist(), 0, about["nms_iou"]) if sized else []
    kept = [i for i in kept if score[i] > limits[number[i]] and min(sized[i][2:]) > 0][: about["most"]]
    mine, area, same = box[kept, None], (box[:, 2:] - box[:, :2]).prod(1), number[kept, None] == number
    shared = np.maximum(np.minimum(mine[..., 2:], box[:, 2:]) - np.maximum(mine[..., :2], box[:, :2]), 0).prod(2)
    weight = np.maximum(shared / (area[kept, None] + area - shared) - about["nms_iou"], 0) * score * same
    box[kept] = weight @ box / weight.sum(1, keepdims=True)  # what is suppressed has a say in where a box lies
    pixels, names = (np.clip(box, 0, 1) * (bgr.shape[1::-1] * 2)).round(2).tolist(), about["labels"]
    return [{"name": names[number[i]], "score": float(score[i]), "box": pixels[i]} for i in kept]


def pictures(path, ends=(".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif")):
    """(name, file, drawing, rate, upright BGR or None); OpenCV itself turns photos and videos as their tags say."""
    photos = [p for p in sorted(path.rglob("*")) or [path] if p.suffix.lower() in ends and ".ssdprep" not in p.parts]
    for p in photos:
        yield str(p), p, p.relative_to(path.parent if p == path else path).with_suffix(".jpg"), 0, cv2.imread(str(p))
    film, number = None if photos else cv2.VideoCapture(int(str(path)) if str(path).isdigit() else str(path)), -1
    while film and ((frame := film.read()[1]) is not None or number < 0):
        yield f"{path}#{(number := number + 1)}", path, f"{path.stem}.mp4", film.get(cv2.CAP_PROP_FPS) or 25, frame


(parser := argparse.ArgumentParser(description=__doc__)).add_argument("model", type=Path, help="what ssd.export wrote")
parser.add_argument("source", nargs="+", type=Path, help="photos, folders, videos; 0: the first camera")
parser.add_argument("--threshold", type=float, help="score from which on boxes count, instead of what the file says")
parser.add_argument("--out", default=Path("found"), type=Path, help="folder for the drawings; found_ if it is there")
parser.add_argument("--show", action="store_true", help="in a window, too"), (args := parser.parse_args())
data = args.model.read_bytes() if args.model.is_file() and args.model.suffix in (".onnx", ".pb") else b""
if b'"outputs": {"scores"' not in data:
    parser.error(f"{args.model} is not there, or not for this script: run its own, or python -m ssd.export RUN")
about, films, failed = json.JSONDecoder().raw_decode(data[data.find(b'{"ssdprep":') :].decode("latin1"))[0], {}, False
network = cv2.dnn.readNet(str(args.model))
0 <= (args.threshold or 0) <= 1 or parser.error(f"argument --threshold: {args.threshold} is no score from 0 to 1")
limits = np.array([about["thresholds"][name] if args.threshold is None else args.threshold for name in about["labels"]])
out = next(p for n in range(10_000) if not (p := Path(f"{args.out}{'_' * n}")).exists())  # nothing is drawn over
access(f"{next(filter(Path.exists, out.absolute().parents))}/.", W_OK) or parser.error(f"{out} cannot be made: --out")
signal(SIGINT, lambda *_: parser.exit(130)), hasattr(Signals, "SIGPIPE") and signal(Signals.SIGPIPE, SIG_DFL)
for image, path, place, rate, bgr in (each for source in args.source for each in pictures(source)):
    found = {"error": "not there, or unreadable"} if bgr is None else {"objects": detect(network, bgr, about, limits)}
    print(json.dumps({"image": image if "objects" in found else str(path), **found}), flush=True)
    for each in reversed(found.get("objects", [])):
        (x0, y0, x1, y1), px, text = map(round, each["box"]), 1 + max(bgr.shape) // 700, "{name} {score:.2f}"
        for ink, thick in ((24, 20, 18), 4 * px), (about["colours"][each["name"]][::-1], px):
            cv2.putText(bgr, text.format(**each), (x0, max(y0 - 5 * px, 14 * px)), 0, px / 2, ink, thick, cv2.LINE_AA)
        cv2.rectangle(bgr, (x0, y0), (x1, y1), ink, 2 * px)
    if bgr is not None and not (rate and path in films):
        target = next(p for n in range(10_000) if not (p := (t := out / place).with_stem(t.stem + n * "_")).exists())
        target.parent.mkdir(parents=True, exist_ok=True)
        films[path] = rate and cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), rate, bgr.shape[1::-1])
    failed |= bgr is None or bool(films[path].write(bgr) if rate else not cv2.imwrite(str(target), bgr))
    args.show and bgr is not None and (cv2.imshow("found", bgr) or cv2.waitKey(1)) == ord("q") and parser.exit()
parser.exit(int(failed), f"drawn into {out}\n" if films else "")
