"""The networks by name: the paper's, its variants and the public ones, each a table of layers."""

from __future__ import annotations

from dataclasses import replace

from alexnet_export.layers import (
    Convolution,
    Dialect,
    FullyConnected,
    Norm,
    Pool,
    SpatialNorm,
)

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
