"""Output in any encoding, and output that cannot be written: commands x streams."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import numerai_lab
from forked import COMMAND
from submit_lab import APART, ONE, ROUND
from tiny import TINY_CONFIG

ENCODINGS = ("ascii", "latin-1", "cp437")
SET = """
sys.stdout, sys.stderr = (open(n, "w", encoding={!r}, closefd=False) for n in (1, 2))
"""
CLOSE = {1: "os.close(1); sys.stdout = None\n", 2: "os.close(2); sys.stderr = None\n"}
FILL = "os.dup2(os.open('/dev/full', os.O_WRONLY), {})\n"
STREAMS = {
    "stdout closed": CLOSE[1],
    "both closed": CLOSE[1] + CLOSE[2],
    "all closed": "os.close(0); sys.stdin = None\n" + CLOSE[1] + CLOSE[2],
    "stdout full": FILL.format(1),
    "both full": FILL.format(1) + FILL.format(2),
}
LOST_IS_ALL = (
    ["--version"],
    ["--help"],
    ["runs"],
    ["compare", "tiny", "tiny", "--json"],
    ["models"],
    ["evaluate", "tiny", "--benchmark", "none", "--quiet"],
)
NOWHERE = ("lock_holder.py", "child_process.py", "library.py")  # they open the null device
KEPT = (
    ["report"],
    ["evaluate", "tiny", "--quiet"],
    ["predict", "--out", "live.csv"],
    ["train", "tiny.yaml", "--run-dir", "run"],
)


def some_of(commands, *quick):
    """All commands as parameters, of which those with other names are slow tests."""
    return [
        pytest.param(
            command,
            id=" ".join(command),
            marks=[] if command[0] in quick else pytest.mark.slow,
        )
        for command in commands
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, final_runs):
    """A folder with a finished run and the config of another one."""
    folder = tmp_path_factory.mktemp("streams")
    shutil.copytree(final_runs, folder / "runs")
    data = final_runs.parent / "data"
    (folder / "tiny.yaml").write_text(TINY_CONFIG.format(folder=data))
    return folder


@pytest.fixture
def start(forks, folder):
    def call(*arguments, before="", folder=folder, **options):
        code = f"import os, sys\n{before}{COMMAND}"
        shutil.rmtree(folder / "run", ignore_errors=True)
        return forks.run(*arguments, code=code, cwd=folder, **options)

    return call


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["evaluate"], marks=pytest.mark.slow),
        pytest.param(["compare", "tiny", "tiny"], marks=pytest.mark.slow),
        ["models", "xgb"],
    ],
)
def test_what_an_encoding_lacks_is_replaced(start, command, tmp_path):
    code, out, err = start(*command)
    assert code == 0, err
    for encoding in ENCODINGS:
        there = out.encode(encoding, "ignore").decode(encoding)
        expected = "".join(c if c in there else "-" for c in out)
        file = os.open(tmp_path / encoding, os.O_CREAT | os.O_WRONLY)
        code, _, err = start(*command, before=SET.format(encoding), stdout=file)
        assert code == 0, err
        assert (tmp_path / encoding).read_text(encoding) == expected


def test_train_ends_whole_in_ascii(start, folder):
    code, out, err = start("train", "tiny.yaml", "--run-dir", "run", before=SET.format("ascii"))
    assert code == 0, err
    assert out.isascii()
    assert (folder / "run" / "report.html").is_file()


def timeless(path):
    """Return a file without the lines that say when it was made, and their checksum."""
    told = (b'"created_utc": ', b'"sha256_of_this": ')
    return [line for line in path.read_bytes().splitlines() if not line.strip().startswith(told)]


@pytest.mark.slow  # a cold start of the command
def test_a_locale_without_utf8_changes_no_file(folder, lab, monkeypatch):
    """LC_ALL=C as some containers and cron have it: a process of its own, for its file system."""
    name = "m\u00fcller \u2013 \u4e16"
    text = (folder / "tiny.yaml").read_text().replace("name: tiny", f"name: tiny\nquestion: {name}")
    (folder / "other.yaml").write_text(text, "utf-8")
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "train", "other.yaml", "--runs-dir", "plain", "--final"],
        cwd=folder,
        env={**os.environ, **plain},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    monkeypatch.chdir(folder)
    assert lab("train", "other.yaml", "--runs-dir", "usual", "--final").code == 0
    (plainly,), (usual,) = folder.glob("plain/*/*"), folder.glob("usual/*/*")
    for file in ("config.yaml", "resolved.yaml", "scores.json", "final/model/meta.json"):
        assert timeless(plainly / file) == timeless(usual / file), file
    assert name in (plainly / "report.html").read_text("utf-8")


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("command", some_of(LOST_IS_ALL, "--help", "runs"))
def test_a_result_that_is_lost_is_an_error(start, command, stream):
    code, _, err = start(*command, before=STREAMS[stream])
    assert code == 1
    if not stream.startswith("stdout"):
        return
    assert "error: stdout could not be written (" in err
    assert err.endswith("): the result is lost; send it to where there is room\n")


@pytest.mark.parametrize("stream", ["stdout closed", "both full"])
@pytest.mark.parametrize("command", some_of(KEPT, "report", "train"))
def test_a_result_that_is_kept_is_none(start, folder, command, stream):
    code, _, err = start(*command, before=STREAMS[stream])
    assert code == 0, err
    if stream.startswith("stdout"):
        assert "warning: stdout could not be written (it is closed); the " in err
    if command[0] == "train":
        assert (folder / "run" / "DONE").is_file()
        assert (folder / "run" / "report.html").is_file()


@pytest.mark.parametrize("stream", ["stdout closed", "both full"])
def test_submit_submits_whatever_becomes_of_what_it_says(submit, forks, stream):
    """What `status` prints is all that it does, so that its loss is an error."""
    submit.slots(ONE)
    options = {"env": submit.environment, "cwd": "/"}
    before = f"import os, sys\n{STREAMS[stream]}"
    code, _, err = forks.run("submit", *submit.places, code=before + APART, **options)
    assert code == 0, err
    assert submit.submissions() == [("alpha", ROUND)]
    code, _, err = forks.run("status", *submit.places, code=before + COMMAND, **options)
    assert code == 1
    if stream.startswith("stdout"):
        assert "error: stdout could not be written (" in err


def test_submit_and_status_in_ascii(submit, forks):
    submit.slots(ONE)
    options = {"env": submit.environment, "cwd": "/"}
    before = f"import os, sys\n{SET.format('ascii')}"
    code, out, err = forks.run("submit", *submit.places, code=before + APART, **options)
    assert (code, out.isascii(), err.isascii()) == (0, True, True), err
    assert submit.submissions() == [("alpha", ROUND)]
    code, out, err = forks.run("status", *submit.places, code=before + COMMAND, **options)
    assert (code, out.isascii(), err.isascii()) == (0, True, True), err
    assert "alpha" in out


def test_nobody_reads_what_is_said_during_a_run(start, folder):
    read, write = os.pipe()
    os.close(read)
    code, out, _ = start("train", "tiny.yaml", "--run-dir", "run", "--json", stderr=write)
    assert code == 0
    assert json.loads(out)["run_dir"] == "run"


@pytest.mark.parametrize("lose", [CLOSE[2], FILL.format(2)])
def test_an_error_that_nobody_hears_keeps_its_code(start, lose):
    assert start("evaluate", "nosuch", before=lose)[:2] == (2, "")
    code, out, _ = start("evaluate", "nosuch", "--json", before=lose)
    assert (code, json.loads(out)["exit_code"]) == (2, 2)


def test_a_closed_stdout_is_no_file_of_the_run(start, folder):
    """Its number would go to the next file opened, and a library prints to the number."""
    code = """
import os, sys
os.close(1); sys.stdout = None
from numerai_lab.cli import main
from numerai_lab.experiment import Reporter
usual = Reporter.done
def done(self, *told):
    os.write(1, b"printed past Python")
    usual(self, *told)
Reporter.done = done
main()
"""
    shutil.rmtree(folder / "run", ignore_errors=True)
    assert start("train", "tiny.yaml", "--run-dir", "run", before=code)[0] == 0
    kept = [path for path in (folder / "run").rglob("*") if path.is_file()]
    assert not any(b"printed past Python" in path.read_bytes() for path in kept)


ODD = os.fsdecode(b"d\xe4ta")


def test_names_that_are_not_utf8(start, folder, final_runs):
    """Python reads them, Arrow and the models' libraries do not: said before the first fold."""
    (folder / ODD).mkdir()
    shutil.copytree(final_runs.parent / "data" / "v5.3", folder / ODD / "data")
    shutil.copy(folder / "tiny.yaml", folder / ODD / f"{ODD}.yaml")
    shown = "d\\xe4ta"
    for option in ("--runs-dir", "--run-dir", "--data"):
        code, _, err = start("train", "tiny.yaml", option, f"{ODD}/data")
        assert code == 2
        assert err.startswith(f"error: {shown}/data: the name is not UTF-8, and the ")
    code, _, err = start("predict", "--features", f"{ODD}/data/live.parquet")
    assert (code, err.count("\n")) == (2, 2)
    assert f"{shown}/data/live.parquet: the name is not UTF-8" in err
    # inside the folder, and for the config's own name, all is well
    inside = ["train", f"{ODD}.yaml", "--data", "data", "--run-dir", "run"]
    code, out, err = start(*inside, folder=folder / ODD)
    assert code == 0, err
    assert (folder / ODD / "run" / "report.html").is_file()
    assert f"run     run{os.linesep}" in out


def text_without_encoding(path):
    """Return the lines that open a text file in whatever encoding the locale has."""
    source = path.read_text("utf-8")
    if not re.search(r"read_text|write_text|open\(", source):
        return  # most modules open nothing
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name | ast.Attribute):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        given = {word.arg for word in node.keywords}
        words = [a.value for a in node.args if isinstance(a, ast.Constant)]
        texts = {"read_text": 1, "write_text": 2}
        if name in texts and not {"encoding"} & given and len(node.args) < texts[name]:
            yield f"{path.name}:{node.lineno}"
        modes = [w for w in words if isinstance(w, str) and re.fullmatch("[rwax]?[bt+]*", w)]
        text = name in ("open", "fdopen") and modes and not any("b" in mode for mode in modes)
        if text and "encoding" not in given:
            yield f"{path.name}:{node.lineno}"


def test_text_files_are_utf8_whatever_the_locale():
    sources = sorted(Path(numerai_lab.__file__).parent.rglob("*.py"))
    found = [place for path in sources for place in text_without_encoding(path)]
    # what goes to the null device, and a function of ours of that name
    assert [place for place in found if not place.startswith(NOWHERE)] == []
