"""Checks of config and sheet for lymph nodes and pN staging."""

from collections.abc import Mapping
from pathlib import Path

from microtome.errors import InputError


def check_nodes(config: Mapping, sheet: Mapping[str, dict], *, path: str | Path) -> None:
    """Raise InputError, one line, if a sheet has lymph nodes and not what pN staging needs.

    That is a node without a patient or twice, a model that cannot stage, forests that are missing,
    or a submission of stages without nodes.
    """
    nodes = {slide: row for slide, row in sheet.items() if "node" in row}
    if not nodes:
        if "camelyon17" in config["submissions"]:
            raise InputError(
                f"config: submissions: camelyon17 needs lymph nodes, and no slide of {path} has a"
                " patient and a node; fill these columns or leave it out"
            )
        return
    _check_rows(nodes, path)
    _check_staging(config)


def choose_staging_model(config: Mapping) -> str:
    """Name the model whose heatmaps are staged: the one that is set, else the first of run."""
    return config["staging"]["model"] or config["run"][0]


def _check_rows(nodes: Mapping[str, dict], path: str | Path) -> None:
    seen: dict[tuple[str, str], str] = {}
    for slide, row in nodes.items():
        if "patient" not in row:
            raise InputError(
                f"slide sheet {path}: slide {slide}: has a node and no patient; a node is staged"
                " with the patient's others"
            )
        first = seen.setdefault((row["patient"], row["node"]), slide)
        if first != slide:
            raise InputError(
                f"slide sheet {path}: patient {row['patient']}: slides {first} and {slide} are both"
                f" node {row['node']}; one slide a node"
            )


def _check_staging(config: Mapping) -> None:
    name = choose_staging_model(config)
    if name not in config["run"]:
        raise InputError(f"config: staging.model: {name} is not in run")
    if config["models"][name]["kind"] == "vote":
        raise InputError(
            f"config: staging.model: {name} is a vote and has no heatmaps; name another model"
        )
    forests = config["staging"]["forests"]
    if forests:
        for file in (Path(forests), Path(forests).with_suffix(".json")):
            if not file.exists():
                raise InputError(f"config: staging.forests: the file {file} does not exist")
