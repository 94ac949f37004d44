"""What a config must say for lymph nodes to be staged."""

import pytest

from microtome.cohort.node_checks import check_staging, choose_staging_model

NODE = {"patient": "p", "node": "1"}
STAGING = {"model": None, "forests": None}


def config(**staging: object) -> dict:
    """Give a config of three models, two of which run."""
    models = {"net": {"kind": "segmenter"}, "vote": {"kind": "vote"}, "idle": {"kind": "colour"}}
    staging = {**STAGING, **staging}
    return {"run": ["net", "vote"], "models": models, "staging": staging, "submissions": []}


def mistake(config: dict, sheet: dict) -> str:
    """Give the line that refuses it."""
    (line,) = check_staging(config, sheet)
    return line


@pytest.mark.parametrize(
    ("staging", "line"),
    [
        ({"model": "idle"}, "staging.model: idle is not in run"),
        ({"model": "gone"}, "staging.model: gone is not in run"),
        (
            {"model": "vote"},
            "staging.model: vote is a vote and has no heatmaps; name another model",
        ),
    ],
)
def test_what_cannot_stage(staging, line):
    """A model that does not run, or is without heatmaps."""
    assert mistake(config(**staging), {"a": NODE}) == line


def test_forests_that_are_gone():
    """Weights and JSON are named, both."""
    assert [*check_staging(config(forests="gone.safetensors"), {"a": NODE})] == [
        f"staging.forests: the file gone.{suffix} does not exist"
        for suffix in ("safetensors", "json")
    ]


def test_forests_need_their_json(tmp_path):
    """Both files of the forests must be there."""
    (tmp_path / "f.safetensors").touch()
    said = mistake(config(forests=str(tmp_path / "f.safetensors")), {"a": NODE})
    assert said == f"staging.forests: the file {tmp_path / 'f.json'} does not exist"


def test_without_nodes_nothing_is_asked():
    """A sheet without nodes takes any setting."""
    assert not [*check_staging(config(model="gone", forests="gone"), {"a": {"patient": "p"}})]


def test_stages_cannot_be_submitted_without_nodes():
    """The challenge wants patients."""
    assert mistake({**config(), "submissions": ["camelyon17"]}, {"a": {}}) == (
        "submissions: camelyon17 needs lymph nodes, and no slide of the sheet has a patient and"
        " a node; fill these columns or leave it out"
    )


def test_the_first_model_stages():
    """Unless the config names another."""
    assert choose_staging_model(config()) == "net"
    assert choose_staging_model(config(model="vote")) == "vote"
