# Everything a newcomer needs; the work itself is done by `python -m mirnb`, so nothing depends on make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: report test lint lab bench docs strip clean

report: .venv/ready
	$(BIN)/python -P -m mirnb report data/demo

test: lint
	$(BIN)/python -m pytest

lint: .venv/ready
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/lint-imports --no-logo

lab: .venv/ready
	$(BIN)/python -m jupyterlab --MappingKernelManager.transport_encryption=auto --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks

bench: .venv/ready
	$(BIN)/python -m benchmarks.bench_response

# docs/_build/html/index.html; notebooks are run on a small experiment the first time
docs: .venv/ready
	$(BIN)/python -P docs/build.py

strip: .venv/ready
	$(BIN)/python -m nbstripout --keep-id notebooks/*.ipynb

# runs, caches and the environment; never data/
clean:
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache docs/_build docs/_static/drawn docs/tutorials/*.ipynb
	find reports -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14)' 2>/dev/null || { \
	  echo "mirnb needs Python 3.11, 3.12 or 3.13; found: `$(PYTHON) --version 2>&1`. Try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || command -v uv >/dev/null || { \
	  echo "Python's venv module is missing; on Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@if command -v uv >/dev/null; then \
	  uv venv -q --allow-existing --python "$(PYTHON)" .venv && \
	  uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	else \
	  $(PYTHON) -m venv .venv && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev]'; \
	fi
	-@$(BIN)/python -m compileall -q -j 0 .venv/lib >/dev/null  # on all cores; pip would use one
	@touch $@
