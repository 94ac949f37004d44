"""Slides that models are to learn from and the sheet does not have, known before anything runs."""

from collections.abc import Iterator

from microtome.cohort.mistakes import refuse
from microtome.planning.cohort import Cohort

_MOST_NAMED = 5
_FILL_SPLIT = "fill the column split (python workflow_scripts/assign_splits.py does)"


def require_slides(cohort: Cohort, *, path: str) -> list:
    """Raise InputError, a line for each mistake, unless the sheet at `path` has slides.

    That is slides of both classes for all that is trained, validation slides for what they decide.
    An empty list is returned: among the inputs of a rule it asks for nothing.
    """
    refuse([*_check_training(cohort), *_check_tuning(cohort)], of=f"slide sheet {path}")
    return []


def trained_models(cohort: Cohort) -> Iterator[str]:
    """Name the runs with tumour maps whose weights are made here."""
    for model, run in cohort.models.runs.items():
        if run.is_trained and not cohort.models.finds_nuclei(model):
            yield model


def _check_training(cohort: Cohort) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for model in trained_models(cohort):
        slides = [slide for slide in cohort.sheet if cohort.split(slide, model) == "train"]
        known = [slide for slide in slides if cohort.is_annotated(slide)]
        if not slides:
            wrong = f"has no slide of split train; {_FILL_SPLIT}, or give the model weights"
        elif not known:
            wrong = (
                f"has no truth in its {_count(slides)}; name outlines or masks in the columns"
                " annotation, viable_mask, whole_mask, and say label negative where no tumour is"
            )
        elif all(_is_without_tumour(cohort, slide) for slide in known):
            wrong = f"has no tumour in its {_count(known)} with truth; both classes are needed"
        else:
            continue
        found.setdefault(wrong, []).append(model)
    for wrong, models in found.items():
        yield f"training of {name_some(models)} {wrong}"


def _is_without_tumour(cohort: Cohort, slide: str) -> bool:
    return not cohort.cells(slide, ["annotation", "viable_mask", "whole_mask"])


def _check_tuning(cohort: Cohort) -> Iterator[str]:
    models = [
        model
        for model in cohort.models.mapped
        if cohort.models.is_tuned(model)
        and any(cohort.is_scored(slide, model) for slide in cohort.sheet)
        and not any(cohort.is_for_tuning(slide, model) for slide in cohort.sheet)
    ]
    if models:
        yield (
            f"threshold or temperature of {name_some(models)} come from slides of split validation"
            f" with truth, and there is none; {_FILL_SPLIT}, or give segmentation.threshold as a"
            " number and leave calibration.temperature out"
        )


def _count(slides: list[str]) -> str:
    return f"{len(slides)} slide{'s' * (len(slides) != 1)}"


def name_some(names: list[str]) -> str:
    """Name the first of many, and say how many more there are."""
    more = f" and {len(names) - _MOST_NAMED} more" * (len(names) > _MOST_NAMED)
    return ", ".join(names[:_MOST_NAMED]) + more
