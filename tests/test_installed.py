"""What is installed from a wheel, without a checkout: configs, init, training, a submission."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import numerai_lab

ROOT = Path(__file__).parents[1]
BUILD = "import setuptools.build_meta as b; b.build_{kind}({into!r})"

pytestmark = pytest.mark.slow


REPOSITORY = "https://example.org/somebody/numerai_lab"


def built(kind: str, source: Path, into: Path) -> Path:
    """Build a wheel or sdist of a copy of the source, as a front end does."""
    before = set(into.glob("*"))
    code = BUILD.format(kind=kind, into=str(into))
    environ = {**os.environ, "NUMERAI_LAB_REPOSITORY": REPOSITORY}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=source, capture_output=True, text=True, env=environ
    )
    assert done.returncode == 0, done.stderr
    (made,) = set(into.glob("*")) - before
    return made


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    kept = ("src", "configs", "scripts", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md")
    for name in (*kept, "LICENSE", "CHANGELOG.md"):
        place = ROOT / name
        into = folder / "checkout" / name
        into.parent.mkdir(exist_ok=True)
        ignored = shutil.ignore_patterns("*.egg-info", "__pycache__")
        shutil.copytree(place, into, ignore=ignored) if place.is_dir() else shutil.copy(place, into)
    dist = folder / "dist"
    dist.mkdir()
    sdist = built("sdist", folder / "checkout", dist)
    with tarfile.open(sdist) as file:
        file.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return built("wheel", unpacked, dist), sdist


@pytest.fixture(scope="module")
def program(distributions, tmp_path_factory):
    """The command in an environment of its own, with the libraries of this one."""
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    done = subprocess.run([*pip, distributions[0]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    source = str(Path(numerai_lab.__file__).parents[1])
    libraries = [p for p in sys.path if p.endswith("site-packages") and p != source]
    (site,) = (folder / "env" / "lib").glob("python3*/site-packages")
    (site / "libraries.pth").write_text("\n".join(libraries) + "\n")
    return folder / "env" / "bin" / "numerai-lab"


def test_a_wheel_has_what_is_shipped_and_the_sdist_builds_it(distributions):
    wheel, sdist = distributions
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "configs").rglob("*.yaml"):
        assert f"numerai_lab/shipped/configs/{path.relative_to(ROOT / 'configs')}" in names
    assert {"numerai_lab/shipped/scripts/cron_submit.sh", "numerai_lab/py.typed"} <= names
    modules = {
        f"numerai_lab/{p.relative_to(ROOT / 'src/numerai_lab')}"
        for p in (ROOT / "src").rglob("*.py")
    }
    assert modules <= names
    assert not any(name.startswith("tests/") for name in names)
    with zipfile.ZipFile(wheel) as file:
        (metadata,) = (name for name in names if name.endswith("dist-info/METADATA"))
        assert f"Project-URL: Repository, {REPOSITORY}" in file.read(metadata).decode()
    with tarfile.open(sdist) as file:
        assert any(name.endswith("/configs/xgb.yaml") for name in file.getnames())


def test_it_trains_and_submits_without_a_checkout(program, tmp_path, stand_in):
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "NUMERAI"))}
    environ |= {**stand_in.environment, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def lab(*arguments: str, cwd: Path = tmp_path) -> str:
        done = subprocess.run(
            [program, *arguments], cwd=cwd, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert lab("--version").startswith("numerai_lab ")
    where = "import numerai_lab; print(numerai_lab.__file__)"
    python = program.with_name("python")
    told = subprocess.run([python, "-c", where], cwd=tmp_path, env=environ, capture_output=True)
    assert str(program.parents[1]) in told.stdout.decode()
    small = ["--set", "data.synthetic={n_eras: 60, rows_per_era: 60, n_features: 12}"]
    small += ["--set", "split={type: walk_forward, first_train_eras: 30, chunk_eras: 30}"]
    small += ["--set", "model.params.num_boost_round=5"]
    said = lab("train", "xgb", "--data", "synthetic", *small, "--quiet")
    assert "shipped/configs/xgb.yaml is meant" in said
    lab("init", "lab")
    folder = tmp_path / "lab"
    said = lab("train", "configs/xgb.yaml", "--data", "synthetic", *small, "--final", cwd=folder)
    assert "SYNTHETIC" in said
    report = next(folder.glob("runs/xgb/*/report.html"))
    assert "plotly" in report.read_text()
    slots = folder / "configs" / "submit.yaml"
    slots.write_text(slots.read_text().replace("my_model", "alpha"))
    lab("submit", "--dry-run", cwd=folder)
    lab("submit", cwd=folder)
    assert [one["model"] for one in stand_in.state()["submissions"]] == ["alpha"]
    cron = subprocess.run(
        [folder / "scripts" / "cron_submit.sh"],
        cwd="/",
        env=environ,
        capture_output=True,
        text=True,
    )
    assert cron.returncode == 2  # no file with keys: told, and who told it is the installed command
    assert ".config/numerai_lab/env" in cron.stderr
