"""Boosted trees: `xgb`, `lgbm_ensemble`, `xgb_ttt`, and what they share."""
