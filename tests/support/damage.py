"""Ways in which a file gets damaged, and runs as older versions left them."""

import json
import shutil
from pathlib import Path

from numerai_lab.checksums import OWN_SUM, marks_of, read_sealed, write_sealed
from numerai_lab.experiment.records.part_records import owner_of

HOW = ("flipped", "cut", "absent", "swapped")


def flip(path: Path, share: float = 0.5) -> None:
    """Flip one bit of a file, at a place between its first byte (0) and its last (1)."""
    data = bytearray(path.read_bytes())
    place = round(share * (len(data) - 1))
    data[place] ^= 1 << place % 7
    path.write_bytes(data)


def damage(path: Path, how: str, other: Path) -> None:
    """Damage a file in one of the ways of `HOW`; `other` is the same file of another run."""
    if how == "flipped":
        flip(path)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    elif how == "absent":
        path.unlink()
    else:
        assert path.read_bytes() != other.read_bytes()
        shutil.copyfile(other, path)


def as_before_records(run: Path) -> Path:
    """Make a run what an older version would have left: no checksums, DONE is empty."""
    for path in run.rglob("DONE"):
        path.write_bytes(b"")
    for name in ("manifest.json", "scores.json"):
        value = json.loads((run / name).read_text())
        for key in ("format", "files", "record", OWN_SUM):
            value.pop(key, None)
        (run / name).write_text(json.dumps(value, indent=2) + "\n")
    return run


def rewritten(run: Path, **changes: object) -> Path:
    """Make a run's files, as they are now, those that it wrote, with changes of its manifest."""
    manifest = json.loads((run / "manifest.json").read_text()) | changes
    manifest["files"] = marks_of(run, manifest["files"])
    write_sealed(run / "manifest.json", manifest)
    owner = owner_of(manifest)
    for path in run.rglob("DONE"):
        value = read_sealed(path)
        files = marks_of(path.parent, value["files"])
        write_sealed(path, {**value, "run": owner, "files": files})
    scores = read_sealed(run / "scores.json")
    record = {**scores["record"], "run": owner, "files": marks_of(run, scores["record"]["files"])}
    write_sealed(run / "scores.json", {**scores, "record": record})
    return run
