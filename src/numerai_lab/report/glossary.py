"""The words of scores, each in a sentence or two; docs/glossary.md holds the same."""

from __future__ import annotations

from numerai_lab.report.markup import Html, h

TERMS: dict[str, str] = {
    "corr": "Numerai's correlation of a prediction with the target within an era: of the "
    "prediction's ranks, gaussianised, and the centred target, both raised to the power 1.5, so "
    "that the ends count most. Its mean over eras is the headline.",
    "mmc": "Meta model contribution: what the prediction adds to the meta model, Numerai's stake-"
    "weighted mean of all submissions. What the meta model explains is taken out of the ranks "
    "first; what is left is held against the target.",
    "bmc": "Benchmark model contribution: the same beyond a benchmark model of Numerai's.",
    "fnc": "Feature neutral correlation: corr of what is left of the prediction once the part that "
    "features explain linearly is taken out.",
    "sharpe": "Mean of per-era scores over their standard deviation, per era and not per year. "
    "Labels of neighbouring eras overlap, which flatters it.",
    "sharpe hac": "The same with a long-run standard deviation (Newey-West) that counts the "
    "overlap: the one to compare.",
    "95 % interval": "Ends of the block-bootstrap interval of a mean: blocks of neighbouring eras "
    "are drawn, because they are alike.",
    "probability of improvement": "Share of resampled means of a difference that lie above 0: a "
    "probability, not a size. P(improves) on the terminal.",
    "better, worse, unclear": "Better: the interval of the difference is clear of 0 and every "
    "third of the eras agrees. Better so far: not every third does. Unclear: neither can be said.",
    "max drawdown": "The deepest fall of the sum of scores from an earlier height.",
    "hit rate": "Share of eras with a score above 0.",
    "payout": "What Numerai's rule would have paid on a stake for these scores, clipped as it "
    "clips. Good for comparing models, not a forecast.",
    "spread": "Mean target of the fifth of rows predicted highest, minus that of the fifth "
    "predicted lowest, within an era.",
    "rank turnover": "1 minus the rank correlation of an era's predictions with those of the era "
    "before, of the stocks in both: 0, every rank stays; 1, as if drawn anew. Only where rows say "
    "which stock they are about.",
    "purge": "Training eras left out before judged ones, because their labels reach into them: 8 "
    "eras for 20-day labels, 16 for 60-day ones.",
    "embargo": "Training eras left out after judged ones, where a split trains on later eras.",
    "fold": "One division into eras that teach and eras that are judged.",
    "exposure": "Correlation of the prediction with a single feature.",
    "baseline": "A run that this one is compared with, on the same eras.",
    "benchmark": "A model of Numerai's whose predictions come with the data.",
    "placebo": "The same model with what it is tried for taken away, as codes shuffled between "
    "eras: a gain that stays has another cause. Also called a control.",
}
"""Term -> what it means, in the order in which a reader meets them."""


def glossary_section() -> Html:
    """Build the section that every page of scores ends with."""
    pairs = (h("div", h("dt", term), h("dd", meaning)) for term, meaning in TERMS.items())
    return h("section", h("h2", "Glossary"), h("dl", *pairs, class_="glossary"), id="glossary")
