"""A `refresh` that is killed at any moment damages nothing, and the next one finishes."""

import json
import os
import shutil

import pytest

from numerai_lab.experiment import RunDir, load_final
from numerai_lab.tournament import receipts
from refresh_lab import in_use, write_eras

KILLED = """
import os, signal, sys
left = int(os.environ["KILL_AT"])
done = 0
def hook(event, arguments):
    global done
    if event == "os.rename":
        done += 1
        if done == left:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from numerai_lab.cli import run
code = run(sys.argv[1:])
print(f"{done} files came to their places", file=sys.stderr)
sys.exit(code)
"""
"""Every file and folder comes to its place by a rename: it ends right before the n-th one."""


@pytest.mark.slow
@pytest.mark.parametrize("how", [(), ("--continue",)], ids=["anew", "continue"])
def test_killed_before_any_file_comes_to_its_place(project, forks, tournament, lab, how):
    folder, refresh = project
    split = "split={type: walk_forward, first_train_eras: 14, chunk_eras: 40, purge_eras: 4, "
    split += "partial_chunk: true}"
    shutil.rmtree(folder / "runs")
    write_eras(tournament, folder / "data" / "v5.3", 26)
    made = lab("train", "live.yaml", "--final", "-q", "--set", split, "--runs-dir", "runs")
    assert made.code == 0, made.err
    before = in_use(folder)
    write_eras(tournament, folder / "data" / "v5.3", 60, flipped=range(27, 61))
    command = ("refresh", "alpha", "--config", "submit.yaml", "--no-download", *how)

    def killed_at(n):
        environment = {**os.environ, "KILL_AT": str(n)}
        process = forks.start(*command, code=KILLED, cwd=folder, env=environment)
        _, err = process.communicate(timeout=300)
        return process.returncode, err

    reached = 0
    for n in range(1, 200, 1 if how else 3):
        code, err = killed_at(n)
        if code == 0:
            break
        assert code == -9, err
        reached += 1
        used = in_use(folder)
        load_final(RunDir(used))
        assert all("promoted" in one for one in receipts("alpha", folder / "runs"))
        status = lab("status", "--config", "submit.yaml", "--json")
        assert json.loads(status.out)["slots"][0]["run"].endswith(used.name), status.err
        if used.resolve() != before.resolve():
            break  # promoted: what follows is the receipt with the drift
    assert reached > 6
    last = refresh("--no-download", *how)
    assert last.code == 0, last.err
    load_final(RunDir(in_use(folder)))
    assert in_use(folder).resolve() != before.resolve()
    assert not [path for path in folder.rglob("*") if path.name.endswith(".part")]
    assert refresh("--back").code == 0
    assert in_use(folder) == before
