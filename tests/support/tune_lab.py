"""A config with spaces, small enough for a trial in a tenth of a second, and one finished study."""

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

from numerai_lab.cli import run

CONFIG = """\
name: small
question: How deep?
data: {{source: numerai, dir: "{folder}"}}
split: {{type: walk_forward, first_train_eras: 30, chunk_eras: 10, purge_eras: 4}}
scoring: {{bootstrap: {{samples: 200}}}}
threads: 1
tune: {{eras: {{to: 40}}}}
model:
  type: xgb
  params:
    num_boost_round: 3
    max_depth: {{tune: int, low: 1, high: 4, default: 2}}
    eta: {{tune: float, low: 0.05, high: 0.5, log: true, default: 0.1}}
"""
TRIALS = 4


@dataclass(frozen=True)
class Lab:
    """A folder with `small.yaml`; `tune` runs the command on it and returns what --json says."""

    folder: Path

    def write(self, text: str) -> None:
        (self.folder / "small.yaml").write_text(text)

    @property
    def command(self) -> list[str]:
        places = ["--studies-dir", self.folder / "studies", "--quiet", "--json"]
        return ["tune", *map(str, [self.folder / "small.yaml", *places])]

    @property
    def study(self) -> Path:
        return self.folder / "studies" / "small"

    @property
    def tuned(self) -> Path:
        return self.folder / "tuned" / "small.yaml"

    def tune(self, *more: object) -> dict:
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            code = run([*self.command, *map(str, more)])
        said = json.loads(told.getvalue())
        assert code == said.get("exit_code", 0)
        return said


def told(found: dict, *, crashed: bool = False) -> list[tuple]:
    """What trials found, without numbers and seconds; those that crashed only if asked for."""
    return [
        (trial["state"], trial["values"], trial["score"])
        for trial in found["trials"]
        if crashed or trial["state"] != "crashed"
    ]


HELD = """
import sys, time
from pathlib import Path
from numerai_lab.cli import main
from numerai_lab.models import get_model

folder, at = Path(sys.argv.pop(1)), int(sys.argv.pop(1))
xgb, begun = get_model("xgb"), []
fit = xgb.fit

def held(self, train, ctx):
    begun.append(0)
    if len(begun) == at:
        (folder / "held").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
    return fit(self, train, ctx)

xgb.fit = held
main()
"""
"""A process of `tune` that waits in its n-th fit, until a file `go` is there."""
