"""Adaptation to eras for any model: a prediction is f + a change(era), a the strength.

A guard leaves a change on only where held-out training eras surely gain from it. Nothing here
knows what f is or how an era is read: a model says how both are fitted (`FitTrial`), and what
changes an era (`Adaptation`).

    choices = Choices.left_open(weight=0.0, strength="auto")
    trials = run_trials(train, ctx, choices, fit) if choices.open else []
    decision = decide(trials, choices, ctx.purge_eras, child_seed(ctx.seed, NAME, "guard"))
    guarded = Guarded(NAME, "trees", ctx.seed, ctx.target, ctx.purge_eras)
    # an adaptation that was fitted on all training eras, and the last of them
    guarded.begin(adaptation, decision, trials, int(train.eras[-1]))
    guarded.predict(frame, f.predict(frame))
"""

from numerai_lab.models.adapting.ageing import AGES, by_age, strength_at
from numerai_lab.models.adapting.choices import STRENGTHS, WEIGHTS, Choices, Decision
from numerai_lab.models.adapting.compared import Compared
from numerai_lab.models.adapting.earlier import NOTHING, told_by
from numerai_lab.models.adapting.guard import decide
from numerai_lab.models.adapting.guarded import Guarded
from numerai_lab.models.adapting.history import GainHistory
from numerai_lab.models.adapting.protocol import Adaptation, Adapted, State
from numerai_lab.models.adapting.rivals import Rivals
from numerai_lab.models.adapting.runtime import Support
from numerai_lab.models.adapting.trials import (
    Candidate,
    FittedTrial,
    FitTrial,
    Trial,
    label_overlap,
    run_trials,
    trial_parts,
)

__all__ = [
    "AGES",
    "NOTHING",
    "STRENGTHS",
    "WEIGHTS",
    "Adaptation",
    "Adapted",
    "Candidate",
    "Choices",
    "Compared",
    "Decision",
    "FitTrial",
    "FittedTrial",
    "GainHistory",
    "Guarded",
    "Rivals",
    "State",
    "Support",
    "Trial",
    "by_age",
    "decide",
    "label_overlap",
    "run_trials",
    "strength_at",
    "told_by",
    "trial_parts",
]
