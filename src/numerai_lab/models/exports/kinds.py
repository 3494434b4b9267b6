"""How exported models predict: a literal table."""

KINDS = {
    "trees": "numerai_lab.models.trees.runtime",
    "blend": "numerai_lab.models.combined.runtime",
    "transformed": "numerai_lab.models.combined.transformed.runtime",
    "residual": "numerai_lab.models.combined.residual.runtime",
    "mlp": "numerai_lab.models.nets.mlp.runtime",
    "mixer": "numerai_lab.models.nets.mixer.runtime",
    "era_set": "numerai_lab.models.nets.era_set.runtime",
    "mtm": "numerai_lab.models.nets.mtm.runtime",
    "icl": "numerai_lab.models.nets.in_context.runtime",
    "stock_rnn": "numerai_lab.models.nets.stocks.runtime",
    "stock_transformer": "numerai_lab.models.nets.stocks.runtime",
    "linear": "numerai_lab.models.simple.runtime",
    "adaptive": "numerai_lab.models.trees.xgb_ttt.runtime",
}
"""Kind -> the module with its `predict(features, settings, arrays, parts)`.

A new kind is such a module, beside the model that exports it, and a line here; `runtime.py` says
what it is given. A model of another package names its module itself: `Exported.runtime`.
"""
