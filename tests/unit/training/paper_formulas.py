"""The paper's network and its gradients in NumPy, written from the formulas alone.

Float64 throughout, one way only to compute each thing: slow, and nothing of PyTorch's in it.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

K, N, ALPHA, BETA = 2, 5, 1e-4, 0.75  # section 3.3
POOL, POOL_STRIDE = 3, 2  # section 3.4


def convolution(maps, weight, bias, stride, sides):
    """``sides``: zeros above, left, below, right."""
    top, left, bottom, right = sides
    padded = np.pad(maps, ((0, 0), (0, 0), (top, bottom), (left, right)))
    size = weight.shape[-1]
    windows = sliding_window_view(padded, (size, size), (2, 3))[:, :, ::stride, ::stride]
    sums = np.einsum("nchwij,ocij->nohw", windows, weight, optimize=True)
    height, width = sums.shape[2:]

    def back(behind):
        before = np.zeros_like(padded)
        for row in range(size):
            for column in range(size):
                rows = slice(row, row + stride * height, stride)
                columns = slice(column, column + stride * width, stride)
                before[:, :, rows, columns] += np.einsum(
                    "nohw,oc->nchw", behind, weight[:, :, row, column], optimize=True
                )
        own = np.einsum("nchwij,nohw->ocij", windows, behind, optimize=True)
        bottom_end, right_end = before.shape[2] - bottom, before.shape[3] - right
        return before[:, :, top:bottom_end, left:right_end], own, behind.sum((0, 2, 3))

    return sums + bias[None, :, None, None], back


def relu(sums):
    return np.maximum(sums, 0), lambda behind: behind * (sums > 0)


def normalization(maps):
    """``b = a / (k + alpha * sum of a**2 over n adjacent maps) ** beta`` (section 3.3)."""
    count = maps.shape[1]
    near = np.abs(np.subtract.outer(np.arange(count), np.arange(count))) <= N // 2
    divisor = K + ALPHA * np.einsum("ij,njhw->nihw", near, maps**2)
    normed = maps / divisor**BETA

    def back(behind):
        inner = np.einsum("ij,njhw->nihw", near, behind * normed / divisor)
        return behind / divisor**BETA - 2 * ALPHA * BETA * maps * inner

    return normed, back


def pool(maps):
    windows = sliding_window_view(maps, (POOL, POOL), (2, 3))[:, :, ::POOL_STRIDE, ::POOL_STRIDE]
    flat = windows.reshape(*windows.shape[:4], -1)
    best = flat.argmax(-1)

    def back(behind):
        before = np.zeros_like(maps)
        pictures, channels, rows, columns = np.indices(best.shape)
        rows = rows * POOL_STRIDE + best // POOL
        columns = columns * POOL_STRIDE + best % POOL
        np.add.at(before, (pictures, channels, rows, columns), behind)
        return before

    return flat.max(-1), back


def cross_entropy(logits, labels):
    """The mean over pictures, and its gradient."""
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    probabilities = shifted / shifted.sum(1, keepdims=True)
    rows = np.arange(len(labels))
    gradient = probabilities.copy()
    gradient[rows, labels] -= 1
    return -np.log(probabilities[rows, labels]).mean(), gradient / len(labels)


def learn(tensors, images, labels):
    """Loss and the gradient of every tensor of figure 2's two towers (``<layer>.weight``)."""
    gradients, steps = {}, []

    def convolve(name, towers, stride, sides, *, is_normed, is_pooled, reads_both):
        made = []
        read = [np.concatenate(towers, 1)] * 2 if reads_both else towers
        for tower, maps in enumerate(read):
            weight, bias = (
                np.split(tensors[f"{name}.{kind}"], 2)[tower] for kind in ("weight", "bias")
            )
            given, back = convolution(maps, weight, bias, stride, sides)
            chain = []
            for does, layer in ((True, relu), (is_normed, normalization), (is_pooled, pool)):
                if does:
                    given, layer_back = layer(given)
                    chain.append(layer_back)
            made.append((given, back, chain))
        steps.append((name, made, reads_both))
        return [maps for maps, _, _ in made]

    first = convolve(
        "conv1", [images, images], 4, (0, 0, 3, 3), is_normed=True, is_pooled=True, reads_both=False
    )
    second = convolve("conv2", first, 1, (2,) * 4, is_normed=True, is_pooled=True, reads_both=False)
    third = convolve(
        "conv3", second, 1, (1,) * 4, is_normed=False, is_pooled=False, reads_both=True
    )
    fourth = convolve(
        "conv4", third, 1, (1,) * 4, is_normed=False, is_pooled=False, reads_both=False
    )
    fifth = convolve(
        "conv5", fourth, 1, (1,) * 4, is_normed=False, is_pooled=True, reads_both=False
    )

    units = [np.concatenate([maps.reshape(len(maps), -1) for maps in fifth], 1)]
    for name in ("fc6", "fc7"):
        sums = units[-1] @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]
        units.append(np.maximum(sums, 0))
    logits = units[-1] @ tensors["fc8.weight"].T + tensors["fc8.bias"]
    loss, behind = cross_entropy(logits, labels)

    for name, read in zip(("fc8", "fc7", "fc6"), reversed(units), strict=True):
        gradients[f"{name}.weight"] = behind.T @ read
        gradients[f"{name}.bias"] = behind.sum(0)
        behind = behind @ tensors[f"{name}.weight"]
        if name != "fc6":
            behind = behind * (read > 0)
    parts = [half.reshape(fifth[0].shape) for half in np.split(behind, 2, axis=1)]
    for name, made, reads_both in reversed(steps):
        before, weights, biases = [], [], []
        for part, (_, back, chain) in zip(parts, made, strict=True):
            gradient = part
            for layer_back in reversed(chain):
                gradient = layer_back(gradient)
            read, weight, bias = back(gradient)
            before.append(read)
            weights.append(weight)
            biases.append(bias)
        gradients[f"{name}.weight"] = np.concatenate(weights)
        gradients[f"{name}.bias"] = np.concatenate(biases)
        parts = np.split(before[0] + before[1], 2, axis=1) if reads_both else before
    return loss, gradients
