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
    Needs,
    OnlineModel,
    Params,
    Shape,
    SizedModel,
    Variant,
    VaryingModel,
    info_of,
    size_and_unit,
)
from numerai_lab.models.contract.conformance import check_model
from numerai_lab.models.contract.world import Collective, World
from numerai_lab.models.describe import ParamRow, describe_params
from numerai_lab.models.features import check_features
from numerai_lab.models.nested import ModelChoice, models_within
from numerai_lab.models.registry import ModelEntry, get_model, libraries_of, list_models

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
    "ModelChoice",
    "ModelEntry",
    "ModelInfo",
    "Needs",
    "OnlineModel",
    "ParamRow",
    "Params",
    "Shape",
    "SizedModel",
    "Variant",
    "VaryingModel",
    "World",
    "check_features",
    "check_model",
    "describe_params",
    "get_model",
    "info_of",
    "libraries_of",
    "list_models",
    "models_within",
    "size_and_unit",
]
