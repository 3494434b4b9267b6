"""Parquet files of any writer: columns, eras, ids and values, every type in one way."""

from numerai_lab.data.reading.beside import (
    NOTHING_BESIDE,
    Beside,
    BesideColumns,
    check_entities,
    read_beside,
)
from numerai_lab.data.reading.columns import feature_columns
from numerai_lab.data.reading.era_unit import Dates, by_number, unit_of
from numerai_lab.data.reading.eras import eras_of_predictions, order_eras
from numerai_lab.data.reading.files import (
    SYNTHETIC_MARK,
    UNNAMED_INDEX,
    hash_of,
    id_column,
    need_columns,
    reading,
    size_of,
    source_file,
    values_of,
)
from numerai_lab.data.reading.ids import (
    BATCH_ROWS,
    check_unique,
    check_unique_in,
    file_ids,
    hash_ids,
    ids_in,
    piece_ids,
    read_ids,
    same_number,
    slices,
    text_bytes,
    text_offsets,
)
from numerai_lab.data.reading.kinds import number_kind, numbers
from numerai_lab.data.reading.missing import apply_missing, is_missing
from numerai_lab.data.reading.one_by_one import open_each
from numerai_lab.data.reading.part_files import part_files, table_name, table_path, told_paths
from numerai_lab.data.reading.row_groups import Head, RowGroups, open_parquet, read_head, read_heads
from numerai_lab.data.reading.rows import EraFilter, Piece, RowFilter, RowPlan, Sources
from numerai_lab.data.reading.tables import read_id_table
from numerai_lab.data.reading.values import (
    Encoding,
    column_blocks,
    read_features,
    read_targets,
    tiles,
)

__all__ = [
    "BATCH_ROWS",
    "NOTHING_BESIDE",
    "SYNTHETIC_MARK",
    "UNNAMED_INDEX",
    "Beside",
    "BesideColumns",
    "Dates",
    "Encoding",
    "EraFilter",
    "Head",
    "Piece",
    "RowFilter",
    "RowGroups",
    "RowPlan",
    "Sources",
    "apply_missing",
    "by_number",
    "check_entities",
    "check_unique",
    "check_unique_in",
    "column_blocks",
    "eras_of_predictions",
    "feature_columns",
    "file_ids",
    "hash_ids",
    "hash_of",
    "id_column",
    "ids_in",
    "is_missing",
    "need_columns",
    "number_kind",
    "numbers",
    "open_each",
    "open_parquet",
    "order_eras",
    "part_files",
    "piece_ids",
    "read_beside",
    "read_features",
    "read_head",
    "read_heads",
    "read_id_table",
    "read_ids",
    "read_targets",
    "reading",
    "same_number",
    "size_of",
    "slices",
    "source_file",
    "table_name",
    "table_path",
    "text_bytes",
    "text_offsets",
    "tiles",
    "told_paths",
    "unit_of",
    "values_of",
]
