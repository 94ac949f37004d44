"""Pretraining of the crosswise autoencoder: its loss, its sparsity, and that it goes on alike."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from helpers.pictures import write_store
from helpers.training_runs import KilledError, same
from microtome.errors import InputError
from microtome.networks.crosswise import Encoded
from microtome.networks.registry import build_model
from microtome.nucleus_training import pretraining
from microtome.nucleus_training.objectives import log_likelihood, reconstruction
from microtome.nucleus_training.pretraining import pretrain, require_nuclei
from microtome.training.batches import PatchData

ENTRY = {
    "kind": "crosswise",
    "variant": "crosswise",
    "reduction": 4,
    "width": 0.04,
    "sparsity_percent": 8.0,
    "spacing_um": 0.5,
    "patch_px": 20,
    "pretraining": {
        "patches": 24,
        "epochs": 3,
        "batch": 8,
        "optimizer": "sgd",
        "learning_rate": 0.03,
        "momentum": 0.9,
    },
    "seed": 6,
}


def spots(n: int, *, seed: int = 0) -> np.ndarray:
    """Draw patches of 20 px, pink with a dark disc of 8 px each."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:20, :20]
    pixels = np.full((n, 20, 20, 3), (230, 160, 200), np.uint8)
    for patch in pixels:
        row, column = rng.integers(4, 16, 2)
        patch[(y - row) ** 2 + (x - column) ** 2 < 16] = (90, 50, 140)
    return pixels


@pytest.fixture
def windows(tmp_path) -> list[PatchData]:
    """Write 24 patches to learn from, and none that judge."""
    store = write_store(tmp_path / "a.zarr", spots(24), [-1] * 24)
    return [PatchData(some, labelled=False) for some in ([store], [])]


class Given(nn.Module):
    """Gives back what it was told to, as an autoencoder does."""

    def __init__(self, rebuilt: torch.Tensor, **encoded: torch.Tensor | None) -> None:
        super().__init__()
        nothing = dict.fromkeys(("foreground", "background", "detection", "raw"))
        self.found = rebuilt, Encoded(**{**nothing, **encoded})

    def forward(self, images, *, with_encoded):  # noqa: D102
        assert with_encoded
        return self.found


def test_the_loss_is_the_mean_of_the_images_roots():
    """Errors of 0.1 everywhere in one image and 0.3 in the other: 0.2, not the root of all."""
    images = torch.full((2, 3, 4, 4), 0.5)
    rebuilt = images + torch.tensor([0.1, -0.3]).view(2, 1, 1, 1)
    detection = torch.zeros(2, 1, 2, 2)
    detection[0, 0, 0, 0] = 0.9
    found = reconstruction(Given(rebuilt, detection=detection), images, torch.zeros(2))
    assert found["loss"].item() == pytest.approx(0.2, rel=1e-5)
    assert found["active"].item() == 1 / 8
    assert found["darker"].item() == 0


def test_what_fires_is_compared_with_all_by_its_red():
    """A place of red 0.2 fires in an image of red 0.6 otherwise; green and blue do not count."""
    images = torch.full((1, 3, 4, 4), 0.6)
    images[0, 0, :2, 2:] = 0.2
    images[0, 1:, 2:, :] = 0.0
    detection = torch.zeros(1, 1, 2, 2)
    detection[0, 0, 0, 1] = 1
    found = reconstruction(Given(images, detection=detection), images, torch.zeros(1))
    assert found["darker"].item() == pytest.approx(0.5 - 0.2, rel=1e-5)
    found = reconstruction(Given(images, detection=0 * detection), images, torch.zeros(1))
    assert found["darker"].item() == 0


def test_without_a_detection_map_values_of_the_foreground_are_active():
    """Of the variant sparse each map has places of its own."""
    images, foreground = torch.zeros(1, 3, 4, 4), torch.zeros(1, 2, 2, 2)
    foreground[0, 1] = 0.1
    found = reconstruction(Given(images, foreground=foreground), images, torch.zeros(1))
    assert found["active"].item() == 0.5


@pytest.mark.parametrize("shape", [(2, 3), (2, 1, 2, 2)])
def test_the_log_likelihood_is_that_of_each_output(shape):
    """By hand: -log of the probability that is given to what is true."""
    logits = torch.linspace(-2, 2, math.prod(shape)).view(shape)
    truths = (torch.arange(math.prod(shape)) % 2).view(shape)
    labels = truths.to(torch.uint8).squeeze(1)
    found = log_likelihood(lambda _: logits, torch.zeros(2, 3, 4, 4), labels)["loss"]
    p = 1 / (1 + np.exp(-logits.numpy().astype(float)))
    expected = -np.log(np.where(truths.numpy() == 1, p, 1 - p)).mean()
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_it_learns_to_rebuild_windows_from_fewer_places(windows, tmp_path):
    """The loss falls, while the threshold rises from 0, where half of the places are active."""
    more = {**ENTRY["pretraining"], "epochs": 8}
    model, history = pretrain(
        "m", {**ENTRY, "pretraining": more}, *windows, checkpoint=tmp_path / "c", code="x"
    )
    assert history[-1]["train_loss"] < 0.7 * history[0]["train_loss"]
    assert history[-1]["train_active"] < 0.6 * history[0]["train_active"]
    assert model.part5.threshold > 0
    assert not model.training


def test_in_the_end_the_threshold_is_of_what_is_used(windows, tmp_path):
    """It is the mean percentile of D' in evaluation, and there is an offset."""
    model, _ = pretrain("m", ENTRY, *windows, checkpoint=tmp_path / "c", code="x")
    raws = []
    for images, _ in windows[0].in_order(8):
        with torch.no_grad():
            raws.append(model.encode(images / 255).raw)
    ranks = torch.cat(raws).flatten(1).sort().values[:, 22:24].mean(dim=0)  # 8 % of 24 is rank 1.92
    assert ranks[0] < model.part5.threshold < ranks[1]
    assert model.offset_px.abs().max() > 0


def test_a_killed_run_goes_on_to_the_same_bytes(windows, tmp_path, monkeypatch):
    """Stopped within the second epoch and started again, it ends as one that was not."""
    whole, history = pretrain("m", ENTRY, *windows, checkpoint=tmp_path / "whole", code="x")
    steps = 0

    def dying(model, images, labels):
        nonlocal steps
        steps += model.training
        if steps == 5:
            raise KilledError
        return reconstruction(model, images, labels)

    monkeypatch.setattr(pretraining, "reconstruction", dying)
    with pytest.raises(KilledError):
        pretrain("m", ENTRY, *windows, checkpoint=tmp_path / "c", code="x")
    monkeypatch.setattr(pretraining, "reconstruction", reconstruction)
    resumed, continued = pretrain("m", ENTRY, *windows, checkpoint=tmp_path / "c", code="x")
    assert continued == history
    assert same(whole.state_dict(), resumed.state_dict())


def test_no_windows(tmp_path):
    """The line names the model and what the sheet lacks."""
    nothing = PatchData([], labelled=False)
    with pytest.raises(InputError, match=r"^models\.m: pretraining has 0 windows; .*split train"):
        pretrain("m", ENTRY, nothing, nothing, checkpoint=tmp_path / "c", code="x")


def test_nothing_active():
    """The kept epoch counts: that of least validation loss, or the last one."""
    model = build_model(ENTRY)
    best, last = (
        {"train_active": 0.1, "validation_loss": loss, "validation_active": share}
        for loss, share in ((0.1, 0.0), (0.2, 0.1))
    )
    with pytest.raises(InputError, match=r"^models\.m: .* raise sparsity_percent"):
        require_nuclei("m", model, [best, last])
    require_nuclei("m", model, [{**best, "validation_loss": 0.3}, last])
    with pytest.raises(InputError, match="raise sparsity_percent"):
        require_nuclei("m", model, [{"train_active": 0.1}, {"train_active": 0.0}])


def test_gaps_are_no_nuclei():
    """Where places that are active are paler than the rest, the line says so."""
    model = build_model(ENTRY)
    kept = {"train_active": 0.1, "validation_loss": 0.1, "validation_active": 0.1}
    require_nuclei("m", model, [{**kept, "train_darker": -0.1, "validation_darker": 0.1}])
    for pale in (
        {**kept, "train_darker": 0.1, "validation_darker": -0.1},
        {"train_active": 0.1, "train_darker": -0.1},
    ):
        with pytest.raises(InputError, match=r"^models\.m: .*-0\.100.* gaps between nuclei"):
            require_nuclei("m", model, [pale])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_threshold_that_is_no_number(value):
    """The line says what to lower."""
    model = build_model(ENTRY)
    model.part5.threshold.fill_(value)
    with pytest.raises(InputError, match=r"threshold (nan|inf); lower learning_rate"):
        require_nuclei("m", model, [{"train_active": 0.1}])
