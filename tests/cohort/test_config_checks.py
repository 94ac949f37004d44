"""Every mistake in config or sheet is one line that says where it is and what to do."""

import copy
import shutil
from pathlib import Path

import pytest
import yaml

from conftest import REPOSITORY
from microtome.cohort.config_checks import check_config, check_folds, read_sheet
from microtome.errors import InputError

ROOT = REPOSITORY
CONFIG_SCHEMA = ROOT / "rules" / "schemas" / "config.schema.yaml"
SHEET_SCHEMA = ROOT / "rules" / "schemas" / "slides.schema.yaml"
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def mistake_in(config: dict) -> str:
    """Check a bad config; give the line that says why."""
    with pytest.raises(InputError) as caught:
        check_config(config, schema=CONFIG_SCHEMA)
    line = str(caught.value)
    assert "\n" not in line
    return line


def changed(key: str | tuple[str, ...], value: object = None, *, remove: bool = False) -> dict:
    """Copy config.yaml with one key, such as a.b or (a, b), set or removed."""
    config = copy.deepcopy(CONFIG)
    *sections, last = key.split(".") if isinstance(key, str) else key
    section = config
    for name in sections:
        section = section[name]
    if remove:
        del section[last]
    else:
        section[last] = value
    return config


def test_the_config_in_the_repository_is_good():
    """What Microtome ships with passes its own check."""
    check_config(CONFIG, schema=CONFIG_SCHEMA)


SCHEMA = yaml.safe_load(CONFIG_SCHEMA.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("section", "schema"),
    [
        ("", SCHEMA),
        ("heatmap", SCHEMA["properties"]["heatmap"]),
        ("annotation.classes", SCHEMA["properties"]["annotation"]["properties"]["classes"]),
        ("models.colour", SCHEMA["$defs"]["colour"]),
        ("models.histocae1", SCHEMA["$defs"]["histocae"]),
        ("models.histocae1.training", SCHEMA["$defs"]["fitting"]),
    ],
)
def test_unknown_key(section, schema):
    """A key that is not known is named with its place and the known ones, at any depth."""
    known = ", ".join(schema["properties"])
    where = f"{section}: " if section else ""
    assert mistake_in(changed(f"{section}.typo".removeprefix("."), 1)) == (
        f"config: {where}unknown key 'typo'; known keys are {known}"
    )


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("bad_slides", "skip", "'skip' is not one of ['exclude', 'stop']"),
        ("models.histocae1.head", "big", "'big' is not one of ['light', 'paper']"),
        (
            "models.colour.kind",
            "unet",
            "'unet' is not one of ['histocae', 'mr_histocae', 'classifier', 'segmenter',"
            " 'ensemble', 'vote', 'colour']",
        ),
        ("tissue", None, "None is not of type 'object'"),
        ("tissue.spacing_um", "8", "'8' is not of type 'number'"),
        ("inference.overlap", 1.0, "1.0 is greater than the maximum of 0.95"),
        ("patches.stride_px", 0, "0 is less than the minimum of 1"),
        ("models.colour.patch_px", 100, "100 is not a multiple of 16"),
        ("models.histocae1.training.learning_rate", "1e-3", "'1e-3' is not of type 'number'"),
        ("run", [], "[] should be non-empty"),
        ("segmentation.threshold", "high", "'high' is not a number from 0 to 1 or validation"),
        ("inference.batch", 0, "0 is not a whole number from 1 or auto"),
        ("inference.blending", "max", "'max' is not one of ['mean', 'gaussian']"),
        ("models.unet.inference_patch_px", 100, "100 is not a multiple of 32"),
        # What no schema can say: settings that are fine alone and not together.
        ("tissue.pen_hues", [0.5, 0.1], "0.5 is larger than 0.1"),
        (
            "models.histocae1.reconstruction_loss",
            {"mse": 0, "ssim": 0.0, "mae": 0},
            "every part is 0, so there is nothing to learn from; give at least one a weight",
        ),
        (
            "models.mr_histocae.further_spacings_um",
            [1.0, 0.25],
            "0.25 is not coarser than spacing_um 0.5",
        ),
        (
            "models.unet.pretrained",
            "nowhere.safetensors",
            "the file nowhere.safetensors does not exist",
        ),
        ("compression.model", "colour", "'colour' is no model of kind histocae"),
        ("compression.model", "nobody", "'nobody' is no model of kind histocae"),
        (
            "run",
            ["colour", "histocae8"],
            f"there is no model 'histocae8'; models has {', '.join(CONFIG['models'])}",
        ),
    ],
)
def test_wrong_value(key, value, words):
    """A value that cannot be is named with its key and what may stand there."""
    assert mistake_in(changed(key, value)) == f"config: {key}: {words}"


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        (
            "score_splits",
            ["x"],
            "score_splits.0: 'x' is not one of ['train', 'validation', 'test']",
        ),
        (
            "demo.artefacts",
            {"a": "x"},
            "demo.artefacts.a: 'x' is not one of ['padding', 'pen', 'pale']",
        ),
        (
            "models.histocae1.training.optimizer",
            "sgd",
            "models.histocae1.training.beta1: 0.05 should be left out, for optimizer is sgd",
        ),
        (
            "models.histocae1.test_time_augmentation",
            ["turn"],
            "models.histocae1.test_time_augmentation.0: 'turn' is not one of ['rotate_90',"
            " 'rotate_180', 'rotate_270', 'flip_horizontal', 'flip_vertical']",
        ),
        (
            "models.histocae1.gpus",
            16,
            "models.histocae1.pretraining.batch: 16 patches are fewer than 2 for each of 16 GPUs",
        ),
    ],
)
def test_wrong_value_below_or_beside(key, value, line):
    """The key that is named is the one at fault, within what was set or beside it."""
    assert mistake_in(changed(key, value)) == f"config: {line}"


@pytest.mark.parametrize(
    "key",
    [
        "tissue",
        "tissue.variant",
        "models.histocae1.kind",
        "models.colour.kind",
        "models.histocae1.seed",
        "models.histocae1.reconstruction_loss.mae",
    ],
)
def test_missing_key(key):
    """A key that is needed is named with its section."""
    section, _, name = key.rpartition(".")
    where = f"{section}: " if section else ""
    assert mistake_in(changed(key, remove=True)) == f"config: {where}{name!r} is missing"


def test_bounds_may_be_equal():
    """Only a lower bound above the upper one is refused."""
    check_config(changed("tissue.saturation_bounds", [0.1, 0.1]), schema=CONFIG_SCHEMA)


def test_weights_that_are_not_there(tmp_path):
    """Weights that a model names must be there before anything runs."""
    weights = tmp_path / "weights.safetensors"
    config = changed("models.colour.weights", str(weights))
    assert mistake_in(config) == (
        f"config: models.colour.weights: the file {weights} does not exist"
    )
    weights.touch()
    check_config(config, schema=CONFIG_SCHEMA)


@pytest.mark.parametrize("name", ["a/b", "a b", "ä", ""])
def test_names_of_models(name):
    """A model's name becomes part of file names."""
    line = mistake_in(changed(("models", name), CONFIG["models"]["colour"]))
    assert line.startswith(f"config: models: {name!r} has characters that are not allowed (")


def test_a_dot_in_the_name_of_a_model():
    """A dot is refused, so the line must not list it among what is allowed."""
    line = mistake_in(changed(("models", "a.b"), CONFIG["models"]["colour"]))
    assert line.startswith("config: models: 'a.b' ")
    assert "." not in line.split("(")[1]


@pytest.mark.parametrize("name", ["table1", "calibration", "uncertainty"])
def test_a_model_named_like_a_table(name):
    """Its table would lie where another one does."""
    assert mistake_in(changed(("models", name), CONFIG["models"]["colour"])) == (
        f"config: models: {name!r} is the name of a table of results; give the model another"
    )


@pytest.mark.parametrize("low", [0.6, 0.9])
def test_a_low_threshold_above_the_other(low):
    """Hysteresis grows from the higher threshold down to the lower one."""
    config = changed("segmentation.low_threshold", low)
    assert mistake_in(config) == (
        f"config: segmentation.low_threshold: {low} is larger than "
        + ("segmentation.threshold 0.7" if low > 0.7 else "models.unet.threshold 0.5")
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_in_the_config(value):
    """.nan and .inf, which YAML knows, are no spacing."""
    assert mistake_in(changed("tissue.spacing_um", value)).startswith("config: tissue.spacing_um: ")


COLUMNS = ("slide", "path", "patient", "split", "fold", "annotation", "label", "spacing_um")


@pytest.fixture
def sheet(tmp_path, monkeypatch):
    """Give a function that writes a sheet of rows and reads it, in a folder with slide files."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.svs", "b.svs", "c.svs", "a.xml"):
        Path(name).touch()

    def read(*rows: dict, columns=COLUMNS, **options: object) -> dict:
        lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
        text = "".join("\t".join(line) + "\n" for line in lines)
        return read_text(text.encode(), **options)

    return read


def read_text(content: bytes, **options: object) -> dict:
    """Write a sheet as it is and read it."""
    Path("slides.tsv").write_bytes(content)
    return read_sheet("slides.tsv", schema=SHEET_SCHEMA, **options)


def refused(read, *arguments: object, **options: object) -> str:
    """Read a bad sheet; give the line that says why, without its beginning."""
    with pytest.raises(InputError) as caught:
        read(*arguments, **options)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith("slide sheet slides.tsv")
    return line.removeprefix("slide sheet slides.tsv")


A, B = {"slide": "a", "path": "a.svs"}, {"slide": "b", "path": "b.svs"}


def test_a_good_sheet(sheet):
    """Rows in the sheet's order, numbers as numbers, empty cells left out."""
    found = sheet(
        {**B, "split": "train", "patient": "p", "fold": "2", "spacing_um": "0.25"},
        {**A, "annotation": "a.xml", "label": "micro"},
    )
    assert list(found) == ["b", "a"]
    assert found["b"] == {**B, "split": "train", "patient": "p", "fold": 2, "spacing_um": 0.25}
    assert found["a"] == {**A, "annotation": "a.xml", "label": "micro"}


@pytest.mark.parametrize(
    "content",
    [
        b"slide\tpath\na\ta.svs\n",
        b"\xef\xbb\xbfslide\tpath\r\na\ta.svs\r\n\r\n",  # as Excel saves it
        b"slide\tpath\n a \ta.svs ",
        b"path\tslide\na.svs\ta\n",
    ],
)
def test_sheets_as_programs_write_them(sheet, content):
    """A byte order mark, other line ends, blanks and another order of columns do not matter."""
    assert read_text(content) == {"a": A}


@pytest.mark.parametrize("slide", ["a", "TCGA-01.x_2", "_a", "-", "7"])
def test_good_ids(sheet, slide):
    """Letters, digits, dots, lines and dashes."""
    assert list(sheet({**A, "slide": slide})) == [slide]


@pytest.mark.parametrize("slide", ["a/b", "a b", "ä", "a\\b", "a:b", "a*"])
def test_ids_that_cannot_be_file_names(sheet, slide):
    """An id with a slash, a blank or the like is refused with what is allowed."""
    assert refused(sheet, {**A, "slide": slide}) == (
        f", line 2: slide: {slide!r} has characters that are not allowed (letters, digits, . _ -)"
    )


@pytest.mark.parametrize("slide", ["..", ".", ".hidden"])
def test_ids_that_begin_with_a_dot(sheet, slide):
    """These would leave the folder or hide in it; the line says that it is the first character."""
    line = refused(sheet, {**A, "slide": slide})
    assert line.startswith(f", line 2: slide: {slide!r} ")
    assert "begin" in line or "start" in line or "first" in line


def test_duplicate_id(sheet):
    """Two rows of one id: the second is named."""
    assert refused(sheet, A, B, {**A, "path": "c.svs"}) == ", line 4: slide a is there already"


def test_a_patient_in_two_splits(sheet):
    """A patient's slides must not be on both sides."""
    rows = [{**A, "patient": "p", "split": "train"}, {**B, "patient": "p", "split": "test"}]
    assert refused(sheet, *rows) == (
        ": patient p is in two splits: slide a in train, slide b in test"
    )
    rows = [{**A, "patient": "p", "split": "train"}, {**B, "patient": "p"}]
    assert refused(sheet, *rows) == (
        ": patient p is in two splits: slide a in train, slide b in none"
    )
    rows = [{**A, "patient": "p", "split": "train"}, {**B, "patient": "q", "split": "test"}]
    assert len(sheet(*rows)) == 2


def test_a_patient_in_two_folds(sheet):
    """A patient's slides share a fold, as the sheet's schema says."""
    rows = [{**A, "patient": "p", "fold": "0"}, {**B, "patient": "p", "fold": "1"}]
    line = refused(sheet, *rows)
    assert line.startswith(": patient p is in two folds")


def test_a_file_in_two_splits(sheet):
    """One file under two ids and names must not be on both sides."""
    rows = [{**A, "split": "train"}, {**B, "path": "./a.svs", "split": "test"}]
    assert refused(sheet, *rows) == (
        ": file ./a.svs is in two splits: slide a in train, slide b in test"
    )


def test_a_file_twice(sheet):
    """One file under two ids is a mistake in one split too, and so is a link to it."""
    assert refused(sheet, A, {**B, "path": "./a.svs"}) == (
        ": slides a and b are the same file ./a.svs"
    )
    Path("link.svs").symlink_to("a.svs")
    assert refused(sheet, A, {**B, "path": "link.svs"}) == (
        ": slides a and b are the same file link.svs"
    )


def test_missing_file(sheet):
    """A file that is not there is named with slide and column."""
    assert refused(sheet, A, {**B, "path": "gone.svs"}) == (
        ": slide b: path: the file gone.svs does not exist"
    )
    assert refused(sheet, {**A, "annotation": "gone.xml"}) == (
        ": slide a: annotation: the file gone.xml does not exist"
    )


def test_files_that_the_workflow_makes(sheet):
    """Files below the demo's folder need not be there yet, others beside it must."""
    made = {**A, "path": "demo/cohort/a.svs"}
    assert sheet(made, made_by_workflow="demo/cohort") == {"a": made}
    line = refused(sheet, {**A, "path": "demo/cohorts/a.svs"}, made_by_workflow="demo/cohort")
    assert line.endswith("demo/cohorts/a.svs does not exist")
    assert refused(sheet, made).endswith("demo/cohort/a.svs does not exist")


@pytest.mark.parametrize("column", ["slide", "path"])
def test_missing_column_or_cell(sheet, column):
    """Without id or path, as a column or in one row, the row is named."""
    others = [name for name in COLUMNS if name != column]
    assert refused(sheet, A, columns=others) == f", line 2: {column!r} is missing"
    assert refused(sheet, A, {**B, column: " "}) == f", line 3: {column!r} is missing"


def test_unknown_column(sheet):
    """A column that is not known is an error that lists the known ones."""
    line = refused(sheet, {**A, "anotation": "a.xml"}, columns=(*COLUMNS, "anotation"))
    known = ", ".join(yaml.safe_load(SHEET_SCHEMA.read_text(encoding="utf-8"))["properties"])
    assert line == f", line 2: unknown key 'anotation'; known keys are {known}"


def test_a_column_twice(sheet):
    """Two columns of one name: which counts cannot be known."""
    assert refused(read_text, b"slide\tpath\tpath\na\ta.svs\tb.svs\n") == (
        ": column 'path' is there twice"
    )


@pytest.mark.parametrize("row", ["b", "b\tb.svs\tx", "b\tb.svs\t"])
def test_ragged_row(sheet, row):
    """A row with more or fewer cells than columns is named."""
    assert refused(read_text, f"slide\tpath\na\ta.svs\n{row}\n".encode()) == (
        ", line 3: has more or fewer cells than the first row has columns"
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [("spacing_um", "0,25"), ("spacing_um", "x"), ("spacing_um", "nan"), ("fold", "one")],
)
def test_a_number_that_is_none(sheet, column, value):
    """A number with a comma, a word or "nan" is named with its column."""
    assert refused(sheet, {**A, column: value}) == f", line 2: {column}: {value!r} is no number"


@pytest.mark.parametrize(
    ("column", "value", "line"),
    [
        ("spacing_um", "0", "0.0 is less than or equal to the minimum of 0.01"),
        ("spacing_um", "inf", "'inf' is no number"),
        ("fold", "-1", "-1 is less than the minimum of 0"),
        ("split", "training", "'training' is not one of ['train', 'validation', 'test']"),
        ("label", "Macro", "'Macro' is not one of ['negative', 'itc', 'micro', 'macro']"),
    ],
)
def test_a_value_that_cannot_be(sheet, column, value, line):
    """A value outside of what may stand there is named with its row and column."""
    assert refused(sheet, A, {**B, column: value}) == f", line 3: {column}: {line}"


@pytest.mark.parametrize("content", [b"", b"slide\tpath\n", b"\n\n"])
def test_empty_sheet(sheet, content):
    """A sheet without rows has no slides."""
    assert refused(read_text, content) == ": has no slides"


@pytest.mark.parametrize(
    "content", ["slide\tpath\nä\ta.svs\n".encode("latin-1"), "slide\tpath\na\tb".encode("utf-16")]
)
def test_not_utf_8(sheet, content):
    """A sheet in another encoding is refused."""
    assert refused(read_text, content) == ": is not tab-separated UTF-8 text"


def test_no_sheet(sheet):
    """A sheet that is not there says which key names it."""
    with pytest.raises(InputError) as caught:
        read_sheet("gone.tsv", schema=SHEET_SCHEMA)
    assert str(caught.value) == (
        "slide sheet gone.tsv: cannot be read (No such file or directory); set `slides` in the"
        " config"
    )


def test_the_sheet_in_the_repository_is_good(tmp_path, monkeypatch):
    """The demo's sheet passes its own check before the demo's slides are made."""
    shutil.copy(ROOT / CONFIG["slides"], tmp_path / "slides.tsv")
    monkeypatch.chdir(tmp_path)
    found = read_sheet("slides.tsv", schema=SHEET_SCHEMA, made_by_workflow="demo/cohort")
    splits = {row.get("split") for row in found.values()}
    assert {"train", "validation", "test"} <= splits


def test_every_column_is_described():
    """Each column of the sheet has a description in its schema, which is the manual."""
    schema = yaml.safe_load(SHEET_SCHEMA.read_text(encoding="utf-8"))
    for column, rule in schema["properties"].items():
        assert rule.get("description", "").endswith("."), column


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("models.unet.patch_px", 48),
        ("models.unet.architecture", "resnet101"),
        ("models.inception_v3.patch_px", 64),
        ("models.mr_histocae.task_weights.reconstruction", 0),
        ("models.mr_histocae.further_spacings_um", []),
        ("cross_validation.folds", 2),
        ("models.histocae1.training.schedule", {"kind": "step", "every": 3}),
        ("models.histocae1.training.schedule", {"kind": "cosine", "every": 3}),
        ("models.histocae1.training.patience", 0),
        ("evaluation.boundary_tolerance_um", 0),
    ],
)
def test_more_values_that_cannot_be(key, value):
    """Each is refused by its key."""
    assert mistake_in(changed(key, value)).startswith(f"config: {key}")


def test_a_given_model_is_not_cross_validated(tmp_path):
    """Weights from elsewhere belong to no fold."""
    weights = tmp_path / "w.safetensors"
    weights.touch()
    config = changed("models.histocae1.weights", str(weights))
    config["cross_validation"]["folds"] = 5
    assert mistake_in(config) == (
        "config: cross_validation.folds: models.histocae1 has weights, so it is not trained; take"
        " weights out, or set folds to 0"
    )


def folds(*values: int | None) -> dict[str, dict]:
    """Make a sheet of slides in these folds."""
    return {
        f"s{i}": {"slide": f"s{i}"} if fold is None else {"slide": f"s{i}", "fold": fold}
        for i, fold in enumerate(values)
    }


def test_folds_of_a_cross_validation():
    """Every slide has one of the folds, and every fold a slide; without folds none is asked for."""
    check_folds(folds(1, 2, 3, 1), n_folds=3, path="s.tsv")
    check_folds(folds(None, None), n_folds=0, path="s.tsv")
    for sheet, line in (
        (folds(1, None, 3), "slide sheet s.tsv: slide s1: fold: nothing, but"),
        (folds(1, 2, 3, 4), "slide sheet s.tsv: slide s3: fold: 4, but"),
        (folds(1, 3, 3), "slide sheet s.tsv: no slide is in fold 2 of 3"),
    ):
        with pytest.raises(InputError) as caught:
            check_folds(sheet, n_folds=3, path="s.tsv")
        assert str(caught.value).startswith(line)


def merged(base: dict, over: dict) -> dict:
    """Lay one config over another, as Snakemake does."""
    return {
        **base,
        **{
            key: merged(base[key], value)
            if isinstance(value, dict) and isinstance(base.get(key), dict)
            else value
            for key, value in over.items()
        },
    }


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda p: p.stem)
def test_recipes_are_good(recipe):
    """Laid over config.yaml every recipe passes the check."""
    config = merged(CONFIG, yaml.safe_load(recipe.read_text(encoding="utf-8")))
    check_config(config, schema=CONFIG_SCHEMA)


@pytest.mark.parametrize("name", ["histocae", "mr_histocae"])
def test_recipes_have_the_papers_settings(name):
    """200 epochs of each training, batch 64, Adam 1e-4 with beta1 0.05, dropout 0.7 (Methods)."""
    recipe = yaml.safe_load((ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8"))
    config = merged(CONFIG, recipe)
    fitting = {"epochs": 200, "batch": 64, "learning_rate": 1e-4, "beta1": 0.05}
    models = [m for m in config["models"].values() if m["kind"] in ("histocae", "mr_histocae")]
    listed = [config["models"][model] for model in config["run"]]
    for model in [m for m in models if m["training"]["epochs"] == 200] + listed[:1]:
        assert model["pretraining"] == model["training"] == fitting
        assert model["dropout"] == 0.7
        assert model["patch_px"] == 256
    if name == "histocae":
        weights = [
            {
                part
                for part, weight in config["models"][f"histocae{n}"]["reconstruction_loss"].items()
                if weight
            }
            for n in range(1, 8)
        ]
        assert weights == [
            {"mse", "ssim", "mae"},
            {"mse"},
            {"ssim"},
            {"mae"},
            {"mse", "ssim"},
            {"mse", "mae"},
            {"ssim", "mae"},
        ]
        for n in range(1, 8):
            assert config["models"][f"histocae{n}"]["training"] == fitting
            assert config["models"][f"histocae{n}"]["head"] == "paper"


PAPERS_FCNS = ["unet_densenet121", "unet_inception_resnet_v2", "deeplabv3_plus_xception"]


@pytest.mark.parametrize("name", ["generalized_paip", "camelyon17", "digestpath"])
def test_recipes_of_the_generalized_framework(name):
    """What Khened et al. state: three FCNs, 256 and 1024 px, half overlapping, the hybrid loss."""
    recipe = yaml.safe_load((ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8"))
    config = merged(CONFIG, recipe)
    models = config["models"]
    assert models["generalized"]["members"] == PAPERS_FCNS
    assert (config["inference"]["overlap"], config["inference"]["blending"]) == (0.5, "mean")
    assert config["patches"]["label_rule"] == "any"
    members = [models[member] for member in PAPERS_FCNS]
    assert [m["architecture"] for m in members] == ["unet", "unet", "deeplabv3_plus"]
    assert [m["encoder"].partition(".")[0] for m in members] == [
        "densenet121",
        "inceptionresnetv2",
        "tu-xception65",
    ]
    assert len({m["validation_fold"] for m in members}) == 3
    for member in members:
        assert (member["patch_px"], member["inference_patch_px"]) == (256, 1024)
        assert member["loss"] == "hybrid"
        assert member["augmentation"]["shift_px"] == 128
        deltas = [member["augmentation"][k] for k in ("brightness", "contrast", "hue")]
        assert deltas == [pytest.approx(64 / 255, abs=1e-3), 0.75, 0.25]
        assert member["augmentation"]["saturation"] == 0.04
        assert member["training"]["balanced"]
        assert member["training"]["patience"] == 1
        assert member["training"]["schedule"]["kind"] == "step"
        assert member["spacing_um"] == (0.25 if name == "camelyon17" else 0.5)
    assert [m["training"].get("frozen_epochs") for m in members] == [2, 2, None]
    if name == "camelyon17":
        assert config["tissue"]["variant"] == "camelyon"


def test_recipe_of_the_joint_paper():
    """Park et al.: 224 px, UNet++ with Dice loss, votes at 4, 16 and 64 times 0.5 µm."""
    recipe = yaml.safe_load((ROOT / "recipes" / "joint_liver.yaml").read_text(encoding="utf-8"))
    models = merged(CONFIG, recipe)["models"]
    unet = models["unet_plus_plus"]
    assert (unet["encoder"], unet["loss"], unet["patch_px"]) == ("efficientnet-b0", "dice", 224)
    efficientnet = {
        "batch": 64,
        "optimizer": "sgd",
        "learning_rate": 1e-4,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "schedule": {"kind": "plateau", "patience": 8, "factor": 0.1},
    }
    resnet = {
        "epochs": 200,
        "batch": 64,
        "learning_rate": 1e-6,
        "schedule": {"kind": "plateau", "patience": 25, "factor": 0.1},
    }
    for vote, stated in (("efficientnet_b0", efficientnet), ("resnet50", resnet)):
        members = [models[member] for member in models[f"vote_{vote}"]["members"]]
        assert [m["spacing_um"] for m in members] == [2.0, 8.0, 32.0]
        for member in members:
            assert (member["architecture"], member["patch_px"]) == (vote, 224)
            assert member["training"].items() >= stated.items()
            assert {"shift_px", "zoom", "blur_px"} <= member["augmentation"].keys()
