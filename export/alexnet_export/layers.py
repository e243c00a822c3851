"""The network as one table: every model and graph of the project is built from it.

A dialect is a tuple of layers.  Channels and units are counted over both towers;
tower ``t`` of ``n`` owns the rows ``t*C/n .. (t+1)*C/n`` of every weight, in every layer,
so a grouped checkpoint and a pair of towers are two views of the same tensors.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
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


# The paper's literal equation has alpha=1e-4 on the plain sum (section 3.3): 5e-4 in these terms.
PAPER_NORM = Norm(size=5, alpha=5e-4, beta=0.75, k=2.0)
PAPER_POOL = Pool(kernel=3, stride=2)  # section 3.4

# Layers: section 3.5.  Paddings are not in the paper; they and the zeros on the right and bottom
# of conv1 (ceil grid: 1 + ceil((224 - 11) / 4) = 55) are those of the authors' layers-145.cfg.
ALEXNET2012 = Dialect(
    name="alexnet2012",
    towers=2,
    image_side=224,
    convolutions=(
        Convolution("conv1", 96, 11, 4, (0, 0, 3, 3), "full", PAPER_NORM, PAPER_POOL),
        Convolution("conv2", 256, 5, 1, (2, 2, 2, 2), "local", PAPER_NORM, PAPER_POOL),
        Convolution("conv3", 384, 3, 1, (1, 1, 1, 1), "full"),
        Convolution("conv4", 384, 3, 1, (1, 1, 1, 1), "local"),
        Convolution("conv5", 256, 3, 1, (1, 1, 1, 1), "local", None, PAPER_POOL),
    ),
    fully_connected=(FullyConnected("fc6", 4096), FullyConnected("fc7", 4096)),
)

# bvlc_alexnet as BVLC's deploy.prototxt has it: crops of 227, no padding, k left at its default.
_CAFFE_NORM = Norm(size=5, alpha=1e-4, beta=0.75, k=1.0, reach="both")
_NOTHING = (0, 0, 0, 0)
CAFFE = Dialect(
    name="caffe",
    towers=2,
    image_side=227,
    convolutions=(
        Convolution("conv1", 96, 11, 4, _NOTHING, "full", _CAFFE_NORM, PAPER_POOL),
        Convolution("conv2", 256, 5, 1, (2, 2, 2, 2), "local", _CAFFE_NORM, PAPER_POOL),
        Convolution("conv3", 384, 3, 1, (1, 1, 1, 1), "full"),
        Convolution("conv4", 384, 3, 1, (1, 1, 1, 1), "local"),
        Convolution("conv5", 256, 3, 1, (1, 1, 1, 1), "local", None, PAPER_POOL),
    ),
    fully_connected=(FullyConnected("fc6", 4096), FullyConnected("fc7", 4096)),
)
# The same weights as the ONNX Model Zoo has them, for pictures of 224: 54 maps a side after conv1,
# and a last pooling window that reaches a pixel past them.
CAFFE224 = replace(
    CAFFE,
    name="caffe224",
    image_side=224,
    convolutions=(
        replace(CAFFE.convolutions[0], pool=replace(PAPER_POOL, padding=(0, 0, 1, 1))),
        *CAFFE.convolutions[1:],
    ),
)

# "One weird trick" (Krizhevsky 2014) as torchvision has it: one tower, no norm.  Here it is cut
# into two all the same, and each reads both in every layer.
TORCHVISION = Dialect(
    name="torchvision",
    towers=2,
    image_side=224,
    convolutions=(
        Convolution("conv1", 64, 11, 4, (2, 2, 2, 2), "full", None, PAPER_POOL),
        Convolution("conv2", 192, 5, 1, (2, 2, 2, 2), "full", None, PAPER_POOL),
        Convolution("conv3", 384, 3, 1, (1, 1, 1, 1), "full"),
        Convolution("conv4", 256, 3, 1, (1, 1, 1, 1), "full"),
        Convolution("conv5", 256, 3, 1, (1, 1, 1, 1), "full", None, PAPER_POOL),
    ),
    fully_connected=(FullyConnected("fc6", 4096), FullyConnected("fc7", 4096)),
)

# The network on one device, as most reproductions have it: every layer reads all maps, and the norm
# knows no border.  62,378,344 weights where the paper has 60,965,224.
ONETOWER = replace(
    ALEXNET2012,
    name="onetower",
    convolutions=tuple(
        replace(layer, connection="full", norm=layer.norm and replace(layer.norm, reach="both"))
        for layer in ALEXNET2012.convolutions
    ),
)
# The network of the authors' layers-145.cfg where it is not the text's: their norm divides alpha by
# the window's size, in layer 1 it reads sums from before the ReLU, and layer 2 has a norm within
# its maps as well.  (That ReLU stands behind layer 5's pool there changes nothing.)
_SOURCE_NORM = replace(PAPER_NORM, alpha=1e-4)
LAYERS145 = replace(
    ALEXNET2012,
    name="layers145",
    convolutions=(
        replace(ALEXNET2012.convolutions[0], norm=_SOURCE_NORM, is_activated_last=True),
        replace(
            ALEXNET2012.convolutions[1],
            norm=_SOURCE_NORM,
            spatial_norm=SpatialNorm(size=5, alpha=1e-3, beta=0.75, k=1.0),
        ),
        *ALEXNET2012.convolutions[2:],
    ),
)
# CNN* of section 6: "an extra sixth convolutional layer over the last pooling layer".  Of its size
# the paper says nothing: it is that of conv5.
CNN_STAR = replace(
    ALEXNET2012,
    name="cnn-star",
    convolutions=(
        *ALEXNET2012.convolutions,
        Convolution("conv6", 256, 3, 1, (1, 1, 1, 1), "local"),
    ),
)

# What the paper says each part is worth, by leaving it out; the rest is as it was.
NO_NORM = replace(  # section 3.3
    ALEXNET2012,
    name="no-norm",
    convolutions=tuple(replace(layer, norm=None) for layer in ALEXNET2012.convolutions),
)
NO_OVERLAP = replace(  # section 3.4: "s = 2, z = 2, which produces output of equivalent dimensions"
    ALEXNET2012,
    name="no-overlap",
    convolutions=tuple(
        replace(layer, pool=layer.pool and Pool(kernel=2, stride=2))
        for layer in ALEXNET2012.convolutions
    ),
)
NO_EXCHANGE = replace(  # section 3.2: the towers meet in the classifier alone
    ALEXNET2012,
    name="no-exchange",
    convolutions=(
        ALEXNET2012.convolutions[0],
        *(replace(layer, connection="local") for layer in ALEXNET2012.convolutions[1:]),
    ),
    fully_connected=tuple(
        replace(layer, connection="local") for layer in ALEXNET2012.fully_connected
    ),
)
TANH = replace(ALEXNET2012, name="tanh", activation="tanh")  # section 3.1, figure 1

DIALECTS = {
    each.name: each
    for each in (
        ALEXNET2012,
        CAFFE,
        CAFFE224,
        TORCHVISION,
        LAYERS145,
        ONETOWER,
        CNN_STAR,
        NO_NORM,
        NO_OVERLAP,
        NO_EXCHANGE,
        TANH,
    )
}


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
