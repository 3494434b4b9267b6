"""pretrain: weights that a model begins with, made once, from a config of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from numerai_lab.cli.options import Json, Quiet
from numerai_lab.cli.output import emit, kept
from numerai_lab.errors import ConfigError, check_name


def pretrain(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG", help="what to pretrain: configs/icl_pretrain.yaml, or like it"
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="where pretrained nets are kept")] = Path(
        "pretrained"
    ),
    threads: Annotated[
        int, typer.Option("--threads", min=0, max=1024, help="threads that compute; 0: all cores")
    ] = 0,
    device: Annotated[str, typer.Option("--device", help="cpu or cuda")] = "cpu",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Pretrain a net on drawn tasks; the same command goes on where it was stopped."""
    from numerai_lab.config import found_config, pretraining_in
    from numerai_lab.experiment import Reporter, Stopwatch
    from numerai_lab.files import exclusive_lock
    from numerai_lab.models import get_pretraining
    from numerai_lab.report import write_pretraining

    check_name(out)
    if device not in ("cpu", "cuda"):
        raise ConfigError(f"is '{device}', not cpu or cuda", where="--device")
    path = found_config(Path(config))
    kind = pretraining_in(path)
    if not kind:
        raise ConfigError(
            "is no pretraining: it has no line `pretrain: icl`",
            where=str(path),
            fix="name a config like configs/icl_pretrain.yaml; `train` runs experiments",
        )
    settings = read_pretraining(path, kind)
    folder = out / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "pretrain.html"
    busy = "another process is at work in it"
    with exclusive_lock(folder / ".lock", busy), Reporter(quiet=quiet) as reporter:
        watch = Stopwatch()
        reporter.work(f"pretraining {settings.name}", unit="steps")
        told: dict[str, Any] = get_pretraining(kind).run(
            settings,
            folder,
            say=reporter.say,
            warn=reporter.warn,
            progress=reporter.progress,
            pace=reporter.pace,
            n_threads=threads,
            device=device,
        )
        reporter.done(f"{told['tasks']:,} tasks seen", watch.seconds)
    write_pretraining(told, page)
    checkpoint = folder / "checkpoint"
    kept(f"the checkpoint is {checkpoint}")
    if as_json:
        facts = {key: told[key] for key in ("steps", "tasks", "parameters", "classes", "sha256")}
        emit({"checkpoint": str(checkpoint), "report": str(page), **facts})
        return
    last = told.get("kept") or told["looks"][-1]
    lines = [f"{name:14} {error:.3f}" for name, error in last["classes"].items()]
    sys.stdout.write(
        f"{told['title']}: {told['parameters']:,} parameters, {told['tasks']:,} tasks\n"
        f"held-out error {last['error']:.3f} (ridge that knows the noise "
        f"{told['look']['ridge']:.3f})\n  " + "\n  ".join(lines) + "\n"
        f"checkpoint  {checkpoint}\nreport      {page}\n"
    )


def read_pretraining(path: Path, kind: str) -> Any:
    """Read a pretraining's config, as strictly as an experiment's.

    Raises ConfigError, or ModelError where `kind` cannot be pretrained here.
    """
    from numerai_lab.config import read_section
    from numerai_lab.models import get_pretraining

    return read_section(path, get_pretraining(kind).Settings)
