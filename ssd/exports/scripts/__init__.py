"""The scripts that go beside an export and need nothing of ours: one text, and what differs for each runtime."""

from __future__ import annotations

from importlib.resources import files

OPENCV, LITERT = "detect_opencv.py", "detect_litert.py"
TENSORFLOW, TENSORFLOW_NMS = "detect_tensorflow.py", "detect_tensorflow_nms.py"
ONNXRUNTIME_NMS, LITERT_NMS = "detect_onnxruntime_nms.py", "detect_litert_nms.py"

_IMPORT = "import numpy as np\n"
_SUFFIXES = '(".onnx", ".pb")'
_MODEL = "cv2.dnn.readNet(str(args.model))"
_RUN = (
    "    network.setInput(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))\n"
    '    scores, boxes = (output[0] for output in network.forward(["scores", "boxes"]))\n'
)
_SUPPRESS = "    best = ", "    pixels, names = "  # from the one up to the other
_SUPPRESSED = (  # where the file itself suppresses; what it gives are rows of number, score and box, number 0 for none
    "    number, score, box = rows[:, 0].astype(int) - 1, rows[:, 1], rows[:, 2:]\n"
    "    kept = [i for i in np.flatnonzero(number >= 0) if score[i] > limits[number[i]]]\n"
)
_RUN_LITERT = (  # of bytes, or of floats
    "    answer = network("
    'image=picture[None].round().astype("u1") if about["input"]["type"] == "uint8" else picture[None])\n'
)
_LITERT = (
    (_IMPORT, f"{_IMPORT}from ai_edge_litert.interpreter import Interpreter\n"),
    (_SUFFIXES, '(".tflite",)'),
    (_MODEL, "Interpreter(str(args.model)).get_signature_runner()"),
)
_READ = "data = ", "\nif b"  # likewise
_RUN_TENSORFLOW = '    answer = network.signatures["serving_default"](image=tf.constant(picture[None]))\n'
_TENSORFLOW = (
    (_IMPORT, f"{_IMPORT}import tensorflow as tf\n"),
    (_READ, 'data = b"".join(p.read_bytes() for p in args.model.glob("assets.extra/ssdprep.json"))  # one, or none'),
    (_MODEL, "tf.saved_model.load(str(args.model))"),
)
_ONNXRUNTIME = (
    (_IMPORT, f"{_IMPORT}import onnxruntime\n"),
    (_SUFFIXES, '(".onnx",)'),
    (_MODEL, "onnxruntime.InferenceSession(str(args.model))"),
)
_ANSWER = '"outputs": {"scores"', '"outputs": {"detections"'
_OTHERWISE = {
    OPENCV: (),
    LITERT: (*_LITERT, (_RUN, f'{_RUN_LITERT}    scores, boxes = answer["scores"][0], answer["boxes"][0]\n')),
    LITERT_NMS: (
        *_LITERT,
        (_RUN, f'{_RUN_LITERT}    rows = answer["detections"][0]\n'),
        (_SUPPRESS, _SUPPRESSED),
        _ANSWER,
    ),
    TENSORFLOW: (
        *_TENSORFLOW,
        (
            _RUN,
            f'{_RUN_TENSORFLOW}    scores, boxes = answer["scores"][0].numpy(), answer["boxes"][0].numpy()\n',
        ),
    ),
    TENSORFLOW_NMS: (
        *_TENSORFLOW,
        (_RUN, f'{_RUN_TENSORFLOW}    rows = answer["detections"][0].numpy()\n'),
        (_SUPPRESS, _SUPPRESSED),
        _ANSWER,
    ),
    ONNXRUNTIME_NMS: (
        *_ONNXRUNTIME,
        (_RUN, '    rows = network.run(["detections"], {"image": picture.transpose(2, 0, 1)[None]})[0][0]\n'),
        (_SUPPRESS, _SUPPRESSED),
        _ANSWER,
    ),
}


def script(name: str) -> str:
    """The text of a script; ValueError for a name that none has."""
    if name not in _OTHERWISE:
        raise ValueError(f"no script is called {name}, only {', '.join(_OTHERWISE)}")
    text = (files(__name__) / OPENCV).read_text(encoding="utf-8").replace(OPENCV, name)
    for ours, theirs in _OTHERWISE[name]:
        if isinstance(ours, tuple):
            start, end = map(text.index, ours)
            ours = text[start:end]
        if text.count(ours) != 1:
            raise AssertionError(f"{OPENCV} has {ours!r} {text.count(ours)} times")
        text = text.replace(ours, theirs)
    return text
