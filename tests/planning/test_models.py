"""The models of a config: networks, weights, grids, and what is made of several."""

from helpers.small_plan import CAE, MODELS, SEGMENTER, changed
from microtome.planning.models import Models

ALL = Models(changed(run=list(MODELS)))


def test_what_gives_maps_and_what_votes():
    """Members of what is listed are there, and give maps of their own only if listed too."""
    models = Models(changed())
    assert list(models.runs) == ["both", "colour", "vote", "a", "b"]
    assert models.mapped == ["both", "colour"]
    assert models.votes == ["vote"]
    folded = Models(changed(cross_validation={"folds": 3}))
    assert folded.mapped[:3] == ["both-fold1", "both-fold2", "both-fold3"]
    assert folded.votes == ["vote-fold1", "vote-fold2", "vote-fold3"]


def test_who_scores():
    """Members are scored in the ensemble's pass over a slide; those of a vote by themselves."""
    models = Models(changed())
    scorers = {"both": "both", "vote": "vote", "a": "both", "b": "both", "colour": "colour"}
    assert {model: models.scorer(model) for model in models.runs} == scorers
    assert [models.part_of_scores(model) for model in ("both", "a", "colour")] == [None, "a", None]
    expected = ["results/scores/colour/s.zarr", "results/scores/both/s.zarr"]
    assert models.scores_of_voters("vote", "s") == expected
    assert Models(changed(run=["vote"])).scorer("a") == "a"


def test_what_votes():
    """Patches, unless the vote says that classifiers do."""
    assert ALL.majority("vote") == "patches"
    vote = MODELS["vote"] | {"majority": "classifiers"}
    assert Models(changed(models={"vote": vote})).majority("vote") == "classifiers"


def test_of_two_ensembles_the_first_scores():
    """A member is scored once, however many ensembles it is in."""
    again = {"kind": "ensemble", "members": ["b", "c"]}
    models = Models(changed(run=["both", "again"], models={"again": again, "c": SEGMENTER}))
    assert [models.scorer(model) for model in ("a", "b", "c")] == ["both", "both", "again"]


def test_weights():
    """They are given or trained here; an ensemble has those of its members."""
    assert ALL.weights("given") == "downloads/given.safetensors"
    expected = [f"results/models/{name}/weights" for name in ("a", "b")]
    assert ALL.weights_of_members("both") == [f"{path}.safetensors" for path in expected]
    assert ALL.cards_of_members("both") == [f"{path}.json" for path in expected]
    assert ALL.cards_of_members("given") == ["downloads/given.json"]
    assert list(ALL.entries_of_members("both")) == ["a", "b"]
    assert ALL.kinds_of_members("both") == {"segmenter"}
    assert ALL.trained_here("histocae", "mr_histocae") == "cae|mr"
    assert ALL.trained_here("classifier") == "none"


def test_autoencoders_and_curves():
    """One autoencoder a spacing; what is given, fitted at once or made of others has no curves."""
    at = "results/models/mr/cae_{}um.safetensors"
    assert ALL.autoencoders("mr") == [at.format(um) for um in (1, 2, 4)]
    assert ALL.first_autoencoder("mr") == at.format(1)
    assert ALL.autoencoders("a") == []
    assert ALL.curves() == [
        f"results/models/{run}_curves.png"
        for run in (
            *("a/training", "b/training", "cae/training", "cae/pretraining_1um"),
            *("mr/training", "mr/pretraining_1um", "mr/pretraining_2um", "mr/pretraining_4um"),
        )
    ] + ["results/models/training_losses.png"]


def test_losses_side_by_side():
    """Of all that learns in epochs, each with the name of its loss; of one network alone not."""
    of_px, of_patches = "dice of px", "cross-entropy of patches"
    models = Models(changed(run=list(MODELS), models={"b": SEGMENTER | {"loss": "dice"}}))
    assert models.losses() == [
        {"model": "a", "loss": "cross-entropy of px"},
        {"model": "b", "loss": of_px},
        {"model": "cae", "loss": of_patches},
        {"model": "mr", "loss": f"{of_patches} and reconstruction"},
    ]
    assert models.curves_side_by_side() == [
        f"results/models/{model}/training_curves.csv" for model in ("a", "b", "cae", "mr")
    ]
    alone = Models(changed(run=["a", "colour"]))
    assert alone.curves() == ["results/models/a/training_curves.png"]
    folded = Models(changed(run=["a"], cross_validation={"folds": 3}))
    assert folded.losses() == [{"model": "a", "loss": "cross-entropy of px"}] * 3
    assert folded.curves()[-1] == "results/models/training_losses.png"


def test_grids():
    """Training, scoring with overlap, and latents; an ensemble scores the grid of its members."""
    assert ALL.training_grid("a") == "0.5um_64px_every128px"
    assert ALL.training_grid("colour") == "2um_224px_every100px"
    assert ALL.training_patches("mr") == "1um_256px_every128px_with_2um_4um"
    assert ALL.scoring_grid("both") == ALL.scoring_grid("a") == "0.5um_256px_every128px"
    assert ALL.scoring_grid("colour") == "2um_224px_every112px"
    assert ALL.compression_grid("cae") == "1um_256px_every256px"
    assert ALL.compression_grid("mr", "2") == "2um_256px_every256px"
    small = Models(changed(inference={"overlap": 0.999}, run=["colour"]))
    assert small.scoring_grid("colour") == "2um_224px_every1px"


def test_training_reads_slides_that_are_not_stored_or_whose_patches_move():
    """Then tissue and slide settings matter to it; stored patches have them already."""
    assert not ALL.reads_slides("a")
    assert ALL.reads_slides("b")
    assert ALL.training_settings("a") == {"min_tissue_fraction": None, "slide_settings": None}
    stored = Models(changed(run=["a"], patches={"codec": "none"}))
    settings = {"min_tissue_fraction": 0.25, "slide_settings": {"upsample": False}}
    assert stored.training_settings("a") == ALL.training_settings("b") == settings


def test_patches_count_that_would_be_learnt_from():
    """With tissue enough and not too white, which only what is stored is looked at for."""
    assert ALL.keep_rule() == {"min_tissue_fraction": 0.25, "max_white_fraction": 0.7}
    rule = Models(changed(patches={"codec": "none"})).keep_rule()
    assert rule == {"min_tissue_fraction": 0.25, "max_white_fraction": 1}


def test_uncertainty():
    """Views of a patch give one map, members another; a member has the ensemble's views."""
    assert ALL.uncertainties("both") == ["aleatoric", "epistemic"]
    assert ALL.uncertainties("a") == ["aleatoric"]
    assert ALL.uncertainties("colour") == []
    assert ALL.uncertainty_maps("a", "s") == ["results/uncertainty/aleatoric/a/s.tif"]
    burdens = ["results/burden/a/s.json", "results/burden/b/s.json"]
    assert ALL.burdens_of_members("both", "s") == burdens
    assert ALL.burdens_of_members("vote", "s") == ALL.burdens_of_members("a", "s") == []
    assert [ALL.views(model) for model in ("both", "a")] == [3, 1]


def test_patches_at_a_time():
    """A number, or as the device likes."""
    models = [Models(changed(inference={"batch": batch})) for batch in ("auto", 7)]
    assert [one.patches_at_a_time() for one in models] == [None, 7]


def test_threshold_and_temperature():
    """A model's own threshold, else the config's; either may come from validation slides."""
    assert ALL.segmentation("b") == {"threshold": 0.4, "opening_um": 32}
    assert ALL.segmentation("a")["threshold"] == 0.7
    calibration = "results/calibration/both.json"
    assert ALL.threshold_source("both") == calibration
    assert ALL.threshold_source("a") == ALL.temperature_source("both") == []
    assert [ALL.is_tuned(model) for model in ("both", "a")] == [True, False]
    warm = Models(changed(calibration={"temperature": True}))
    assert warm.temperature_source("both") == calibration
    assert warm.is_tuned("a")
    chosen = Models(changed(segmentation={"threshold": "validation"}, models={"cae": CAE}))
    assert chosen.threshold_source("a") == "results/calibration/a.json"
    assert chosen.threshold_source("b") == []


def test_a_rescored_model_scores_other_patches_with_the_same_weights():
    """It scores by itself, and no member for it; it has maps, and no interval of its members."""
    again = {"kind": "rescored", "model": "both", "overlap": 0.75, "inference_patch_px": 512}
    more = {"again": again, "less": {"kind": "rescored", "model": "a", "overlap": 0}}
    models = Models(changed(run=["again", "less", "both", "a"], models=more))
    assert models.scoring_grid("again") == "0.5um_512px_every128px"
    assert models.scoring_grid("less") == "0.5um_256px_every256px"
    assert models.scoring_grid("both") == "0.5um_256px_every128px"
    assert [models.scorer(m) for m in ("again", "less", "a")] == ["again", "less", "both"]
    assert models.weights_of_members("again") == models.weights_of_members("both")
    assert models.weights_of_members("less") == ["results/models/a/weights.safetensors"]
    assert list(models.entries_of_members("less")) == ["a"]
    assert models.trained_here("segmenter") == "a|b"
    assert [c for c in models.curves() if "curves" in c] == [
        f"results/models/{m}/training_curves.png" for m in ("a", "b")
    ]
    assert models.uncertainties("again") == ["aleatoric", "epistemic"]
    assert models.burdens_of_members("again", "s") == []
    assert models.threshold_source("again") == "results/calibration/again.json"
