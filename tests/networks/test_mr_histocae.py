"""MR-HistoCAE's layers, sizes and parameters are those of the paper."""

import pytest
import torch
from torch import nn

from microtome.networks.histocae import HistoCAE
from microtome.networks.mr_histocae import MRHistoCAE
from networks.test_histocae import outputs_of


def network(*, n_spacings: int = 3, dropout: float = 0.7) -> MRHistoCAE:
    """Build the paper's network."""
    torch.manual_seed(0)
    return MRHistoCAE(n_spacings=n_spacings, dropout=dropout, downsampling="stride").eval()


def test_a_branch_layer_by_layer():
    """Four convolutions of stride 2, depths 128, 256, 512, 512, end in a vector of 512."""
    branch = network().branches[0]
    latent = torch.rand(1, 64, 16, 16)
    assert outputs_of(branch, latent, nn.Conv2d) == [(128, 8), (256, 4), (512, 2), (512, 1)]
    assert {(layer.kernel_size, layer.stride) for layer in branch[:12:3]} == {((3, 3), (2, 2))}
    assert [type(layer) for layer in branch[:12]] == [nn.Conv2d, nn.ReLU, nn.BatchNorm2d] * 4
    with torch.no_grad():
        assert branch(latent).shape == (1, 512)


def test_dense_layers():
    """1536 numbers go through three dense layers of ReLU, batch norm and dropout to two logits."""
    layers = list(network().dense)
    dense = [layer for layer in layers if isinstance(layer, nn.Linear)]
    assert [layer.in_features for layer in dense] == [1536, 512, 256, 128]
    assert dense[-1].out_features == 2
    kinds = [type(layer) for layer in layers]
    assert kinds == [nn.Linear, nn.ReLU, nn.BatchNorm1d, nn.Dropout] * 3 + [nn.Linear]
    assert [layer.p for layer in layers if isinstance(layer, nn.Dropout)] == [0.7] * 3


@pytest.mark.parametrize(("n_spacings", "side"), [(3, 256), (3, 64), (2, 48), (1, 512)])
def test_two_logits_of_all_spacings(n_spacings, side):
    """One logit for each class, which changes with the images of each spacing."""
    model = network(n_spacings=n_spacings)
    images = torch.rand(2, n_spacings, 3, side, side)
    with torch.no_grad():
        logits = model(images)
        assert logits.shape == (2, 2)
        for s in range(n_spacings):
            changed = images.clone()
            changed[:, s] = 0
            assert not torch.equal(model(changed), logits)


def test_each_spacing_has_its_own_autoencoder():
    """Reconstructions of a spacing are its autoencoder's, of its images alone."""
    model = network()
    images = torch.rand(2, 3, 3, 32, 32)
    with torch.no_grad():
        logits, back = model(images, reconstruct=True)
        assert torch.equal(logits, model(images))
        for s, cae in enumerate(model.autoencoders):
            assert isinstance(cae, HistoCAE)
            torch.testing.assert_close(back[s], cae(images[:, s]))
    assert not torch.equal(back[0], back[1])


def test_every_weight_learns():
    """Classification and reconstruction together reach every weight."""
    model = network(dropout=0.0).train()
    images = torch.rand(4, 3, 3, 32, 32)
    logits, back = model(images, reconstruct=True)
    loss = logits.square().mean()
    loss = loss + sum((image - images[:, s]).abs().mean() for s, image in enumerate(back))
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())
