"""`data.rows`: a part of the training rows is trained on, and whoever reads a score is told."""

from __future__ import annotations

import json

import pandas as pd
import pytest

SAID = "trained on 25 % of the training rows, drawn within each era and each value of the main"
PART = ("--set", "data.rows={share: 0.25}")


def train_rows(run, fold="folds/01"):
    return json.loads((run / fold / "fit.json").read_text())["train"]


@pytest.fixture
def trained(lab, tiny_config, tmp_path):
    def run(name, *options):
        folder = tmp_path / "runs" / "tiny" / name
        done = lab("train", tiny_config, "--run-dir", folder, *options)
        assert done.code == 0, done.err
        return folder, done

    return run


def test_a_part_is_trained_on_and_every_score_says_so(trained, lab, tmp_path):
    whole, plain = trained("20250101T000000Z-00000001")
    part, done = trained("20250101T000001Z-00000002", *PART, "--final")
    all_rows = train_rows(whole)
    assert "drawn_from" not in all_rows
    assert train_rows(part)["drawn_from"] == all_rows["n_rows"]
    assert train_rows(part)["n_rows"] == pytest.approx(all_rows["n_rows"] / 4, abs=30)
    assert train_rows(part, "final")["n_rows"] < train_rows(part, "final")["drawn_from"]
    judged = [len(pd.read_parquet(run / "predictions.parquet")) for run in (whole, part)]
    assert judged[0] == judged[1]

    runs_dir = ("--runs-dir", tmp_path / "runs")
    assert SAID not in " ".join((plain.out + plain.err).split())
    assert SAID in " ".join(done.out.split())
    assert SAID in " ".join((part / "report.html").read_text().split())
    assert SAID in json.loads((part / "scores.json").read_text())["trained_on"]
    short = "trained on 25 % of the rows"
    again = lab("evaluate", part, *runs_dir)
    assert SAID in " ".join(again.out.split())
    assert short in " ".join(lab("runs", *runs_dir).out.split())
    compared = lab("compare", whole, part, *runs_dir)
    assert compared.code == 0, compared.err
    assert compared.out.count(short) == 1


def test_a_share_of_all_is_refused(lab, tiny_config):
    for share in ("1", "0", "1.5"):
        refused = lab("config", "check", tiny_config, "--set", f"data.rows={{share: {share}}}")
        assert refused.code == 2
        assert "data.rows.share" in refused.err
