"""What a notebook does with pandas and the libraries' scikit-learn classes, as one script.

Reads all of train, fits, reads all of validation, predicts the eras that are more than 8 after
the last training era, and scores corr per era with numerai-tools. It is the other side of
`bench_memory.py`; `first_tree.py` runs it.

    python benchmarks/first_tree.py NOTES notebook {lgbm,xgb} FOLDER TREES
"""

from __future__ import annotations


def run(library: str, folder: str, trees: int) -> None:
    """Train to scores; no line here is there to save memory or time, or to waste it."""
    import pandas as pd
    from numerai_tools.scoring import numerai_corr

    train = pd.read_parquet(f"{folder}/train.parquet")
    features = [c for c in train.columns if c.startswith("feature_")]
    shape = {"learning_rate": 0.05, "max_depth": 5, "colsample_bytree": 0.1}
    if library == "lgbm":
        from lightgbm import LGBMRegressor

        model = LGBMRegressor(n_estimators=trees, num_leaves=31, verbosity=-1, **shape)
    else:
        from xgboost import XGBRegressor

        model = XGBRegressor(n_estimators=trees, **shape)
    model.fit(train[features], train["target"])
    judged = pd.read_parquet(f"{folder}/validation.parquet")
    judged = judged[judged["era"].astype(int) > train["era"].astype(int).max() + 8]
    judged["prediction"] = model.predict(judged[features])
    scores = judged.groupby("era").apply(
        lambda era: numerai_corr(era[["prediction"]], era["target"]).iloc[0]
    )
    print(f"corr {scores.mean():.4f}")
