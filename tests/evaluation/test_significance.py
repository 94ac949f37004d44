"""Tests of differences between models, against SciPy and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from microtome.evaluation.significance import holm, model_tests, slides_needed

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)
A = [0.91, 0.84, 0.88, 0.95, 0.79, 0.90, 0.93, 0.86]
B = [0.89, 0.80, 0.89, 0.90, 0.70, 0.84, 0.92, 0.83]
C = [0.60, 0.71, 0.55, 0.80, 0.66, 0.72, 0.58, 0.69]


def per_slide(**models: list[float]) -> dict[str, dict[str, float]]:
    """Give every model's values to slides s0, s1 and so on."""
    return {
        name: {f"s{i}": value for i, value in enumerate(values)} for name, values in models.items()
    }


def rows_by_test(values: dict) -> dict[tuple[str, str, str], dict]:
    """Rows by test and pair."""
    return {(row["test"], row["model"], row["other"]): row for row in model_tests(values)}


def test_holm_by_hand():
    """.01, .04, .03, .005 in order: times 4, 3, 2, 1, and never less than the one before."""
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.4, 0.6]), [0.8, 0.8])
    np.testing.assert_allclose(holm([0.7, 0.6]), [1, 1])
    assert holm([]).shape == (0,)


@given(P_VALUES)
def test_holm_lies_between_the_p_value_and_bonferroni(p):
    """Never below p, never above p times their number or 1, and in the same order."""
    found = holm(p)
    assert (found >= np.array(p) - 1e-15).all()
    assert (found <= np.minimum(np.array(p) * len(p), 1) + 1e-15).all()
    assert (np.diff(found[np.argsort(p)]) >= 0).all()


@given(
    n_slides=st.lists(st.integers(6, 9), min_size=2, max_size=4),
    seed=st.integers(0, 999),
    apart=st.sampled_from([0.0, 0.3, 5.0]),
)
def test_no_p_is_smaller_than_the_least(n_slides, seed, apart):
    """Whatever the models give; pairs of more slides than others can have a smaller one."""
    rng = np.random.default_rng(seed)
    models = {f"m{i}": list(i * apart + rng.random(n)) for i, n in enumerate(n_slides)}
    rows = [row for row in model_tests(per_slide(**models)) if row["test"] == "Wilcoxon"]
    for row in rows:
        assert row["p_holm"] >= row["p_holm_least"] - 1e-12
        assert row["p_holm_least"] <= min(1, len(rows) * 2.0 ** (1 - row["n"]))


def test_the_least_p_by_hand():
    """Six slides: 2 of 64 patterns of signs, and times three pairs; it is reached, and is said."""
    apart = {m: [i + 0.01 * j for j in range(6)] for i, m in enumerate("abc")}
    rows = rows_by_test(per_slide(**apart))
    pairs = [row for key, row in rows.items() if key[0] == "Wilcoxon"]
    assert [row["p_holm_least"] for row in pairs] == [3 / 32] * 3
    assert [row["p_holm"] for row in pairs] == pytest.approx([3 / 32] * 3)
    assert {row["note"] for row in pairs} == {"no p_holm below 0.0938 can come out"}
    row = rows_by_test(per_slide(a=A, b=B))["Wilcoxon", "a", "b"]
    assert (row["p_holm_least"], row["note"]) == (2 / 256, "")
    assert rows["ANOVA", "", ""]["p_holm_least"] is None


@given(st.integers(1, 200))
def test_slides_needed_are_the_fewest(n_pairs):
    """With one less none of the pairs can differ."""
    n = slides_needed(n_pairs)
    assert n_pairs * 2 / 2**n < 0.05 <= n_pairs * 2 / 2 ** (n - 1)


def test_all_models_together_are_scipys_tests():
    """One-way ANOVA and Kruskal-Wallis over three models of eight slides."""
    rows = rows_by_test(per_slide(a=A, b=B, c=C))
    for name, function in (("ANOVA", stats.f_oneway), ("Kruskal-Wallis", stats.kruskal)):
        row, expected = rows[name, "", ""], function(A, B, C)
        assert row["statistic"] == pytest.approx(expected.statistic)
        assert row["p"] == pytest.approx(expected.pvalue)
        assert (row["n"], row["p_holm"], row["note"]) == (24, None, "")


def test_pairs_are_scipys_signed_rank_tests():
    """Every pair once, with the mean difference, and corrected over the three."""
    rows = rows_by_test(per_slide(a=A, b=B, c=C))
    pairs = {("a", "b"): (A, B), ("a", "c"): (A, C), ("b", "c"): (B, C)}
    assert {key[1:] for key in rows if key[0] == "Wilcoxon"} == set(pairs)
    expected = {}
    for key, (first, second) in pairs.items():
        difference = np.round(np.subtract(first, second), 9)
        expected[key] = stats.wilcoxon(difference).pvalue
        row = rows["Wilcoxon", *key]
        assert row["p"] == pytest.approx(expected[key])
        assert row["difference"] == pytest.approx(np.mean(first) - np.mean(second))
        assert row["n"] == 8
    corrected = dict(zip(pairs, holm(expected.values()), strict=True))
    assert corrected != expected
    assert {key: rows["Wilcoxon", *key]["p_holm"] for key in pairs} == pytest.approx(corrected)


def test_signed_rank_by_hand():
    """Six slides, one model better on all: 2 of the 64 patterns of signs are as extreme."""
    values = per_slide(a=[0.9] * 6, b=[0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    row = rows_by_test(values)["Wilcoxon", "a", "b"]
    assert [row[key] for key in ("p", "p_holm", "difference")] == pytest.approx(
        [1 / 32, 1 / 32, 0.35]
    )


def test_differences_equal_but_for_rounding_are_ties():
    """0.3 - 0.2 and 0.2 - 0.1 differ in binary; they have the same rank all the same."""
    first = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    second = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.9]
    row = rows_by_test(per_slide(a=first, b=second))["Wilcoxon", "a", "b"]
    assert row["statistic"] == 4  # the mean rank of seven equal ones, for the one that is negative


def test_pairs_are_of_slides_that_both_have():
    """Slides are matched by name; one that a model lacks is left out of its pairs."""
    values = per_slide(a=A, b=B)
    values["b"] = dict(reversed(values["b"].items()))
    del values["b"]["s3"]
    row = rows_by_test(values)["Wilcoxon", "a", "b"]
    kept = [i for i in range(8) if i != 3]
    difference = np.round([A[i] - B[i] for i in kept], 9)
    assert row["n"] == 7
    assert row["p"] == pytest.approx(stats.wilcoxon(difference).pvalue)


def test_few_slides_have_no_p():
    """Five pairs cannot reach 0.05, so they are not tested; the difference is told."""
    rows = rows_by_test(per_slide(a=A[:5], b=B[:5], c=C))
    row = rows["Wilcoxon", "a", "b"]
    assert (row["p"], row["p_holm"]) == (None, None)
    assert row["note"] == "fewer than 6 slides in common"
    assert row["difference"] == pytest.approx(np.mean(A[:5]) - np.mean(B[:5]))
    assert rows["ANOVA", "", ""]["p"] is not None
    row = rows_by_test(per_slide(a=A, b=B, few=C[:3]))["Wilcoxon", "a", "b"]
    assert row["p_holm"] == row["p"]  # Holm's correction counts the tests that were done


def test_equal_values_have_no_p():
    """Models that agree everywhere, and models that differ but have no spread."""
    rows = rows_by_test(per_slide(a=[1.0] * 7, b=[1.0] * 7))
    assert {row["note"] for row in rows.values()} == {"all values are equal"}
    assert {row["p"] for row in rows.values()} == {None}
    rows = rows_by_test(per_slide(a=[1.0] * 7, b=[0.5] * 7))
    assert rows["ANOVA", "", ""]["note"] == "no spread within the models"
    assert rows["ANOVA", "", ""]["p"] is None
    assert rows["Kruskal-Wallis", "", ""]["p"] < 0.01


def test_models_without_slides_are_left_out():
    """A model for which a figure is not defined is named, and the others are tested."""
    rows = rows_by_test(per_slide(a=A, b=B, none=[], one=[0.5]))
    row = rows["ANOVA", "", ""]
    assert row["p"] == pytest.approx(stats.f_oneway(A, B).pvalue)
    assert (row["n"], row["note"]) == (16, "without none, one: too few slides")
    pair = rows["Wilcoxon", "a", "none"]
    assert (pair["n"], pair["difference"], pair["p"]) == (0, None, None)


@pytest.mark.parametrize("values", [per_slide(a=A), per_slide(a=A, b=[0.5]), {}])
def test_nothing_to_compare(values):
    """One model, or a second without two slides: no p, and why."""
    for row in model_tests(values)[:2]:
        assert row["p"] is None
        assert row["note"] == "needs two models with two slides each"


def test_models_that_do_not_differ_are_seldom_told_apart():
    """200 draws of three equal models: about 5 % are called different, by no test many more."""
    rng = np.random.default_rng(0)
    n_false = dict.fromkeys(("ANOVA", "Kruskal-Wallis", "Wilcoxon"), 0)
    for _ in range(200):
        rows = model_tests(per_slide(**dict(zip("abc", rng.random((3, 12)), strict=True))))
        for row in rows:
            row["least"] = row["p"] if row["p_holm"] is None else row["p_holm"]
        for test in n_false:
            n_false[test] += min(row["least"] for row in rows if row["test"] == test) < 0.05
    # Of 200 with p = 0.05, more than 20 come about once in a thousand.
    assert all(1 <= n <= 20 for n in n_false.values()), n_false
