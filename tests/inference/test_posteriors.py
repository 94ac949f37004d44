"""Mean posteriors of members and views, and the two variances."""

import pytest
import torch

from microtome.errors import InputError
from microtome.inference.posteriors import posteriors


def says(probability: float, *, side: int | None = None, n_classes: int = 2):
    """Make a network that says the same of every patch, or of every px of a map."""
    logits = torch.zeros(n_classes)
    logits[min(1, n_classes - 1)] = torch.logit(torch.tensor(probability, dtype=torch.float64))
    shape = (n_classes, side, side) if side else (n_classes,)
    return lambda images: logits.view(-1, *[1] * (len(shape) - 1)).expand(len(images), *shape)


def halves(images: torch.Tensor) -> torch.Tensor:
    """Say that the left half is no tumour, and the right half is."""
    logits = torch.zeros(len(images), 2, 8, 8)
    logits[:, 1, :, :4], logits[:, 1, :, 4:] = -50, 50
    return logits


IMAGES = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_variances_are_of_px_and_pooled_afterwards():
    """A map of 0 and 1 by halves that swap when flipped: .25 everywhere, though its mean is .5."""
    settings = {"augmentations": ("flip_horizontal",), "side": 1}
    found = posteriors({"a": halves}, IMAGES, **settings)
    torch.testing.assert_close(found["aleatoric"], torch.full((3, 1, 1), 0.25))
    torch.testing.assert_close(found["probability"], torch.full((3, 1, 1), 0.5))
    # Of two such members that say the opposite, each is sure, and together they know nothing.
    both = posteriors({"a": halves, "b": lambda images: -halves(images)}, IMAGES, side=1)
    torch.testing.assert_close(both["epistemic"], torch.full((3, 1, 1), 0.25))


def test_epistemic_uncertainty_of_the_patch_as_it_is():
    """Eq. 5 as written: members that differ there, and not on the mean over views."""
    members = {"a": halves, "b": lambda images: -halves(images)}
    settings = {"augmentations": ("flip_horizontal",), "side": 1}
    found = posteriors(members, IMAGES, **settings)
    torch.testing.assert_close(found["epistemic"], torch.zeros(3, 1, 1))
    plain = posteriors(members, IMAGES, epistemic="plain", **settings)
    torch.testing.assert_close(plain["epistemic"], torch.full((3, 1, 1), 0.25))
    assert all(torch.equal(plain[part], found[part]) for part in {*found} - {"epistemic"})


def test_a_value_of_a_patch_stands_for_all_its_px():
    """A classifier and a segmenter in one ensemble: the mean is a map."""
    found = posteriors({"patch": says(0.2), "px": says(0.6, side=8)}, IMAGES, side=4)
    torch.testing.assert_close(found["probability"], torch.full((3, 4, 4), 0.4))
    torch.testing.assert_close(found["epistemic"], torch.full((3, 4, 4), 0.04))
    assert found["patch.probability"].shape == (3, 1, 1)


def test_maps_smaller_than_asked_for_stay():
    """Nothing is made larger than the network gave it; one network has a probability alone."""
    found = posteriors({"a": says(0.5, side=2)}, IMAGES, side=4)
    assert {part: values.shape for part, values in found.items()} == {"probability": (3, 2, 2)}


@pytest.mark.parametrize("n_classes", [1, 3])
def test_another_number_of_classes(n_classes):
    """A member of other classes is named."""
    with pytest.raises(InputError, match=f"^models.odd: the network gives {n_classes} classes"):
        posteriors({"a": says(0.5), "odd": says(0.5, n_classes=n_classes)}, IMAGES)
