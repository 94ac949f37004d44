"""Submissions to challenges, their scores, and the truth of the demo cohort."""

import pytest

from helpers.small_plan import NODES, SHEET, changed, plan
from microtome.errors import InputError
from microtome.planning.staging import Staging
from microtome.planning.submissions import DemoTruth, Submissions


def submissions(sheet: dict | None = None, *, without=("lost",), **changes) -> Submissions:
    """Plan the submissions of the small sheet with its nodes."""
    cohort = plan(SHEET | NODES if sheet is None else sheet, without=without, **changes)
    return Submissions(cohort, Staging(cohort, changed(**changes)), changed(**changes))


def test_archives():
    """One a challenge and model that gives maps; of stages only by the model that stages."""
    assert submissions().archives() == []
    asked = submissions(submissions=["paip2019", "camelyon17"], staging={"model": "colour"})
    names = ["paip2019/both", "paip2019/colour", "camelyon17/colour"]
    assert asked.archives() == [f"results/submissions/{name}.zip" for name in names]


def test_models_that_submit():
    """With cross-validation the model that stages is no run, and submits all the same."""
    assert submissions().models() == "both|colour|vote|a|b"
    folded = submissions({}, run=["colour"], cross_validation={"folds": 3})
    assert folded.models() == "colour-fold1|colour-fold2|colour-fold3|colour"


def test_cases():
    """Excluded slides too; patients that no forest was trained on."""
    assert submissions().cases("paip2019", "both") == ["tested", "asked", "lost"]
    assert submissions().cases("camelyon17", "both") == {"q": ["q0", "q1"]}


@pytest.mark.parametrize(
    ("challenge", "patterns"),
    [
        ("paip2019", ["submissions/paip2019/colour/{}.tif", "burden/colour/{}.json"]),
        ("camelyon16", ["lesions/colour/{}.csv"]),
        ("digestpath", ["submissions/digestpath/colour/{}.png"]),
    ],
)
def test_files_of_slides(challenge, patterns):
    """Masks, burdens or lesions of the usable slides."""

    def of_slides(*patterns):
        return [f"results/{p.format(slide)}" for p in patterns for slide in ("tested", "asked")]

    found = submissions()
    assert found.files(challenge, "colour") == of_slides(*patterns)
    assert found.inspected(challenge, "colour") == of_slides("slides/{}.json")
    assert found.networks(challenge, "colour") == ["results/models/colour/weights.safetensors"]


def test_files_of_stages():
    """Tables of nodes and patients, with the networks and forests behind them."""
    found = submissions()
    tables = ["results/staging/nodes.tsv", "results/staging/patients.tsv"]
    assert found.files("camelyon17", "both") == tables
    assert found.inspected("camelyon17", "both") == []
    weights = [f"results/models/{model}/weights.safetensors" for model in ("a", "b")]
    forests = "results/staging/forests.safetensors"
    assert found.networks("camelyon17", "both") == [*weights, forests]
    assert submissions(without=("p0",)).networks("camelyon17", "both") == weights
    with pytest.raises(InputError, match=r"comes from staging.model both, not from colour"):
        found.files("camelyon17", "colour")


def test_the_config_behind_a_submission():
    """What is submitted and scored changes no result."""
    config = submissions().config_of_results()
    assert set(changed()) - set(config) == {"submissions", "scoring", "scratch_dir", "allow_cpu"}


def test_scores():
    """Of the challenges that the config names."""
    scored = submissions(scoring={"camelyon17": {"submission": "a.zip", "truth": "folder"}})
    assert scored.scores() == ["results/scoring/camelyon17.tsv"]
    assert scored.truth("camelyon17") == "folder"
    assert scored.submission("camelyon17", "a") == "a.zip"
    with pytest.raises(InputError, match="config: scoring: camelyon17 has no submission b"):
        scored.submission("camelyon17", "b")
    several = {"submission": ["x/a.zip", "x/b"], "truth": "folder"}
    curves = submissions(scoring={"camelyon16": several})
    at = "results/scoring/camelyon16"
    assert curves.scores() == [f"{at}.tsv", f"{at}/a.png", f"{at}/b.png"]
    assert curves.scores_of("camelyon16") == [f"{at}/a.json", f"{at}/b.json"]
    with pytest.raises(InputError, match="config: scoring: has no paip2019"):
        scored.truth("paip2019")
    with pytest.raises(InputError, match="config: scoring: is empty; give for instance"):
        submissions().scores()


def test_demo_truth():
    """Test slides, or nodes where stages are scored, which have no files of their own."""
    truth = DemoTruth(plan(SHEET | NODES), "demo")
    assert truth.slides("paip2019") == ["tested", "lost"]
    assert truth.slides("camelyon17") == ["q0", "q1"]
    assert truth.files("camelyon16") == ["demo/tested_asap.xml", "demo/lost_asap.xml"]
    assert truth.files("digestpath") == ["demo/tested_viable.tif", "demo/lost_viable.tif"]
    assert truth.files("camelyon17") == truth.statuses("camelyon16") == []
    assert truth.statuses("paip2019") == ["results/truth/tested.json", "results/truth/lost.json"]
