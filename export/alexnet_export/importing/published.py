"""The public weight files: what they are called, where they are, and their digests.

The ONNX Model Zoo's files moved to Hugging Face in 2025; GitHub still gives those that it has
bandwidth for.  torchvision names its files by the first digits of their sha256 and says no more.
"""

from __future__ import annotations

from types import MappingProxyType

from alexnet_export.importing.download import RemoteFile

_ZOO = "validated/vision/classification/alexnet/model/bvlcalexnet-12.onnx"
PUBLISHED = MappingProxyType(
    {
        "caffe": RemoteFile(
            name="bvlcalexnet-12.onnx",
            addresses=(
                f"https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/{_ZOO}",
                f"https://media.githubusercontent.com/media/onnx/models/main/{_ZOO}",
            ),
            size_bytes=243_863_787,
            sha256="6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945",
        ),
        "torchvision": RemoteFile(
            name="alexnet-owt-7be5be79.pth",
            addresses=("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",),
            size_bytes=244_408_911,
            sha256="7be5be79",
        ),
    }
)
# bvlc_alexnet.caffemodel, in the front matter of BVLC's models/bvlc_alexnet/readme.md.
CAFFEMODEL_SHA1 = "9116a64c0fbe4459d18f4bb6b56d647b63920377"
# imagenet_mean.binaryproto, of http://dl.caffe.berkeleyvision.org/caffe_ilsvrc12.tar.gz; two who
# made public converters of bvlc_alexnet noted the same.
MEAN_SHA1 = "63e4652e656abc1e87b7a8339a7e02fca63a2c0c"
