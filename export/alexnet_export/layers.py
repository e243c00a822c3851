"""A network as one table: every model and graph of the project is built from it.

A dialect is a tuple of layers.  Channels and units are counted over both towers;
tower ``t`` of ``n`` owns the rows ``t*C/n .. (t+1)*C/n`` of every weight, in every layer,
so a grouped checkpoint and a pair of towers are two views of the same tensors.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Connection = Literal["local", "full"]
Reach = Literal["tower", "both"]
Activation = Literal["relu", "tanh"]
Sides = tuple[int, int, int, int]  # (top, left, bottom, right), pixels


@dataclass(frozen=True)
class Norm:
    """Local response normalization, ``b = a / (k + alpha/size * sum(a**2)) ** beta``.

    ``alpha`` is in the terms of PyTorch, Caffe and ONNX, which divide it by ``size``.  ``reach``
    says whether the window ends at the tower's last map (the paper's two GPUs) or crosses into the
    other tower (one device with groups, as Caffe).
    """

    size: int
    alpha: float
    beta: float
    k: float
    reach: Reach = "tower"


@dataclass(frozen=True)
class SpatialNorm:
    """The same within each map, over a square of ``size`` pixels a side; nothing is outside a map.

    ``b = a / (k + alpha/size**2 * sum(a**2)) ** beta``.
    """

    size: int
    alpha: float
    beta: float
    k: float


@dataclass(frozen=True)
class Pool:
    """Max pooling; overlapping where ``kernel > stride`` (section 3.4).

    ``padding`` is outside every maximum: Caffe's last window may reach past the maps.
    """

    kernel: int
    stride: int
    padding: Sides = (0, 0, 0, 0)


@dataclass(frozen=True)
class Convolution:
    """One convolution over both towers, then activation, norm and pool where they are given.

    ``local`` reads the own tower only, ``full`` reads every map of the layer below.  With
    ``is_activated_last`` norm and pool stand before the activation.
    """

    name: str
    channels: int
    kernel: int
    stride: int
    padding: Sides
    connection: Connection
    norm: Norm | None = None
    pool: Pool | None = None
    spatial_norm: SpatialNorm | None = None
    is_activated_last: bool = False


@dataclass(frozen=True)
class FullyConnected:
    """One fully connected layer with its activation; ``full`` reads the units of both towers."""

    name: str
    units: int
    connection: Connection = "full"


Layer = Convolution | FullyConnected


@dataclass(frozen=True)
class Dialect:
    """A network up to its last hidden layer; the classifier ``fc8`` gets one unit a class.

    ``activation`` stands behind every layer but the classifier (section 3.1).
    """

    name: str
    towers: int
    image_side: int
    convolutions: tuple[Convolution, ...]
    fully_connected: tuple[FullyConnected, ...]
    classifier: str = "fc8"
    activation: Activation = "relu"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer in the order of the data, the classifier aside."""
        return (*self.convolutions, *self.fully_connected)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """All layers, the classifier included, in the order of the data."""
        return (*(layer.name for layer in self.layers), self.classifier)

    @property
    def feature_units(self) -> int:
        """Number of units in the last hidden layer (fc7), the length of ``features``."""
        return self.fully_connected[-1].units

    def table(self) -> dict[str, Any]:
        """The dialect as plain JSON values, as it stands in a checkpoint.

        What only later dialects have is left out where a network does without it: the files of
        those that came before are unchanged.
        """
        table = asdict(self)
        if self.activation == "relu":
            del table["activation"]
        for layer in table["fully_connected"]:
            if layer["connection"] == "full":
                del layer["connection"]
        for layer in table["convolutions"]:
            for name in ("spatial_norm", "is_activated_last"):
                if not layer[name]:
                    del layer[name]
            if layer["norm"] and layer["norm"]["reach"] == "tower":
                del layer["norm"]["reach"]
            if layer["pool"] and not any(layer["pool"]["padding"]):
                del layer["pool"]["padding"]
        return table


@dataclass(frozen=True)
class LayerShape:
    """What a layer holds and gives, both towers together.

    ``weight`` is ``[out, in_read_by_one_output, kernel, kernel]`` or ``[out, in]``;
    ``activation`` and ``output`` are ``(channels, height, width)`` or ``(units,)``, before and
    after pooling.
    """

    name: str
    weight: tuple[int, ...]
    activation: tuple[int, ...]
    output: tuple[int, ...]

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        count = self.weight[0]
        for side in self.weight[1:]:
            count *= side
        return count + self.weight[0]


def shapes(dialect: Dialect, classes: int) -> tuple[LayerShape, ...]:
    """Every layer's shapes, computed from the table alone, in the order of the data."""
    found: list[LayerShape] = []
    channels, side = 3, dialect.image_side
    for layer in dialect.convolutions:
        fan_in = channels if layer.connection == "full" else channels // dialect.towers
        side = (side + layer.padding[0] + layer.padding[2] - layer.kernel) // layer.stride + 1
        activation = (layer.channels, side, side)
        if layer.pool is not None:
            padding = layer.pool.padding[0] + layer.pool.padding[2]
            side = (side + padding - layer.pool.kernel) // layer.pool.stride + 1
        weight = (layer.channels, fan_in, layer.kernel, layer.kernel)
        found.append(LayerShape(layer.name, weight, activation, (layer.channels, side, side)))
        channels = layer.channels
    units = channels * side * side
    for hidden in (*dialect.fully_connected, FullyConnected(dialect.classifier, classes)):
        width = hidden.units
        read = units if hidden.connection == "full" else units // dialect.towers
        found.append(LayerShape(hidden.name, (width, read), (width,), (width,)))
        units = width
    return tuple(found)


def parameter_count(dialect: Dialect, classes: int) -> int:
    """Weights and biases of the whole network."""
    return sum(shape.parameters for shape in shapes(dialect, classes))
