"""What is measured on features, of photos and of their likes alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float32]
Numbers = dict[str, float]

_SHARES = (1, 4, 16, 64, 256)
_QUANTILES = (0.05, 0.5, 0.95)


def statistics(features: Values) -> Numbers:
    """Of ``features`` float32 [n, units], n some thousand: it makes matrices [n, n].

    ``active``: the share that is not zero.  ``length``, ``length_spread``: the mean length of a
    picture's features, and its standard deviation over that.  ``variance_K``: the share of the
    variance in the first K principal components.  ``nearest_over_10th``, ``10th_over_median``,
    ``100th_over_median``: distances of a picture to its nearest others, over the distance to the
    10th and to the median other, with the quantile over pictures.
    """
    squares = (features * features).sum(axis=1)
    lengths = np.sqrt(squares)
    spectrum = variance_shares(features)
    found: Numbers = {
        "active": float((features > 0).mean()),
        "length": float(lengths.mean()),
        "length_spread": float(lengths.std() / lengths.mean()),
        **{f"variance_{first}": float(spectrum[:first].sum()) for first in _SHARES},
    }
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * features @ features.T, 0))
    np.fill_diagonal(apart, np.inf)
    apart.sort(axis=1)
    median = apart[:, (len(features) - 1) // 2]
    ratios = {
        "nearest_over_10th": apart[:, 0] / apart[:, 9],
        "10th_over_median": apart[:, 9] / median,
        "100th_over_median": apart[:, 99] / median,
    }
    for name, values in ratios.items():
        for quantile in _QUANTILES:
            found[f"{name}@{quantile}"] = float(np.quantile(values, quantile))
    return {name: round(value, 4) for name, value in found.items()}


def variance_shares(features: Values) -> npt.NDArray[np.float64]:
    """The share of each principal component in the variance, the largest first."""
    centred = features - features.mean(axis=0)
    spectrum = np.linalg.eigvalsh((centred @ centred.T).astype(np.float64))[::-1]
    shares: npt.NDArray[np.float64] = np.maximum(spectrum, 0) / spectrum.sum()
    return shares


def difference(one: Numbers, other: Numbers) -> float:
    """How far apart two statistics are: the root mean square of their logarithms' differences."""
    apart = [np.log(one[name] / other[name]) for name in one]
    return float(np.sqrt(np.mean(np.square(apart))))
