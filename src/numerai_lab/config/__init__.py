"""What a person may write: strict YAML with places, the schema, `extends`, `--data`, `--set`."""

from numerai_lab.config import schema
from numerai_lab.config.dump import config_hash, json_schema, resolved_yaml, written_yaml
from numerai_lab.config.load import (
    ParamsOf,
    Resolved,
    data_section,
    load_experiment,
    pretraining_in,
    read_section,
    validate_params,
)
from numerai_lab.config.project import start_project
from numerai_lab.config.remote import RemoteFile, from_home, local_or_remote
from numerai_lab.config.schema import *  # noqa: F403 - its own list says which names
from numerai_lab.config.shipped import beside, found_config, is_shipped, shipped_folder
from numerai_lab.config.spaces import (
    ChoiceSpace,
    FloatSpace,
    IntSpace,
    Space,
    put,
    read_space,
    with_values,
)
from numerai_lab.config.strict_yaml import Key, dotted
from numerai_lab.config.transforms import TRANSFORMED

__all__ = [
    "TRANSFORMED",
    "ChoiceSpace",
    "FloatSpace",
    "IntSpace",
    "Key",
    "ParamsOf",
    "RemoteFile",
    "Resolved",
    "Space",
    "beside",
    "config_hash",
    "data_section",
    "dotted",
    "found_config",
    "from_home",
    "is_shipped",
    "json_schema",
    "load_experiment",
    "local_or_remote",
    "pretraining_in",
    "put",
    "read_section",
    "read_space",
    "resolved_yaml",
    "shipped_folder",
    "start_project",
    "validate_params",
    "with_values",
    "written_yaml",
]
__all__ += schema.__all__
