"""The engine that asks a Triton: one model version, believed once it gave its known answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2

from alexnet_repository.files import ENSEMBLE
from alexnet_repository.golden import Golden
from alexnet_repository.repository import Repository
from alexnet_server.call import Call
from alexnet_server.engine import Images, Inference, Values
from alexnet_server.engine.channel import Triton
from alexnet_server.errors import BackendUnavailable, BadModelOutput, VersionGone, WrongAnswers

_UNPROVEN = (
    "the model's backend is not there, or has not shown yet that it serves this model: "
    "send the request again later"
)
_MICROSECONDS = 1_000_000


@dataclass
class Proof:
    """Whether Triton gave a model's known answers, and has been there ever since.

    ``outages`` is the count at which it gave them; None before, and where the version is gone.
    """

    outages: int | None = None
    is_gone: bool = False


@dataclass(frozen=True)
class TritonEngine:
    """One version of the ensemble in a Triton; safe to call from many threads.

    ``view_side`` is that of the views it takes; ``units`` and ``classes`` are the lengths its two
    outputs must have.
    """

    triton: Triton
    version: str
    view_side: int
    units: int
    classes: int
    golden: Golden
    steps: dict[str, str]
    proof: Proof

    def infer(self, images: Images, call: Call) -> Inference:
        """See Engine.

        Triton's own queue counts as ``infer``.  Raises BackendUnavailable where Triton is not
        there, not in time or not proven; VersionGone; Overloaded; BackendFailed; BadModelOutput;
        DeadlineExceeded or ClientGone where it need not be asked, or had no fair share of the time.
        """
        outages = self.triton.outages
        if self.proof.outages != outages:
            if self.proof.is_gone:
                raise VersionGone(_UNPROVEN)
            raise BackendUnavailable(_UNPROVEN)
        try:
            with call.span("infer"):
                answer = self._ask(images, call)
        except VersionGone:
            self.proof.outages, self.proof.is_gone = None, True
            self.triton.lost.set()  # whoever follows the deploys is to look at once
            raise
        if self.triton.outages != outages:  # another process may have given this answer
            raise BackendUnavailable(_UNPROVEN)
        return answer

    def prove(self) -> None:
        """Ask the known pictures; believe this Triton until it is lost, or its version is gone.

        Raises WrongAnswers, which says what differs, or what ``infer`` does.
        """
        outages = self.triton.outages
        self.proof.is_gone = False
        try:
            found = self._ask(self.golden.images, Call(self.triton.timeout_s))
        except VersionGone:
            self.proof.outages, self.proof.is_gone = None, True
            raise
        difference = self.golden.difference(found.features, found.probabilities)
        if difference:
            raise WrongAnswers(f"it does not give the known answers of this model ({difference})")
        self.proof.outages = outages

    def describe(self) -> dict[str, Any]:
        """See Engine."""
        return {"engine": "triton", "view_side": self.view_side, "steps": self.steps}

    def ready(self) -> bool:
        """See Engine."""
        return self.proof.outages == self.triton.outages

    def close(self) -> None:
        """See Engine: it has no threads, and the connection is not its own."""

    def _ask(self, images: Images, call: Call) -> Inference:
        call.require_wanted()
        timeout_s = call.left_s()
        request = service_pb2.ModelInferRequest(
            model_name=ENSEMBLE, model_version=self.version, id=call.request_id
        )
        # How long Triton's queue may keep it, where its configuration lets a request say so.
        request.parameters["timeout"].int64_param = int(timeout_s * _MICROSECONDS)
        request.inputs.add(name="images", datatype="UINT8", shape=images.shape)
        request.outputs.add(name="features")
        request.outputs.add(name="probabilities")
        request.raw_input_contents.append(np.ascontiguousarray(images).tobytes())
        answer = self.triton.infer(request, timeout_s, call.traceparent)
        return Inference(
            _values(answer, "features", (len(images), self.units)),
            _values(answer, "probabilities", (len(images), self.classes)),
        )


def triton_engine(triton: Triton, repository: Repository) -> TritonEngine:
    """The engine of a repository's version in ``triton``; nothing is asked of it yet.

    Raises RepositoryError where a configuration cannot be read.
    """
    return TritonEngine(
        triton=triton,
        version=repository.version,
        view_side=repository.view_side,
        units=repository.feature_units,
        classes=len(repository.classes),
        golden=repository.golden(),
        steps={step.model: step.device for step in repository.steps()},
        proof=Proof(),
    )


def _values(answer: service_pb2.ModelInferResponse, name: str, shape: tuple[int, int]) -> Values:
    """One output, float32 of ``shape``.  Raises BadModelOutput unless it is just that."""
    places = {output.name: place for place, output in enumerate(answer.outputs)}
    place = places.get(name, len(answer.raw_output_contents))
    if place >= len(answer.raw_output_contents):
        raise BadModelOutput(f"the model gave no {name}; nothing was stored")
    output, raw = answer.outputs[place], answer.raw_output_contents[place]
    wanted = ("FP32", shape, 4 * shape[0] * shape[1])
    if (output.datatype, tuple(output.shape), len(raw)) != wanted:
        raise BadModelOutput(
            f"the model gave {name} of {output.datatype[:16]} {list(output.shape)[:8]} in "
            f"{len(raw):,} bytes instead of FP32 {list(shape)}; nothing was stored"
        )
    values = np.frombuffer(raw, "<f4").reshape(shape)
    if not np.isfinite(values).all():
        raise BadModelOutput("the model gave NaN or infinity; nothing was stored")
    return values
