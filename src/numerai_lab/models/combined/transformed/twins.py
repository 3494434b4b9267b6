"""The twins of a model with transforms: without the columns, and with permuted ones."""

from __future__ import annotations

from dataclasses import replace

from numerai_lab.models.contract import FitContext, Variant

WITHOUT = "without"
PLACEBO = "placebo"


def placebo_name(draw: int) -> str:
    """Return what draw number 1, 2, ... is called."""
    return PLACEBO if draw == 1 else f"{PLACEBO}_{draw}"


def variants_for(n_placebos: int) -> tuple[Variant, ...]:
    """Return what a model with so many placebos shows beside its prediction."""
    if not n_placebos:
        return ()
    placebos = tuple(
        Variant(
            placebo_name(draw),
            "each added column permuted within its era"
            + (f", draw {draw}" if n_placebos > 1 else ""),
            compared_with=(WITHOUT,),
            control=True,
            reading="as many columns without meaning; the columns tell something only if the "
            "prediction lies above this, too",
        )
        for draw in range(1, n_placebos + 1)
    )
    return (Variant(WITHOUT, "the same model without the added columns"), *placebos)


def context_of(ctx: FitContext, name: str, number: int, n_fits: int) -> FitContext:
    """Return what fit `number` of `n_fits` is told: all have one seed, and folders of their own."""

    def progress(done: int, total: int) -> None:
        ctx.progress(number * total + done, n_fits * total)

    return replace(
        ctx.part(name),
        unlabelled=None,
        progress=progress if n_fits > 1 else ctx.progress,
    )
