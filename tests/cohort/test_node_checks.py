"""What config and sheet must say of lymph nodes."""

import pytest

from microtome.cohort.node_checks import check_nodes, choose_staging_model
from microtome.errors import InputError

NODE = {"patient": "p", "node": "1"}
STAGING = {"model": None, "forests": None}


def config(**staging: object) -> dict:
    """Give a config of three models, two of which run."""
    models = {"net": {"kind": "segmenter"}, "vote": {"kind": "vote"}, "idle": {"kind": "colour"}}
    staging = {**STAGING, **staging}
    return {"run": ["net", "vote"], "models": models, "staging": staging, "submissions": []}


def mistake(config: dict, sheet: dict) -> str:
    """Give the line that refuses it."""
    with pytest.raises(InputError) as caught:
        check_nodes(config, sheet, path="sheet.tsv")
    return str(caught.value)


def test_nodes_of_a_patient():
    """Two nodes of one patient and the same node of another are fine."""
    other = {"patient": "q", "node": "1"}
    check_nodes(config(), {"a": NODE, "b": {**NODE, "node": "2"}, "c": other}, path="s")


@pytest.mark.parametrize(
    ("staging", "sheet", "line"),
    [
        (
            {},
            {"a": {"node": "1"}},
            "slide sheet sheet.tsv: slide a: has a node and no patient; a node is staged with the"
            " patient's others",
        ),
        (
            {},
            {"a": NODE, "b": NODE},
            "slide sheet sheet.tsv: patient p: slides a and b are both node 1; one slide a node",
        ),
        ({"model": "idle"}, {"a": NODE}, "config: staging.model: idle is not in run"),
        ({"model": "gone"}, {"a": NODE}, "config: staging.model: gone is not in run"),
        (
            {"model": "vote"},
            {"a": NODE},
            "config: staging.model: vote is a vote and has no heatmaps; name another model",
        ),
        (
            {"forests": "gone.safetensors"},
            {"a": NODE},
            "config: staging.forests: the file gone.safetensors does not exist",
        ),
    ],
)
def test_what_cannot_be_staged(staging, sheet, line):
    """A node that is nobody's or there twice, a model without heatmaps, forests that are gone."""
    assert mistake(config(**staging), sheet) == line


def test_forests_need_their_json(tmp_path):
    """Both files of the forests must be there."""
    (tmp_path / "f.safetensors").touch()
    said = mistake(config(forests=str(tmp_path / "f.safetensors")), {"a": NODE})
    assert said == f"config: staging.forests: the file {tmp_path / 'f.json'} does not exist"


def test_without_nodes_nothing_is_asked():
    """A sheet without nodes takes any setting."""
    check_nodes(config(model="gone", forests="gone"), {"a": {"patient": "p"}}, path="s")


def test_stages_cannot_be_submitted_without_nodes():
    """The challenge wants patients."""
    assert mistake({**config(), "submissions": ["camelyon17"]}, {"a": {}}) == (
        "config: submissions: camelyon17 needs lymph nodes, and no slide of sheet.tsv has a patient"
        " and a node; fill these columns or leave it out"
    )


def test_the_first_model_stages():
    """Unless the config names another."""
    assert choose_staging_model(config()) == "net"
    assert choose_staging_model(config(model="vote")) == "vote"
