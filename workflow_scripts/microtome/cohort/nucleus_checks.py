"""Checks of the models that find nuclei, and of the config's section for them."""

from collections.abc import Iterator, Mapping

CROSSWISE = "crosswise"
SUPERVISED = ("nucleus_detector", "nucleus_classifier", "nucleus_segmenter")
NUCLEUS_KINDS = (CROSSWISE, *SUPERVISED)
# What a network has from the autoencoder that it starts from.
OF_THE_START = ("spacing_um", "patch_px", "reduction", "width", "sparsity_percent")
# Networks that have an autoencoder of the same layers, and what they need if they start without.
_OF_AUTOENCODERS = ("crosswise", "sparse", "dense")
_NEEDED = {
    "crosswise": ("spacing_um", "patch_px", "reduction", "width", "sparsity_percent"),
    "sparse": ("spacing_um", "patch_px", "reduction", "width", "sparsity_percent"),
    "dense": ("spacing_um", "patch_px", "reduction", "width"),
    "plain": ("spacing_um", "patch_px", "reduction", "width"),
    "unet": ("spacing_um", "patch_px", "reduction", "width"),
    "vgg16": ("spacing_um", "patch_px"),
}
# Feature maps of the foreground, of which the sparsity of the variant sparse is a share.
_FOREGROUND_MAPS = 100


def check_nucleus_model(key: str, entry: dict, models: Mapping[str, dict]) -> Iterator[str]:
    """Find what is wrong with a model of one of `NUCLEUS_KINDS` that a schema cannot say.

    `key` is the place of the entry in the config, `models` the registry.
    """
    if entry["kind"] == CROSSWISE:
        yield from _check_sparsity(key, entry, entry["variant"])
        return
    network, start = entry["network"], entry["start"]
    if "detection_slope" in entry and network != CROSSWISE:
        yield f"{key}.detection_slope: network {network} has no detection map inside; leave it out"
    if start is None:
        missing = [part for part in _NEEDED[network] if part not in entry]
        if missing:
            yield f"{key}: start is null, so {', '.join(missing)} must be given"
        else:
            yield from _check_sparsity(key, entry, network)
            yield from _check_reduction(key, entry, entry)
        if entry.get("frozen"):
            yield f"{key}.frozen: true, but there is no start, and nothing that has learnt"
        return
    if network not in _OF_AUTOENCODERS:
        yield f"{key}.start: network {network} has no autoencoder to start from; set start to null"
        return
    other = models.get(start, {})
    if other.get("kind") != CROSSWISE:
        yield f"{key}.start: {start!r} is no model of kind crosswise"
        return
    if other["variant"] != network:
        yield f"{key}.start: {start} is of variant {other['variant']}, network is {network}"
    given = [part for part in OF_THE_START if part in entry]
    if given:
        yield f"{key}.{given[0]}: is that of its start {start}; leave it out"
    yield from _check_reduction(key, entry, other)


def _check_reduction(key: str, entry: dict, sized: dict) -> Iterator[str]:
    """A segmenter says something of every px: only without pooling is that what it has learnt."""
    if entry["kind"] == "nucleus_segmenter" and sized["reduction"] != 1:
        yield f"{key}: a nucleus_segmenter needs reduction 1, of itself or of its start"


def _check_sparsity(key: str, entry: dict, variant: str) -> Iterator[str]:
    """Find a sparsity so small that nothing could be active in a patch."""
    if variant not in ("crosswise", "sparse"):
        return
    places = (entry["patch_px"] // entry["reduction"]) ** 2
    if variant == "sparse":
        places *= max(1, round(_FOREGROUND_MAPS * entry["width"]))
    active = entry["sparsity_percent"] / 100 * places
    if active < 1:
        yield (
            f"{key}.sparsity_percent: {entry['sparsity_percent']:g} of the {places} places of a"
            f" patch are {active:.2g}, so nothing would be active; take {100 / places:.2g} or more"
        )


def check_nuclei(config: Mapping) -> Iterator[str]:
    """Find models of the section ``nuclei`` that are none, or cannot do what they are to do."""
    models, section = config["models"], config["nuclei"]
    for name in section["run"]:
        yield from _check_listed(name, models)
    for part, kind in (("outlines", "nucleus_segmenter"), ("classes", "nucleus_classifier")):
        if section[part] is not None:
            yield from _check_part(part, kind, config)
    for name in list_nucleus_models(section):
        entry = models.get(name, {})
        if entry.get("kind") in SUPERVISED and "weights" not in entry and not section["images"]:
            yield (
                f"nuclei.images: null, but models.{name} learns from labelled images; name a sheet"
                " of them, or give the model weights"
            )
    for name in config["run"]:
        kind = models.get(name, {}).get("kind")
        if kind in NUCLEUS_KINDS:
            yield f"run: {name} is of kind {kind} and has no tumour map; list it in nuclei.run"


def _check_listed(name: str, models: Mapping[str, dict]) -> Iterator[str]:
    if name not in models:
        yield f"nuclei.run: there is no model {name!r}; models has {', '.join(models)}"
    elif models[name]["kind"] not in NUCLEUS_KINDS:
        yield f"nuclei.run: {name} is of kind {models[name]['kind']}, which finds no nuclei"
    elif models[name].get("variant", CROSSWISE) != CROSSWISE:
        yield (
            f"nuclei.run: {name} is of variant {models[name]['variant']}, which has no detection"
            " map; list models that start from it"
        )


def _check_part(part: str, kind: str, config: Mapping) -> Iterator[str]:
    name, n_folds = config["nuclei"][part], config["nuclei"]["folds"]
    entry = config["models"].get(name, {})
    if entry.get("kind") != kind:
        yield f"nuclei.{part}: {name!r} is no model of kind {kind}"
    elif entry.get("segmentation_layer") == "dense":
        yield (
            f"nuclei.{part}: {name} has segmentation_layer dense, which knows windows of its own"
            " size alone and cannot go over slides; name one with convolution"
        )
    elif n_folds and "weights" not in entry:
        yield (
            f"nuclei.{part}: {name} would be trained {n_folds} times; set nuclei.folds to 0, or"
            " give it weights"
        )


def list_nucleus_models(section: Mapping) -> list[str]:
    """Name the models of the section ``nuclei``, each once: those run, of outlines, of classes."""
    names = [*section["run"], section["outlines"], section["classes"]]
    return [name for name in dict.fromkeys(names) if name is not None]
