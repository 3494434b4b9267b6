"""The README's commands run as they stand, and its example experiment is valid."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from numerai_lab.models.libraries import absent_libraries
from numerai_lab.models.registry import BUILT_IN

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCS = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
MOST_LINES = 250


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """What the commands need of a checkout, with nothing in data/ yet."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_hour(lab, checkout):
    (hour,) = [block for block in blocks("sh") if "--plan" in block]
    commands = [shlex.split(line, comments=True) for line in hour.splitlines()]
    assert len(commands) >= 8
    for command in commands:
        assert command[0] == "numerai-lab"
        small = ["--set", "data.synthetic={n_eras: 330, rows_per_era: 60, n_features: 10}"]
        small += ["--set", "model.params.num_boost_round=10"] if command[1] == "train" else []
        result = lab(*command[1:], *(small if command[1] == "train" else []))
        assert result.code == 0, (command, result.err)
        assert result.out


@pytest.mark.slow  # 97,200 rows, or it does not show
def test_the_world_where_adapting_shows(lab, checkout):
    (line,) = [block for block in blocks("sh", DOCS["models.md"]) if "linked_strong" in block]
    command = shlex.split(line)
    size = {"n_eras": 260, "n_features": 24, "rows_per_era": 200}
    small = [f"--set=data.synthetic.{name}={number}" for name, number in size.items()]
    small += ["--set=model.params.num_boost_round=40", "--set=compare_to=[]"]
    result = lab(*command[1:], *small, "--json")
    assert result.code == 0, result.err
    pairs = {(c["prediction"], c["baseline"]): c for c in result.json["comparisons"]}
    assert pairs["prediction", "frozen"]["ci_low"] > 0
    assert pairs["shuffled", "frozen"]["ci_low"] <= 0


def test_the_demo_shows_adaptation_at_work(lab, checkout):
    assert "train configs/demo.yaml --open" in (ROOT / "Makefile").read_text()
    small = ["--set=data.synthetic.n_eras=250", "--set=model.params.num_boost_round=30"]
    result = lab("train", "configs/demo.yaml", *small, "--json")
    assert result.code == 0, result.err
    pairs = {(c["prediction"], c["baseline"]): c for c in result.json["comparisons"]}
    assert pairs["prediction", "frozen"]["ci_low"] > 0
    assert pairs["prediction", "shuffled"]["ci_low"] > 0
    report = Path(result.json["run_dir"], "report.html").read_text()
    assert "Strength and gain by age" in report
    assert "distance from its training eras: 1-26" in report


def test_the_data_commands(lab, checkout, stand_in, monkeypatch):
    monkeypatch.setenv("NUMERAI_API_URL", stand_in.url)
    (commands,) = [block for block in blocks("sh", DOCS["data.md"]) if "data verify" in block]
    for line in commands.splitlines():
        command = shlex.split(line, comments=True)
        assert command[0] == "numerai-lab"
        result = lab(*command[1:])
        assert result.code == 0, (command, result.err)
        assert result.out


def test_what_the_commands_write_is_not_taken_for_source():
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    named = re.findall(r"--(?:html|out) ([\w.-]+)", "".join([README, *DOCS.values()]))
    assert named
    assert [name for name in named if f"/{name}" not in ignored] == []
    assert {"/runs/", "/data/*", "/submissions/"} <= set(ignored)


def test_the_example_experiment_is_valid(lab, checkout):
    (example,) = [block for block in blocks("yaml") if "name: mine" in block]
    (checkout / "configs" / "mine.yaml").write_text(example)
    result = lab("config", "check", "configs/mine.yaml")
    assert result.code == 0, result.err


def whole(config):
    """A shipped config after those that it extends."""
    text = config.read_text()
    parent = re.search(r"^extends: (\S+)", text, re.MULTILINE)
    return whole(config.parent / parent[1]) + text if parent else text


def test_every_shipped_config_is_valid(lab, checkout):
    configs = sorted(Path("configs").glob("*.yaml"))
    for extra in ("torch", "icl"):  # models that need an absent library are told to be unavailable
        if not absent_libraries("numerai_lab", extra):
            continue
        names = "|".join(name for name, model in BUILT_IN.items() if model.extra == extra)
        asks = re.compile(rf"(type|pretrain): ({names})\b")
        these = [path for path in configs if asks.search(whole(path))]
        configs = [path for path in configs if path not in these]
        told = lab("config", "check", *these)
        assert told.err.count(f"pip install numerai_lab[{extra}]") == len(these) > 0
    result = lab("config", "check", *configs)
    assert result.code == 0, result.err


def test_links_lead_somewhere():
    pages = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", *(f"docs/{name}" for name in DOCS)]
    for page in (ROOT / name for name in pages):
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), (page.name, link)
    linked = "".join([(ROOT / "CONTRIBUTING.md").read_text(), README, *DOCS.values()])
    told = set(re.findall(r"([\w]+\.md)\)", linked))
    assert set(DOCS) <= told, "a page that no other leads to"


def test_it_is_read_in_one_sitting():
    assert len(README.splitlines()) <= MOST_LINES


def test_every_command_that_is_named_has_the_options_it_is_given(lab):
    """What the table and the pages name; those that run in seconds are run by other tests."""
    text = "\n".join([README, *DOCS.values()])
    told = re.findall(r"`(numerai-lab [^`]+)`", text) + [
        line for block in blocks("sh", text) for line in block.splitlines()
    ]
    known: dict[str, str] = {}
    checked = 0
    for line in told:
        line = re.sub(r"\s+#.*", "", line.replace("\n", " ")).strip()
        if not line.startswith("numerai-lab ") or line.endswith("\\"):
            continue
        words = shlex.split(line)[1:]
        named = [word for word in words if not word.startswith("-")]
        if not named or not re.fullmatch(r"[a-z-]+", named[0]):
            continue
        name = named[0] if words[0] == named[0] else ""
        if name in ("config", "data") or (name == "runs" and named[1:2] and words[1] == named[1]):
            name = " ".join(named[:2])
        if name not in known:
            result = lab(*name.split(), "--help")
            assert result.code == 0, (line, result.err)
            known[name] = result.out
        for option in (word.partition("=")[0] for word in words if word.startswith("--")):
            checked += 1
            assert re.search(rf"{option}\b", known[name]), (line, option)
    assert len(known) > 15
    assert checked > 40


def test_the_model_of_the_contributing_guide_keeps_the_promises(tmp_path, monkeypatch):
    from numerai_lab.models import check_model

    guide = re.sub(r"^   ", "", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)
    code, runtime = blocks("python", guide)
    (tmp_path / "guide_model.py").write_text(code)
    (tmp_path / "my_package_runtime.py").write_text(runtime)
    monkeypatch.syspath_prepend(tmp_path)
    import guide_model

    check_model(guide_model.Signs)
