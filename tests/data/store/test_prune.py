"""Stores that nothing reads any more, and the commands that make and remove them."""

from pathlib import Path

from data_files import load, numerai_folder, table
from data_stores import assert_same, stored
from numerai_lab.data import list_stores, remove_store


def test_prune_finds_what_no_source_backs(tmp_path):
    gone, changed, fine = (
        numerai_folder(tmp_path / n, train=table(seed=i))
        for i, n in enumerate(("gone", "changed", "fine"))
    )
    for source in (gone, changed, fine):
        stored(tmp_path / "store", dir=source)
    (gone / "train.parquet").unlink()
    numerai_folder(changed, train=table(seed=9))
    said = []
    stores = list_stores(tmp_path / "store", said.append)
    found = {store.folder.name.rsplit("-", 1)[0]: store for store in stores}
    assert said == []
    assert "gone/train.parquet is gone" in found["gone"].stale
    assert "changed/train.parquet has changed" in found["changed"].stale
    assert found["fine"].stale is None
    assert (found["fine"].n_rows, found["fine"].n_features) == (60, 4)
    remove_store(found["gone"])
    assert not found["gone"].folder.exists()
    assert_same(stored(tmp_path / "store", dir=fine), load(dir=fine))


def test_prepare_and_prune_commands(lab, tiny_config, tournament, tmp_path):
    here = ["--set", f"data.store.dir={tmp_path / 'stores'}"]
    made = lab("data", "prepare", tiny_config, *here, "--json")
    assert made.code == 0, made.err
    folder = Path(made.json["store"])
    assert folder.parent == tmp_path / "stores"
    assert (made.json["n_features"], made.json["n_eras"]) == (12, 56)
    assert made.json["bytes"] > made.json["n_rows"] * 12
    assert "converting" in made.err
    again = lab("data", "prepare", tiny_config, *here)
    assert "converting" not in again.err
    assert "are ready" in again.out
    use = "data.store.use="
    assert lab("data", "prepare", tiny_config, *here, "--set", f"{use}always").code == 0
    refused = lab("data", "prepare", tiny_config, *here, "--set", f"{use}never")
    assert refused.code == 2
    assert "--set data.store.use: never: training would not read what is converted" in refused.err
    prune = ["data", "prune", tiny_config, *here, "--dir", tmp_path / "empty"]
    assert lab(*prune, "--json").json["stores"] == []
    shown = lab(*prune, "--stores")
    assert str(folder) in shown.out
    assert "in use" in shown.out
    assert folder.exists()
    assert lab(*prune, "--stores", "--yes").code == 0
    assert not folder.exists()
