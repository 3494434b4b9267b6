"""The check that a model keeps the contract: `check_model` tries each promise on made-up rows."""

from numerai_lab.models.conformance.check import check_model

__all__ = ["check_model"]
