"""Stages of a workflow: rules that a person follows as one, as a file of the workflow says.

The file is ``progress.yaml`` beside the Snakefile; without one each rule is a stage.
"""

from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

import yaml

from .errors import InputError, one_line

FILE = "progress.yaml"
Stage = tuple[str, str]


@dataclass(frozen=True)
class Stages:
    """How a workflow's jobs are called; each field is a key of ``progress.yaml``.

    Examples
    --------
    >>> stages = Stages({"maps": ["heatmap", "outline"]}, about="sample", apart="model")
    >>> stages.of("outline", "unet"), stages.job_name("outline", {"model": "unet", "sample": "a"})
    (('maps', 'unet'), 'outline unet, sample a')
    """

    stages: dict[str, list[str]] = field(default_factory=dict)  # stage -> its rules, in order
    about: str = ""  # the wildcard that names what most jobs are about
    apart: str = ""  # a wildcard each value of which has a line of its own,
    together: list[str] = field(default_factory=list)  # but for these stages of few short jobs
    what_there_is: str = ""  # said of a target that no rule makes

    @cached_property
    def _of_rule(self) -> dict[str, str]:
        return {rule: stage for stage, rules in self.stages.items() for rule in rules}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {stage: place for place, stage in enumerate(self.stages)}

    def of(self, rule: str, value: str = "") -> Stage:
        """The stage of a job: its name, and the job's `value` of `apart` where that has a line."""
        stage = self._of_rule.get(rule, rule.replace("_", " "))
        return stage, "" if stage in self.together else value

    def order(self, stage: Stage) -> tuple[int, str, str]:
        """Key that sorts stages as the file does; rules in no stage come last."""
        return self._places.get(stage[0], len(self._places)), *stage

    def job_name(self, rule: str, wildcards: dict[str, str]) -> str:
        """A job in words: its rule, what it is about, and whatever else tells it from others."""
        rest = dict(wildcards)
        words = " ".join(filter(None, [rule, rest.pop(self.apart, "")]))
        about = rest.pop(self.about, "")
        return ", ".join([words, *([f"{self.about} {about}"] if about else []), *rest.values()])


def stage_name(stage: Stage) -> str:
    """The stage in words."""
    return " ".join(filter(None, stage))


def read_stages(folder: str | Path) -> Stages:
    """Read the file of a workflow's folder.

    Raises
    ------
    InputError
        If it is there and says something else.
    """
    path = Path(folder) / FILE
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Stages()
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path}: {one_line(error)}") from None
    try:
        return known_stages(given, is_strict=True)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {error}") from None


def known_stages(given: object, *, is_strict: bool = False) -> Stages:
    """Make `Stages` of a dict; of one in a run log what is not understood is left out."""
    given = given if isinstance(given, dict) else {}
    empty = Stages()
    kinds = {one.name: type(getattr(empty, one.name)) for one in fields(Stages)}
    wrong = [key for key, value in given.items() if not isinstance(value, kinds.get(key, ()))]
    if is_strict and (wrong or not given):
        raise ValueError(f"{', '.join(wrong) or 'nothing'}: there are {', '.join(kinds)}")
    return Stages(**{key: value for key, value in given.items() if key not in wrong})
