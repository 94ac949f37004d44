"""The models of a run side by side."""

from microtome.markdown import markdown_table

# What is shown at a glance; the tables have all of it.
_SHOWN = {
    "dice": "Dice",
    "jaccard": "Jaccard",
    "balanced_accuracy": "balanced accuracy",
    "f1_tumour": "F1 tumour",
    "f1_other": "F1 other",
    "burden": "burden",
    "true_burden": "true burden",
    "burden_error": "burden error",
}


def comparison_rows(cohorts: dict[str, dict]) -> list[dict]:
    """One row a model, all figures over the cohort."""
    return [{"model": model, **figures} for model, figures in cohorts.items()]


def summary(cohorts: dict[str, dict], slides: dict[str, list[dict]]) -> str:
    """Two Markdown tables: the models over the cohort, and every model on every slide.

    Parameters
    ----------
    cohorts : dict of str to dict
        Model -> its figures over the cohort.
    slides : dict of str to list of dict
        Model -> its figures per slide, as text.
    """

    def row(first: dict, figures: dict) -> dict:
        shown = {title: _number(figures[key]) for key, title in _SHOWN.items()}
        return first | shown

    models = [
        row({"model": m, "slides": f["slides"], "patches": f["patches"]}, f)
        for m, f in cohorts.items()
    ]
    each = [row({"model": m, "slide": f["slide"]}, f) for m, rows in slides.items() for f in rows]
    return (
        "Over the evaluated slides (Dice, Jaccard, burden: means over slides; burden error: mean"
        " absolute error; patches: pooled)\n\n"
        f"{markdown_table(models)}\nPer slide\n\n{markdown_table(each)}"
    )


def _number(value: str | float | None) -> float:
    return float("nan") if value in ("", None) else float(value)
