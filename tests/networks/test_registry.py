"""Weights on disk: what goes out comes back, and nothing else is let in."""

import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.pictures import files_of, stained, write_store
from microtome.errors import InputError
from microtome.networks.devices import to_images
from microtome.networks.histocae import HistoCAE
from microtome.networks.registry import build_model, load_autoencoder, load_model, save_weights
from microtome.training.batches import PatchData
from microtome.training.colour_baseline import fit_colour

COLOUR = {"kind": "colour", "spacing_um": 1.0, "patch_px": 32}
CAE = {**COLOUR, "downsampling": "stride", "dropout": 0.7}
HISTOCAE = {**CAE, "kind": "histocae", "head": "light"}
MR = {**CAE, "kind": "mr_histocae", "further_spacings_um": [2.0]}
SEGMENTER = {**COLOUR, "kind": "segmenter", "architecture": "unet_plus_plus", "pretrained": "none"}
CLASSIFIER = {**SEGMENTER, "kind": "classifier", "architecture": "resnet50"}
DETECTOR = {
    "kind": "nucleus_detector",
    "network": "crosswise",
    "start": None,
    "reduction": 4,
    "width": 0.05,
    "sparsity_percent": 1.6,
    "spacing_um": 0.5,
    "patch_px": 40,
    "detection_slope": 1,
    "seed": 1,
}
TIMM = {**CLASSIFIER, "architecture": "tu-test_vit", "frozen": True}
TIMM |= {"input_px": 64, "layer_scale": 0.1}
CROPPED = {**HISTOCAE, "patch_px": 96, "border_latents": 2}


def save(folder, entry: dict = COLOUR, *, seed: int = 4):
    """Save a model with random weights; give it and its file."""
    model = build_model(entry, seed=seed).eval()
    path = folder / "weights.safetensors"
    save_weights(path, model, name="m", entry=entry, training={"patches": 3, "code": "abc"})
    return model, path


def refused(path, entry: dict = COLOUR) -> str:
    """Load what cannot be loaded; give the line that says why."""
    with pytest.raises(InputError) as caught:
        load_model(path, name="m", entry=entry)
    line = str(caught.value)
    assert "\n" not in line
    return line


ENTRIES = {
    "light": HISTOCAE,
    "paper": {**HISTOCAE, "head": "paper"},
    "cropped": CROPPED,
    "colour": COLOUR,
    "mr": MR,
    "classifier": CLASSIFIER,
    "any of timm": TIMM,
    "segmenter": SEGMENTER,
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_round_trip(tmp_path, entry):
    """A saved model gives the same logits when it is loaded, and is ready to predict."""
    model, path = save(tmp_path, entry)
    loaded = load_model(path, name="m", entry=entry)
    spacings = (2,) if entry is MR else ()
    images = torch.rand(2, *spacings, 3, entry["patch_px"], entry["patch_px"])
    with torch.no_grad():
        assert torch.equal(loaded(images), model(images))
    assert not loaded.training


def test_the_card_says_what_the_weights_are(tmp_path):
    """Beside the weights: name, settings, size, training data, code and versions."""
    model, _ = save(tmp_path, HISTOCAE)
    card = json.loads((tmp_path / "weights.json").read_text())
    assert (card["name"], card["entry"]) == ("m", HISTOCAE)
    assert card["parameters"] == sum(len(p.flatten()) for p in model.parameters())
    assert card["training"] == {"patches": 3, "code": "abc"}
    assert set(card["versions"]) == {"microtome", "python", "torch"}
    assert card["versions"]["torch"] == torch.__version__


def test_same_model_same_bytes(tmp_path):
    """Saving twice gives the same files."""
    for name in ("a", "b"):
        save(tmp_path / name, HISTOCAE)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


@pytest.mark.parametrize("entry", [HISTOCAE, MR, CLASSIFIER, SEGMENTER], ids=lambda e: e["kind"])
def test_random_weights_follow_from_the_seed(entry):
    """The same seed gives the same start, another another, and nothing else is disturbed."""
    before = torch.random.get_rng_state()
    first, again, other = (build_model(entry, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize(
    ("entry", "key", "value"),
    [
        (HISTOCAE, "spacing_um", 0.5),
        (HISTOCAE, "patch_px", 64),
        (HISTOCAE, "head", "paper"),
        (HISTOCAE, "downsampling", "max-pool"),
        (CROPPED, "border_latents", 1),
        (MR, "further_spacings_um", [4.0]),
        (TIMM, "input_px", 96),
        (TIMM, "layer_scale", 0.2),
        (DETECTOR, "detection_slope", 20),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_weights_of_other_settings(tmp_path, entry, key, value):
    """Weights that mean something else, though they may fit, are refused with both values."""
    _, path = save(tmp_path, entry)
    assert refused(path, {**entry, key: value}) == (
        f"models.m: weights {path} are of {key} {entry[key]}; the entry says {key} {value}"
    )


def test_weights_of_another_kind(tmp_path):
    """Weights of another kind are refused with both kinds."""
    _, path = save(tmp_path, COLOUR)
    assert refused(path, HISTOCAE) == (
        f"models.m: weights {path} are of kind colour, head None, downsampling None; the entry says"
        " kind histocae, head light, downsampling stride"
    )


@pytest.mark.parametrize(
    ("entry", "changes"),
    [
        (HISTOCAE, {"dropout": 0.1, "seed": 9, "weights": "w.safetensors"}),
        (SEGMENTER, {"pretrained": "gone.safetensors"}),
    ],
    ids=["training", "what it began with"],
)
def test_settings_of_training_may_differ(tmp_path, entry, changes):
    """They do not change what weights mean; those it began with need not be there any more."""
    model, path = save(tmp_path, entry)
    loaded = load_model(path, name="m", entry={**entry, **changes}).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in model.state_dict().items())


def test_weights_that_do_not_fit(tmp_path):
    """A card that lies about its weights is found out."""
    _, path = save(tmp_path, COLOUR)
    card = json.loads((tmp_path / "weights.json").read_text())
    (tmp_path / "weights.json").write_text(json.dumps({**card, "entry": HISTOCAE}))
    assert refused(path, HISTOCAE).startswith(f"models.m: weights {path} do not fit the network: ")


@pytest.mark.parametrize("text", [None, "", "{", "[]", "3", "{}", '{"entry": null}'])
def test_no_card(tmp_path, text):
    """Without a JSON that says what they are, weights are refused."""
    _, path = save(tmp_path)
    (tmp_path / "weights.json").unlink()
    if text is not None:
        (tmp_path / "weights.json").write_text(text)
    assert refused(path) == (
        f"models.m: weights {path} need weights.json beside them, which says what they are"
    )


def test_an_autoencoder_comes_back(tmp_path):
    """Its weights fit the entry they were trained for, and no other's."""
    torch.manual_seed(3)
    cae = HistoCAE(downsampling="stride").eval()
    path = tmp_path / "cae_1um.safetensors"
    save_weights(path, cae, name="m", entry=HISTOCAE, training={})
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        found = load_autoencoder(path, name="m", entry=HISTOCAE)(images)
        assert torch.equal(found, cae(images))
    with pytest.raises(InputError, match=r"of spacing_um 1\.0; the entry says spacing_um 2\.0$"):
        load_autoencoder(path, name="m", entry={**HISTOCAE, "spacing_um": 2.0})


def test_colour_baseline_is_the_pipeline_of_scikit_learn(tmp_path):
    """Folding the scaler into the layer changes no probability, on patches of other slides too."""
    labels = [0] * 15 + [1] * 5 + [-1] * 2
    pixels = stained(labels)
    pixels[3], pixels[17] = pixels[17].copy(), pixels[3].copy()  # not quite separable
    path = write_store(tmp_path / "a.zarr", pixels, labels)
    model = fit_colour(PatchData([path], labelled=True))

    def features(patches: np.ndarray) -> np.ndarray:
        values = patches.reshape(len(patches), -1, 3) / 255
        return np.hstack([values.mean(1), values.std(1)])

    pipeline = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
    ).fit(features(pixels[:20]), labels[:20])
    others = np.concatenate([pixels, stained([0, 1, 1], seed=9)])
    with torch.no_grad():
        found = model(to_images(others)).softmax(dim=1).numpy()
    np.testing.assert_allclose(found, pipeline.predict_proba(features(others)), atol=1e-3)
