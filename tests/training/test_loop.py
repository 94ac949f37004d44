"""Training resumes to the same bits, keeps the best epoch, and says when it fails."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from helpers.pictures import stained
from helpers.training_runs import (
    FITTING,
    NOTHING,
    KilledError,
    Tiny,
    killed_in,
    note_fit,
    patch_data,
    same,
    short_of_memory,
    train,
    train_and_validation,
)
from microtome.errors import InputError
from microtome.networks.devices import as_input
from microtome.networks.histocae import HistoCAE
from microtome.networks.reconstruction_loss import ReconstructionLoss
from microtome.networks.registry import build_model
from microtome.training.kinds import pretrain, train_model
from microtome.training.loop import measure
from microtome.training.objectives import classification, multi_task
from microtome.training.random_colour import ColourChanges

ENTRY = {
    "kind": "histocae",
    "spacing_um": 1.0,
    "patch_px": 16,
    "downsampling": "stride",
    "head": "light",
    "dropout": 0.5,
    "reconstruction_loss": {"mse": 0.5, "ssim": 0.5, "mae": 0.5},
    "pretraining": {**FITTING, "epochs": 1},
    "training": {**FITTING, "epochs": 1},
    "seed": 3,
}
SEGMENTER = {
    "kind": "segmenter",
    "architecture": "mobile_unet",
    "pretrained": "none",
    "training": {**FITTING, "epochs": 8, "beta1": 0.9},
    "seed": 1,
}
MR_ENTRY = {
    **ENTRY,
    "kind": "mr_histocae",
    "spacing_um": 0.5,
    "further_spacings_um": [1.0],
    "task_weights": {"reconstruction": 2.0, "classification": 3.0},
}


def trained_cae(seed: int) -> dict[str, torch.Tensor]:
    """Draw the weights of an autoencoder."""
    torch.manual_seed(seed)
    return HistoCAE(downsampling="stride").state_dict()


def run_in(checkpoint) -> dict:
    """What `pretrain` and `train_model` want to know of a run."""
    return {"checkpoint": checkpoint, "code": "c"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write a store to train on, 11 patches, and one to validate, 5."""
    return train_and_validation(tmp_path_factory.mktemp("stores"))


SGD = {"optimizer": "sgd", "momentum": 0.9}
COLOURS = ColourChanges(
    blur_px=1.0, brightness=0.25, contrast=0.5, hue=0.25, saturation=0.1, stain=0.05
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {**SGD, "weight_decay": 0.01},
        {"optimizer": "sgd", "momentum": 0.0},
        {"weight_decay": 0.1, "beta1": 0.5},
        {"frozen_epochs": 2},
        {**SGD, "frozen_epochs": 2},
        {"colours": COLOURS},
    ],
    ids=["plain", "sgd", "no momentum", "decay", "frozen", "frozen sgd", "colours"],
)
def test_interrupted_training_ends_as_if_it_had_not_been(tmp_path, data, changes):
    """Killed in any epoch, with any of the settings: the same weights and history, bit for bit."""
    weights, history = train(data, tmp_path / "whole.safetensors", **changes)
    for epoch in (1, 2, 3, 4):
        checkpoint = tmp_path / f"{epoch}.safetensors"
        with pytest.raises(KilledError):
            train(data, checkpoint, measured=killed_in(epoch, n_train=len(data[0])), **changes)
        assert checkpoint.exists() == (epoch > 1)
        torch.manual_seed(epoch)  # whatever a fresh process starts with
        resumed, resumed_history = train(data, checkpoint, **changes)
        assert resumed_history == history
        assert same(resumed, weights)


def test_resuming_continues_and_does_not_repeat(tmp_path, data):
    """Only the epochs that are missing are trained; a finished run trains none."""
    checkpoint = tmp_path / "c.safetensors"
    with pytest.raises(KilledError):
        train(data, checkpoint, measured=killed_in(3, n_train=len(data[0])))
    seen = []

    def counted(model, images, labels):
        seen.append(model.training)
        return classification(model, images, labels)

    weights, history = train(data, checkpoint, measured=counted)
    assert sum(seen) == 2 * 3
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    seen.clear()
    again, history_again = train(data, checkpoint, measured=counted)
    assert not seen
    assert history_again == history
    assert same(again, weights)


def test_another_seed_gives_other_weights(tmp_path, data):
    """The seed, which alone decides, is that of the entry."""
    first, other = (train(data, tmp_path / f"{seed}", seed=seed, epochs=1)[0] for seed in (7, 8))
    assert not same(first, other)


def test_without_validation_the_last_epoch_counts(tmp_path, data):
    """No validation patches: the last weights count, and the history is of training alone."""
    found, history = train([data[0], NOTHING], tmp_path / "a.safetensors")
    saved = load_file(tmp_path / "a.safetensors")
    assert same(found, {k: saved[f"model.{k}"] for k in found})
    names = {"epoch", "learning_rate", "train_loss", "train_accuracy"}
    assert all(row.keys() == names for row in history)


def test_training_learns(tmp_path, data):
    """The loss falls, and colours that differ are told apart."""
    model = Tiny(dropout=0.0)
    _, history = train(data, tmp_path / "a.safetensors", model=model, epochs=30)
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]
    assert not model.training
    assert measure(model, classification, data[1], batch=2).row("x")["x_accuracy"] == 1


def scripted(losses: list[float]):
    """Measure validation losses by a script, one an epoch, the weights trained as ever."""
    epochs = iter(losses)
    state = {"training": True, "loss": 0.0}

    def measured(model, images, labels):
        found = classification(model, images, labels)
        if not model.training:
            if state["training"]:
                state["loss"] = next(epochs)
            found["loss"] = torch.tensor(state["loss"])
        state["training"] = model.training
        return found

    return measured


@pytest.mark.parametrize(
    ("losses", "best"), [([3, 1, 2, 2], 2), ([1, 2, 3, 4], 1), ([4, 3, 2, 1], 4), ([2, 1, 3, 1], 2)]
)
def test_the_best_epoch_counts(tmp_path, data, losses, best):
    """The weights are those of the least validation loss, the first of equal ones; also resumed."""
    found, _ = train(data, tmp_path / "a.safetensors", measured=scripted(losses))
    expected, _ = train([data[0], NOTHING], tmp_path / "b.safetensors", epochs=best)
    assert same(found, expected)
    train(data, tmp_path / "c.safetensors", measured=scripted(losses), epochs=3)
    found, _ = train(data, tmp_path / "c.safetensors", measured=scripted(losses[3:]))
    assert same(found, expected)


def test_means_are_over_patches(tmp_path, data):
    """A smaller last batch counts by its patches, not as a whole batch."""
    at_once, *others = (
        measure(Tiny(), classification, data[0], batch=n).row("x") for n in (100, 4, 1)
    )
    assert all(other == pytest.approx(at_once, rel=1e-5) for other in others)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("part", ["training", "validation"])
def test_a_loss_that_is_no_number_stops_training(tmp_path, data, bad, part):
    """NaN or infinite in epoch 2: an error that says the epoch and what to do, nothing saved."""
    steps = {"training": 0, "validation": 0}
    of_an_epoch = {"training": 3, "validation": 2}

    def measured(model, images, labels):
        found = classification(model, images, labels)
        where = "training" if model.training else "validation"
        steps[where] += 1
        if where == part and steps[where] > of_an_epoch[part]:
            found["loss"] = found["loss"] * bad
        return found

    checkpoint = tmp_path / "a.safetensors"
    with pytest.raises(InputError, match=r"loss is (nan|inf) in epoch 2; lower learning_rate$"):
        train(data, checkpoint, measured=measured)
    assert all(bool(torch.isfinite(v).all()) for v in load_file(checkpoint).values())


def test_the_autoencoder_is_trained_without_labels(tmp_path, data):
    """Pretraining gives the same weights for the same seed, and its loss is that of its parts."""
    first, history = pretrain("m", ENTRY, *data, **run_in(tmp_path / "a"))
    second, _ = pretrain("m", ENTRY, *data, **run_in(tmp_path / "b"))
    assert same(first.state_dict(), second.state_dict())
    assert set(history[0]) == {"epoch", "learning_rate", "train_loss", "validation_loss"}


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_patches_to_pretrain(tmp_path, data, n):
    """Fewer than two patches are an error that says what the sheet needs."""
    few = patch_data(tmp_path / "a.zarr", [0] * n)
    text = rf"^models.m: pretraining has {n} patches; the slide sheet"
    with pytest.raises(InputError, match=text):
        pretrain("m", ENTRY, few, data[1], **run_in(tmp_path / "c"))


def test_the_classifier_starts_as_the_autoencoder_and_is_not_frozen(tmp_path, data, monkeypatch):
    """Its encoder has the autoencoder's weights before the first step, and others after it."""
    cae = trained_cae(5)
    given = note_fit(monkeypatch)
    classifier, _ = train_model("m", ENTRY, *data, autoencoders=[cae], **run_in(tmp_path / "a"))
    start, end = given["start"], classifier.state_dict()
    encoder = [name for name in start if name.startswith("encoder.")]
    assert all(torch.equal(start[name], cae[name]) for name in encoder)
    weights = [name for name in encoder if name.endswith("weight")]
    assert len(weights) == 16
    assert not any(torch.equal(end[name], cae[name]) for name in weights)


def test_the_classifier_needs_both_classes(tmp_path, data):
    """Only tumour to learn from is the user's mistake."""
    one = patch_data(tmp_path / "a.zarr", [1, 1])
    with pytest.raises(InputError, match=r"^models.m: training: 2 tumour and 0 non-tumour"):
        train_model("m", ENTRY, one, data[1], autoencoders=[], **run_in(tmp_path / "c"))


@pytest.mark.parametrize("fits", [2, 3, 4])
def test_a_batch_that_does_not_fit_is_computed_in_parts(tmp_path, data, caplog, fits):
    """Out of GPU memory: the same gradients from smaller parts, and a warning that says so.

    Without batch norm, which sees a part at a time, the weights are those of whole batches.
    """
    torch.manual_seed(1)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Flatten(), nn.Linear(196, 2))
    weights = {k: v.clone() for k, v in plain.state_dict().items()}
    expected, history = train(data, tmp_path / "a.safetensors", model=plain)
    plain.load_state_dict(weights)
    short = short_of_memory(fits)
    found, in_parts = train(data, tmp_path / "b.safetensors", model=plain, measured=short)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)
    for row, other in zip(history, in_parts, strict=True):
        assert other == pytest.approx(row, rel=1e-4)
    said = "a batch of 4 patches does not fit into the memory of the GPU"
    assert caplog.text.count("WARNING") == caplog.text.count(said) == (fits < 4)


def test_not_even_two_patches_fit(tmp_path, data):
    """Out of GPU memory with the smallest part: an error that says what to lower."""
    with pytest.raises(InputError, match=r"do not fit into the memory of the GPU; lower batch"):
        train(data, tmp_path / "a.safetensors", measured=short_of_memory(0))


def test_training_stops_early(tmp_path, data):
    """Two epochs without a new minimum end the run; the best epoch's weights are kept."""
    losses = [3, 1, 2, 2, 0]
    found, history = train(
        data, tmp_path / "a.safetensors", measured=scripted(losses), epochs=5, patience=2
    )
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    expected, _ = train(data, tmp_path / "b.safetensors", measured=scripted(losses), epochs=2)
    assert same(found, expected)
    again, resumed = train(data, tmp_path / "a.safetensors", epochs=5, patience=2)
    assert resumed == history
    assert same(again, expected)


def test_the_learning_rate_follows_its_schedule(tmp_path, data):
    """The history tells each epoch's rate; a rate of almost nothing changes almost nothing."""
    schedule = {"kind": "step", "every": 2, "factor": 1e-9}
    _, history = train(data, tmp_path / "a.safetensors", schedule=schedule)
    assert [row["learning_rate"] for row in history] == pytest.approx([1e-2, 1e-2, 1e-11, 1e-11])
    two, _ = train(data, tmp_path / "b.safetensors", epochs=2)
    saved = load_file(tmp_path / "a.safetensors")
    for name, value in two.items():
        if "weight" in name:
            torch.testing.assert_close(saved[f"model.{name}"], value)


def test_balanced_training(tmp_path):
    """With sampling, a network that is given one tumour patch in nine sees tumour half the time."""
    seen = []

    def measured(model, images, labels):
        seen.extend(labels.tolist())
        return classification(model, images, labels)

    few = patch_data(tmp_path / "a.zarr", [1] + [0] * 8)
    train([few, NOTHING], tmp_path / "a", measured=measured, balanced=True)
    assert 0.4 < np.mean(seen) < 0.6


def test_a_compiled_network_is_the_same_network(tmp_path, data, monkeypatch):
    """It is compiled once, and no weight changes but by rounding, nor any name.

    Compiled for the interpreter: a C++ compiler is not everywhere.
    """
    calls = []
    really = torch.compile

    def spied(model):
        calls.append(model)
        return really(model, backend="eager")

    plain, _ = train(data, tmp_path / "a.safetensors", model=Tiny(dropout=0.0))
    monkeypatch.setattr(torch, "compile", spied)
    model = Tiny(dropout=0.0)
    compiled, _ = train(data, tmp_path / "b.safetensors", model=model, compiled=True)
    assert calls == [model]
    assert plain.keys() == compiled.keys()
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-3, atol=1e-4)


def test_a_checkpoint_of_another_run_is_not_resumed(tmp_path, data, caplog):
    """With other settings training starts from its beginning, and the log says which they are."""
    caplog.set_level("INFO")
    checkpoint = tmp_path / "a.safetensors"
    old = {"model": "m", "entry": {"seed": 1, "training": {"batch": 4}}}
    new = {"model": "m", "entry": {"seed": 2, "training": {"batch": 8}, "head": "paper"}}
    train(data, checkpoint, identity=old, seed=1, epochs=2)
    weights, history = train(data, checkpoint, identity=new)
    expected, expected_history = train(data, tmp_path / "b.safetensors", identity=new)
    assert history == expected_history
    assert same(weights, expected)
    assert (
        "is of another run: entry.head is paper, was None, entry.seed is 2, was 1,"
        " entry.training.batch is 8, was 4; starting from the beginning"
    ) in caplog.text


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_a_spoiled_checkpoint_is_no_end(tmp_path, data, content):
    """A checkpoint that is cut off, or none, is said and training starts anew."""
    expected, _ = train(data, tmp_path / "a.safetensors")
    spoiled = tmp_path / "b.safetensors"
    whole = (tmp_path / "a.safetensors").read_bytes()
    spoiled.write_bytes(whole[: len(whole) // 2] if content is None else content)
    found, _ = train(data, spoiled)
    assert same(found, expected)


@pytest.fixture(scope="module")
def co_centred(tmp_path_factory):
    """Write stores of two spacings."""
    folder = tmp_path_factory.mktemp("stores")
    found = []
    for labels in ([0, 1] * 4, [0, 1]):
        one = stained(labels, seed=len(labels))
        pixels = np.stack([one, one // 2], axis=1)
        path = folder / f"{len(labels)}.zarr"
        found.append(patch_data(path, labels, pixels, spacings_um=(1.0,)))
    return found


def test_mr_histocae_starts_from_its_autoencoders(tmp_path, co_centred, monkeypatch):
    """Before the first step each spacing's autoencoder has its trained weights; all then learn."""
    caes = [trained_cae(seed) for seed in (5, 6)]
    given = note_fit(monkeypatch)
    model, history = train_model(
        "m", MR_ENTRY, *co_centred, autoencoders=caes, **run_in(tmp_path / "a")
    )
    start = given["start"]
    for i, cae in enumerate(caes):
        for name, value in cae.items():
            assert torch.equal(start[f"autoencoders.{i}.{name}"], value)
    end = model.state_dict()
    for name in ("autoencoders.0.encoder.0", "autoencoders.1.decoder.0", "branches.1.0"):
        assert not torch.equal(end[f"{name}.weight"], start[f"{name}.weight"])
    for row in history:
        joint = 2 * row["train_reconstruction"] + 3 * row["train_cross_entropy"]
        assert row["train_loss"] == pytest.approx(joint, rel=1e-5)


def test_the_joint_loss_adds_every_spacing(co_centred):
    """Reconstruction is the sum over the spacings, each of its own images."""
    images = as_input(next(co_centred[1].in_order(2))[0])
    torch.manual_seed(1)
    model = build_model(MR_ENTRY).eval()
    loss = ReconstructionLoss(mse=1, ssim=0, mae=0)
    labels = torch.tensor([0, 1])
    found = multi_task(loss, reconstruction=1, classification=1)(model, images, labels)
    pairs = zip(model.autoencoders, images.unbind(1), strict=True)
    expected = sum(functional.mse_loss(cae(of_one), of_one) for cae, of_one in pairs)
    torch.testing.assert_close(found["reconstruction"], expected)
    expected = functional.cross_entropy(model(images), labels)
    torch.testing.assert_close(found["cross_entropy"], expected)


def test_a_segmenter_learns_the_px(tmp_path):
    """Trained on truths, a U-Net tells dark px from light ones of the same patch."""
    generator = np.random.default_rng(0)
    masks = np.repeat(np.repeat(generator.random((12, 2, 2)) < 0.5, 16, axis=1), 16, axis=2)
    pixels = np.where(masks[..., None], 60, 200).astype(np.uint8) + np.zeros(3, np.uint8)

    class Masks:
        shape = (32, 32)

        def read(self, row, out):
            out[...] = masks[row]

    data = patch_data(tmp_path / "a.zarr", [0, 1] * 6, pixels, truths=[Masks()])
    _, history = train_model("m", SEGMENTER, data, data, autoencoders=[], **run_in(tmp_path / "c"))
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]
    assert history[-1]["train_accuracy"] > 0.8
