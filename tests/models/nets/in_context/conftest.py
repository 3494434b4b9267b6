"""A tiny pretrained net, made once."""

import pytest


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    pytest.importorskip("torch", reason="tests of nets need torch: make nets")
    from icl_lab import pretrained

    folder = tmp_path_factory.mktemp("pretrained") / "tiny"
    pretrained(folder)
    return folder / "checkpoint"
