"""What a config asks of the rows of a sheet and they do not give, and what is odd about them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from microtome.cohort.config_checks import (
    check_config,
    check_config_files,
    check_folds,
    read_sheet,
)
from microtome.cohort.ensemble_checks import check_ensemble_folds
from microtome.cohort.mistakes import refuse
from microtome.cohort.node_checks import check_staging
from microtome.cohort.sheet_mistakes import without_spelling
from microtome.planning.cohort import Cohort
from microtome.planning.overlap import check_overlap, note_overlap
from microtome.planning.params import settle
from microtome.planning.training_checks import name_some, trained_models


def check_settings(
    config: dict, *, files: Iterable[str | Path], schemas: Path, made_here: str
) -> dict[str, dict]:
    """Check the config, from these files, and settle it; read and check the sheet that it names.

    Files below the folder `made_here` need not exist yet. Gives the rows by slide. Raises
    InputError, a line for each mistake.
    """
    check_config_files(files)
    check_config(config, schema=schemas / "config.schema.yaml")
    settle(config)
    schema = schemas / "slides.schema.yaml"
    return read_sheet(config["slides"], schema=schema, made_by_workflow=made_here)


def check_cohort(cohort: Cohort, config: Mapping) -> list[str]:
    """Raise InputError, a line for each mistake, if the sheet is not what the config needs.

    That is slides for each fold, lymph nodes that can be staged, and patients that networks and
    forests do not share. Gives notes of what may be meant and should be known: slides without
    truth, ids that are nearly one.
    """
    sheet = cohort.sheet
    mistakes = [
        *check_folds(sheet, n_folds=config["cross_validation"]["folds"]),
        *check_ensemble_folds(config, sheet),
        *check_staging(config, sheet),
    ]
    where = f"config and slide sheet {config['slides']}"
    refuse(mistakes, of=where)
    refuse(check_overlap(cohort, config), of=where)  # asks for folds and a model that stages
    return [
        *note_overlap(cohort, config),
        *_note_training(cohort),
        *_note_untested(cohort),
        *_note_alike("slide", cohort.sheet, "on a disk that ignores case their results are one"),
        *_note_alike(
            "patient",
            (row["patient"] for row in cohort.sheet.values() if "patient" in row),
            "are they one? Their slides may be on two sides of a split",
        ),
    ]


def _note_training(cohort: Cohort) -> Iterator[str]:
    unknown: dict[str, None] = {}
    unjudged = []
    for model in trained_models(cohort):
        splits = {slide: cohort.split(slide, model) for slide in cohort.sheet}
        learnt = [slide for slide, split in splits.items() if split == "train"]
        unknown |= dict.fromkeys(slide for slide in learnt if not cohort.is_annotated(slide))
        if "validation" not in splits.values() and cohort.models.kind(model) != "colour":
            unjudged.append(model)
    if unknown:
        yield f"training slides without truth, for autoencoders only: {name_some([*unknown])}"
    if unjudged:
        yield (
            "without slides of split validation the last epoch counts, not the best:"
            f" {name_some(unjudged)}"
        )


def _note_untested(cohort: Cohort) -> Iterator[str]:
    slides = [
        slide
        for slide in cohort.sheet
        if not cohort.is_annotated(slide)
        and any(
            cohort.is_scored(slide, model) and cohort.split(slide, model) == "test"
            for model in cohort.models.mapped
        )
    ]
    if slides:
        yield f"test slides without truth, scored and not evaluated: {name_some(slides)}"


def _note_alike(what: str, names: Iterable[str], why: str) -> Iterator[str]:
    """Note names that differ in case only, of patients also in how a number is written."""
    alike: dict[str, dict[str, None]] = {}
    for name in names:
        key = name.casefold() if what == "slide" else without_spelling(name)
        alike.setdefault(key, {})[name] = None
    found = [" and ".join(same) for same in alike.values() if len(same) > 1]
    if found:
        yield f"{what}s that are nearly the same: {name_some(found)}; {why}"
