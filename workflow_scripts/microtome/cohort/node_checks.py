"""Checks of the config for lymph nodes and pN staging."""

from collections.abc import Iterator, Mapping
from pathlib import Path


def check_staging(config: Mapping, sheet: Mapping[str, dict]) -> Iterator[str]:
    """Find what keeps the lymph nodes of a sheet from being staged, or stages from being submitted.

    That is a model that cannot stage, forests that are missing, or no nodes.
    """
    if not any("node" in row for row in sheet.values()):
        if "camelyon17" in config["submissions"]:
            yield (
                "submissions: camelyon17 needs lymph nodes, and no slide of the sheet has a patient"
                " and a node; fill these columns or leave it out"
            )
        return
    name = choose_staging_model(config)
    if name not in config["run"]:
        yield f"staging.model: {name} is not in run"
    elif config["models"][name]["kind"] == "vote":
        yield f"staging.model: {name} is a vote and has no heatmaps; name another model"
    forests = config["staging"]["forests"]
    for file in (Path(forests), Path(forests).with_suffix(".json")) if forests else ():
        if not file.exists():
            yield f"staging.forests: the file {file} does not exist"


def choose_staging_model(config: Mapping) -> str:
    """Name the model whose heatmaps are staged: the one that is set, else the first of run."""
    return config["staging"]["model"] or config["run"][0]
