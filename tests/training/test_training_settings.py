"""What an entry says of its training: optimizer, weight decay, frozen epochs, new colours."""

import copy

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import nn

from conftest import REPOSITORY
from helpers.pictures import grid_of, noise, write_slide
from helpers.training_runs import (
    FITTING,
    NOTHING,
    Tiny,
    one_thread,  # noqa: F401, a fixture
    train,
    train_and_validation,
)
from microtome.cohort.config_checks import check_config
from microtome.errors import InputError
from microtome.io.atomic import write_json
from microtome.networks.devices import as_input
from microtome.rasters.label_tiff import write_array
from microtome.rasters.labels import VIABLE
from microtome.slides.inspection import inspect
from microtome.training import kinds as model_training
from microtome.training import step as training_steps
from microtome.training.kinds import train_model
from microtome.training.loop import fit
from microtome.training.objectives import classification
from microtome.training.random_colour import ColourChanges, change_colours
from microtome.training.random_placement import Moves
from training.test_loop import COLOURS, SGD

CONFIG = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
SCHEMA = REPOSITORY / "rules" / "schemas" / "config.schema.yaml"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write a store to train on, 11 patches, and one to validate, 5."""
    return train_and_validation(tmp_path_factory.mktemp("stores"))


class Line(nn.Module):
    """Logits (0, w * mean): one weight, whose gradient is easily computed."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2)."""
        one = self.weight * images.mean((1, 2, 3))
        return torch.stack([torch.zeros_like(one), one], 1)


def gradient(weight: float, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Of the cross-entropy: mean of (sigmoid(w m) - label) m."""
    means = images.mean((1, 2, 3))
    return float(((torch.sigmoid(weight * means) - labels) * means).mean())


def fitted_line(data, path, **changes: object) -> float:
    """Train the one weight on whole batches of ten patches, three epochs."""
    defaults = {"epochs": 3, "batch": 11, "learning_rate": 0.1}
    weights, _ = train([data[0], NOTHING], path, Line(), **{**defaults, **changes})
    return weights["weight"].item()


def test_sgd_by_hand(tmp_path, data):
    """Velocity v = m v + g + decay w, weight w - rate v: three steps computed here."""
    pixels, labels = next(data[0].in_order(11))
    images = as_input(pixels)
    weight, velocity = 0.5, 0.0
    for _ in range(3):
        velocity = 0.9 * velocity + gradient(weight, images, labels) + 0.3 * weight
        weight -= 0.1 * velocity
    found = fitted_line(data, tmp_path / "a", weight_decay=0.3, **SGD)
    assert found == pytest.approx(weight, rel=1e-5)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam"}])
def test_adam_by_hand(tmp_path, data, settings):
    """Weight decay is added to the gradient (L2) before Adam's moments are taken."""
    pixels, labels = next(data[0].in_order(11))
    images = as_input(pixels)
    weight, first, second = 0.5, 0.0, 0.0
    for step in (1, 2, 3):
        g = gradient(weight, images, labels) + 0.3 * weight
        first, second = 0.4 * first + 0.6 * g, 0.999 * second + 0.001 * g * g
        corrected = (second / (1 - 0.999**step)) ** 0.5
        weight -= 0.1 * first / (1 - 0.4**step) / (corrected + 1e-8)
    found = fitted_line(data, tmp_path / "a", weight_decay=0.3, beta1=0.4, **settings)
    assert found == pytest.approx(weight, rel=1e-4)


@pytest.mark.parametrize("settings", [{"weight_decay": 0.1}, {**SGD, "weight_decay": 0.1}])
def test_a_frozen_encoder_stands_still(tmp_path, data, settings):
    """Two epochs leave weights and statistics of the encoder as they were, the third does not."""
    start = Tiny().state_dict()
    for epochs in (1, 2, 3):
        path = tmp_path / f"{epochs}.safetensors"
        train(data, path, epochs=epochs, frozen_epochs=2, **settings)
        last = {k.removeprefix("model."): v for k, v in load_file(path).items() if "model." in k}
        for name, value in last.items():
            stands = name.startswith("encoder.") and epochs < 3
            if not name.endswith("num_batches_tracked"):
                assert torch.equal(value, start[name]) == stands, (name, epochs)


def test_a_frozen_encoder_leaves_no_trace_in_the_optimizer(tmp_path, data):
    """Adam has no moments of its weights, which are the first of the model."""
    encoder_and_head = {"0", "1", "2", "3", "4", "5", "6", "7"}
    for epochs, expected in ((1, {"4", "5", "6", "7"}), (2, encoder_and_head)):
        path = tmp_path / f"{epochs}.safetensors"
        train(data, path, epochs=epochs, frozen_epochs=1)
        assert {k.split(".")[1] for k in load_file(path) if k.startswith("optimizer.")} == expected


def test_a_frozen_encoder_is_in_evaluation_mode(tmp_path, data):
    """The rest trains; after the frozen epochs everything does."""
    modes = []

    def measured(model, images, labels):
        if model.training:
            modes.append((model.encoder[2].training, model.head.training))
        return classification(model, images, labels)

    train(data, tmp_path / "a", measured=measured, frozen_epochs=1, epochs=2)
    assert modes == [(False, True)] * 3 + [(True, True)] * 3


def test_nothing_to_freeze(tmp_path, data):
    """A model without an encoder of its own: one line that names the key."""
    with pytest.raises(InputError, match=r"^training: frozen_epochs is 2, .* has no encoder to fr"):
        train(data, tmp_path / "a", frozen_epochs=2, encoder=None)
    train(data, tmp_path / "a", encoder=None, epochs=1)


HISTOCAE = {
    "kind": "histocae",
    "patch_px": 16,
    "downsampling": "stride",
    "head": "light",
    "dropout": 0.5,
    "training": {**FITTING, "epochs": 1, "frozen_epochs": 1},
    "seed": 3,
}
SEGMENTER = {
    "kind": "segmenter",
    "architecture": "mobile_unet",
    "pretrained": "none",
    "training": {**FITTING, "epochs": 1, "frozen_epochs": 1},
    "augmentation": {"hue": 0.1, "shift_px": 8},
    "seed": 1,
}


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    """Write a slide of four patches of 32 px, with its grid, inspection and truth."""
    folder = tmp_path_factory.mktemp("slides")
    pixels = noise(64, 96)
    info = inspect(
        name="a", row={"path": write_slide(folder / "a.svs", pixels)}, spacing_tolerance=0.02
    )
    write_json(folder / "a.json", info)
    places = [(r, c) for r in (0, 1) for c in (0, 1, 2)]
    grid_of(places, patch_px=32, labels=[0, 1] * 3).save(folder / "a.npz")
    write_array(folder / "a.tif", VIABLE * (pixels[..., 0] > 127), spacing_um=0.5)
    return {
        "patches": [str(folder / "a.npz")],
        "inspected": [str(folder / "a.json")],
        "slide_paths": [str(folder / "a.svs")],
        "truths": [str(folder / "a.tif")],
        "min_tissue_fraction": 0.2,
        "slide_settings": {"spacing_tolerance": 0.02, "upsample": False},
    }


def test_an_entry_freezes_moves_and_colours(tmp_path, slide, monkeypatch):
    """From files to files: a segmenter's encoder stands still, patches are moved and coloured."""
    given = {}

    def spied(model, *arguments, **options):
        given.update(options)
        given["start"] = {k: v.clone() for k, v in model.state_dict().items()}
        return fit(model, *arguments, **options)

    monkeypatch.setattr(model_training, "fit", spied)
    training_steps.train_step(
        name="m",
        entry=SEGMENTER,
        data={"train": slide, "validation": slide},
        autoencoders=[],
        weights=tmp_path / "w.safetensors",
        curves=tmp_path / "c.csv",
        checkpoint=tmp_path / "c.safetensors",
        threads=1,
        code="c",
    )
    end = load_file(tmp_path / "w.safetensors")
    encoder = [k for k in end if k.startswith("network.encoder.")]
    assert all(torch.equal(end[k], given["start"][k]) for k in encoder)
    assert not all(torch.equal(end[k], given["start"][k]) for k in end.keys() - set(encoder))
    assert given["colours"] == ColourChanges(hue=0.1)
    assert given["train"]._moves == Moves(shift_px=8)


def test_histocae_freezes_its_encoder(tmp_path, data):
    """It stays the autoencoder's, while the head learns."""
    model, _ = train_model(
        "m", HISTOCAE, *data, autoencoders=[], checkpoint=tmp_path / "a", code="c"
    )
    start = model_training.build_model(HISTOCAE, seed=3).state_dict()
    for name, value in model.state_dict().items():
        if name.endswith(("weight", "running_mean")):
            assert torch.equal(value, start[name]) == name.startswith("encoder."), name


def test_a_kind_without_an_encoder_freezes_nothing(tmp_path, data):
    """MR-HistoCAE trains its autoencoders together with the rest: that is said, not ignored."""
    entry = {
        **HISTOCAE,
        "kind": "mr_histocae",
        "further_spacings_um": [1.0],
        "reconstruction_loss": {"mse": 0.5, "ssim": 0.5, "mae": 0.5},
        "task_weights": {"reconstruction": 1.0, "classification": 1.0},
    }
    with pytest.raises(InputError, match=r"leave frozen_epochs out$"):
        train_model("m", entry, *data, autoencoders=[], checkpoint=tmp_path / "a", code="c")


def seen_in(data, path, *, fits: int = 100, **settings: object) -> dict[bool, list[torch.Tensor]]:
    """Train and give the batches that the objective saw, by whether they were trained on."""
    seen = {True: [], False: []}

    def measured(model, images, labels):
        if model.training and len(images) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        seen[model.training].append(images.clone())
        return classification(model, images, labels)

    train(data, path, measured=measured, **settings)
    return seen


def test_training_patches_have_new_colours(tmp_path, data):
    """Every batch of every epoch is changed by numbers of its own; validation is not."""
    plain = seen_in(data, tmp_path / "a", epochs=2)
    found = seen_in(data, tmp_path / "b", epochs=2, colours=COLOURS)
    assert all(torch.equal(a, b) for a, b in zip(found[False], plain[False], strict=True))
    places = [(epoch, batch) for epoch in (1, 2) for batch in range(3)]
    for (epoch, batch), before, after in zip(places, plain[True], found[True], strict=True):
        n = 3 if batch == 2 else 4
        drawn = COLOURS.draw(n, seed=7, epoch=epoch, batch=batch)
        assert torch.equal(after, change_colours(before, drawn))


def test_parts_of_a_batch_have_the_colours_of_the_whole(tmp_path, data):
    """Where the GPU's memory asks for smaller parts, patches look the same."""
    whole = seen_in(data, tmp_path / "a", epochs=1, colours=COLOURS)
    parts = seen_in(data, tmp_path / "b", epochs=1, colours=COLOURS, fits=2)
    assert len(parts[True]) > len(whole[True])
    assert torch.equal(torch.cat(parts[True]), torch.cat(whole[True]))


def mistake_in(fitting: dict, *, kind: str = "histocae1", **entry: object) -> str | None:
    """What the check says of a config with such a training."""
    config = copy.deepcopy(CONFIG)
    training = {"epochs": 4, "batch": 4, "learning_rate": 1e-2, **fitting}
    config["models"][kind].update(training=training, **entry)
    try:
        check_config(config, schema=SCHEMA)
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("fitting", "line"),
    [
        ({"beta1": 0.9}, None),
        ({"beta1": 0.9, "optimizer": "adam", "weight_decay": 1e-4, "frozen_epochs": 2}, None),
        ({**SGD, "weight_decay": 1e-4}, None),
        ({}, "training: 'beta1' is missing"),
        ({"optimizer": "adam"}, "training: 'beta1' is missing"),
        ({"optimizer": "sgd"}, "training: 'momentum' is missing"),
        (
            {**SGD, "beta1": 0.9},
            "training.beta1: 0.9 should be left out, for optimizer is sgd",
        ),
        (
            {"beta1": 0.9, "momentum": 0.9},
            "training.momentum: 0.9 should be left out, for optimizer is adam",
        ),
        ({**SGD, "momentum": 1}, "training.momentum: 1 is greater than or equal to the maximum"),
        ({"optimizer": "lion"}, "training.optimizer: 'lion' is not one of ['adam', 'sgd']"),
        ({"beta1": 0.9, "frozen_epochs": 0}, "training.frozen_epochs: 0 is less than the minimum"),
        ({"beta1": 0.9, "weight_decay": -1}, "training.weight_decay: -1 is less than the minimum"),
    ],
)
def test_settings_of_an_optimizer(fitting, line):
    """Each optimizer needs its own settings and refuses those of the other."""
    found = mistake_in(fitting)
    assert found == line or found.startswith(f"config: models.histocae1.{line}")


PAPER = {
    "shift_px": 128,
    "zoom": 0.1,
    "blur_px": 1.0,
    "brightness": 0.25,
    "contrast": 0.75,
    "hue": 0.25,
    "saturation": 0.04,
    "stain": 0.05,
}


@pytest.mark.parametrize(
    ("kind", "augmentation", "line"),
    [
        ("unet", PAPER, None),
        ("resnet101", PAPER, None),
        ("unet", {}, None),
        ("unet", {"shift_px": 1.5}, "unet.augmentation.shift_px: 1.5 is not of type 'integer'"),
        ("unet", {"hue": 0.6}, "unet.augmentation.hue: 0.6 is greater than the maximum of 0.5"),
        ("unet", {"rotation": 1}, "unet.augmentation: unknown key 'rotation'; known keys are sh"),
        ("histocae1", PAPER, "histocae1: unknown key 'augmentation'"),
    ],
)
def test_settings_of_augmentation(kind, augmentation, line):
    """Segmenters and classifiers have them; each is within its bounds."""
    found = mistake_in({"beta1": 0.9}, kind=kind, augmentation=augmentation)
    assert found == line or found.startswith(f"config: models.{line}")


def test_every_key_of_augmentation_is_a_setting():
    """What the schema knows is what moves and colours take, and nothing is left out."""
    keys = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["$defs"]["augmentation"]["properties"]
    assert list(keys) == list(PAPER)
    moves, colours = Moves.of(PAPER), ColourChanges.of(PAPER)
    assert {**vars(moves), **vars(colours)} == PAPER
