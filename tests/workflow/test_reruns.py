"""What reruns after an edit: the scripts behind which an edited file lies, and no others."""

from pathlib import Path

import pytest

from conftest import REPOSITORY
from microtome.planning import code_hash as module
from microtome.planning.code_hash import code_hash

SCRIPTS = REPOSITORY / "workflow_scripts"
RULES = {path.stem: path for path in (SCRIPTS / "jobs").glob("*/*.py")}
TRAINING = {"pretrain_cae", "train_model", "pretrain_crosswise", "train_nucleus_network"}
TRAINED = TRAINING | {"fit_colour_baseline"}
RECONSTRUCTION = {"compress_slide", "reconstruct_patches"}
COMPRESSION = RECONSTRUCTION | {"reconstruct_slide", "compression_quality"}
NUCLEUS_SCORES = {"choose_nucleus_threshold", "score_nucleus_images"}  # they read labelled images
OF_NUCLEI = {"outline_nuclei", "classify_nuclei"}  # they look at the slide again
ON_SLIDES = {"score_slide", "find_nuclei"} | OF_NUCLEI
# An edit in each package; several where one is not like another.
RERUN = {
    "slides/tile_decoding.py": TRAINED
    | COMPRESSION
    | ON_SLIDES
    | {"inspect_slide", "tissue_mask", "tissue_figure", "extract_patches", "score_submission"}
    | NUCLEUS_SCORES
    | {"compare_maps", "nucleus_figure", "predict_nucleus_images"},
    "cohort/splits.py": set(),
    "cohort/encoder_checks.py": set(),
    "cohort/exclusion.py": {
        "cohort",
        "inspect_slide",
        "patch_grid",
        "rasterize_annotation",
        "tissue_mask",
    },
    "tissue/mask.py": {"tissue_mask"},
    "tissue/figure.py": {"tissue_figure"},
    "truth/maps.py": {"rasterize_annotation", "score_submission"},
    "patches/grid_step.py": {"patch_grid"},
    "patches/store.py": TRAINED | {"extract_patches"},
    "networks/refinenet.py": TRAINED | COMPRESSION | ON_SLIDES | {"predict_nucleus_images"},
    "patches/white_filter.py": TRAINED | {"extract_patches", "reconstruct_patches", "score_slide"},
    "training/loop.py": TRAINING,
    "training/curves_figure.py": {"training_curves", "training_losses"},
    "training/random_rotation.py": TRAINING,
    "nucleus_training/slide_windows.py": {"pretrain_crosswise"},
    "nuclei/image_prediction.py": {"predict_nucleus_images"},
    "inference/scoring.py": {"score_slide"},
    "nuclei/peaks.py": {"find_nuclei", "predict_nucleus_images"} | OF_NUCLEI,
    "nuclei/outlines.py": {"outline_nuclei"},
    "nuclei/classes.py": {"classify_nuclei"},
    "rasters/seeded_regions.py": {"outline_nuclei"},
    "heatmaps/stitching.py": {"stitch_heatmap", "stitch_uncertainty", "tune"},
    "tumour/burden.py": {"tumour_burden"},
    "tumour/segmentation.py": {"tumour_burden"},
    "tumour/figure.py": {"slide_figure"},
    "nuclei/density.py": {"nucleus_density", "nucleus_figure"},
    "uncertainty/figure.py": {"uncertainty_figure"},
    "calibration/tuning.py": {"tune"},
    "evaluation/comparison.py": {"compare_models"},
    "evaluation/spacings.py": {"compare_spacings"},
    "evaluation/intervals.py": {"compare_models", "score_submission"},
    "staging/features.py": {"slide_features"},
    "staging/forest_trees.py": {"classify_nodes", "train_forests"},
    "challenges/froc.py": {"score_figure", "score_submission"},
    "submission/provenance.py": {"write_submission"},
    "compression/encoding.py": RECONSTRUCTION,
    "compression/comparison.py": {"compare_autoencoders"},
    "figures/panels.py": {
        "compare_autoencoders",
        "compare_maps",
        "nucleus_figure",
        "patient_figure",
        "slide_figure",
        "tissue_figure",
        "uncertainty_figure",
    },
    "planning/needs.py": set(),
    "parallel/worker_team.py": COMPRESSION | ON_SLIDES | {"extract_patches"},
    "rasters/components.py": {"tissue_figure", "tissue_mask", "tumour_burden"},
    "io/sharded_zarr.py": TRAINED | RECONSTRUCTION | {"extract_patches"},
    "demo/paint.py": {"make_demo_cohort", "make_demo_node"},
    "nucleus_images/monuseg.py": set(),
    "weak_labels/level_sets.py": set(),
    "nucleus_scores/dice.py": {"score_nucleus_images"},
    "nucleus_scores/curve.py": NUCLEUS_SCORES,
    "nucleus_scores/comparison.py": {"compare_nuclei"},
}


@pytest.fixture
def rerun(monkeypatch):
    """Give a function that names the scripts that count as changed after an edit of a file."""

    def names(edited: str, kinds=None) -> set[str]:
        before = {rule: code_hash(path, root=SCRIPTS, kinds=kinds) for rule, path in RULES.items()}
        parse = module._parsed

        def parse_edited(path: Path) -> tuple[str, tuple[str, ...]]:
            meaning, modules = parse(path)
            is_edited = path == SCRIPTS / "microtome" / edited
            return (f"{meaning} edited" if is_edited else meaning), modules

        assert (SCRIPTS / "microtome" / edited).is_file()
        monkeypatch.setattr(module, "_parsed", parse_edited)
        return {
            rule
            for rule, path in RULES.items()
            if code_hash(path, root=SCRIPTS, kinds=kinds) != before[rule]
        }

    return names


@pytest.mark.parametrize("edited", RERUN)
def test_an_edit_reruns_what_it_concerns(rerun, edited):
    """Exactly the listed scripts count as changed."""
    assert rerun(edited) == RERUN[edited]


def test_there_is_an_edit_for_each_package():
    """A package that is added gets a line above."""
    packages = {path.parent.name for path in (SCRIPTS / "microtome").glob("*/__init__.py")}
    assert {edited.split("/")[0] for edited in RERUN} == packages


@pytest.mark.parametrize("edited", ["refinenet", "segnet", "unet_plus_plus", "mr_histocae"])
def test_an_edit_of_one_kind_reruns_no_other(rerun, edited):
    """HistoCAE is neither trained nor scored again for an edit of another network."""
    assert rerun(f"networks/{edited}.py", kinds={"histocae"}) == set()


def test_an_edit_of_a_burden_trains_nothing(rerun):
    """Convex hulls belong to burden and features; grids, patches and networks stay."""
    assert not rerun("rasters/convex_hull.py") & (TRAINED | {"patch_grid", "extract_patches"})
