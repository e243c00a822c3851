"""The steps on the processor as one graph, so that the split costs little where it gains nothing.

Nine graphs take turns, and each has to wake its threads anew: as nine, the towers cost up to twice
the single graph at batch 1.  One graph costs what benchmarks/towers.py says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alexnet_repository.repository import Repository
from alexnet_repository.steps import Step
from alexnet_server.host_graph import read_graph


def join(repository: Repository, steps: Iterable[Step], whole: Step) -> Any:  # noqa: ANN401
    """One OpenVINO model that does as ``whole`` what ``steps`` do, given in the order of the data.

    What two steps do alike (taking the mean from a picture) it does once.  Raises RuntimeError, as
    OpenVINO does, where a graph cannot be read.
    """
    made: dict[str, Any] = {}  # the ensemble's values: outputs of nodes
    parameters = []
    for step in steps:
        model = read_graph(repository.graph(step))
        for port, name in step.inputs.items():
            parameter = model.input(port).get_node()
            if name not in made:
                made[name] = parameter.output(0)
                parameters.append(parameter)
            else:
                for reader in parameter.output(0).get_target_inputs():
                    reader.replace_source_output(made[name])
        for port, name in step.outputs.items():
            made[name] = model.output(port).get_node().input_value(0)
    return _model([_named(made[name], port) for port, name in whole.outputs.items()], parameters)


def _named(value: Any, port: str) -> Any:  # noqa: ANN401 (openvino is not typed)
    from openvino import opset1  # noqa: PLC0415 (a server that only asks a Triton may not have it)

    value.get_tensor().add_names({port})
    return opset1.result(value)


def _model(results: list[Any], parameters: list[Any]) -> Any:  # noqa: ANN401 (as above)
    import openvino  # noqa: PLC0415 (as above)

    return openvino.Model(results, parameters, "joined")
