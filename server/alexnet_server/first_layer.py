"""conv1's maps and kernels of both towers, for looking at (paper, figure 3)."""

from __future__ import annotations

import base64
import io
import threading
from typing import Any

import numpy as np
from PIL import Image

from alexnet_repository.files import GRAPH_FILE
from alexnet_repository.repository import Repository
from alexnet_server.engine import Images, Values
from alexnet_server.errors import BadModelOutput, NoFirstLayer
from alexnet_server.host_graph import HostGraph, read_graph

_MODEL = "conv1"
TOWERS = ("tower0", "tower1")


class FirstLayer:
    """The small graph ``conv1`` of a repository; loaded when it is first asked, and not before.

    Safe to call from many threads.  It has no threads of its own, so that whoever looks at maps
    takes one core at most from those who classify, and nothing of it outlives the deploy.
    """

    def __init__(self, repository: Repository) -> None:
        """Read the graph's file (a megabyte), if there is one.  Raises OSError."""
        # Not when it is asked: another deploy may have taken the folder's place by then.
        self._content = _content(repository)
        self._lock = threading.Lock()
        self._graph: HostGraph | None = None
        self._kernels: list[str] = []

    def maps(self, image: Images) -> Values:
        """Maps after ReLU, float32 [kernels, s, s], of a view ``image`` uint8 [side, side, 3].

        ``side`` is the engine's ``view_side``; ``s`` is the dialect's, 55 in the paper.  Raises
        NoFirstLayer, or BadModelOutput where they hold NaN or infinity.
        """
        found: Values = self._loaded().run({"images": image[None]}, [_MODEL])[_MODEL][0]
        if not np.isfinite(found).all():
            raise BadModelOutput("the first layer gave NaN or infinity: deploy another model")
        return found

    def strongest(self, maps: Values, count: int) -> list[dict[str, Any]]:
        """For each tower the ``count`` maps of the highest mean, strongest first, as JSON values.

        Kernels are counted through both towers; the first half is tower 0's (paper, section 3.5).
        """
        strengths = maps.mean(axis=(1, 2))  # [kernels]
        half = len(maps) // len(TOWERS)
        towers = []
        for number, name in enumerate(TOWERS):
            own = np.arange(number * half, (number + 1) * half)
            best = own[np.argsort(-strengths[own], kind="stable")[:count]]
            shown = [self._shown(int(kernel), maps[kernel], strengths[kernel]) for kernel in best]
            towers.append({"name": name, "maps": shown})
        return towers

    def _shown(self, kernel: int, one: Values, strength: float) -> dict[str, Any]:
        highest = float(one.max()) or 1.0  # a map of zeros is black
        return {
            "kernel": kernel,
            "strength": float(strength),
            "kernel_png": self._kernels[kernel],
            "map_png": _png(np.rint(one * (255 / highest)).astype(np.uint8)),
        }

    def _loaded(self) -> HostGraph:
        with self._lock:
            if self._graph is None:
                self._graph, self._kernels = _load(self._content)
                self._content = None
            return self._graph


def _content(repository: Repository) -> bytes | None:
    name = f"{_MODEL}/{repository.version}/{GRAPH_FILE}"
    return (repository.root / name).read_bytes() if name in repository.manifest["files"] else None


def _load(content: bytes | None) -> tuple[HostGraph, list[str]]:
    if content is None:
        raise NoFirstLayer("this deploy has no graph of conv1: deploy again (alexnet-export)")
    import onnx  # noqa: PLC0415

    weight = next(
        onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load_from_string(content).graph.initializer
        if tensor.name == f"{_MODEL}_weight"
    )  # [kernels, 3, 11, 11]
    try:
        graph = HostGraph(read_graph(content), threads=1)
    except ImportError as error:
        raise NoFirstLayer("this server has no OpenVINO: the maps are not drawn") from error
    return graph, [_png(_visible(kernel.transpose(1, 2, 0))) for kernel in weight]


def _visible(kernel: Values) -> Images:
    """A kernel [11, 11, 3] as a picture, its least weight black and its greatest white."""
    least, most = float(kernel.min()), float(kernel.max())
    pixels: Images = np.rint((kernel - least) * (255 / ((most - least) or 1.0))).astype(np.uint8)
    return pixels


def _png(pixels: Images) -> str:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
