"""The scripts that go beside an export and need nothing of ours: one text, for OpenCV and for LiteRT."""

from __future__ import annotations

from importlib.resources import files

OPENCV, LITERT = "detect_opencv.py", "detect_litert.py"

_OTHERWISE = (  # what a LiteRT script has in place of OpenCV's words
    ("detect_opencv.py", LITERT),
    ("import numpy as np\n", "import numpy as np\nfrom ai_edge_litert.interpreter import Interpreter\n"),
    (
        "    network.setInput(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))\n"
        '    return [output[0] for output in network.forward(["scores", "boxes"])]\n',
        '    wanted = network.get_input_details()["image"]["dtype"]  # bytes, or floats\n'
        "    answer = network(image=(np.rint(picture[None]) if wanted == np.uint8 else picture[None]).astype(wanted))\n"
        '    return answer["scores"][0], answer["boxes"][0]\n',
    ),
    ("cv2.dnn.readNet(args.model)", "Interpreter(args.model).get_signature_runner()"),
)


def script(name: str) -> str:
    """The text of a script: `OPENCV` or `LITERT`."""
    text = (files(__name__) / OPENCV).read_text(encoding="utf-8")
    for ours, theirs in _OTHERWISE if name == LITERT else ():
        if text.count(ours) != 1:
            raise AssertionError(f"{OPENCV} has {ours!r} {text.count(ours)} times")
        text = text.replace(ours, theirs)
    return text
