"""configs/submit.yaml: which run is submitted to which Numerai model, and whom failure concerns."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from numerai_lab.config import Neutralize, Section, from_home, read_section
from numerai_lab.errors import ConfigError, did_you_mean

SUBMIT_CONFIG = Path("configs/submit.yaml")
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
MODEL = r"^[^\x00-\x1f\x7f/\\:~.][^\x00-\x1f\x7f/\\:]*$"
"""Numerai decides how models may be called; records lie in a folder of that name, so it is one."""


class Post(Section):
    """What is done to a slot's predictions after the model."""

    neutralize: Literal["as_run", "none"] | Neutralize = Field(
        "as_run", description="as_run: what the run's config says; none; or a section of its own"
    )

    @model_validator(mode="after")
    def _own_section_names_no_set(self) -> Post:
        if isinstance(self.neutralize, Neutralize) and self.neutralize.feature_set is not None:
            raise ValueError(
                "a slot neutralises to all features of its run; for a feature_set write it in the "
                "run's own config, so that it is judged too"
            )
        return self


class OwnCommand(Section):
    """A program that writes live predictions, for what was not trained here."""

    command: Annotated[list[str], Field(min_length=1)] = Field(
        description="program and arguments; the path of the live file and that of a CSV to write, "
        "with id and prediction, are added to them"
    )

    def __str__(self) -> str:
        return f"command {shlex.join(self.command)}"


class Slot(Section):
    """One Numerai model that is submitted every round."""

    name: Annotated[str, Field(pattern=NAME)]
    run: str | OwnCommand = Field(
        "",
        validate_default=True,
        description="a run directory, or latest:EXPERIMENT; or {command: [PROGRAM, ...]}",
    )
    model: Annotated[str, Field(pattern=MODEL)] | None = Field(
        None, description="Numerai's name of the model; the slot's name if left out"
    )
    account: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")] = Field(
        "default", description="default reads NUMERAI_PUBLIC_ID, work reads WORK_NUMERAI_PUBLIC_ID"
    )
    data_version: Annotated[str, Field(pattern=r"^v\d+(\.\d+)*$")] | None = Field(
        None, description="version of the live file, where the run does not tell its own"
    )
    post: Post = Field(default_factory=Post)

    @field_validator("run", mode="before")
    @classmethod
    def _names_a_run(cls, run: object) -> object:
        if run == "":
            raise ValueError(
                "missing, write a run directory, or latest:EXPERIMENT (as latest:xgb) for its "
                "newest run with a final model"
            )
        return run

    @field_validator("run")
    @classmethod
    def _from_home(cls, run: str | OwnCommand) -> str | OwnCommand:
        if isinstance(run, OwnCommand):
            return run
        return str(from_home(Path(run))) if run.startswith("~") else run

    @model_validator(mode="after")
    def _post_is_of_a_run(self) -> Slot:
        if isinstance(self.run, OwnCommand) and self.post != Post():
            raise ValueError("post goes with a run; what a command writes is submitted as it is")
        return self

    @property
    def model_name(self) -> str:
        """Numerai's name of the model."""
        return self.model or self.name


def _twice(key: tuple[int, str], text: str) -> InitErrorDetails:
    """Make an error that is told at a key of its own."""
    error = PydanticCustomError("value_error", "{error}", {"error": text})
    return InitErrorDetails(type=error, loc=key, input=text)


class OnFailure(Section):
    """Who is told when a slot was not submitted; never given any key."""

    command: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="program and arguments; the sentence is its standard input"
    )
    webhook: Annotated[str, Field(pattern=r"^(https://|http://|env:)")] | None = Field(
        None, description="address that gets JSON with a text, or env:NAME of a variable with it"
    )


class SubmitConfig(Section):
    """What `numerai-lab submit` does every round."""

    slots: Annotated[list[Slot], Field(min_length=1)]
    on_failure: OnFailure = Field(default_factory=OnFailure)

    @field_validator("slots")
    @classmethod
    def _each_once(cls, slots: list[Slot]) -> list[Slot]:
        found = []
        names: dict[str, int] = {}
        models: dict[tuple[str, str], int] = {}
        for place, slot in enumerate(slots):
            first = names.setdefault(slot.name.lower(), place)
            if first != place:
                text = f"slots[{first}] has this name already ('{slots[first].name}')"
                found.append(_twice((place, "name"), text))
                continue
            first = models.setdefault((slot.account, slot.model_name.lower()), place)
            if first != place:
                text = (
                    f"slots[{first}] ('{slots[first].name}') submits model '{slot.model_name}' of "
                    f"account '{slot.account}' already; a model is submitted once per round"
                )
                found.append(_twice((place, "model" if slot.model else "name"), text))
        if found:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return slots

    def slot(self, name: str) -> Slot:
        """Return one slot. Raises ConfigError with the nearest name."""
        for slot in self.slots:
            if slot.name == name:
                return slot
        names = [slot.name for slot in self.slots]
        raise ConfigError(
            f"no slot '{name}'{did_you_mean(name, names)} (there are: {', '.join(names)})",
            where="--slot",
        )


def chosen_slots(
    config: Path | None, name: str | None, run: str | None
) -> tuple[list[Slot], OnFailure]:
    """Return the slots that a command means.

    Parameters
    ----------
    config : the file; None: `SUBMIT_CONFIG`. name : one of its slots, None for all.
    run : submit this run instead of the slot's own; a slot that is not in the file, or no file at
        all, then means the Numerai model of that name.

    Raises
    ------
    ConfigError : the file is wrong or not there; no such slot; a run without a slot.
    """
    if run is None:
        submit = load_slots(config or SUBMIT_CONFIG)
        return ([submit.slot(name)] if name else submit.slots), submit.on_failure
    if name is None:
        raise ConfigError("a run needs the name of its slot", where="--slot", fix="add --slot NAME")
    on_failure = OnFailure()
    if config is not None or SUBMIT_CONFIG.is_file():
        submit = load_slots(config or SUBMIT_CONFIG)
        on_failure = submit.on_failure
        if any(slot.name == name for slot in submit.slots):
            return [submit.slot(name).model_copy(update={"run": run})], on_failure
    if re.fullmatch(NAME, name) is None:
        raise ConfigError(
            f"{name!r} cannot be a slot's name",
            where="--slot",
            fix="write Numerai's name of the model: letters, digits, '.', '_' and '-'",
        )
    return [Slot(name=name, run=run)], on_failure


def load_slots(path: Path = SUBMIT_CONFIG) -> SubmitConfig:
    """Read submit.yaml.

    Raises
    ------
    ConfigError : there is no such file, or every mistake of it, each with its line.
    """
    if not path.exists():
        # by stems: '.yaml' alone would make any config look like this one
        near = did_you_mean(path.stem, [one.stem for one in path.parent.glob("*.yaml")])
        raise ConfigError(
            f"no such file{near}",
            where=str(path),
            fix="write the slots into it, as `slots: [{name: YOUR_MODEL, run: latest:xgb}]`, or "
            "submit one run with `numerai-lab submit latest:xgb --slot YOUR_MODEL`",
        )
    return read_section(path, SubmitConfig)
