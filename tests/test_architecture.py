"""Packages import one way only, and one another by their public interface: ARCHITECTURE.md."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import numerai_lab

ROOT = Path(numerai_lab.__file__).parent
REPOSITORY = Path(__file__).parent.parent

# package or module -> what it may import
BASE = {
    *(
        "disclosure",
        "errors",
        "seeds",
        "files",
        "checksums",
        "machine",
        "eraframe",
        "weeks",
        "arrays",
    ),
    *("streams", "__init__"),
}
MAY_IMPORT = {
    "disclosure": set(),
    "errors": {"disclosure"},
    "arrays": set(),
    "seeds": set(),
    "streams": {"disclosure"},
    "machine": {"disclosure", "errors"},
    "weeks": set(),
    "files": {"errors"},
    "checksums": {"files"},
    "eraframe": {"errors"},
    "config": BASE,
    "data": BASE | {"config"},
    "splits": BASE | {"config"},
    "scoring": BASE | {"config"},
    "features": BASE | {"config", "data", "splits", "scoring"},
    "models": BASE | {"config", "data", "splits", "scoring", "features"},
    "experiment": BASE | {"config", "data", "splits", "scoring", "models"},
    "report": BASE | {"config", "data", "splits", "scoring", "models", "experiment"},
}
MAY_IMPORT["describe"] = MAY_IMPORT["experiment"] | {"experiment", "features"}
MAY_IMPORT["tuning"] = MAY_IMPORT["experiment"] | {"experiment"}
MAY_IMPORT["explain"] = MAY_IMPORT["experiment"] | {"experiment"}
MAY_IMPORT["tournament"] = set(MAY_IMPORT) - {"report", "tuning", "explain", "describe"} | BASE
MAY_IMPORT["stand_in"] = BASE | {"scoring"}
MAY_IMPORT["api"] = set(MAY_IMPORT) - {"stand_in"} | BASE
MAY_IMPORT["cli"] = set(MAY_IMPORT) - {"api"} | BASE

# sub-package, or module beside them -> which of its siblings it may import
WITHIN = {
    "experiment": {
        "reporter": set(),
        "predicting": set(),
        "member_configs": set(),
        "tuned_eras": set(),
        "plan": {"member_configs", "predicting", "records", "reporter", "training_label"}
        | {"tuned_eras"},
        "planned_folds": {"plan", "tuned_eras"},
        "member_runs": {"plan", "records"},
        "member_references": {"member_runs", "plan"},
        "training_label": {"records"},
        "planned_fit": {"plan", "records", "training_label"},
        "records": {"reporter"},
        "judging": {"records", "member_configs", "plan", "planned_folds", "predicting"}
        | {"reporter"},
        "earlier_folds": {"plan", "records"},
        "executor": {"earlier_folds", "plan", "planned_fit", "predicting", "records", "reporter"},
        "cluster": {"records", "executor", "plan", "planned_fit", "predicting", "reporter"},
        "costs": {"plan", "planned_fit", "records"},
        "timing": {"executor", "judging", "plan", "records", "reporter", "training_label"},
        "memory_check": {"executor", "plan", "planned_fit"},
        "history": {"plan"},
        "removing": {"judging", "records"},
        "mlflow_export": {"judging", "records"},
        "final": {"records", "judging", "history", "member_configs", "member_runs", "predicting"},
        "opened": {"records", "judging", "plan", "predicting", "reporter"},
        "live": {"judging", "final", "history", "live_files", "predicting"},
        "live_files": {"final"},
        "opened_final": {"final", "history", "live", "live_files", "opened", "predicting"}
        | {"records", "reporter"},
        "needed_runs": {"records", "judging", "member_configs", "plan", "reporter"}
        | {"training_label"},
        "fitting": {"records", "judging", "executor", "history", "member_runs", "plan"}
        | {"planned_folds", "reporter"},
        "completing": {"records", "executor", "fitting", "member_runs", "plan", "reporter"},
        "stopped": {"records", "reporter"},
        "beginning": {"executor", "judging", "member_runs", "plan", "planned_folds", "records"},
        "train": {"beginning", "records", "judging", "executor"}
        | {"completing", "fitting", "member_references", "member_runs", "memory_check"}
        | {"needed_runs"}
        | {"plan", "reporter"},
        "importing": {"beginning", "records", "judging", "plan", "reporter", "train"},
        "sweeping": {"beginning", "needed_runs", "plan", "records", "reporter", "train"},
        "several_seeds": {"beginning", "records", "judging", "needed_runs", "plan", "reporter"}
        | {"train"},
        "refreshing": {"beginning", "final", "growing", "live", "plan", "predicting", "records"}
        | {"reporter", "train"},
        "growing": {"records", "judging", "final", "history", "member_references", "member_runs"}
        | {"plan", "planned_fit", "predicting", "reporter", "training_label"},
        "continuing": {"beginning", "records", "judging", "final", "growing", "plan", "reporter"},
    },
    "data": {
        "download_lock": set(),
        "hive": set(),
        "dataset": {"download_lock", "hive"},
        "reading": {"dataset", "download_lock", "hive"},
        "store": {"dataset", "reading"},
        "synthetic": {"reading"},
        "prices": {"reading"},
        "source": {"dataset", "prices", "reading", "synthetic"},
        "averages": set(),
        "load": {"averages", "dataset", "download_lock", "reading", "source", "store", "synthetic"},
        "references": {"dataset", "reading"},
        "unlabelled": {"dataset", "reading"},
        "earlier": {"reading", "source", "unlabelled"},
    },
    "models": {
        "contract": set(),
        "libraries": set(),
        "exports": {"contract"},
        "conformance": {"contract", "exports"},
        "registry": {"contract", "libraries"},
        "nested": {"contract", "registry"},
        "member_choice": {"contract", "nested"},
        "describe": {"contract", "registry"},
        "adapting": {"contract"},
        "combined": {"contract", "member_choice", "nested", "registry"},
        "given": {"contract"},
        "simple": {"contract", "exports"},
        "nets": {"contract", "adapting", "combined", "exports", "nested", "registry"},
        "trees": {"contract", "adapting", "combined", "exports"},
    },
    "tournament": {
        "server": set(),
        "predict": set(),
        "records": {"server"},
        "datasets": {"server"},
        "bundles": {"server", "records", "predict"},
        "monitoring": {"server", "records", "refreshing"},
        "refreshing": {"server", "records", "datasets"},
        "submitting": {"server", "records", "datasets", "predict"},
    },
}


@cache
def import_statements(path: Path) -> list[ast.Import | ast.ImportFrom]:
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def imports_of(path: Path) -> list[str]:
    found = []
    for node in import_statements(path):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif node.module and node.level == 0:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            found.append(f"relative import in {path}")
    return found


def modules() -> list[tuple[str, Path]]:
    return [
        (path.relative_to(ROOT).parts[0].removesuffix(".py"), path)
        for path in sorted(ROOT.rglob("*.py"))
        if path != ROOT / "__init__.py"
    ]


def siblings() -> list[tuple[str, str, Path]]:
    """(package, sub-package or module in it, file), for the packages in WITHIN."""
    return [
        (package, path.relative_to(ROOT).parts[1].removesuffix(".py"), path)
        for package, path in modules()
        if package in WITHIN and path != ROOT / package / "__init__.py"
    ]


def test_every_package_is_known():
    assert {package for package, _ in modules()} <= set(MAY_IMPORT)
    for package, known in WITHIN.items():
        assert {own for of, own, _ in siblings() if of == package} == set(known)


def test_sub_packages_import_one_way():
    wrong = []
    for package, own, path in siblings():
        for name in imports_of(path):
            parts = name.split(".")
            if parts[:2] != ["numerai_lab", package] or parts[2] == own:
                continue
            if parts[2] not in WITHIN[package][own]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_imports_go_one_way():
    wrong = []
    for package, path in modules():
        for name in imports_of(path):
            assert not name.startswith("relative"), name
            if not name.startswith("numerai_lab."):
                continue
            other = name.split(".")[1]
            if other != package and other not in MAY_IMPORT[package]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_the_writer_of_lightgbms_own_file_is_walled_in():
    """One module uses it, and its docstring says how both can do without it."""
    packed = "numerai_lab.models.trees.lightgbm_rows.packed"
    users = [
        path.relative_to(ROOT).as_posix()
        for _, path in modules()
        if any(f"{name}.".startswith(f"{packed}.") for name in imports_of(path))
    ]
    assert users == ["models/trees/lightgbm_rows/binned.py"]


def test_an_arrays_name_is_defined_once():
    defined = Counter(
        target.id
        for _, path in modules()
        if "npt.NDArray[np." in (text := path.read_text("utf-8"))
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("npt.NDArray[np.")
        for target in node.targets
        if isinstance(target, ast.Name)
    )
    assert defined["Float64"] == 1
    assert [name for name, n in defined.items() if n > 1] == []


def modules_named_in(path: Path) -> set[str]:
    """Modules that are imported anywhere in a file, lazily and for types, too."""
    found = set()
    for name in imports_of(path):
        for module in (name, name.rpartition(".")[0]):
            place = ROOT.joinpath(*module.split(".")[1:])
            if place.with_suffix(".py").is_file() or (place / "__init__.py").is_file():
                found.add(module)
                break
    return {name for name in found if name.startswith("numerai_lab.")}


def test_no_module_imports_itself_by_way_of_others():
    imports = {}
    for _, path in modules():
        parts = ("numerai_lab", *path.relative_to(ROOT).with_suffix("").parts)
        imports[".".join(parts).removesuffix(".__init__")] = modules_named_in(path)
    assert len(imports["numerai_lab.experiment.train"]) > 5
    while imports:  # whatever imports nothing that is left is in no circle
        free = [name for name, found in imports.items() if not found & imports.keys()]
        assert free, f"circles of imports among {sorted(imports)}"
        for name in free:
            del imports[name]


def test_packages_are_imported_by_their_public_interface():
    packages = {(name,) for name in MAY_IMPORT if (ROOT / name).is_dir()}
    packages |= {
        (name, own)
        for name, known in WITHIN.items()
        for own in known
        if (ROOT / name / own).is_dir()
    }
    wrong = []
    for _, path in modules():
        inside = path.relative_to(ROOT).parts
        for node in import_statements(path):
            named = node.module if isinstance(node, ast.ImportFrom) else None
            parts = (named or "").split(".")
            if parts[0] != "numerai_lab" or (path.name, parts[-1]) == ("runtime.py", "runtime"):
                continue  # runtimes go into bundles as texts, so they import one another's files
            entered = [
                parts[1:end] for end in range(2, len(parts)) if tuple(parts[1:end]) in packages
            ]
            if any(tuple(one) != inside[: len(one)] for one in entered):
                wrong.append(f"{path.relative_to(ROOT)} imports from {named}")
    assert wrong == []


@pytest.mark.parametrize("package", ["contract", "adapting"])
def test_what_serves_every_model_knows_none(package):
    wrong = [
        f"{path.name} imports {name}"
        for path in sorted((ROOT / "models" / package).glob("*.py"))
        for name in imports_of(path)
        if (
            name.startswith("numerai_lab.models.")
            and name.split(".")[2] not in ("contract", package)
        )
        or (package == "adapting" and name.split(".")[0] in ("xgboost", "lightgbm", "torch"))
    ]
    assert wrong == []


def patched_names(tree):
    """Yield (line, name) of every attribute that is set on something else than `self`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "setattr":
                for given in node.args[:2]:
                    if isinstance(given, ast.Constant) and isinstance(given.value, str):
                        yield node.lineno, given.value.rpartition(".")[2]
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            owner = node.value.id if isinstance(node.value, ast.Name) else None
            if owner != "self":
                yield node.lineno, node.attr


def test_tests_patch_no_underscored_names():
    tests = sorted(Path(__file__).parent.rglob("*.py"))
    found = [
        f"{path.name}:{line} {name}"
        for path in tests
        for line, name in patched_names(ast.parse(path.read_text("utf-8")))
        if name.startswith("_") and not name.endswith("__")
    ]
    assert found == []


def test_the_tree_drawn_in_the_documentation_is_that_of_the_packages():
    text = (REPOSITORY / "ARCHITECTURE.md").read_text("utf-8")
    tree = text.partition("src/numerai_lab/\n")[2].partition("```")[0]
    drawn, package = set(), ""
    for line in tree.splitlines():
        name, outermost = line.split()[0], not line.startswith("   ")
        drawn.add(name if outermost else package + name)
        package = name if outermost else package
    assert [name for name in drawn if not (ROOT / name).exists()] == []
    folders = {
        f"{path.parent.relative_to(ROOT).as_posix()}/"
        for path in [*ROOT.glob("*/__init__.py"), *ROOT.glob("*/*/__init__.py")]
    }
    assert {name for name in drawn if name.endswith("/")} == folders


def test_tests_lie_in_folders_as_the_packages_do():
    tests = REPOSITORY / "tests"
    folders = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    assert len(folders) > 20
    assert [str(folder) for folder in folders if not (ROOT / folder).is_dir()] == []
