"""`init`: a folder to work in, made of what is shipped, with the paths of this machine."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from numerai_lab.config.shipped import shipped_folder
from numerai_lab.errors import MachineError, UserError
from numerai_lab.files import write_errors, write_text

_SCRIPTS = ("cron_submit.sh", "numerai-lab-submit.service", "numerai-lab-submit.timer")
_IGNORED = "/runs/\n/studies/\n/data/*\n/submissions/\n/monitor.html\n"
_README = """\
# Experiments for Numerai

    numerai-lab data download configs/xgb.yaml    # Numerai's files, to data/; else rows are made up
    numerai-lab train configs/xgb.yaml --final    # folds, scores, report; the model that goes live
    numerai-lab runs                              # what there is; `compare A B` for a difference
    numerai-lab submit --dry-run                  # the slots of configs/submit.yaml

Every day by itself: keys go to ~/.config/numerai_lab/env (`chmod 600`), then either
`*/10 * * * * {cron}` in crontab, or
`systemctl --user link {service} {timer}` and `systemctl --user enable --now {timer_name}`.
`numerai-lab --help` lists the commands.
"""


def start_project(folder: Path) -> list[Path]:
    """Write configs, submit.yaml, scripts for cron and systemd, .gitignore and a README.

    Parameters
    ----------
    folder : made if it is not there; what is in it stays as it is.

    Returns
    -------
    The files written.

    Raises
    ------
    UserError : one of the files is there already; nothing is written then. MachineError : nothing
        is shipped with this installation, or the disk is full.
    """
    source = shipped_folder()
    if source is None:
        raise MachineError(
            "the configs that come with numerai_lab are not there",
            where=str(Path(__file__).parents[1]),
            fix="install it again",
        )
    folder = folder.absolute()
    texts = {
        path.relative_to(source): path.read_text("utf-8")
        for path in sorted((source / "configs").rglob("*.yaml"))
    }
    for name in _SCRIPTS:
        texts[Path("scripts", name)] = _with_paths(
            (source / "scripts" / name).read_text("utf-8"), folder
        )
    service, timer = (str(folder / "scripts" / name) for name in _SCRIPTS[1:])
    texts[Path("README.md")] = _README.format(
        cron=shlex.quote(str(folder / "scripts" / _SCRIPTS[0])),
        service=shlex.quote(service),
        timer=shlex.quote(timer),
        timer_name=_SCRIPTS[2],
    )
    texts[Path(".gitignore")] = _IGNORED
    there = [name for name in texts if (folder / name).exists()]
    if there or (folder.exists() and not folder.is_dir()):
        raise UserError(
            f"{there[0]} is there already, and nothing is written over" if there else "is a file",
            where=str(folder),
            fix="choose a new folder",
        )
    for place, text in texts.items():
        path = folder / place
        with write_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
        if path.suffix == ".sh":
            path.chmod(0o755)
    return [folder / name for name in texts]


def _program() -> Path:
    """Return the command of this installation, by which cron and systemd find it."""
    beside = Path(sys.executable).with_name("numerai-lab")
    found = None if beside.is_file() else shutil.which("numerai-lab")
    return beside if found is None else Path(found).absolute()


def _with_paths(text: str, folder: Path) -> str:
    """Put this machine's paths into a script or unit of the repository."""
    program = str(_program())
    changes = {
        "/path/to/numerai_lab/": f"{folder}/",
        "command=${NUMERAI_LAB:-.venv/bin/numerai-lab}": (
            f"command=${{NUMERAI_LAB:-{shlex.quote(program)}}}"
        ),
        "[.venv/bin/numerai-lab]": f"[{program}]",
        "make it with \\`make demo\\`, or set": "install numerai_lab, or set",
        "WorkingDirectory=%h/numerai_lab": f"WorkingDirectory={_escaped(str(folder))}",
        "ExecStart=%h/numerai_lab/.venv/bin/numerai-lab": f'ExecStart="{_escaped(program)}"',
        "# Adjust WorkingDirectory. The keys": "# The keys",
    }
    for before, after in changes.items():
        text = text.replace(before, after)
    return text


def _escaped(path: str) -> str:
    """Write a path as systemd reads it: % begins a specifier there."""
    return path.replace("%", "%%")
