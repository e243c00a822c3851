"""A KServe v2 server over gRPC that misbehaves when told to; a process of its own, for fault tests.

    python -m tests.fakes.triton_v2 REPOSITORY PORT

Features and probabilities come from the sha256 of each view's pixels; the repository's known
pictures get their known answers, and views of another side than theirs are refused.  Each line on
stdin is a JSON object of switches (``Switches``) and is acknowledged by one on stdout: how often
the known pictures were asked for (``proofs``), and by how many callers at once at most
(``proofs_at_once``).
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from alexnet_repository.repository import Repository, open_repository

QUEUE_FULL = "[request id: <id_unknown>] in ensemble 'alexnet', Exceeds maximum queue size"
SECRET = "/srv/models/alexnet@gpu-node-7:8001"


@dataclass(frozen=True)
class Switches:
    """``fault``: nan, inf, shape, dtype, short, missing, queue, or the name of a gRPC status.

    ``pictures_per_s`` answers one picture after the other at that rate, and a request when the last
    of its own is done; 0 has all of them at once.
    """

    latency_s: float = 0
    pictures_per_s: float = 0
    fault: str = ""
    is_wrong: bool = False  # the known pictures are answered by another model
    lacks: str = ""  # a version that is not there
    reload: bool = False  # take the version that is deployed now


def answers(image: np.ndarray, units: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Features [units] and probabilities [classes] of one view uint8 [side, side, 3]."""
    random = np.random.default_rng(list(hashlib.sha256(image.tobytes()).digest()))
    features = random.gamma(0.5, 2, units).astype(np.float32)
    probabilities = random.random(classes).astype(np.float32)
    return features, probabilities / probabilities.sum()


class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Answers ModelInfer for the ensemble and nothing else."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()  # guards the three below
        self._proving = 0
        self._free_s = 0.0  # when the last picture in line is done
        self.seen = {"proofs": 0, "proofs_at_once": 0}
        self.switches = Switches()
        self._load(open_repository(root))

    def switch(self, **changed: object) -> None:
        self.switches = replace(self.switches, **changed)
        if self.switches.reload:
            self._load(open_repository(self._root))
            self.switches = replace(self.switches, reload=False)

    def ModelInfer(
        self, request: service_pb2.ModelInferRequest, context: grpc.ServicerContext
    ) -> service_pb2.ModelInferResponse:
        images = np.frombuffer(request.raw_input_contents[0], np.uint8)
        images = images.reshape(request.inputs[0].shape)
        if images[0].tobytes() not in self._known:
            return self._infer(request, images, context)
        with self._lock:
            self._proving += 1
            self.seen["proofs"] += 1
            self.seen["proofs_at_once"] = max(self.seen["proofs_at_once"], self._proving)
        try:
            return self._infer(request, images, context)
        finally:
            with self._lock:
                self._proving -= 1

    def _infer(
        self,
        request: service_pb2.ModelInferRequest,
        images: np.ndarray,
        context: grpc.ServicerContext,
    ) -> service_pb2.ModelInferResponse:
        now = self.switches
        delay_s = now.latency_s + self._turn_s(len(images), now.pictures_per_s)
        if delay_s:
            threading.Event().wait(delay_s)
        version, view = self._served  # both at once: a reload may come between
        if request.model_version not in (version, "") or now.lacks == request.model_version:
            text = (
                f"Request for unknown model: 'alexnet' version {request.model_version} is not found"
            )
            context.abort(grpc.StatusCode.NOT_FOUND, text)
        if images.shape[1:] != view:
            text = f"unexpected shape for input 'images'. Expected {view}, got {images.shape[1:]}"
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)
        if now.fault == "queue":
            context.abort(grpc.StatusCode.UNAVAILABLE, QUEUE_FULL)
        if now.fault in grpc.StatusCode.__members__:
            context.abort(grpc.StatusCode[now.fault], f"failed to load {SECRET}")
        return _response(version, *self._answer(images), now.fault)

    def _turn_s(self, pictures: int, pictures_per_s: float) -> float:
        """Seconds until the pictures are done that stand in line now, these last."""
        if not pictures_per_s:
            return 0.0
        with self._lock:
            now_s = time.monotonic()
            self._free_s = max(now_s, self._free_s) + pictures / pictures_per_s
            return self._free_s - now_s

    def _load(self, repository: Repository) -> None:
        golden = repository.golden()
        self._known = {
            image.tobytes(): (features, probabilities)
            for image, features, probabilities in zip(
                golden.images, golden.features, golden.probabilities, strict=True
            )
        }
        self._units, self._classes = repository.feature_units, len(repository.classes)
        self._served = repository.version, golden.images.shape[1:]

    def _answer(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = {} if self.switches.is_wrong else self._known
        rows = [
            known.get(image.tobytes()) or answers(image, self._units, self._classes)
            for image in images
        ]
        return np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])


def _response(
    version: str, features: np.ndarray, probabilities: np.ndarray, fault: str
) -> service_pb2.ModelInferResponse:
    if fault in ("nan", "inf"):
        features = features.copy()
        features[-1, -1] = float(fault)
    made = service_pb2.ModelInferResponse(model_name="alexnet", model_version=version)
    for name, values in (("features", features), ("probabilities", probabilities)):
        if fault == "missing" and name == "probabilities":
            continue
        shape = (*values.shape, 1) if fault == "shape" else values.shape
        made.outputs.add(name=name, datatype="FP64" if fault == "dtype" else "FP32", shape=shape)
        raw = values.tobytes()
        made.raw_output_contents.append(raw[:-4] if fault == "short" else raw)
    return made


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    root, port = Path(sys.argv[1]), int(sys.argv[2])
    fake = FakeTriton(root)
    server = grpc.server(ThreadPoolExecutor(64), options=[("grpc.max_receive_message_length", -1)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(fake, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    _tell(str(bound))
    for line in sys.stdin:
        fake.switch(**json.loads(line))
        _tell(json.dumps(fake.seen))
    server.stop(None).wait()


if __name__ == "__main__":
    main()
