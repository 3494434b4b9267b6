"""A model that asks for earlier fits and writes down what it was given."""

from dataclasses import replace

from honest_model import Honest

TOLD = []
"""(last training era, what each earlier fit told) of every fit, in order."""


class Asking(Honest):
    info = replace(Honest.info, earlier_fits=True)

    def fit(self, train, ctx):
        told = [
            (one.trained_to, one.rows.eras.tolist(), type(one.load()), one.rows.targets.copy())
            for one in ctx.earlier
        ]
        TOLD.append((int(train.eras[-1]), told))
        return super().fit(train, ctx)
