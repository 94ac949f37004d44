"""Models of kind rescored: the weights of another model on other patches of the slides."""

from collections.abc import Iterator, Mapping, Sequence

from microtome.cohort.nucleus_checks import NUCLEUS_KINDS

RESCORED = "rescored"
# What such an entry says itself; the rest is the other model's.
OWN = ("inference_patch_px", "overlap")
_NOT_RESCORED = (RESCORED, "vote", *NUCLEUS_KINDS)


def list_parts(models: Mapping[str, dict], name: str) -> Sequence[str]:
    """Name the models whose weights a model of the registry has; none where it has its own.

    Examples
    --------
    >>> models = {"a": {"kind": "colour"}, "again": {"kind": "rescored", "model": "a"}}
    >>> list_parts(models, "again"), list_parts(models, "a")
    (['a'], [])
    """
    entry = models[name]
    if entry["kind"] == RESCORED:
        return models.get(entry["model"], {}).get("members") or [entry["model"]]
    return entry.get("members", [])


def check_rescored(key: str, entry: dict, models: Mapping[str, dict]) -> Iterator[str]:
    """Find what is wrong with an entry of kind rescored that a schema cannot say.

    `key` is the place of the entry in the config, `models` the registry.
    """
    name = entry["model"]
    kind = models.get(name, {}).get("kind")
    if kind is None:
        yield f"{key}.model: there is no model {name!r}; models has {', '.join(models)}"
    elif kind in _NOT_RESCORED:
        yield f"{key}.model: {name} is of kind {kind}; name a model that scores patches itself"
    elif not any(part in entry for part in OWN):
        yield f"{key}: would score what {name} scores; give {' or '.join(OWN)}"
    elif "inference_patch_px" in entry:
        for part in models[name].get("members", [name]):
            other = models.get(part, {}).get("kind")
            if other not in ("segmenter", None):
                yield (
                    f"{key}.inference_patch_px: {part} is of kind {other}, which knows patches of"
                    " its training's size alone; leave it out"
                )
