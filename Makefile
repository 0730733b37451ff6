# Everything sets itself up: a virtual environment in .venv. With another Python, 3.11 to 3.13:
#   make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test quick lint format clean

demo: $(VENV)/ready
	PATH="$(CURDIR)/$(BIN):$$PATH" bash demo.sh

test: lint
	$(BIN)/python -m pytest -q -n auto

# Without what trains in processes of its own, drives clusters and browsers, or tries by brute force.
quick: $(VENV)/ready
	$(BIN)/python -m pytest -q -n auto -m "not slow" --no-header --disable-warnings

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/shellcheck *.sh example_experiments/*.sh .ci/run

format: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo

# The files of the extra `dev` in pyproject.toml.
REQUIREMENTS := requirements.txt requirements-baseline.txt requirements-dask.txt requirements-dev.txt

$(VENV)/ready: $(REQUIREMENTS)
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
	  echo "error: LearnedJPEG needs Python 3.11, 3.12 or 3.13, for which there is TensorFlow; $(PYTHON) is" \
	    "none of them. Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "Installing in $(VENV), once: 2.7 GB, some minutes"
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --progress-bar on $(addprefix -r ,$(REQUIREMENTS))
	touch $@
