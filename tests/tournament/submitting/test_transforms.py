"""`submit` of a run with transforms: columns of the live era are made where it predicts."""

from submit_lab import ROUND, Submit, ThreadStandIn, train_final

STEPS = "[{type: interactions, top: 3}, {type: lags, of: target_corr, lags: [6], top: 3}]"


def test_a_run_whose_columns_look_back_is_submitted(tmp_path, tournament, start_at):
    made = (f"transforms={STEPS}", "placebo=0", "split.first_train_eras=40", "split.chunk_eras=16")
    runs = train_final(tmp_path, tournament, *(word for one in made for word in ("--set", one)))
    server = ThreadStandIn.start(tmp_path / "data")
    try:
        project = Submit(tmp_path, runs, server)
        project.slots('slots: [{name: alpha, run: "latest:tiny"}]\n')
        done = start_at(project)
        assert done.code == 0, done.err
        assert project.submissions() == [("alpha", ROUND)]
    finally:
        server.stop()
