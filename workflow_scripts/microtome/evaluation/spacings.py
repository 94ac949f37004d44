"""Networks at several spacings: Table 1 of the joint classification and segmentation paper."""

from collections.abc import Iterable, Mapping

from microtome.errors import InputError


def spacing_rows(models: Iterable[Mapping], at_spacings: Iterable[Mapping]) -> list[dict]:
    """Sort the accuracies of networks by spacing: a row a spacing, a column a network.

    Joint classification and segmentation of liver slides (2022), Table 1.

    Parameters
    ----------
    models : iterable of mapping
        Of each model its ``accuracy`` over the patches that count and ``accuracy_sd``, as
        `microtome.evaluation.comparison.model_rows` gives them, or as they are read from its table.
    at_spacings : iterable of mapping
        The ``network`` that a ``model`` is at a spacing, ``spacing_um``.

    Returns
    -------
    list of dict
        ``spacing_um``, and of each network its accuracy and, as ``NETWORK sd``, the standard
        deviation over folds; None where a network is not there at a spacing.

    Raises
    ------
    InputError
        If there is no such network.

    Examples
    --------
    >>> models = [{"model": m, "accuracy": a, "accuracy_sd": ""} for m, a in zip("ab", (0.9, 0.8))]
    >>> places = [{"network": "n", "spacing_um": um, "model": m} for um, m in ((8, "b"), (2, "a"))]
    >>> [(row["spacing_um"], row["n"]) for row in spacing_rows(models, places)]
    [(2, 0.9), (8, 0.8)]
    """
    found = {row["model"]: row for row in models}
    places = {(one["spacing_um"], one["network"]): found[one["model"]] for one in at_spacings}
    if not places:
        raise InputError("run: has no network at several spacings, so there is no table of them")
    networks = list(dict.fromkeys(network for _, network in places))
    return [
        {"spacing_um": spacing_um}
        | {
            f"{network}{title}": places.get((spacing_um, network), {}).get(f"accuracy{suffix}")
            for network in networks
            for title, suffix in (("", ""), (" sd", "_sd"))
        }
        for spacing_um in sorted({spacing_um for spacing_um, _ in places})
    ]
