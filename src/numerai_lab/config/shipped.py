"""The configs and scripts that come with the package: found by name, copied by `init`.

In a checkout they are `configs/` and `scripts/` at its top; setup.py puts them into a wheel.
"""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".yaml", ".yml")
_PACKAGE = Path(__file__).parents[1]


def shipped_folder() -> Path | None:
    """Return the folder that has `configs/` and `scripts/`; None where they were taken away."""
    places = [_PACKAGE / "shipped"]
    if _PACKAGE.parent.name == "src":
        places.append(_PACKAGE.parents[1])
    return next((one for one in places if (one / "configs" / "xgb.yaml").is_file()), None)


def shipped_configs() -> Path | None:
    """Return the folder of the shipped configs; their data profiles are in `data/` of it."""
    folder = shipped_folder()
    return None if folder is None else folder / "configs"


def shipped_config(name: str) -> Path | None:
    """Return the shipped config of a name without a folder (`xgb`, `xgb.yaml`); None: none."""
    folder = shipped_configs()
    if folder is None or Path(name).name != name:
        return None
    path = folder / (name if Path(name).suffix in SUFFIXES else f"{name}.yaml")
    return path if path.is_file() else None


def found_config(path: Path) -> Path:
    """Return the file that is meant: as it is named, in `configs/`, or the shipped one.

    Parameters
    ----------
    path : a file; a name without a folder, with .yaml or without, is looked for.

    Returns
    -------
    `path` itself where nothing is found: whoever reads it says so.
    """
    if path.exists() or path.name != str(path):
        return path
    name = path.name if path.suffix in SUFFIXES else f"{path.name}.yaml"
    own = [Path(name), Path("configs", name)]
    return next((one for one in own if one.is_file()), None) or shipped_config(name) or path


def beside(folder: Path, name: str) -> Path:
    """Return a config that another one names: in that one's folder, else the shipped one.

    Returns
    -------
    The path in the folder where neither is there.
    """
    own = folder / name
    if own.is_file() or (own.suffix not in SUFFIXES and Path(f"{own}.yaml").is_file()):
        return own
    return shipped_config(name) or own


def is_shipped(path: Path, of: Path) -> bool:
    """Tell whether a config is a shipped one, and the one that names it is not."""
    folder = shipped_configs()
    return folder is not None and path.parent == folder and of.parent.resolve() != folder
