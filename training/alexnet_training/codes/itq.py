"""Iterative quantization: principal components, turned so that their signs lose the least.

Gong and Lazebnik, "Iterative Quantization: A Procrustean Approach to Learning Binary Codes"
(2011).  It learns no layer: one matrix, found in a minute.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA
from tqdm import tqdm

from alexnet_training.codes.graph import Encoder, Layer, Values, in_metric

_TURNS = 50  # the paper's own number
_MOST = 20_000  # pictures to find the rotation on; the components come from all


def learn_itq(
    features: Values,
    bits: int,
    metric: str,
    *,
    seed: int = 0,
    between: Callable[[], None] = lambda: None,
) -> Encoder:
    """``features`` float32 [n, units], more than ``bits`` of them -> an encoder of one layer.

    ``between`` is called between turns and may raise to stop.
    """
    features = in_metric(features, metric)
    chance = np.random.default_rng(seed)
    components = PCA(bits, svd_solver="randomized", random_state=seed)
    between()
    projected = components.fit_transform(features)[:_MOST].astype(np.float32)  # [n, bits]
    rotation, _ = np.linalg.qr(chance.standard_normal((bits, bits)).astype(np.float32))
    for _turn in tqdm(range(_TURNS), desc="rotation", unit="turn", disable=None):
        between()
        signs = np.where(projected @ rotation > 0, np.float32(1), np.float32(-1))
        # The rotation that brings the components nearest to their signs (Procrustes).
        left, _, right = np.linalg.svd(projected.T @ signs)
        rotation = left @ right
    weight = (rotation.T @ components.components_).astype(np.float32)  # [bits, units]
    bias = -(weight @ components.mean_).astype(np.float32)
    return Encoder("itq", metric, (Layer(weight, bias),))
