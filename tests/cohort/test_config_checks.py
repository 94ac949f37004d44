"""Every mistake in a config is a line that says where it is and what to do."""

import copy
from functools import reduce
from pathlib import Path

import pytest
import yaml

from conftest import REPOSITORY
from microtome.cohort.config_checks import check_config, check_config_files, check_folds
from microtome.cohort.encoder_checks import find_encoder_mistake
from microtome.errors import InputError

CONFIG_SCHEMA = REPOSITORY / "rules" / "schemas" / "config.schema.yaml"


def read_yaml(path: Path) -> dict:
    """Read a config or a schema."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


CONFIG, SCHEMA = read_yaml(REPOSITORY / "config.yaml"), read_yaml(CONFIG_SCHEMA)


def mistakes_in(config: dict) -> list[str]:
    """Check a bad config; give the lines that say why."""
    with pytest.raises(InputError) as caught:
        check_config(config, schema=CONFIG_SCHEMA)
    head, *lines = str(caught.value).split("\n  ")
    assert not lines or head == f"config: {len(lines)} mistakes"
    # Models that share a section share its mistakes.
    return [
        line.partition("; the same in ")[0] for line in lines or [head.removeprefix("config: ")]
    ]


def mistake_in(config: dict) -> str:
    """Check a config with one mistake; give its line."""
    (line,) = mistakes_in(config)
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
        section[int(last) if isinstance(section, list) else last] = value
    return config


def test_the_config_in_the_repository_is_good():
    """What Microtome ships with passes its own check."""
    check_config(CONFIG, schema=CONFIG_SCHEMA)


def test_the_example_of_augmentation_is_good():
    """Uncommented it passes the check; it has every key."""
    text = (REPOSITORY / "config.yaml").read_text(encoding="utf-8")
    config = yaml.safe_load(text.replace("# augmentation:", "augmentation:"))
    check_config(config, schema=CONFIG_SCHEMA)
    example = config["models"]["resnet101"]["augmentation"]
    assert example.keys() == SCHEMA["$defs"]["augmentation"]["properties"].keys()


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
        f"{where}unknown key 'typo'; known keys are {known}"
    )


MODELS = CONFIG["models"]
KINDS = ["histocae", "mr_histocae", "classifier", "segmenter", "ensemble", "vote", "rescored"]
KINDS += ["colour", "crosswise", "nucleus_detector", "nucleus_classifier", "nucleus_segmenter"]
CHARACTERS = "has characters that are not allowed ("
TABLE_NAME = "is the name of a table or folder of results; give the model another"
MR = "models.mr_histocae"
MISTAKES = (
    ("models.colour.kind", "unet", f"'unet' is not one of {KINDS}"),
    ("patches.stride_px", "x", "'x' is not of type 'integer'"),
    ("tissue", None, "None is not of type 'object'"),
    ("inference.overlap", 1.0, "1.0 is greater than the maximum of 0.95"),
    ("patches.stride_px", 0, "0 is less than the minimum of 1"),
    ("models.colour.patch_px", 100, "100 is not a multiple of 16"),
    (
        "models.histocae1.training.learning_rate",
        "1e-3",
        "'1e-3' is not of type 'number'; write 0.001",
    ),
    ("run", [], "[] should be non-empty"),
    ("segmentation.threshold", "high", "'high' is not a number from 0 to 1 or validation"),
    ("inference.batch", 0, "0 is not a whole number from 1 or auto"),
    ("score_splits.0", "x", "'x' is not one of ['train', 'validation', 'test']"),
    # .nan, which YAML knows, is no spacing.
    ("tissue.spacing_um", float("nan"), "nan is no number"),
    # What no schema can say: settings that are fine alone and not together.
    ("tissue.saturation_bounds", [0.5, 0.1], "0.5 is larger than 0.1"),
    (
        "annotation.classes",
        {"viable": ["tumor a", "Tumor A"], "whole": [], "hole": ["TUMOR  a"]},
        "'TUMOR  a' is in viable and in hole; leave it in one",
    ),
    (
        "models.histocae1.reconstruction_loss",
        {"mse": 0, "ssim": 0.0, "mae": 0},
        "every part is 0, so there is nothing to learn from; give at least one a weight",
    ),
    (f"{MR}.further_spacings_um", [1.0, 0.25], "0.25 is not coarser than spacing_um 0.5"),
    ("models.unet.pretrained", "gone.safetensors", "the file gone.safetensors does not exist"),
    ("models.pspnet.encoder", "vgg16", find_encoder_mistake("pspnet", "vgg16")),
    (
        "models.colour.weights",
        __file__,
        f"the file {Path(__file__).with_suffix('.json')} does not exist",
    ),
    ("compression.model", "colour", "'colour' is no model of kind histocae"),
    ("run", ["colour", "gone"], f"there is no model 'gone'; models has {', '.join(MODELS)}"),
    # Hysteresis grows from the higher threshold down to the lower one.
    ("segmentation.low_threshold", 0.6, "0.6 is larger than models.unet.threshold 0.5"),
    ("segmentation.low_threshold", 0.9, "0.9 is larger than segmentation.threshold 0.7"),
)


@pytest.mark.parametrize(("key", "value", "words"), MISTAKES)
def test_wrong_value(key, value, words):
    """A value that cannot be is named with its key and what may stand there."""
    assert mistakes_in(changed(key, value))[0] == f"{key}: {words}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("models.unet.patch_px", 48),
        ("models.unet.architecture", "resnet101"),
        ("models.inception_v3.patch_px", 64),
        (f"{MR}.task_weights.reconstruction", 0),
        (f"{MR}.further_spacings_um", []),
        ("cross_validation.folds", 2),
        ("models.histocae1.training.patience", 0),
        ("evaluation.boundary_tolerance_um", 0),
    ],
)
def test_the_key_of_a_wrong_value(key, value):
    """Each is refused by its key, in the words of the schema."""
    assert mistakes_in(changed(key, value))[0].startswith(f"{key}: ")


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"kind": "step", "every": 3}, "'factor' is missing"),
        ({"kind": "step", "every": 0, "factor": 1}, "every: 0 is less than the minimum of 1"),
        ({"kind": "cosine", "every": 3}, "unknown key 'every'; known keys are kind"),
        ({"kind": "cosines"}, "'cosines' is no kind of it"),
        ({"every": 3}, "'kind' is missing"),
    ],
)
def test_a_section_of_several_kinds(schedule, words):
    """What is said is about the kind that is given."""
    config = changed("models.histocae1.training.schedule", schedule)
    assert mistake_in(config) == f"models.histocae1.training.schedule: {words}"


@pytest.mark.parametrize(
    ("key", "value", "lines"),
    [
        (
            "training.optimizer",
            "sgd",
            [
                "training.beta1: 0.05 should be left out, for optimizer is sgd",
                "training: 'momentum' is missing",
            ],
        ),
        (
            "gpus",
            16,
            [
                f"{part}training.batch: 16 patches are fewer than 2 for each of 16 GPUs"
                for part in ("pre", "")
            ],
        ),
    ],
)
def test_a_wrong_value_below_or_beside(key, value, lines):
    """The keys that are named are those at fault, within what was set or beside it."""
    said = mistakes_in(changed(f"models.histocae1.{key}", value))
    assert said == [f"models.histocae1.{line}" for line in lines]


OTHER = {"architecture": "tu-vit_small_patch16_224", "frozen": True, "input_px": 112}


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (OTHER, []),
        ({"frozen": True}, []),
        ({"architecture": OTHER["architecture"]}, [": 'frozen' is missing"]),
        (OTHER | {"frozen": False}, [".frozen: False should be True"]),
        (OTHER | {"pretrained": "hub"}, [".pretrained: 'hub' is for the networks of the papers; "]),
        (OTHER | {"pretrained": "a.pth"}, [".pretrained: the file a.pth does not exist"]),
        ({"input_px": 112}, [".input_px: 112 should be left out, for architecture has no tu-"]),
        ({"architecture": "vit"}, [".architecture: 'vit' is not one of ['resnet101'"]),
    ],
)
def test_any_network_of_timm_is_a_frozen_classifier(changes, lines):
    """Its own size and weights from a file; what is only for it is refused elsewhere."""
    config = copy.deepcopy(CONFIG)
    config["models"] = {**MODELS, "resnet101": {**MODELS["resnet101"], **changes}}
    if not lines:
        check_config(config, schema=CONFIG_SCHEMA)
        return
    said = mistakes_in(config)
    assert len(said) == len(lines)
    for line, beginning in zip(said, lines, strict=True):
        assert line.startswith(f"models.resnet101{beginning}")


def test_models_that_share_a_section_share_its_mistake():
    """It is told once, with the names of all."""
    config = copy.deepcopy(CONFIG)
    config["models"] |= {name: {**MODELS["colour"], "patch_px": 100} for name in ("y", "x")}
    with pytest.raises(InputError) as caught:
        check_config(config, schema=CONFIG_SCHEMA)
    assert (
        str(caught.value) == "config: models.x.patch_px: 100 is not a multiple of 16; the same in y"
    )


def test_all_mistakes_of_a_config_are_told_at_once():
    """Those of a schema, or if there is none, those that no schema can say."""
    config = changed("tissue.saturation_bounds", [0.5, 0.1])
    config["run"] = ["colour", "gone", "lost"]
    config["compression"]["model"] = "colour"
    assert [line.partition(":")[0] for line in mistakes_in(config)] == [
        "run",
        "run",
        "tissue.saturation_bounds",
        "compression.model",
    ]
    config["slidez"], config["inference"]["overlap"] = "x.tsv", "half"
    assert [line.partition(":")[0] for line in mistakes_in(config)] == [
        "unknown key 'slidez'; known keys are " + ", ".join(SCHEMA["properties"]),
        "inference.overlap",
    ]


@pytest.mark.parametrize(
    "key", ["tissue", "models.colour.kind", "models.histocae1.reconstruction_loss.mae"]
)
def test_missing_key(key):
    """A key that is needed is named with its section."""
    section, _, name = key.rpartition(".")
    where = f"{section}: " if section else ""
    assert mistake_in(changed(key, remove=True)) == f"{where}{name!r} is missing"


def test_a_key_that_is_twice(tmp_path):
    """YAML would take the second section and drop the first; merged sections are no second ones."""
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("a: &a {x: 1}\nb: {<<: *a, x: 2}\nrun: [{x: 1}, {x: 2}]\n")
    two.write_text("models:\n  unet: {kind: colour}\nrun: [unet]\nmodels: {}\n")
    check_config_files([one])
    with pytest.raises(InputError) as caught:
        check_config_files([one, two])
    assert str(caught.value) == (
        f"config {two}: line 4: 'models' is there twice in one section; the second would count"
        " alone"
    )


def test_values_at_their_limits(tmp_path):
    """Equal bounds are fine, and so are weights that are there."""
    check_config(changed("tissue.saturation_bounds", [0.1, 0.1]), schema=CONFIG_SCHEMA)
    for name in ("w.safetensors", "w.json"):
        (tmp_path / name).touch()
    check_config(
        changed("models.colour.weights", str(tmp_path / "w.safetensors")), schema=CONFIG_SCHEMA
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *((name, CHARACTERS) for name in ("a/b", "a b", "ä", "", "a.b")),
        *((name, TABLE_NAME) for name in ("table1", "calibration", "uncertainty")),
    ],
)
def test_names_of_models(name, words):
    """A model's name becomes part of file names, and a dot is not among what is allowed."""
    line = mistake_in(changed(("models", name), CONFIG["models"]["colour"]))
    assert line.startswith(f"models: {name!r} {words}")
    assert "." not in line.partition("(")[2]


def test_a_given_model_is_not_cross_validated(tmp_path):
    """Weights from elsewhere belong to no fold."""
    weights = tmp_path / "w.safetensors"
    weights.touch()
    weights.with_suffix(".json").touch()
    config = changed("models.histocae1.weights", str(weights))
    config["cross_validation"]["folds"] = 5
    assert mistake_in(config) == (
        "cross_validation.folds: models.histocae1 has weights, so it is not trained; take"
        " weights out, or set folds to 0"
    )


def folds(*values: int | None) -> dict[str, dict]:
    """Make a sheet of slides in these folds."""
    return {f"s{i}": {} if fold is None else {"fold": fold} for i, fold in enumerate(values)}


def test_folds_of_a_cross_validation():
    """Every slide has one of the folds, and every fold a slide; without folds none is asked for."""
    assert not [*check_folds(folds(1, 2, 3, 1), n_folds=3)]
    assert not [*check_folds(folds(None, None), n_folds=0)]
    for sheet, line in (
        (folds(1, 2, None, 3), "slide s2: fold: nothing, but"),
        (folds(1, 2, 3, 4), "slide s3: fold: 4, but"),
        (folds(1, 3, 3), "no slide is in fold 2 of 3"),
    ):
        (said,) = check_folds(sheet, n_folds=3)
        assert said.startswith(line)
    assert len([*check_folds(folds(1, None, 4), n_folds=3)]) == 4


def recipe(*names: str) -> dict:
    """Lay recipes over config.yaml, one over the other, as Snakemake does."""

    def merge(base: dict, over: dict) -> dict:
        return base | {
            key: merge(base[key], value)
            if isinstance(value, dict) and isinstance(base.get(key), dict)
            else value
            for key, value in over.items()
        }

    return reduce(
        merge, (read_yaml(REPOSITORY / "recipes" / f"{name}.yaml") for name in names), CONFIG
    )


# Recipes whose models are those of another, below.
LAID_OVER = {
    "demo_joint": ("joint_liver",),
    "demo_transfer": ("demo_patches",),
    "generalized_patches": ("generalized_paip",),
    "generalized_transfer": ("generalized_paip",),
}


@pytest.mark.parametrize("name", sorted(p.stem for p in (REPOSITORY / "recipes").glob("*.yaml")))
def test_recipes_are_good(name):
    """Laid over config.yaml, and over the recipe it is made for, every recipe passes the check."""
    check_config(recipe(*LAID_OVER.get(name, ()), name), schema=CONFIG_SCHEMA)


def states(section: dict, stated: dict) -> bool:
    """Tell whether a section of a config has the values stated, in sections of it too."""
    return all(
        states(section[key], value) if isinstance(value, dict) else section[key] == value
        for key, value in stated.items()
    )


FITTING = {"epochs": 200, "batch": 64, "learning_rate": 1e-4, "beta1": 0.05}
HISTOCAE = {"pretraining": FITTING, "training": FITTING, "dropout": 0.7, "patch_px": 256}
FCNS = {
    "unet_densenet121": ("unet", "densenet121", 2),
    "unet_inception_resnet_v2": ("unet", "inceptionresnetv2", 2),
    "deeplabv3_plus_xception": ("deeplabv3_plus", "tu-xception65", None),
}
FCN = {
    "patch_px": 256,
    "inference_patch_px": 1024,
    "loss": "hybrid",
    "augmentation": {
        "brightness": 0.251,  # 64 of 255
        "shift_px": 128,
        "contrast": 0.75,
        "hue": 0.25,
        "saturation": 0.04,
    },
    "training": {"balanced": True, "patience": 1, "schedule": {"kind": "step"}},
}
PLATEAU = {"kind": "plateau", "factor": 0.1}
EFFICIENTNET = {
    "batch": 64,
    "optimizer": "sgd",
    "learning_rate": 1e-4,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "schedule": {**PLATEAU, "patience": 8},
}
RESNET = {
    "epochs": 200,
    "batch": 64,
    "learning_rate": 1e-6,
    "schedule": {**PLATEAU, "patience": 25},
}
UNET_PP = {"encoder": "efficientnet-b0", "loss": "dice", "patch_px": 224}
HISTOCAES = [f"histocae{n}" for n in range(1, 8)]


@pytest.mark.parametrize(
    ("name", "models", "stated"),
    [
        ("histocae", HISTOCAES, {**HISTOCAE, "head": "paper"}),
        ("histocae", ["mr_histocae", "mr_histocae_mse", "histocae1_5x", "histocae1_20x"], HISTOCAE),
        ("generalized_paip", FCNS, {**FCN, "spacing_um": 0.5}),
        ("camelyon16", FCNS, {**FCN, "spacing_um": 0.25}),
        ("camelyon17", FCNS, {**FCN, "spacing_um": 0.25}),
        ("digestpath", FCNS, {**FCN, "spacing_um": 0.5}),
        ("joint_liver", ["unet_plus_plus"], UNET_PP),
    ],
)
def test_recipes_have_the_papers_settings(name, models, stated):
    """Roy et al., Methods; Khened et al.; Park et al.: what they state of their networks."""
    for model in models:
        assert states(recipe(name)["models"][model], stated), model


def test_recipe_of_the_parts_of_a_loss():
    """HistoCAE 1 to 7 are the table of the paper: which parts of the loss each learns from."""
    losses = [recipe("histocae")["models"][name]["reconstruction_loss"] for name in HISTOCAES]
    found = [" ".join(part for part in ("mse", "ssim", "mae") if loss[part]) for loss in losses]
    assert found == ["mse ssim mae", "mse", "ssim", "mae", "mse ssim", "mse mae", "ssim mae"]


def test_recipe_of_mr_histocae_has_the_loss_of_its_figures():
    """All three parts, and MSE alone, of which the paper reports; both are run."""
    config = recipe("histocae", "mr_histocae")
    losses = [config["models"][name]["reconstruction_loss"] for name in config["run"][:2]]
    assert losses == [{"mse": 0.5, "ssim": 0.5, "mae": 0.5}, {"mse": 0.5, "ssim": 0, "mae": 0}]


@pytest.mark.parametrize(
    ("name", "spacings_um", "downsampling"),
    [
        ("histocae_table1", {1.0}, {"stride"}),
        ("histocae_magnification", {0.5, 1.0, 2.0}, {"stride"}),
        ("mr_histocae", {0.5, 1.0}, {"stride"}),
        ("histocae_pooling", {1.0}, {"stride", "max-pool"}),
    ],
)
def test_recipes_over_that_of_histocae(name, spacings_um, downsampling):
    """One for each table: other models, and the paper's settings for all of them."""
    config = recipe("histocae", name)
    models = [config["models"][model] for model in config["run"]]
    assert {model["spacing_um"] for model in models} == spacings_um
    assert {m["downsampling"] for m in models if "downsampling" in m} == downsampling
    assert {(m["patch_px"], m["training"]["epochs"]) for m in models} == {(256, 200)}
    kept = {key: value for key, value in config.items() if key not in ("run", "models")}
    of_histocae = recipe("histocae")
    assert kept == {key: of_histocae[key] for key in kept}


def test_recipe_of_table_1_has_all_its_models():
    """Seven losses, four classifiers, six segmenters."""
    config = recipe("histocae", "histocae_table1")
    kinds = [config["models"][model]["kind"] for model in config["run"]]
    assert kinds == ["histocae"] * 7 + ["classifier"] * 4 + ["segmenter"] * 6
    assert len(set(config["run"])) == 17


def test_comparators_of_histocae_start_alike():
    """Each from ImageNet's weights, SegNet too."""
    models = recipe("histocae")["models"]
    names = ("resnet101", "vgg19", "densenet121", "inception_v3", "unet", "segnet", "deeplabv3")
    started = {name: models[name]["pretrained"] for name in (*names, "pspnet", "refinenet")}
    assert {*started.values(), models["mobile_unet"]["pretrained"]} == {"hub"}


@pytest.mark.parametrize("name", ["generalized_paip", "camelyon16", "camelyon17", "digestpath"])
def test_recipes_of_the_generalized_framework(name):
    """Khened et al.: three FCNs, each validated on a fold of its own, half overlapping patches."""
    config = recipe(name)
    assert config["models"]["generalized"]["members"] == list(FCNS)
    assert states(config["inference"], {"overlap": 0.5, "blending": "mean"})
    assert config["patches"]["label_rule"] == "any"
    assert config["tissue"]["variant"] == ("camelyon" if name[:8] == "camelyon" else "otsu")
    members = [config["models"][member] for member in FCNS]
    assert len({m["validation_fold"] for m in members}) == 3
    for member, (architecture, encoder, frozen) in zip(members, FCNS.values(), strict=True):
        assert (member["architecture"], member["encoder"].partition(".")[0]) == (
            architecture,
            encoder,
        )
        assert member["training"].get("frozen_epochs") == frozen


@pytest.mark.parametrize(
    ("vote", "stated"), [("efficientnet_b0", EFFICIENTNET), ("resnet50", RESNET)]
)
def test_recipe_of_the_joint_paper(vote, stated):
    """Park et al.: 224 px, votes at 4, 16 and 64 times 0.5 µm, of augmented patches."""
    models = recipe("joint_liver")["models"]
    members = [models[member] for member in models[f"vote_{vote}"]["members"]]
    assert [m["spacing_um"] for m in members] == [2.0, 8.0, 32.0]
    for member in members:
        assert states(member, {"architecture": vote, "patch_px": 224, "training": stated})
        assert {"shift_px", "zoom", "blur_px"} <= member["augmentation"].keys()
