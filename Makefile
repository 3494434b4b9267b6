# The two commands a newcomer needs are `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# What `make nets` installs: below 2.14 an index for Python 3.11 may have a build without CUDA.
TORCH := torch<2.14
TABICL := tabicl>=2.2,<3

.PHONY: demo test lint nets in-context bench bench-full test-slow test-very-slow lock clean

$(READY): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "numerai_lab needs Python 3.11 or newer; run make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: $(READY)
	$(BIN)/numerai-lab train configs/demo.yaml --open

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Test modules are compiled once, also where the environment says not to keep bytecode.
test test-slow test-very-slow: export PYTHONDONTWRITEBYTECODE =

# Each worker has neighbouring files, which share what is made once; who is done takes of the other's.
test: lint
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow" --durations=25

# Processes of several hosts, the container's environment, and 60 rounds of a tournament.
test-slow: $(READY)
	$(BIN)/pytest -m "slow and not very_slow" -n 1 --durations=25

# Ten simulations of 100 rounds, and submissions killed at every step: minutes each.
test-very-slow: $(READY)
	$(BIN)/pytest -m very_slow -n 1 --durations=25

# Torch, and the tests of nets, which `make test` runs only where it is: an ordinary index brings
# 3 GB of CUDA with it. Fails where they would be skipped.
nets: export PYTHONDONTWRITEBYTECODE =
nets: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '$(TORCH)' '$(TABICL)'
	$(BIN)/python -c 'import torch; print("torch", torch.__version__)'
	$(BIN)/pytest -n 2 -m "not very_slow" --durations=10 tests/models/nets tests/test_own_torch_model.py \
		tests/models/exports/test_exports.py tests/test_readme.py::test_every_shipped_config_is_valid

# docs/research/in_context.md again, half an hour of a quiet core; what is done stays.
in-context: $(READY)
	$(BIN)/python scripts/in_context.py build/in_context

# About ten minutes on two quiet cores.
bench: $(READY)
	$(BIN)/python benchmarks/run.py

# Hours, once: beside notebook scripts at 1.5 million rows, then v5.3's shape (45 GiB of disk).
bench-full: $(READY)
	$(BIN)/python benchmarks/run.py --full

# Pinned versions for every platform, without index addresses.
lock: $(READY)
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra dev --no-emit-index-url \
		--no-annotate --custom-compile-command 'make lock' -o requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) build dist
