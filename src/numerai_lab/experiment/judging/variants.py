"""Variants that a run's model shows beside its prediction: read, paired, told of older runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from numerai_lab.errors import ModelError, RunError
from numerai_lab.models import PREDICTION, Variant, get_model


def variants_of(manifest: Mapping[str, Any]) -> tuple[Variant, ...]:
    """Return what the model of a run declared.

    The manifest of a run made before variants were declared has none: what the model declares
    today stands for them, and nothing where the model is not installed any more.

    Raises
    ------
    RunError : the manifest holds something else there.
    """
    model = manifest.get("model", {})
    if "variants" in model:
        try:
            return tuple(
                Variant(**{**facts, "compared_with": tuple(facts["compared_with"])})
                for facts in model["variants"]
            )
        except (TypeError, KeyError) as error:
            raise RunError(
                f"manifest.json holds no variants of a model under model.variants ({error!r})",
                fix="train this experiment again",
            ) from None
    try:
        return get_model(str(model.get("type"))).info.variants
    except ModelError:
        return ()


def variant_pairs(variants: Sequence[Variant], names: Iterable[str]) -> list[tuple[str, str]]:
    """Pair what is compared, of the columns that are there.

    The prediction with the first variant, then each variant with those it names, then the
    prediction with the other variants.
    """
    there = set(names)
    first, others = variants[:1], variants[1:]
    pairs = [
        *((PREDICTION, variant.name) for variant in first),
        *((variant.name, name) for variant in variants for name in variant.compared_with),
        *((PREDICTION, variant.name) for variant in others),
    ]
    return [pair for pair in pairs if there.issuperset(pair)]


def variant_facts(variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """Return variants as JSON values, for manifest and scores."""
    return [asdict(variant) for variant in variants]
