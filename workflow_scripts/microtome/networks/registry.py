"""The kinds of models, and their weights on disk.

Every kind that tells tumour meets two contracts: it is trained from patch stores, and its module
maps images (B, 3, side, side) in [0, 1], or with further spacings (B, spacings, 3, side, side), to
logits of {not tumour, tumour}, (B, 2) for a patch or (B, 2, h, w) for a map of it. Inference and
all that follows know nothing else. The kinds for nuclei have contracts of their own, in their
modules.
"""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from microtome import __version__
from microtome.errors import InputError
from microtome.io.atomic import atomic, read_json, write_json
from microtome.networks.colour import ColourModel
from microtome.networks.crosswise import CrosswiseCAE, EncoderSettings
from microtome.networks.histocae import HistoCAE, HistoCAEClassifier
from microtome.networks.mr_histocae import MRHistoCAE
from microtome.networks.pretrained import read_safetensors
from microtome.networks.sparsity import SLOPE

# What weights and entry must have in common to mean the same.
_SAME = (
    "kind",
    "spacing_um",
    "further_spacings_um",
    "patch_px",
    "architecture",
    "encoder",
    "head",
    "border_latents",
    "downsampling",
    "variant",
    "reduction",
    "width",
    "sparsity_percent",
    "detection_slope",
    "network",
    "attributes",
    "segmentation_layer",
    "input_px",
    "layer_scale",
)
# The sparsity of a network that has no threshold.
_NONE = 0.0


def build_model(entry: dict, *, seed: int = 0, pretrained: bool = True) -> nn.Module:
    """Make the module of a registry entry.

    Random weights follow from the `seed`. A classifier or segmenter begins with the weights that
    the entry names, unless `pretrained` is false, as where trained ones follow.

    Examples
    --------
    >>> build_model({"kind": "colour"})(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5, 2])
    """
    start = entry.get("pretrained", "none") if pretrained else "none"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _BUILDERS[entry["kind"]](entry, start)


def _histocae(entry: dict, _: str) -> nn.Module:
    names = ("patch_px", "head", "dropout", "downsampling")
    settings = {name: entry[name] for name in names}
    return HistoCAEClassifier(**settings, border_latents=entry.get("border_latents", 0))


def _mr_histocae(entry: dict, _: str) -> nn.Module:
    return MRHistoCAE(
        n_spacings=1 + len(entry["further_spacings_um"]),
        dropout=entry["dropout"],
        downsampling=entry["downsampling"],
    )


def _classifier(entry: dict, pretrained: str) -> nn.Module:
    from microtome.networks.classifiers import PatchClassifier  # noqa: PLC0415, timm: a second

    return PatchClassifier(
        architecture=entry["architecture"],
        pretrained=pretrained,
        frozen=entry.get("frozen", False),
        input_px=entry.get("input_px"),
        layer_scale=entry.get("layer_scale"),
    )


def _segmenter(entry: dict, pretrained: str) -> nn.Module:
    from microtome.networks.segmenters import PatchSegmenter  # noqa: PLC0415, likewise

    return PatchSegmenter(
        architecture=entry["architecture"], encoder=entry.get("encoder"), pretrained=pretrained
    )


def _crosswise(entry: dict, _: str) -> nn.Module:
    settings = {name: entry[name] for name in ("variant", "reduction", "width")}
    return CrosswiseCAE(**settings, sparsity_percent=entry.get("sparsity_percent", _NONE))


def _nucleus_network(entry: dict, pretrained: str) -> nn.Module:
    from microtome.networks.nucleus_networks import (  # noqa: PLC0415, timm: a second
        NucleusClassifier,
        NucleusDetector,
        NucleusSegmenter,
        NucleusUNet,
        NucleusVGG,
    )

    kind, network, start = entry["kind"], entry["network"], entry.get("start")
    if network in ("vgg16", "unet") and start:
        raise InputError(f"models: network {network} cannot start from {start}; set start: null")
    if network == "vgg16":
        return NucleusVGG(pretrained=pretrained, n_attributes=len(entry["attributes"]))
    if network == "unet":
        reduction = 1 if kind == "nucleus_segmenter" else entry["reduction"]
        return NucleusUNet(width=entry["width"], reduction=reduction)
    settings = EncoderSettings(
        variant=network,
        reduction=entry["reduction"],
        width=entry["width"],
        sparsity_percent=entry.get("sparsity_percent", _NONE),
        started=start is not None,
        slope=entry.get("detection_slope", SLOPE),
    )
    if kind == "nucleus_detector":
        return NucleusDetector(settings)
    if kind == "nucleus_classifier":
        return NucleusClassifier(settings, n_attributes=len(entry["attributes"]))
    dense = entry.get("segmentation_layer") == "dense"
    return NucleusSegmenter(settings, dense_px=entry["patch_px"] if dense else None)


_BUILDERS = {
    "histocae": _histocae,
    "mr_histocae": _mr_histocae,
    "classifier": _classifier,
    "segmenter": _segmenter,
    "colour": lambda *_: ColourModel(),
    "crosswise": _crosswise,
    "nucleus_detector": _nucleus_network,
    "nucleus_classifier": _nucleus_network,
    "nucleus_segmenter": _nucleus_network,
}


def save_weights(
    path: str | Path, model: nn.Module, *, name: str, entry: dict, training: dict
) -> None:
    """Write weights as safetensors, and beside them a JSON that says what they are.

    `path` is the ``.safetensors`` file; the JSON has the same stem. `name` and `entry` are the
    model's in the registry; `training` says what it was trained on, and the hash of the code.
    """
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    with atomic(path) as temporary:
        save_file(state, temporary)
    card = {
        "name": name,
        "entry": entry,
        "parameters": sum(value.numel() for value in model.parameters()),
        "training": training,
        "versions": {
            "microtome": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
    }
    write_json(Path(path).with_suffix(".json"), card)


def load_model(path: str | Path, *, name: str, entry: dict) -> nn.Module:
    """Make the module of an entry and give it its trained weights, ready to predict.

    InputError if the weights are not those of such an entry.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> entry = {"kind": "colour"}
    >>> with TemporaryDirectory() as folder:
    ...     path = f"{folder}/m.safetensors"
    ...     save_weights(path, build_model(entry), name="m", entry=entry, training={})
    ...     type(load_model(path, name="m", entry=entry)).__name__
    'ColourModel'
    """
    return _fill(build_model(entry, pretrained=False), path, name=name, entry=entry)


def load_members(
    paths: Sequence[str | Path], *, entries: Mapping[str, dict]
) -> dict[str, nn.Module]:
    """Load one network, or the members of an ensemble: weights, and entries by name."""
    return {
        name: load_model(path, name=name, entry=entry)
        for path, (name, entry) in zip(paths, entries.items(), strict=True)
    }


def load_autoencoder(path: str | Path, *, name: str, entry: dict) -> HistoCAE:
    """Make the autoencoder of an entry with its weights; InputError if they are of another."""
    return _fill(HistoCAE(downsampling=entry["downsampling"]), path, name=name, entry=entry)


def _fill(model: nn.Module, path: str | Path, *, name: str, entry: dict) -> nn.Module:
    path = Path(path)
    card_path = path.with_suffix(".json")
    try:
        card = dict(read_json(card_path)["entry"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"models.{name}: weights {path} need {card_path.name} beside them, which says what they"
            " are"
        ) from error
    other = [key for key in _SAME if card.get(key) != entry.get(key)]
    if other:
        found = ", ".join(f"{key} {card.get(key)}" for key in other)
        asked = ", ".join(f"{key} {entry.get(key)}" for key in other)
        raise InputError(f"models.{name}: weights {path} are of {found}; the entry says {asked}")
    try:
        model.load_state_dict(read_safetensors(path))
    except RuntimeError as error:
        raise InputError(
            f"models.{name}: weights {path} do not fit the network: {str(error).splitlines()[-1]}"
        ) from error
    return model.eval()
