"""What the paper calls a method, from a model's settings."""

from collections.abc import Mapping

_CROSSWISE = "crosswise"
# By network, and whether it starts from an autoencoder of the same layers.
_SUPERVISED = {
    ("crosswise", True): "CSP-CNN",
    ("crosswise", False): "SUP-CSP-CNN",
    ("sparse", True): "SP-CNN",
    ("dense", True): "DEN-CNN",
    ("plain", False): "SUP-CNN",
    ("unet", False): "U-net",
    ("vgg16", False): "VGG16",
}
_ALL_PERCENT = 100


def method_name(model: Mapping) -> str:
    """Name a method as section 5.5 of the paper does; empty for what the paper does not have.

    `model` has the ``kind``, ``network``, ``start``, ``frozen`` and ``labels_percent`` of its
    entry; what an entry does not have is None: without ``frozen`` all layers have learnt, and
    without ``labels_percent`` from all labels.

    Examples
    --------
    >>> model = {"kind": "nucleus_detector", "network": "crosswise", "start": "cae"}
    >>> method_name({**model, "frozen": False, "labels_percent": 5})
    'CSP-CNN (5% data)'
    >>> method_name({"kind": "crosswise"})
    'CSP-CAE'
    """
    if model["kind"] == _CROSSWISE:
        return "CSP-CAE"
    is_started = model["start"] is not None
    name = _SUPERVISED.get((model["network"], is_started), "")
    if model["frozen"]:
        name = "CSP-CAE-MLP" if (model["network"], is_started) == (_CROSSWISE, True) else ""
    share = labels_used(model)
    return name if not name or share == _ALL_PERCENT else f"{name} ({share:g}% data)"


def labels_used(model: Mapping) -> float:
    """Say how much of the labelled images a model has learnt from, in percent; 0 without labels."""
    share = model["labels_percent"]
    return 0 if model["kind"] == _CROSSWISE else _ALL_PERCENT if share is None else share
