"""A saved model loaded in a new Python process: part of `check_model`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from numerai_lab.disclosure import child_environment
from numerai_lab.models.contract import Float32, Model

_LOAD_AND_PREDICT = """
import importlib, operator, sys
from pathlib import Path
import numpy as np
from numerai_lab.models.conformance.past import answers
from numerai_lab.models.conformance.toy import judged_frame, known_frame
module, name, folder, seed, entities, *members = sys.argv[1:]
model_type = operator.attrgetter(name)(importlib.import_module(module))
rows = {"seed": int(seed), "entities": entities == "True"}
frame, known = judged_frame(**rows).without_targets(), known_frame(**rows)
predictions = answers(model_type.load(Path(folder) / "model"), frame, known, members)
np.save(Path(folder) / "predictions.npy", predictions)
"""


def problem_of_process(
    model: Model,
    seed: int,
    expected: Float32,
    members: Sequence[str] = (),
    *,
    entities: bool = False,
) -> str:
    """Say how the model that a new process loads differs; nothing if it does not.

    Parameters
    ----------
    model : fitted. seed, entities : of the frames. expected : what it predicts for
        `judged_frame(seed)`.
    members : names of those whose predictions it is given.
    """
    kind = type(model)
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "model"
        saved.mkdir()
        model.save(saved)
        where = [kind.__module__, kind.__qualname__, folder, str(seed), str(entities), *members]
        done = subprocess.run(
            [sys.executable, "-c", _LOAD_AND_PREDICT, *where],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env=child_environment(),
        )
        if done.returncode:
            return (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        if not np.array_equal(np.load(Path(folder) / "predictions.npy"), expected):
            return "the loaded model predicts otherwise than the saved one"
    return ""
