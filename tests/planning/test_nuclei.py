"""Models that find nuclei: their runs, slides and labelled images."""

import pytest

from helpers.small_plan import MODELS, changed, plan
from microtome.errors import InputError
from microtome.planning.models import Models
from microtome.planning.nuclei import Nuclei

FITTING = {"epochs": 1, "batch": 8}
CAE = {
    "kind": "crosswise",
    "variant": "crosswise",
    "reduction": 4,
    "width": 0.5,
    "sparsity_percent": 1.6,
    "spacing_um": 0.5,
    "patch_px": 100,
    "pretraining": {"patches": 500, **FITTING},
}
DETECTOR = {
    "kind": "nucleus_detector",
    "network": "crosswise",
    "start": "csp",
    "training": FITTING,
}
UNSTARTED = {**CAE, **DETECTOR, "start": None}
NUCLEUS_MODELS = {
    "csp": CAE,
    "detector": DETECTOR,
    "bare": UNSTARTED,
    "given": {**UNSTARTED, "weights": "downloads/given.safetensors"},
    "lymphocytes": {**DETECTOR, "kind": "nucleus_classifier", "attributes": ["lymphocyte"]},
    "outlines": {**UNSTARTED, "kind": "nucleus_segmenter", "reduction": 1},
}
SECTION = {
    "run": ["csp", "detector"],
    "outlines": None,
    "classes": None,
    "images": None,
    "folds": 0,
    "threshold": 0.5,
}


def config_of(**section) -> dict:
    """The small config with nucleus models; `section` is of its nuclei."""
    return changed(run=["colour"]) | {
        "models": MODELS | NUCLEUS_MODELS,
        "nuclei": SECTION | section,
    }


def nuclei_of(sheet: str | None = None, **section) -> Nuclei:
    """Plan the nuclei of the small cohort."""
    config = config_of(images=sheet, **section)
    cohort = plan()
    cohort.models = Models(config)
    return Nuclei(cohort, config)


@pytest.fixture
def sheet(tmp_path):
    """Give a function that writes a sheet of images: a column, and its cell for each image."""

    def write(column: str, *cells: object) -> str:
        lines = [f"image\tpath\tspacing_um\tnuclei\t{column}"]
        for i, cell in enumerate(cells):
            for name in (f"i{i}.png", f"i{i}.csv"):
                (tmp_path / name).touch()
            lines.append(f"i{i}\t{tmp_path}/i{i}.png\t0.5\t{tmp_path}/i{i}.csv\t{cell}")
        (tmp_path / "images.tsv").write_text("\n".join(lines) + "\n")
        return str(tmp_path / "images.tsv")

    return write


def test_what_is_run_and_what_it_starts_from():
    """Listed models, those of outlines and classes, and their starts: once, without tumour maps."""
    models = Models(config_of(run=["detector"], outlines="outlines", classes="lymphocytes"))
    assert list(models.runs) == ["colour", "detector", "csp", "outlines", "lymphocytes"]
    assert models.mapped == ["colour"]
    assert [models.finds_nuclei(model) for model in ("colour", "csp")] == [False, True]
    assert models.curves() == []
    assert models.runs["detector"].start == "csp"
    assert models.runs["outlines"].start is None


def test_a_network_has_the_size_of_its_start():
    """Spacing, window, maps and sparsity; its own settings stay."""
    entry = Models(config_of()).entry("detector")
    own = ("spacing_um", "patch_px", "reduction", "width", "sparsity_percent")
    assert entry == DETECTOR | {key: CAE[key] for key in own}


def test_folds_are_of_what_learns_from_images():
    """Each of them is there once a fold; not the autoencoder, nor what has weights."""
    models = Models(config_of(run=["csp", "detector", "given"], folds=2))
    assert list(models.runs)[1:] == ["csp", "detector-fold1", "detector-fold2", "given"]
    assert models.runs["detector-fold2"].image_fold == 2
    assert models.runs["detector-fold2"].fold is None
    assert models.weights("given") == "downloads/given.safetensors"


def test_weights_to_start_from():
    """Those of the start, trained here; none for a network of random weights."""
    section = {"run": ["detector", "bare"]}
    models, nuclei = Models(config_of(**section)), nuclei_of(**section)
    assert models.start("detector") == "results/models/csp/weights.safetensors"
    assert models.start("bare") == []
    assert nuclei.curves() == [
        f"results/models/{model}/training_curves.png" for model in ("detector", "csp", "bare")
    ]


def test_an_autoencoder_learns_from_the_slides_themselves():
    """Patch beside patch of the training slides' grids; nothing is stored, no status is asked."""
    config = config_of()
    cohort = plan(models=NUCLEUS_MODELS, nuclei=SECTION)
    before = cohort.all_statuses()
    cohort.models = Models(config)
    grid = "results/grids/0.5um_100px_every100px/{}.npz"
    assert cohort.learnt_patches("csp", "train") == [grid.format(s) for s in ("learnt", "bare")]
    assert cohort.slides_to_learn("csp", "validation") == ["checked.svs"]
    assert cohort.models.training_settings("csp")["min_tissue_fraction"] == 0.25
    assert not [path for path in cohort.all_statuses() if "0.5um_100px" in path]
    assert any("2um_224px" in path for path in before)


def test_nuclei_on_slides():
    """Of the scored slides, by models that are not of a fold of the images."""
    tables = [
        f"results/nuclei/{m}/{s}.parquet" for m in ("csp", "detector") for s in ("tested", "asked")
    ]
    pattern = "results/nuclei/{model}/{slide}.parquet"
    nuclei = nuclei_of()
    assert nuclei.of_slides(pattern) == tables
    assert nuclei.tables("csp") == tables[:2]
    assert nuclei.slides("csp") == ["tested", "asked"]
    assert nuclei_of(run=["csp", "detector", "lymphocytes"], folds=2).on_slides() == ["csp"]


def test_the_table_with_all_that_is_known_of_nuclei():
    """That of places itself, or of outlines; with classes the one that is made of these."""
    table = "results/nuclei/{}csp/tested.parquet"
    for outlines, part in ((None, ""), ("outlines", "outlines/")):
        assert nuclei_of(outlines=outlines).full_table("csp", "tested") == table.format(part)
        nuclei = nuclei_of(outlines=outlines, classes="lymphocytes")
        assert nuclei.full_table("csp", "tested") == table.format("classes/")
        assert nuclei.table_to_classify("csp", "tested") == table.format(part)


def test_the_tumour_map_beside_nuclei():
    """That of the first model of run that scores the slide; none where no model does."""
    nuclei = nuclei_of()
    assert nuclei.tumour_model("tested") == "colour"
    assert nuclei.tumour_map("tested") == "results/tumour/colour/tested.tif"
    assert nuclei.tumour_model("learnt") is None
    assert nuclei.tumour_map("learnt") == []


def test_nuclei_of_drawn_slides_are_known():
    """A slide of the demo is told by its path; the others have no true nuclei."""
    sheet = {"demo-10": {"path": "demo/cohort/demo-10.svs"}, "other": {"path": "demo/other.svs"}}
    config = config_of()
    cohort = plan(sheet)
    cohort.models = Models(config)
    nuclei = Nuclei(cohort, config)
    pattern = "results/nuclei/{model}/{slide}.parquet"
    assert nuclei.of_drawn("csp", pattern) == ["results/nuclei/csp/demo-10.parquet"]
    assert "results/nuclei/scores/csp_demo.tsv" in nuclei.results()
    assert not any("_demo" in path for path in nuclei_of().results())


def test_parts_by_the_column_split(sheet):
    """What it says, the same for every model."""
    nuclei = nuclei_of(sheet("split", "train", "validation", "test", "test"))
    assert nuclei.images("detector", "train") == ["i0"]
    assert nuclei.tested("csp") == [{"image": i, "part": "test"} for i in ("i2", "i3")]
    assert nuclei.validated("detector") == ["i1"]
    assert nuclei.predicted("detector") == ["i2", "i3", "i1"]
    (path,) = nuclei.predicted_files("detector")[2:]
    assert path.endswith("/i1.png")
    assert [f[-6:] for f in nuclei.learnt_files("detector", "train")] == ["i0.png", "i0.csv"]
    assert [f[-6:] for f in nuclei.files_of_truth("csp", "test")] == ["i2.csv", "i3.csv"]


def test_two_folds(sheet):
    """One trains, the other tests, and none validates; what never learns is tested in both."""
    nuclei = nuclei_of(sheet("fold", 1, 2, 1), folds=2)
    assert nuclei.images("detector-fold1", "train") == ["i1"]
    assert [one["image"] for one in nuclei.tested("detector-fold1")] == ["i0", "i2"]
    assert nuclei.validated("detector-fold1") == []
    assert nuclei.tested("csp") == [
        {"image": "i0", "part": "fold1"},
        {"image": "i2", "part": "fold1"},
        {"image": "i1", "part": "fold2"},
    ]


def test_with_five_folds_the_next_one_validates(sheet):
    """As with slides: fold 1 validates the network that the last fold tests."""
    nuclei = nuclei_of(sheet("fold", 1, 2, 3, 4, 5), folds=5)
    assert nuclei.validated("detector-fold5") == ["i0"]
    assert nuclei.images("detector-fold5", "train") == ["i1", "i2", "i3"]


def test_repeated_splits(sheet):
    """The k-th word of the column is of the k-th run."""
    nuclei = nuclei_of(sheet("splits", "train,test", "test,train"), folds=2)
    assert nuclei.images("detector-fold1", "train") == ["i0"]
    assert nuclei.images("detector-fold2", "train") == ["i1"]
    assert [one["image"] for one in nuclei.tested("csp")] == ["i1", "i0"]


@pytest.mark.parametrize(
    ("column", "cells", "words"),
    [
        ("splits", ("train,test,test",), "splits has 3 words, but nuclei.folds is 2"),
        ("fold", (3,), "image i0: fold is 3, but nuclei.folds is 2"),
        ("split", ("train",), "image i0: fold is missing, but nuclei.folds is 2"),
    ],
)
def test_a_sheet_that_does_not_fit_the_folds(sheet, column, cells, words):
    """The line names sheet, image and key."""
    nuclei = nuclei_of(sheet(column, *cells), folds=2)
    with pytest.raises(InputError, match=words):
        nuclei.images("detector-fold1", "train")


def test_what_is_compared(sheet):
    """Runs with test images, with what their rows in the tables say of them."""
    nuclei = nuclei_of(sheet("fold", 1, 2), folds=2, run=["csp", "lymphocytes"])
    found = {run["name"]: run for run in nuclei.compared()}
    assert list(found) == ["csp", "lymphocytes-fold1", "lymphocytes-fold2"]
    assert (found["csp"]["variant"], found["csp"]["model"]) == ("crosswise", "csp")
    one = found["lymphocytes-fold1"]
    assert (one["model"], one["start"], one["sparsity_percent"]) == ("lymphocytes", "csp", 1.6)
    assert nuclei.of_compared("{model}.npz")[0] == "csp.npz"
    assert nuclei.judged("lymphocytes-fold1")["attributes"] == ["lymphocyte"]
    assert nuclei_of().compared() == []


def test_a_threshold_comes_from_validation_images(sheet):
    """A file of each model that finds nuclei; without such images the line names the model."""
    split = sheet("split", "train", "validation")
    nuclei = nuclei_of(split, threshold="validation", run=["detector", "lymphocytes"])
    assert nuclei.threshold_source("detector") == "results/nuclei/thresholds/detector.json"
    assert nuclei.threshold_source("lymphocytes") == []
    assert nuclei.require() == []
    assert nuclei_of(split).threshold_source("detector") == []
    bare = nuclei_of(sheet("split", "train"), threshold="validation", run=["detector"])
    with pytest.raises(InputError, match=r"^nuclei: threshold of detector .* nuclei.threshold"):
        bare.require()


def test_what_there_is_nothing_to_train_with(sheet):
    """Each model without slides or images to learn from has a line, at once."""
    nuclei = nuclei_of(sheet("split", "test"))
    nuclei._cohort.sheet = {"tested": {"split": "test"}}
    with pytest.raises(InputError) as caught:
        nuclei.require()
    head, *lines = str(caught.value).split("\n  ")
    assert head == "nuclei: 2 mistakes"
    assert lines[0] == "training of csp has no slide of split train; fill the column split"
    assert lines[1].startswith("training of detector has no image of the training part in ")
