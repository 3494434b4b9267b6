"""What the model was told: its parameters as the config gave them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from numerai_lab.report.markup import Html, breakable, code, h, table
from numerai_lab.report.record import Record

_LONGEST = 200


def flattened(params: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted names and values; lists, and mappings in lists, as JSON."""
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{above}{name}.")
            continue
        if value is None:  # the library's own
            text = "default"
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield f"{above}{name}", text


def parameters_section(record: Record) -> Html:
    """Build the section; nothing where the manifest tells no parameters."""
    params = (record.manifest.model.model_extra or {}).get("params")
    if not isinstance(params, dict) or not params:
        return Html("")
    rows = [
        [code(name), breakable(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")]
        for name, text in flattened(params)
    ]
    kind = record.manifest.model.type
    note = f"Whatever is not here has its default: `numerai-lab models {kind}` explains them."
    caption = f"Parameters of {kind}"
    return h(
        "section",
        h("h2", "Parameters"),
        table(caption, ["parameter", "value"], rows, text_columns=2),
        h("p", note, class_="note"),
        id="parameters",
    )
