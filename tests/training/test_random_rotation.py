"""Patches turned by any angle, against scikit-image, and in training."""

import numpy as np
import pytest
import torch
from skimage.transform import rotate as turn_image

from helpers.training_runs import NOTHING, patch_data, train
from microtome.training import loop
from microtome.training.objectives import segmentation
from microtome.training.random_rotation import draw_angles, rotate

IMAGES = torch.rand(5, 3, 24, 24, generator=torch.Generator().manual_seed(0))
ANGLES = np.radians(np.float32([0, 90, -37, 11.5, 170]))


def test_turned_as_scikit_image_turns_them():
    """Against the clock about the middle, bilinear, the nearest px beyond the edge."""
    found = rotate(IMAGES, ANGLES)
    for image, angle, turned in zip(IMAGES, ANGLES, found, strict=True):
        expected = turn_image(
            image.movedim(0, -1).double().numpy(), np.degrees(angle), order=1, mode="edge"
        )
        np.testing.assert_allclose(turned.movedim(0, -1), expected, atol=1e-4)
    torch.testing.assert_close(found[0], IMAGES[0])
    torch.testing.assert_close(found[1], torch.rot90(IMAGES[1], 1, (-2, -1)))


def test_images_of_a_patch_are_turned_alike():
    """Those of several spacings, in whatever order they lie in memory, which stays."""
    both = torch.stack([IMAGES, IMAGES.flip(-1)], dim=1)
    found = rotate(both, ANGLES)
    assert torch.equal(found[:, 0], rotate(IMAGES, ANGLES))
    assert torch.equal(found[:, 1], rotate(IMAGES.flip(-1), ANGLES))
    last = IMAGES.to(memory_format=torch.channels_last)
    assert rotate(last, ANGLES).stride() == last.stride()
    assert torch.equal(rotate(last, ANGLES), found[:, 0])


def test_a_truth_is_turned_with_its_patch():
    """Its px stay 0 and 1, and lie where the patch's are."""
    truth = torch.zeros(5, 24, 24, dtype=torch.uint8)
    truth[:, 3:15, 8:13] = 1
    found = rotate(truth, ANGLES)
    assert found.dtype == torch.uint8
    smooth = rotate(truth[:, None].float(), ANGLES)[:, 0]
    clear = (smooth - 0.5).abs() > 0.45
    assert clear.float().mean() > 0.8
    assert torch.equal(found[clear].bool(), smooth[clear] > 0.5)


def test_angles_follow_from_seed_epoch_and_batch():
    """Within the range, half of them either way, others in each batch; shares are parts."""
    drawn = draw_angles(1000, degrees=30, seed=1, epoch=2, batch=3)
    assert np.abs(drawn).max() <= np.radians(30)
    assert 0.4 < (drawn > 0).mean() < 0.6
    assert np.degrees(np.abs(drawn)).mean() == pytest.approx(15, abs=1)
    same = [draw_angles(1000, degrees=30, seed=1, epoch=2, batch=3, share=(i, 2)) for i in (0, 1)]
    np.testing.assert_array_equal(np.stack(same, axis=1).ravel(), drawn)
    for changed in ({"seed": 2}, {"epoch": 3}, {"batch": 4}):
        other = draw_angles(1000, **{"degrees": 30, "seed": 1, "epoch": 2, "batch": 3, **changed})
        assert not np.array_equal(other, drawn)


def test_training_patches_are_turned_before_their_colours_change(tmp_path, monkeypatch):
    """Each batch of an epoch by angles of its own; validation is not."""
    data = [patch_data(tmp_path / f"{n}.zarr", [0, 1] * n) for n in (4, 2)]
    noted = []
    real = loop.rotate
    monkeypatch.setattr(loop, "rotate", lambda x, a: noted.append((x, a)) or real(x, a))
    plain, _ = train(data, tmp_path / "a.safetensors", epochs=2)
    assert not noted
    turned, _ = train(data, tmp_path / "b.safetensors", epochs=2, rotation_degrees=45)
    assert [len(images) for images, _ in noted] == [4, 4] * 2
    for (_, angles), (epoch, batch) in zip(noted, np.ndindex(2, 2), strict=True):
        drawn = draw_angles(4, degrees=45, seed=7, epoch=epoch + 1, batch=batch)
        np.testing.assert_array_equal(angles, drawn)
    assert any(not torch.equal(plain[name], turned[name]) for name in plain)


class Echo(torch.nn.Module):
    """Logits that say a px is tumour where it is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(100.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2, H, W)."""
        bright = self.factor * (images[:, 0] - 0.5)
        return torch.stack([-bright, bright], 1)


def test_truths_are_turned_in_training(tmp_path):
    """A network that is right of every px stays so, whatever the angle."""
    pixels = np.zeros((8, 32, 32, 3), np.uint8)
    pixels[:, 5:20, 9:29] = 255
    data = patch_data(tmp_path / "a.zarr", [0, 1] * 4, pixels)

    class Bright:
        shape = (32, 32)

        def read(self, row: int, out: np.ndarray) -> None:
            out[...] = pixels[row, ..., 0] > 0

    data._truths = [Bright()]
    settings = {"epochs": 1, "learning_rate": 1e-9, "rotation_degrees": 180}
    checkpoint = tmp_path / "a.safetensors"
    _, (row,) = train([data, NOTHING], checkpoint, Echo(), segmentation("dice"), **settings)
    assert row["train_accuracy"] > 0.98
