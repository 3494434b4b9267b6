"""Datasets read through an era store, and compared."""

from pathlib import Path

import numpy as np

from data_files import load


def stored(folder, said=None, *, arguments=None, **data):
    return load(said, arguments=arguments, store={"use": "always", "dir": folder}, **data)


def assert_same(one, other):
    a, b = one.frame, other.frame
    np.testing.assert_array_equal(a.features_in_memory(), b.features_in_memory())
    np.testing.assert_array_equal(a.eras, b.eras)
    np.testing.assert_array_equal(a.offsets, b.offsets)
    np.testing.assert_array_equal(a.targets, b.targets)
    assert a.ids.to_pylist() == b.ids.to_pylist()
    assert a.feature_names == b.feature_names
    assert one.counts == other.counts
    assert [f.sha256 for f in one.files] == [f.sha256 for f in other.files]


def store_of(folder: Path) -> Path:
    (path,) = (p for p in folder.iterdir() if p.is_dir())
    return path


OPEN = """
import sys
from numerai_lab.config import Data
from numerai_lab.data import load_data
from pathlib import Path
data = Data(source="numerai", dir=Path(sys.argv[1]), store={"use": "always", "dir": sys.argv[2]})
frame = load_data(data, say=lambda s: print(s, file=sys.stderr)).frame
total = sum(int(frame.features[rows].astype("int64").sum()) for _, rows in frame.iter_eras())
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(total, int(status["VmHWM"].split()[0]) // 1024)
"""
