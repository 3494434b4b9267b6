"""The contract between a run and a model: protocols, and what each tells the other.

`numerai_lab.models.conformance` tries every promise. Nothing here knows any model.
"""

from numerai_lab.arrays import Float32
from numerai_lab.models.contract.artefacts import (
    Artefact,
    Artefacts,
    check_seen,
    file_identities,
    read_artefact,
    seal_artefact,
)
from numerai_lab.models.contract.classes import ClassModel, ClassProbabilities
from numerai_lab.models.contract.context import FitContext
from numerai_lab.models.contract.earlier import EarlierFit
from numerai_lab.models.contract.explained import (
    CONTRIBUTION_TOLERANCE,
    Contributions,
    ExplainedModel,
    ExplainedStack,
    InteractingModel,
    explained_rows,
)
from numerai_lab.models.contract.export import CarryingModel, ExportableModel, Exported
from numerai_lab.models.contract.features import TrainedFeatures
from numerai_lab.models.contract.history import history_before
from numerai_lab.models.contract.info import PREDICTION, ModelInfo, Variant
from numerai_lab.models.contract.members import BENCHMARK, META_MODEL, Members
from numerai_lab.models.contract.needs import Needs, Shape
from numerai_lab.models.contract.params import LEFT_OUT, Params
from numerai_lab.models.contract.protocols import (
    AgeingModel,
    ContinuableModel,
    ControlledModel,
    DetailedModel,
    HistoryModel,
    MemberModel,
    Model,
    OnlineModel,
    RememberingModel,
    SizedModel,
    StackingModel,
    VaryingModel,
    cannot_go_on,
    history_eras_of,
    info_of,
    members_of,
    steps_for,
)
from numerai_lab.models.contract.report import Detailed, FitReport, size_and_unit
from numerai_lab.models.contract.said import Said
from numerai_lab.models.contract.saved import load_facts, load_meta, save_facts, save_meta
from numerai_lab.models.contract.space import shipped_spaces
from numerai_lab.models.contract.world import Collective, World

__all__ = [
    "BENCHMARK",
    "CONTRIBUTION_TOLERANCE",
    "LEFT_OUT",
    "META_MODEL",
    "PREDICTION",
    "AgeingModel",
    "Artefact",
    "Artefacts",
    "CarryingModel",
    "ClassModel",
    "ClassProbabilities",
    "Collective",
    "ContinuableModel",
    "Contributions",
    "ControlledModel",
    "Detailed",
    "DetailedModel",
    "EarlierFit",
    "ExplainedModel",
    "ExplainedStack",
    "ExportableModel",
    "Exported",
    "FitContext",
    "FitReport",
    "Float32",
    "HistoryModel",
    "InteractingModel",
    "MemberModel",
    "Members",
    "Model",
    "ModelInfo",
    "Needs",
    "OnlineModel",
    "Params",
    "RememberingModel",
    "Said",
    "Shape",
    "SizedModel",
    "StackingModel",
    "TrainedFeatures",
    "Variant",
    "VaryingModel",
    "World",
    "cannot_go_on",
    "check_seen",
    "explained_rows",
    "file_identities",
    "history_before",
    "history_eras_of",
    "info_of",
    "load_facts",
    "load_meta",
    "members_of",
    "read_artefact",
    "save_facts",
    "save_meta",
    "seal_artefact",
    "shipped_spaces",
    "size_and_unit",
    "steps_for",
]
