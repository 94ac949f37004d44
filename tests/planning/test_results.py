"""What a run is to make, of models and slides together."""

import pytest

from helpers.small_plan import SEGMENTER, plan
from microtome.errors import InputError
from microtome.planning.results import Results

RESULTS = Results(plan())


def test_files_of_models_and_slides():
    """Of models that give maps, and of votes where these are asked for."""
    assert RESULTS.of_models("{model}.tsv") == ["both.tsv", "colour.tsv"]
    assert RESULTS.of_models("{model}.tsv", ["vote"]) == ["vote.tsv"]
    figures = ["both/tested", "both/asked", "colour/tested", "colour/asked"]
    assert RESULTS.of_slides("{model}/{slide}") == figures


def test_nothing_of_models_without_slides():
    """A cohort of which nothing is usable has no tables."""
    nothing = Results(plan(without=tuple(plan().sheet)))
    assert nothing.of_models("{model}.tsv") == nothing.of_slides("{model}/{slide}") == []
    assert nothing.if_evaluated("models.tsv") == nothing.uncertainty() == nothing.counted() == []


def test_a_figure_of_the_tissue_for_each_grid():
    """Models that score the same patches share it."""
    colours = {"kind": "colour", "spacing_um": 2.0, "patch_px": 224}
    results = Results(plan(run=["colour", "other"], models={"other": colours}))
    at = "results/figures/tissue/2um_224px_every112px"
    assert results.tissue_figures() == [f"{at}/tested.png", f"{at}/asked.png"]


def test_uncertainty():
    """Table and figures of the ensemble alone; colour is scored once, by itself."""
    assert RESULTS.uncertainty() == [
        "results/uncertainty/both.tsv",
        "results/figures/both/uncertainty/tested.png",
        "results/figures/both/uncertainty/asked.png",
    ]


def test_evaluation():
    """What is counted, compared and known of the models that have slides with a truth."""
    assert RESULTS.evaluated_models() == ["both", "colour"]
    assert RESULTS.if_evaluated("models.tsv") == ["models.tsv"]
    assert RESULTS.of_evaluated_models("{model}.csv") == ["both.csv", "colour.csv"]
    assert RESULTS.cards() == [f"results/models/{m}/weights.json" for m in ("a", "b", "colour")]
    assert RESULTS.compared() == [
        {"name": name, "model": name, "fold": None, "networks": n, "grid": grid}
        for name, n, grid in (
            ("both", 2, "0.5um_256px_every128px"),
            ("colour", 1, "2um_224px_every112px"),
        )
    ]
    assert RESULTS.counted() == [
        {"model": "both", "slide": "tested", "kinds": ["aleatoric", "epistemic"]},
        {"model": "colour", "slide": "tested", "kinds": []},
    ]
    assert RESULTS.pixel_counts() == [
        f"results/evaluation/pixels/{model}/tested.npz" for model in ("both", "colour")
    ]
    assert RESULTS.with_intervals() == ["both"]
    assert RESULTS.intervals() == ["results/uncertainty/both.tsv"]


def test_networks_at_several_spacings():
    """Entries that differ in spacing and stride alone are one, called by their common words."""
    assert RESULTS.at_spacings() == RESULTS.if_at_spacings("spacings.csv") == []
    fine = SEGMENTER | {"architecture": "unet"}
    models = {
        "unet_4x": fine,
        "unet_16x": fine | {"spacing_um": 2.0, "stride_px": 28},
        "unet_like": fine | {"seed": 2},
        "fine": fine | {"architecture": "segnet"},
        "coarse": fine | {"architecture": "segnet", "spacing_um": 8.0, "weights": "w.safetensors"},
    }
    results = Results(plan(run=[*models, "colour"], models=models))
    assert [tuple(one.values()) for one in results.at_spacings()] == [
        ("unet", 0.5, "unet_4x"),
        ("unet", 2.0, "unet_16x"),
        ("fine", 0.5, "fine"),
        ("fine", 8.0, "coarse"),
    ]
    assert results.if_at_spacings("spacings.csv") == ["spacings.csv"]


def test_a_fold_without_slides_is_not_evaluated():
    """With cross-validation only folds with an annotated slide count."""
    sheet = {
        f"s{fold}": {"path": "s", "fold": fold, "label": label}
        for fold, label in ((1, "negative"), (2, "tumour"), (3, "tumour"))
    }
    folded = Results(plan(sheet, run=["colour"], cross_validation={"folds": 3}))
    assert folded.evaluated_models() == ["colour-fold1"]
    assert folded.of_models("{model}") == ["colour-fold1", "colour-fold2", "colour-fold3"]
    (compared,) = folded.compared()
    assert (compared["model"], compared["fold"]) == ("colour", 1)


def test_what_sets_models_side_by_side():
    """A figure for each slide that judges any; of each slide the models that it judges."""
    assert RESULTS.compared_maps() == ["results/comparison/maps/tested.png"]
    assert RESULTS.judged_by("tested") == ["both", "colour"]
    assert RESULTS.of_judged("tested", "{model}/{slide}") == ["both/tested", "colour/tested"]
    assert RESULTS.autoencoders() == RESULTS.if_reconstructed("x") == []


def test_a_fold_is_judged_by_its_own_slides():
    """With cross-validation a slide judges the runs that it tests, and their autoencoders."""
    sheet = {f"s{fold}": {"path": "s", "fold": fold, "label": "tumour"} for fold in (1, 2, 3)}
    folded = Results(plan(sheet, run=["colour", "cae"], cross_validation={"folds": 3}))
    assert folded.judged_by("s2") == ["colour-fold2", "cae-fold2"]
    found = [(one["model"], one["fold"], one["slides"]) for one in folded.autoencoders()]
    assert found == [(f"cae-fold{fold}", fold, [f"s{fold}"]) for fold in (1, 2, 3)]


def test_autoencoders():
    """Each of those trained here, of MR-HistoCAE one a spacing; none of given weights."""
    found = Results(plan(run=["mr", "given", "cae", "colour"]))
    about = [(one["model"], one["spacing_um"], one["slides"]) for one in found.autoencoders()]
    spacings = {"mr": (1.0, 2.0, 4.0), "cae": (1.0,)}
    slides = ["tested", "asked"]
    assert about == [(model, um, slides) for model, each in spacings.items() for um in each]
    assert {one["downsampling"] for one in found.autoencoders()} == {"stride"}
    assert found.if_reconstructed("x") == ["x"]
    assert found.reconstructed_patches()[1::2] == [
        f"results/autoencoders/{path}um/asked.npz" for path in ("mr/1", "mr/2", "mr/4", "cae/1")
    ]


def test_compression():
    """Pictures and table of the chosen model, which has to be among those that are run."""
    assert Results(plan(run=["cae", "colour"])).compression("cae", ["cae", "colour"]) == [
        "results/reconstructions/cae/tested.tif",
        "results/reconstructions/cae/asked.tif",
        "results/compression/cae.tsv",
    ]
    with pytest.raises(InputError, match=r"^config: compression.model: cae is not in run$"):
        RESULTS.compression("cae", ["both", "colour", "vote"])
