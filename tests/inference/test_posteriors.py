"""Mean posteriors of members and views, and the two variances."""

import pytest
import torch

from microtome.errors import InputError
from microtome.inference.posteriors import posteriors
from microtome.inference.test_time_augmentation import NAMES


def says(probability: float, *, side: int | None = None, n_classes: int = 2):
    """Make a network that says the same of every patch, or of every px of a map."""
    logits = torch.zeros(n_classes)
    logits[min(1, n_classes - 1)] = torch.logit(torch.tensor(probability, dtype=torch.float64))
    shape = (n_classes, side, side) if side else (n_classes,)
    return lambda images: logits.view(-1, *[1] * (len(shape) - 1)).expand(len(images), *shape)


def equivariant(images: torch.Tensor) -> torch.Tensor:
    """Have each px of the image decide about itself alone."""
    return torch.cat([images[:, :1], 3 * images[:, 1:2]], dim=1)


def halves(images: torch.Tensor) -> torch.Tensor:
    """Say that the left half is no tumour, and the right half is."""
    logits = torch.zeros(len(images), 2, 8, 8)
    logits[:, 1, :, :4], logits[:, 1, :, 4:] = -50, 50
    return logits


IMAGES = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_one_network_has_a_probability_alone():
    """Without views or members there is nothing to be uncertain with."""
    found = posteriors({"a": says(0.3)}, IMAGES)
    assert set(found) == {"probability"}
    torch.testing.assert_close(found["probability"], torch.full((3, 1, 1), 0.3))


def test_members_by_hand():
    """Members of .2, .4 and .9: mean .5, variance (.09 + .01 + .16) / 3."""
    members = {"a": says(0.2), "b": says(0.4), "c": says(0.9)}
    found = posteriors(members, IMAGES)
    of_members = {f"{name}.probability" for name in "abc"}
    assert set(found) == {"probability", "epistemic"} | of_members
    torch.testing.assert_close(found["probability"], torch.full((3, 1, 1), 0.5))
    torch.testing.assert_close(found["epistemic"], torch.full((3, 1, 1), 0.26 / 3))
    torch.testing.assert_close(found["c.probability"], torch.full((3, 1, 1), 0.9))


def test_members_that_agree_are_sure():
    """The same network twice has no epistemic uncertainty at all."""
    found = posteriors({"a": equivariant, "b": equivariant}, IMAGES)
    assert found["epistemic"].abs().max() == 0


def test_views_are_turned_back_before_they_are_compared():
    """A network that turns with its image has no aleatoric uncertainty, and the plain posterior."""
    found = posteriors({"a": equivariant}, IMAGES, augmentations=NAMES)
    plain = posteriors({"a": equivariant}, IMAGES)
    assert found["aleatoric"].max() < 1e-12
    torch.testing.assert_close(found["probability"], plain["probability"])


def test_variances_are_of_px_and_pooled_afterwards():
    """A map of 0 and 1 by halves that swap when flipped: .25 everywhere, though its mean is .5."""
    settings = {"augmentations": ("flip_horizontal",), "side": 1}
    found = posteriors({"a": halves}, IMAGES, **settings)
    torch.testing.assert_close(found["aleatoric"], torch.full((3, 1, 1), 0.25))
    torch.testing.assert_close(found["probability"], torch.full((3, 1, 1), 0.5))
    # Of two such members that say the opposite, each is sure, and together they know nothing.
    both = posteriors({"a": halves, "b": lambda images: -halves(images)}, IMAGES, side=1)
    torch.testing.assert_close(both["epistemic"], torch.full((3, 1, 1), 0.25))


def test_a_value_of_a_patch_stands_for_all_its_px():
    """A classifier and a segmenter in one ensemble: the mean is a map."""
    found = posteriors({"patch": says(0.2), "px": says(0.6, side=8)}, IMAGES, side=4)
    torch.testing.assert_close(found["probability"], torch.full((3, 4, 4), 0.4))
    torch.testing.assert_close(found["epistemic"], torch.full((3, 4, 4), 0.04))
    assert found["patch.probability"].shape == (3, 1, 1)


def test_maps_smaller_than_asked_for_stay():
    """Nothing is made larger than the network gave it."""
    assert posteriors({"a": says(0.5, side=2)}, IMAGES, side=4)["probability"].shape == (3, 2, 2)


@pytest.mark.parametrize("n_classes", [1, 3])
def test_another_number_of_classes(n_classes):
    """A member of other classes is named."""
    with pytest.raises(InputError, match=f"^models.odd: the network gives {n_classes} classes"):
        posteriors({"a": says(0.5), "odd": says(0.5, n_classes=n_classes)}, IMAGES)
