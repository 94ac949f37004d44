"""Models whose training begins with the weights of another, trained on another organ for one.

Generalized framework (Khened et al. 2021, "Discussion"): networks trained on other histopathology
data are good starting points where data are few.
"""

from collections.abc import Iterable, Iterator, Mapping

# What networks must have in common for the weights of one to be those of the other.
_SAME = ("kind", "architecture", "encoder", "input_px", "layer_scale")


def start_of(entry: Mapping) -> str | None:
    """Name the model whose weights one begins with that is trained here; None: with its own."""
    return None if "weights" in entry else entry.get("start")


def add_starts(models: Mapping[str, dict], names: Iterable[str]) -> list[str]:
    """Add to some models of the registry those that they start from, those that these do, and on.

    Examples
    --------
    >>> models = {"a": {"start": "b"}, "b": {"start": "c"}, "c": {}, "d": {}}
    >>> add_starts(models, ["a", "d"])
    ['a', 'd', 'b', 'c']
    """
    found = list(dict.fromkeys(names))
    for name in found:  # which grows meanwhile
        start = start_of(models[name])
        found += [start] if start and start not in found else []
    return found


def check_start(key: str, entry: Mapping, models: Mapping[str, dict]) -> Iterator[str]:
    """Find what is wrong with the start of a network that tells tumour.

    `key` is the place of the entry in the config, `models` the registry.
    """
    name = entry["start"]
    if name not in models:
        yield f"{key}.start: there is no model {name!r}; models has {', '.join(models)}"
        return
    other = models[name]
    for part in _SAME:
        if entry.get(part) != other.get(part):
            yield (
                f"{key}.start: {name} is of {part} {other.get(part)}, this is of {part}"
                f" {entry.get(part)}; weights fit the same network alone"
            )
            return
    if entry["pretrained"] != "none":
        yield (
            f"{key}.pretrained: {entry['pretrained']}, but it starts from {name}; set pretrained to"
            " none"
        )
    seen = [name]
    while (following := start_of(models.get(seen[-1], {}))) and following not in seen:
        seen.append(following)
    if following:
        yield f"{key}.start: {' -> '.join([*seen, following])} has no end; give one of them weights"
