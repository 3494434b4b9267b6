"""Models as somebody's own package brings them: found by their entry points."""

from pathlib import Path


def install_model(folder: Path, name: str, target: str) -> Path:
    """Write what pip leaves of a package whose model `name` is `module:Class`.

    Put the folder into `sys.path` of every process that is to find it.
    """
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[numerai_lab.models]\n{name} = {target}\n")
    return folder
