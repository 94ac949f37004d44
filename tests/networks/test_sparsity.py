"""The threshold follows the values, and lets the asked percentage of them through."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.networks.sparsity import (
    Crosswise,
    DetectionThreshold,
    RunningThreshold,
    SparseReLU,
    full_precision,
    upper_percentile,
)


@settings(deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 700),
    st.floats(0.1, 99.9) | st.sampled_from([1.2, 1.6, 2.0, 50.0]),
    st.integers(0, 2**32 - 1),
)
def test_the_percentile_is_numpys(n_images, n_values, percent, seed):
    """Of each image for itself, interpolated linearly, in images of any size."""
    values = np.random.default_rng(seed).normal(size=(n_images, n_values)).astype(np.float32)
    found = upper_percentile(torch.from_numpy(values), percent)
    expected = np.percentile(values, 100 - percent, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_as_many_values_exceed_it_as_asked_for():
    """Of 25 x 25 locations 1.6 % are ten."""
    values = torch.rand(5, 1, 25, 25)
    threshold = upper_percentile(values, 1.6)
    assert (values > threshold[:, None, None, None]).sum(dim=(1, 2, 3)).tolist() == [10] * 5


def test_the_threshold_follows_the_mean_percentile():
    """T <- 0.9 t + 0.1 m: by hand for two batches, from 0."""
    threshold = RunningThreshold(percent=50)
    # Medians 2 and 6, then 1 and 1: means 4 and 1.
    first = torch.tensor([[1.0, 2.0, 90.0], [5.0, 6.0, 7.0]]).reshape(2, 1, 1, 3)
    second = torch.tensor([[1.0, 1.0, 1.0], [0.0, 1.0, 2.0]]).reshape(2, 1, 1, 3)
    assert threshold.threshold == 0
    torch.testing.assert_close(threshold(first), first - 0.4)
    torch.testing.assert_close(threshold(second), second - (0.9 * 0.4 + 0.1 * 1))


@pytest.mark.parametrize("fixed", [False, True])
def test_it_is_a_constant_after_training(fixed):
    """In evaluation, and in further training where it is fixed, it stays; it is saved."""
    trained = RunningThreshold(percent=10)
    trained(torch.rand(3, 1, 9, 9))
    assert trained.threshold > 0
    loaded = RunningThreshold(percent=10, fixed=fixed)
    loaded.load_state_dict(copy.deepcopy(trained.state_dict()))
    loaded.train(fixed)
    values = torch.rand(3, 1, 9, 9) + 5
    assert torch.equal(loaded(values), values - trained.threshold)
    assert torch.equal(loaded.threshold, trained.threshold)


def test_the_gradient_takes_the_threshold_as_given():
    """It is that of x - t with a constant t, though t was just computed from x."""
    values = torch.rand(2, 1, 5, 5, requires_grad=True)
    RunningThreshold(percent=10)(values).sum().backward()
    assert torch.equal(values.grad, torch.ones_like(values))


def at(part: RunningThreshold, threshold: float) -> RunningThreshold:
    """Set the threshold of a part, in evaluation."""
    part.threshold.fill_(threshold)
    return part.eval()


def test_equation_6():
    """D = sigmoid(20 (D' - t)): a half at t, nearly 0 and 1 at a fourth below and above."""
    part = at(DetectionThreshold(percent=1.6), 2)
    found = part(torch.tensor([1.75, 2.0, 2.05, 2.25]).reshape(1, 1, 1, 4)).flatten()
    expected = [1 / (1 + np.exp(-20 * x)) for x in (-0.25, 0, 0.05, 0.25)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found[0] < 0.007
    assert found[3] > 0.993


def test_another_slope():
    """D = sigmoid(r (D' - t))."""
    part = at(DetectionThreshold(percent=1.6, slope=1), 2)
    found = part(torch.tensor([0.0, 2.0, 5.0]).reshape(1, 1, 1, 3)).flatten()
    np.testing.assert_allclose(found, [1 / (1 + np.exp(-x)) for x in (-2, 0, 3)], rtol=1e-5)


def test_the_conventional_sparsity():
    """ReLU(D' - t) with one t for the values of all maps, which few of them exceed."""
    part = SparseReLU(percent=1.6)
    values = torch.randn(4, 100, 10, 10) + torch.linspace(0, 3, 100)[None, :, None, None]
    for _ in range(100):
        active = part(values) > 0
    assert 0.015 < active.float().mean() < 0.017
    assert active[:, -1].float().mean() > 10 * active[:, 0].float().mean()
    expected = torch.tensor([0.0, 0.0, 1.5])
    found = at(part, 2)(torch.tensor([1.0, 2.0, 3.5]).reshape(1, 3, 1, 1))
    assert torch.equal(found.flatten(), expected)


def test_crosswise():
    """All maps are kept where there is something, and none where there is nothing."""
    dense, detection = torch.rand(2, 5, 3, 3), torch.zeros(2, 1, 3, 3)
    detection[1, 0, 2, 1] = 1
    found = Crosswise()(dense, detection)
    assert torch.equal(found[1, :, 2, 1], dense[1, :, 2, 1])
    assert found.count_nonzero() == 5


@pytest.mark.parametrize("part", [DetectionThreshold, SparseReLU])
def test_half_precision_comes_in_alone(part):
    """Of values in bfloat16 the threshold, its mean and what comes out are float32."""
    values = torch.rand(2, 3, 8, 8)
    rounded = values.to(torch.bfloat16)
    one, other = part(percent=20), part(percent=20)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = one(rounded)
    assert found.dtype == one.threshold.dtype == torch.float32
    assert torch.equal(found, other(rounded.float()))
    assert torch.equal(one.threshold, other.threshold)


def test_full_precision_inside_of_mixed():
    """What is computed inside keeps its type; that there are no values is no error."""
    images, weights = torch.rand(1, 2, 4, 4), torch.rand(3, 2, 1, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.conv2d(images, weights).dtype == torch.bfloat16
        with full_precision(images.device):
            assert torch.conv2d(images, weights).dtype == torch.float32
    with full_precision(torch.device("meta")):
        pass
