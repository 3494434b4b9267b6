"""What learns: the Model protocol, the registry, the conformance check, and two models."""

from numerai_lab.models.contract import (
    PREDICTION,
    ContinuableModel,
    ControlledModel,
    Detailed,
    DetailedModel,
    ExportableModel,
    Exported,
    FitContext,
    FitReport,
    Float32,
    MemberModel,
    Model,
    ModelInfo,
    OnlineModel,
    Params,
    SizedModel,
    Variant,
    size_and_unit,
)
from numerai_lab.models.contract.conformance import check_model
from numerai_lab.models.contract.world import Collective, World
from numerai_lab.models.describe import ParamRow, describe_params
from numerai_lab.models.features import check_features
from numerai_lab.models.registry import ModelEntry, get_model, list_models

__all__ = [
    "PREDICTION",
    "Collective",
    "ContinuableModel",
    "ControlledModel",
    "Detailed",
    "DetailedModel",
    "ExportableModel",
    "Exported",
    "FitContext",
    "FitReport",
    "Float32",
    "MemberModel",
    "Model",
    "ModelEntry",
    "ModelInfo",
    "OnlineModel",
    "ParamRow",
    "Params",
    "SizedModel",
    "Variant",
    "World",
    "check_features",
    "check_model",
    "describe_params",
    "get_model",
    "list_models",
    "size_and_unit",
]
