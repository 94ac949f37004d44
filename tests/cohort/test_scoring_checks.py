"""Submissions to be scored have names of their own."""

from microtome.cohort.scoring_checks import check_scoring, name_submissions


def test_one_or_several():
    """By file or folder, without a suffix."""
    assert name_submissions("a/mine.zip") == {"mine": "a/mine.zip"}
    assert list(name_submissions(["a/mine.zip", "b/other"])) == ["mine", "other"]


def test_two_of_one_name_are_refused():
    """The challenge and the name are told; in another challenge it is no matter."""
    one = {"submission": "a/mine.zip", "truth": "t"}
    assert [*check_scoring({"paip2019": one, "camelyon17": one})] == []
    (line,) = check_scoring({"paip2019": {**one, "submission": ["a/mine.zip", "b/mine.zip"]}})
    assert line.startswith("scoring.paip2019.submission: 2 are called mine, and so would")
