"""Run a whole train and note when its imports were done and when its first tree was there.

    python benchmarks/first_tree.py NOTES lab {lgbm,xgb} ARGUMENTS OF numerai-lab
    python benchmarks/first_tree.py NOTES notebook {lgbm,xgb} FOLDER TREES

Both sides are watched in the same way: everything they will import is imported first, and the
first return of the library's own `Booster.update`, through which `lightgbm.train`,
`xgboost.train` and the scikit-learn classes grow every tree, is the first tree. NOTES becomes a
JSON object with both times in seconds since 1970; the caller knows when the process began.
Between imports and first tree lies all that a user waits for: reading or converting the files,
checking them, binning, and one tree.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

LIBRARIES = {"lgbm": "lightgbm", "xgb": "xgboost"}
IMPORTS = {
    "lab": ("numerai_lab.cli.application", "numerai_lab.experiment", "numerai_lab.report"),
    "notebook": ("notebook", "pandas", "numerai_tools.scoring"),
}


def watch(library: Any, path: Path, times: dict[str, float]) -> None:
    """Let the library's first grown tree write the notes; later trees are not watched."""
    update = library.Booster.update

    def first_update(self: Any, *args: Any, **options: Any) -> Any:
        result = update(self, *args, **options)
        library.Booster.update = update
        path.write_text(json.dumps({**times, "first_tree": time.time()}))
        return result

    library.Booster.update = first_update


def main() -> None:
    path, side, name, *arguments = sys.argv[1:]
    for module in IMPORTS[side]:
        importlib.import_module(module)
    library = importlib.import_module(LIBRARIES[name])
    watch(library, Path(path), {"imported": time.time()})
    if side == "lab":
        sys.argv = ["numerai-lab", *arguments]
        importlib.import_module("numerai_lab.cli").main()
    else:
        folder, trees = arguments
        importlib.import_module("notebook").run(name, folder, int(trees))


if __name__ == "__main__":
    main()
