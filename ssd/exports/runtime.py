"""What the formats share: a runtime is a function from one picture to the file's outputs; OpenCV reads two formats."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ssd.exports.graph import OUTPUTS
from ssdprep.record import SsdprepError

# (H, W, 3) float32, RGB in 0..255, to the outputs by name without their batch axis: scores (n_boxes, n_classes + 1) and
# boxes (n_boxes, 4), or detections (most, 6)
Outputs = dict[str, np.ndarray]
Predict = Callable[[np.ndarray], Outputs]


def require(package: str) -> Any:
    """A package of the extra ``export``; `SsdprepError` says how to get it."""
    try:
        return import_module(package)
    except ImportError as error:
        raise SsdprepError(f"{package} cannot be imported: {error}", 'pip install "ssdprep[export]"') from error


def open_cv(path: Path) -> dict[str, Predict]:
    """A file in OpenCV's dnn module. It takes pictures channels first, also where the file says otherwise."""
    net = cv2.dnn.readNet(str(path))

    def predict(picture: np.ndarray) -> Outputs:
        net.setInput(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))
        return {name: values[0] for name, values in zip(OUTPUTS, net.forward(list(OUTPUTS)), strict=True)}

    return {f"OpenCV {cv2.__version__}": predict}


@contextmanager
def quietly() -> Iterator[None]:
    """Hold back what converters write to both streams, from C++ too; on an error all of it is shown, on stderr."""
    sys.stdout.flush(), sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as held:
        for stream in (1, 2):
            os.dup2(held.fileno(), stream)
        try:
            yield
        except BaseException:
            sys.stdout.flush(), sys.stderr.flush()
            held.seek(0)
            os.write(kept[1], held.read())
            raise
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            for stream, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, stream)
                os.close(copy)
