"""The kinds of models, and their weights on disk.

Every kind meets two contracts: it is trained from patch stores, and its module maps images
(B, 3, side, side) in [0, 1] to logits of {not tumour, tumour}, (B, 2) for a patch or (B, 2, h, w)
for a map of it. Inference and all that follows know nothing else.
"""

import platform
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from microtome import __version__
from microtome.colour import ColourModel
from microtome.errors import InputError
from microtome.files import atomic, read_json, write_json
from microtome.histocae import HistoCAEClassifier

# What of an entry decides its module, beside its kind.
_ARCHITECTURE = {"histocae": ("patch_px", "head", "dropout", "downsampling"), "colour": ()}
_MODULES = {"histocae": HistoCAEClassifier, "colour": ColourModel}
# What weights and entry must have in common to mean the same.
_SAME = ("kind", "spacing_um", "patch_px", "head", "downsampling")


def build_model(entry: dict, *, seed: int = 0) -> nn.Module:
    """Make the module of a registry entry, with random weights that follow from `seed`."""
    kind = entry["kind"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _MODULES[kind](**{key: entry[key] for key in _ARCHITECTURE[kind]})


def save_weights(
    path: str | Path, model: nn.Module, *, name: str, entry: dict, training: dict
) -> None:
    """Write weights as safetensors, and beside them a JSON that says what they are.

    Parameters
    ----------
    path : str or Path
        The ``.safetensors`` file; the JSON has the same stem.
    name : str
        The model's name in the registry.
    entry : dict
        Its settings.
    training : dict
        What it was trained on, and the hash of the code that did.
    """
    path = Path(path)
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    with atomic(path) as temporary:
        save_file(state, temporary)
    versions = {
        "microtome": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    card = {"name": name, "entry": entry, "training": training, "versions": versions}
    write_json(path.with_suffix(".json"), card)


def load_state(path: str | Path) -> dict[str, torch.Tensor]:
    """Read weights from a safetensors file; nothing in it is executed.

    Raises
    ------
    InputError
        If the file is missing, cut off, or of another format.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"weights {path}: are no whole safetensors file ({error}); pickled weights (.pt, .pth)"
            " are refused because loading them can run code"
        ) from error


def load_model(path: str | Path, *, name: str, entry: dict) -> nn.Module:
    """Make the module of an entry and give it its weights, ready to predict.

    Raises
    ------
    InputError
        If the weights are not those of such an entry.
    """
    path = Path(path)
    card_path = path.with_suffix(".json")
    try:
        card = dict(read_json(card_path)["entry"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"models.{name}: weights {path} need {card_path.name} beside them, which says what they"
            " are"
        ) from error
    for key in _SAME:
        if card.get(key) != entry.get(key):
            raise InputError(
                f"models.{name}: weights {path} are of {key} {card.get(key)}, the entry says"
                f" {entry.get(key)}"
            )
    model = build_model(entry)
    try:
        model.load_state_dict(load_state(path))
    except RuntimeError as error:
        raise InputError(
            f"models.{name}: weights {path} do not fit the network: {str(error).splitlines()[-1]}"
        ) from error
    return model.eval()
