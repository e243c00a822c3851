"""The load generator, a process of its own: a closed loop of clients that keep their connections.

    python -m benchmarks.serving.load < job.json > found.json

A job names the server, its kind, the pictures, clients and seconds.  Everybody is sent the same
bytes as one form field; Triton has no decoder, so its clients decode and send pixels over gRPC.
"""

from __future__ import annotations

import http.client
import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Ask = Callable[[bytes], int]

_BOUNDARY = "alexnet-benchmark-boundary"
_TIMEOUT_S = 60.0


@dataclass
class Asked:
    """What the clients saw: seconds of every answer that ended in the round, and errors.

    ``answers`` are the times of all after the warm-up, the last of which end after the round.
    """

    waits_s: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    labels: dict[int, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


def main() -> None:
    """Do the job on standard input."""
    job = json.load(sys.stdin)
    contents = [Path(name).read_bytes() for name in job["pictures"]]
    asked = Asked()
    warm_until = time.perf_counter() + job["warm_s"]
    until = warm_until + job["seconds"]
    cpu: list[float] = []
    threads = [
        threading.Thread(
            target=_client, args=(job, contents, number, (warm_until, until), asked), daemon=True
        )
        for number in range(job["clients"])
    ]
    for thread in threads:
        thread.start()
    time.sleep(max(0.0, warm_until - time.perf_counter()))
    sys.stderr.write("measuring\n")  # the server's CPU seconds are read from here on
    sys.stderr.flush()
    cpu.append(_cpu_s())
    for thread in threads:
        thread.join()
    found = {
        "seconds": job["seconds"],
        "answers": len(asked.answers),
        "whole_s": time.perf_counter() - warm_until,
        "waits_s": asked.waits_s,
        "labels": asked.labels,
        "errors": asked.errors,
        "cpu_s": _cpu_s() - cpu[0],
    }
    json.dump(found, sys.stdout)


def _client(
    job: dict[str, Any],
    contents: list[bytes],
    number: int,
    times: tuple[float, float],
    asked: Asked,
) -> None:
    ask = triton(job) if job["kind"] == "triton" else over_http(job)
    warm_until, until = times
    place = number
    while (began := time.perf_counter()) < until:
        at = place % len(contents)
        try:
            label = ask(contents[at])
        except Exception as error:  # noqa: BLE001  a thread's boundary: it is counted
            asked.errors.append(repr(error)[:200])
            time.sleep(0.05)  # who refuses is not asked in a tight loop
            continue
        asked.labels[at] = label
        ended = time.perf_counter()
        if ended >= warm_until:
            asked.answers.append(ended)
            if ended < until:  # a round counts what ends in it, or slow servers would lose by it
                asked.waits_s.append(ended - began)
        place += job["clients"]


def over_http(job: dict[str, Any]) -> Ask:
    """A client with one connection of HTTP/1.1, that stays open."""
    connection = http.client.HTTPConnection("127.0.0.1", job["port"], timeout=_TIMEOUT_S)
    headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}

    def ask(content: bytes) -> int:
        try:
            connection.request("POST", job["path"], form_of(content), headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        if response.status != http.client.OK:
            raise RuntimeError(f"{response.status}: {body[:100]!r}")
        return label_of(json.loads(body))

    return ask


def form_of(content: bytes) -> bytes:
    """A form with the picture as its only field (RFC 7578)."""
    head = (
        f"--{_BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="image"; filename="picture.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()


def label_of(answer: dict[str, Any]) -> int:
    """The number of the likeliest class, in our answer or a peer's."""
    if "results" in answer:
        return int(answer["results"][0]["predictions"][0]["class_id"])
    return int(answer["class_id"])


def triton(job: dict[str, Any]) -> Ask:
    """A client that decodes as our server does, and sends the view to Triton over gRPC."""
    # Only this kind needs them.
    import grpc  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415
    from tritonclient.grpc import service_pb2, service_pb2_grpc  # noqa: PLC0415

    from alexnet_pixels.decode import decode  # noqa: PLC0415
    from alexnet_pixels.views import views  # noqa: PLC0415

    channel = grpc.insecure_channel(f"127.0.0.1:{job['port']}")
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

    def ask(content: bytes) -> int:
        images = views(decode(content), 1, job["side"])  # [1, side, side, 3]
        request = service_pb2.ModelInferRequest(model_name="alexnet")
        request.inputs.add(name="images", datatype="UINT8", shape=images.shape)
        request.outputs.add(name="probabilities")
        request.raw_input_contents.append(np.ascontiguousarray(images).tobytes())
        answer = stub.ModelInfer(request, timeout=_TIMEOUT_S)
        return int(np.frombuffer(answer.raw_output_contents[0], "<f4").argmax())

    return ask


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
