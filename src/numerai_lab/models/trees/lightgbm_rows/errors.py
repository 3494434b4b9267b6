"""What LightGBM refuses, told in one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import lightgbm

from numerai_lab.errors import ModelError


@contextmanager
def library_errors(where: str = "model.params.lightgbm") -> Iterator[None]:
    """Turn an error of LightGBM into a ModelError of one sentence, with the parameters' place."""
    try:
        yield
    except lightgbm.basic.LightGBMError as error:
        sentence = one_sentence(str(error))
        raise ModelError(f"LightGBM refuses: {sentence}", where=where) from error


def one_sentence(text: str) -> str:
    """Take LightGBM's source places and C++ out of its message, and bring it on one line."""
    text = " ".join(text.split())
    text = re.sub(r" at \S+, line \d+ ?\.?$", "", text)
    rule = text.removeprefix("Check failed: ")
    if rule != text:
        rule = rule.replace("config->", "").replace("&&", "and").replace("||", "or")
        rule = re.sub(r"(\d\.\d+)f\b", r"\1", rule)
        rule = re.sub(r"\(([\w.+-]+)\)", r"\1", rule)
        text = f"it needs {rule}"
    return text
