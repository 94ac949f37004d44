"""What an entry says of its training: optimizer, weight decay, frozen epochs, new colours."""

import copy
import re

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import nn

from conftest import REPOSITORY
from helpers.training_runs import (
    FITTING,
    NOTHING,
    Tiny,
    short_of_memory,
    train,
    train_and_validation,
)
from microtome.cohort.config_checks import check_config
from microtome.errors import InputError
from microtome.networks.devices import as_input
from microtome.networks.registry import build_model
from microtome.training.kinds import train_model
from microtome.training.random_colour import ColourChanges, change_colours
from microtome.training.random_placement import Moves
from training.test_loop import COLOURS, ENTRY, MR_ENTRY, SGD

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


def gradient(weight: float, data) -> float:
    """Of the cross-entropy: mean of (sigmoid(w m) - label) m."""
    pixels, labels = next(data[0].in_order(11))
    means = as_input(pixels).mean((1, 2, 3))
    return float(((torch.sigmoid(weight * means) - labels) * means).mean())


def fitted_line(data, path, **changes: object) -> float:
    """Train the one weight on whole batches of ten patches, three epochs."""
    defaults = {"epochs": 3, "batch": 11, "learning_rate": 0.1}
    weights, _ = train([data[0], NOTHING], path, Line(), **{**defaults, **changes})
    return weights["weight"].item()


def test_sgd_by_hand(tmp_path, data):
    """Velocity v = m v + g + decay w, weight w - rate v: three steps computed here."""
    weight, velocity = 0.5, 0.0
    for _ in range(3):
        velocity = 0.9 * velocity + gradient(weight, data) + 0.3 * weight
        weight -= 0.1 * velocity
    found = fitted_line(data, tmp_path / "a", weight_decay=0.3, **SGD)
    assert found == pytest.approx(weight, rel=1e-5)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam"}])
def test_adam_by_hand(tmp_path, data, settings):
    """Weight decay is added to the gradient (L2) before Adam's moments are taken."""
    weight, first, second = 0.5, 0.0, 0.0
    for step in (1, 2, 3):
        g = gradient(weight, data) + 0.3 * weight
        first, second = 0.4 * first + 0.6 * g, 0.999 * second + 0.001 * g * g
        corrected = (second / (1 - 0.999**step)) ** 0.5
        weight -= 0.1 * first / (1 - 0.4**step) / (corrected + 1e-8)
    found = fitted_line(data, tmp_path / "a", weight_decay=0.3, beta1=0.4, **settings)
    assert found == pytest.approx(weight, rel=1e-4)


@pytest.mark.parametrize("settings", [{"weight_decay": 0.1}, {**SGD, "weight_decay": 0.1}])
def test_a_frozen_encoder_stands_still(tmp_path, data, settings):
    """Its weights and statistics, and the optimizer knows nothing of it, but in the third epoch."""
    start = Tiny().state_dict()
    places = {name: str(i) for i, (name, _) in enumerate(Tiny().named_parameters())}
    for epochs in (1, 2, 3):
        path = tmp_path / f"{epochs}.safetensors"
        train(data, path, epochs=epochs, frozen_epochs=2, **settings)
        saved = load_file(path)
        known = {name.split(".")[1] for name in saved if name.startswith("optimizer.")}
        for name, value in start.items():
            stands = name.startswith("encoder.") and epochs < 3
            if not name.endswith("num_batches_tracked"):
                assert torch.equal(saved[f"model.{name}"], value) == stands, (name, epochs)
            if name in places:
                assert (places[name] not in known) == stands, (name, epochs)


def test_nothing_to_freeze(tmp_path, data):
    """A model without an encoder of its own: one line that names the key."""
    with pytest.raises(InputError, match=r"^training: frozen_epochs is 2, .* has no encoder to fr"):
        train(data, tmp_path / "a", frozen_epochs=2, encoder=None)
    train(data, tmp_path / "a", encoder=None, epochs=1)


FREEZING = {**FITTING, "epochs": 1, "frozen_epochs": 1}


def test_histocae_freezes_its_encoder(tmp_path, data):
    """It stays the autoencoder's, while the head learns."""
    entry = {**ENTRY, "training": FREEZING}
    model, _ = train_model("m", entry, *data, autoencoders=[], checkpoint=tmp_path / "a", code="c")
    start = build_model(entry, seed=3).state_dict()
    for name, value in model.state_dict().items():
        if name.endswith(("weight", "running_mean")):
            assert torch.equal(value, start[name]) == name.startswith("encoder."), name


@pytest.mark.parametrize("architecture", ["tu-test_resnet", "tu-test_vit"])
def test_a_frozen_classifier_learns_its_layer_of_classes(tmp_path, data, architecture):
    """What lies before stays as it began, batch statistics too, and the loss falls."""
    entry = {"kind": "classifier", "architecture": architecture, "frozen": True, "input_px": 64}
    entry |= {"pretrained": "none", "seed": 3, "training": {**FITTING, "epochs": 5}}
    settings = {"autoencoders": [], "checkpoint": tmp_path / "a", "code": "c"}
    model, history = train_model("m", entry, *data, **settings)
    start = build_model(entry, seed=3).state_dict()
    last = f"network.{model.network.pretrained_cfg['classifier']}."
    for name, value in model.state_dict().items():
        assert torch.equal(value, start[name]) != name.startswith(last), name
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_training_begins_with_the_weights_of_the_start(tmp_path, data):
    """All of them but what learns are the other's in the end; another network's are refused."""
    entry = {"kind": "classifier", "architecture": "tu-test_resnet", "frozen": True, "seed": 3}
    entry |= {"input_px": 64, "pretrained": "none", "training": {**FITTING, "epochs": 1}}
    other = build_model(entry, seed=9)
    save_file(other.state_dict(), tmp_path / "start.safetensors")
    settings = {"autoencoders": [], "checkpoint": tmp_path / "a", "code": "c"}
    settings["start"] = str(tmp_path / "start.safetensors")
    model, _ = train_model("m", entry, *data, **settings)
    last = f"network.{model.network.pretrained_cfg['classifier']}."
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]) != name.startswith(last), name
    vit = {**entry, "architecture": "tu-test_vit"}
    with pytest.raises(InputError, match=r"are not those of models.m, which starts from them: "):
        train_model("m", vit, *data, **settings)


def test_a_kind_without_an_encoder_freezes_nothing(tmp_path, data):
    """MR-HistoCAE trains its autoencoders together with the rest: that is said, not ignored."""
    entry = {**MR_ENTRY, "training": FREEZING}
    with pytest.raises(InputError, match=r"leave frozen_epochs out$"):
        train_model("m", entry, *data, autoencoders=[], checkpoint=tmp_path / "a", code="c")


def seen_in(data, path, *, fits: int = 100, **settings: object) -> dict[bool, list[torch.Tensor]]:
    """Train and give the batches that the objective saw, by whether they were trained on."""
    seen = {True: [], False: []}

    def measured(model, images, labels):
        scalars = short_of_memory(fits)(model, images, labels)
        seen[model.training].append(images.clone())
        return scalars

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
ADAM = {"beta1": 0.9}
ACCEPTED = [
    ("histocae1", {"training": ADAM}),
    ("histocae1", {"training": {**ADAM, "optimizer": "adam", "weight_decay": 1e-4}}),
    ("histocae1", {"training": {**ADAM, "frozen_epochs": 2}}),
    ("histocae1", {"training": {**SGD, "weight_decay": 1e-4}}),
    ("histocae1", {"training": {**SGD, "rotation_degrees": 45}}),
    ("unet", {"augmentation": PAPER}),
    ("resnet101", {"augmentation": PAPER}),
    ("histocae1", {"augmentation": PAPER}),
    ("unet", {"augmentation": {}}),
]
OF_TRAINING = [
    ({}, ": 'beta1' is missing"),
    ({"optimizer": "adam"}, ": 'beta1' is missing"),
    ({"optimizer": "sgd"}, ": 'momentum' is missing"),
    ({**SGD, **ADAM}, ".beta1: 0.9 should be left out, for optimizer is sgd"),
    ({**ADAM, "momentum": 0.9}, ".momentum: 0.9 should be left out, for optimizer is adam"),
    ({**SGD, "momentum": 1}, ".momentum: 1 is greater than or equal to the maximum"),
    ({**ADAM, "optimizer": "lion"}, ".optimizer: 'lion' is not one of ['adam', 'sgd']"),
    ({**ADAM, "frozen_epochs": 0}, ".frozen_epochs: 0 is less than the minimum"),
    ({**ADAM, "weight_decay": -1}, ".weight_decay: -1 is less than the minimum"),
    ({**ADAM, "rotation_degrees": 181}, ".rotation_degrees: 181 is greater than the maximum"),
]
OF_AUGMENTATION = [
    ("unet", {"shift_px": 1.5}, "unet.augmentation.shift_px: 1.5 is not of type 'integer'"),
    ("unet", {"hue": 0.6}, "unet.augmentation.hue: 0.6 is greater than the maximum of 0.5"),
    ("unet", {"rotation": 1}, "unet.augmentation: unknown key 'rotation'; known keys are sh"),
    ("colour", PAPER, "colour: unknown key 'augmentation'"),
]


@pytest.mark.parametrize(
    ("kind", "settings", "line"),
    [
        *((*accepted, None) for accepted in ACCEPTED),
        *(("histocae1", {"training": s}, f"histocae1.training{line}") for s, line in OF_TRAINING),
        *((kind, {"augmentation": s}, line) for kind, s, line in OF_AUGMENTATION),
    ],
)
def test_settings_of_a_training(kind, settings, line):
    """Each optimizer needs its own and refuses the other's; not all kinds are augmented."""
    config = copy.deepcopy(CONFIG)
    training = {"epochs": 4, "batch": 4, "learning_rate": 1e-2, **settings.get("training", ADAM)}
    config["models"][kind].update({**settings, "training": training})
    if line is None:
        check_config(config, schema=SCHEMA)
    else:
        with pytest.raises(InputError, match=f"^config: models.{re.escape(line)}"):
            check_config(config, schema=SCHEMA)


def test_every_key_of_augmentation_is_a_setting():
    """What the schema knows is what moves and colours take, and nothing is left out."""
    keys = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["$defs"]["augmentation"]["properties"]
    assert list(keys) == list(PAPER)
    moves, colours = Moves.of(PAPER), ColourChanges.of(PAPER)
    assert {**vars(moves), **vars(colours)} == PAPER


@pytest.mark.parametrize(
    ("augmentation", "moves", "colours"),
    [
        ({}, None, None),
        ({"shift_px": 3, "hue": 0.1}, Moves(shift_px=3), ColourChanges(hue=0.1)),
        ({"shift_px": 0, "zoom": 0.1, "hue": 0}, Moves(zoom=0.1), None),
        ({"shift_px": 0, "hue": 0.1, "stain": 0.0}, None, ColourChanges(hue=0.1)),
    ],
)
def test_moves_and_colours_of_an_entry(augmentation, moves, colours):
    """Of the section augmentation each takes its own; nothing, or 0, is no change."""
    assert Moves.of(augmentation) == moves
    assert ColourChanges.of(augmentation) == colours
