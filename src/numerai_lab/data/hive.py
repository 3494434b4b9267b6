"""Columns that folders name, as in `era=590/part-0.parquet`: Hive's way to split a table."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""What Hive and Spark call the folder of rows without a value."""


def partitions_of(path: Path) -> dict[str, str | None]:
    """Return the columns that the folders right above a file name, {name: value}.

    Only folders without a gap count: `x=1/data/era=590/part-0.parquet` tells the era alone.

    Examples
    --------
    >>> partitions_of(Path("rows/year=2013/era=590/part-0.parquet"))
    {'year': '2013', 'era': '590'}
    """
    found: dict[str, str | None] = {}
    for folder in path.parents:
        name, equals, value = folder.name.partition("=")
        if not (name and equals):
            break
        found[unquote(name)] = None if value == NO_VALUE else unquote(value)
    return dict(reversed(found.items()))
