"""Mean posteriors of members and views, and the two variances."""

import pytest
import torch
from torch import nn

from microtome.errors import InputError
from microtome.inference.posteriors import posteriors
from microtome.inference.test_time_augmentation import NAMES


class Says(nn.Module):
    """Says the same of every px, or of every patch.

    Parameters
    ----------
    probability : float
        Of tumour.
    side : int, optional
        Side of the map; None: one value a patch.
    n_classes : int
        How many classes there are.
    """

    def __init__(self, probability: float, side: int | None = None, n_classes: int = 2) -> None:
        super().__init__()
        self.logit = torch.logit(torch.tensor(probability, dtype=torch.float64)).float()
        self.side, self.n_classes = side, n_classes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, C) or (B, C, side, side)."""
        logits = torch.zeros(len(images), self.n_classes)
        logits[:, 1] = self.logit
        return logits if not self.side else logits[..., None, None].repeat(1, 1, *[self.side] * 2)


class Equivariant(nn.Module):
    """Each px of the image decides about itself alone."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2, H, W)."""
        return torch.cat([images[:, :1], 3 * images[:, 1:2]], dim=1)


IMAGES = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_one_network_has_a_probability_alone():
    """Without views or members there is nothing to be uncertain with."""
    found = posteriors({"a": Says(0.3)}, IMAGES)
    assert set(found) == {"probability"}
    torch.testing.assert_close(found["probability"], torch.full((3, 1, 1), 0.3))


def test_members_by_hand():
    """Members of .2, .4 and .9: mean .5, variance (.09 + .01 + .16) / 3."""
    members = {"a": Says(0.2), "b": Says(0.4), "c": Says(0.9)}
    found = posteriors(members, IMAGES)
    assert set(found) == {
        "probability",
        "epistemic",
        "a.probability",
        "b.probability",
        "c.probability",
    }
    torch.testing.assert_close(found["probability"], torch.full((3, 1, 1), 0.5))
    torch.testing.assert_close(found["epistemic"], torch.full((3, 1, 1), 0.26 / 3))
    torch.testing.assert_close(found["c.probability"], torch.full((3, 1, 1), 0.9))


def test_members_that_agree_are_sure():
    """The same network twice has no epistemic uncertainty at all."""
    network = Equivariant()
    found = posteriors({"a": network, "b": network}, IMAGES)
    assert found["epistemic"].abs().max() == 0


def test_views_are_turned_back_before_they_are_compared():
    """A network that turns with its image has no aleatoric uncertainty, and the plain posterior."""
    found = posteriors({"a": Equivariant()}, IMAGES, augmentations=NAMES)
    plain = posteriors({"a": Equivariant()}, IMAGES)
    assert found["aleatoric"].max() < 1e-12
    torch.testing.assert_close(found["probability"], plain["probability"])


def test_variances_are_of_px_and_pooled_afterwards():
    """A map of 0 and 1 by halves that swap when flipped: .25 everywhere, though its mean is .5."""

    class Halves(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = torch.full((len(images), 2, 8, 8), 0.0)
            logits[:, 1, :, :4], logits[:, 1, :, 4:] = -50, 50
            return logits

    settings = {"augmentations": ("flip_horizontal",), "side": 1}
    found = posteriors({"a": Halves()}, IMAGES, **settings)
    torch.testing.assert_close(found["aleatoric"], torch.full((3, 1, 1), 0.25))
    torch.testing.assert_close(found["probability"], torch.full((3, 1, 1), 0.5))
    # Of two such members that say the opposite, each is sure, and together they know nothing.
    both = posteriors({"a": Halves(), "b": _Other(Halves())}, IMAGES, side=1)
    torch.testing.assert_close(both["epistemic"], torch.full((3, 1, 1), 0.25))


class _Other(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return -self.network(images)


def test_a_value_of_a_patch_stands_for_all_its_px():
    """A classifier and a segmenter in one ensemble: the mean is a map."""
    found = posteriors({"patch": Says(0.2), "px": Says(0.6, side=8)}, IMAGES, side=4)
    torch.testing.assert_close(found["probability"], torch.full((3, 4, 4), 0.4))
    torch.testing.assert_close(found["epistemic"], torch.full((3, 4, 4), 0.04))
    assert found["patch.probability"].shape == (3, 1, 1)


def test_maps_smaller_than_asked_for_stay():
    """Nothing is made larger than the network gave it."""
    assert posteriors({"a": Says(0.5, side=2)}, IMAGES, side=4)["probability"].shape == (3, 2, 2)


@pytest.mark.parametrize("n_classes", [1, 3])
def test_another_number_of_classes(n_classes):
    """A member of other classes is named."""
    network = Says(0.5, n_classes=3) if n_classes == 3 else _First(Says(0.5))
    with pytest.raises(InputError, match=f"^models.odd: the network gives {n_classes} classes"):
        posteriors({"a": Says(0.5), "odd": network}, IMAGES)


class _First(_Other):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images)[:, :1]
