import numpy as np
import pytest
import torch
from torch.nn import functional

from alexnet_export.dialects import PAPER_NORM
from alexnet_export.layers import Norm, SpatialNorm
from alexnet_training.network.normalization import local_response_norm, norm_in_maps

OTHER_POWER = Norm(size=3, alpha=0.3, beta=0.6, k=1.0)


def maps(dtype, channels=7):
    chance = torch.Generator().manual_seed(1)
    return 20 * torch.randn(2, channels, 3, 4, generator=chance, dtype=dtype)


@pytest.mark.parametrize("norm", [PAPER_NORM, OTHER_POWER])
@pytest.mark.parametrize("channels", [1, 2, 7, 48])
def test_forward_is_torchs(norm, channels):
    given = maps(torch.float32, channels)
    expected = functional.local_response_norm(given, norm.size, norm.alpha, norm.beta, norm.k)
    torch.testing.assert_close(local_response_norm(given, norm), expected)


@pytest.mark.parametrize("norm", [PAPER_NORM, OTHER_POWER])
def test_backward_is_the_derivative(norm):
    given = maps(torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: local_response_norm(x, norm), (given,))


def test_backward_is_torchs_in_channels_last():
    given = maps(torch.float32, 48).to(memory_format=torch.channels_last)
    ours, theirs = given.clone().requires_grad_(), given.clone().requires_grad_()
    weights = torch.randn(given.shape, generator=torch.Generator().manual_seed(2))
    (local_response_norm(ours, PAPER_NORM) * weights).sum().backward()
    norm = PAPER_NORM
    other = functional.local_response_norm(theirs, norm.size, norm.alpha, norm.beta, norm.k)
    (other * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_in_bf16_it_stays_within_bf16s_step():
    given = maps(torch.float32, 48)
    exact = local_response_norm(given, PAPER_NORM)
    rounded = local_response_norm(given.bfloat16(), PAPER_NORM).float()
    assert ((rounded - exact).abs() <= 0.02 * exact.abs() + 1e-3).all()


def test_the_sum_is_not_a_mean():
    ones = torch.ones(1, 5, 1, 1)
    # The paper's equation (section 3.3) at the middle map: five neighbours of 1.
    expected = 1 / (2 + 1e-4 * 5) ** 0.75
    assert local_response_norm(ones, PAPER_NORM)[0, 2, 0, 0].item() == pytest.approx(expected)


def test_an_even_window_is_refused():
    with pytest.raises(ValueError, match="odd"):
        local_response_norm(torch.ones(1, 4, 1, 1), Norm(4, 1e-4, 0.75, 2.0))


WITHIN = SpatialNorm(size=5, alpha=0.3, beta=0.75, k=1.0)


def test_the_norm_within_a_map_is_its_formula_pixel_by_pixel():
    given = maps(torch.float64, channels=3).repeat(1, 1, 3, 2)  # [2, 3, 9, 8]
    values, expected = given.numpy(), np.empty(given.shape)
    for row in range(9):
        for column in range(8):
            rows = slice(max(0, row - 2), row + 3)
            columns = slice(max(0, column - 2), column + 3)
            total = (values[:, :, rows, columns] ** 2).sum((2, 3))
            divisor = (1 + 0.3 / 25 * total) ** 0.75
            expected[:, :, row, column] = values[:, :, row, column] / divisor
    np.testing.assert_allclose(norm_in_maps(given, WITHIN), expected, rtol=1e-12)


def test_the_norm_within_a_map_has_its_derivative():
    given = maps(torch.float64, channels=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: norm_in_maps(x, WITHIN), (given,))
    with pytest.raises(ValueError, match="odd"):
        norm_in_maps(given, SpatialNorm(4, 0.3, 0.75, 1.0))
