# Each target sets up what it needs, in a virtual environment in .venv. With another Python, 3.11 to
# 3.13: make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test quick lint format docs clean

# Trains, evaluates and compares with other encoders: minutes.
demo: $(VENV)/rivals
	PATH="$(CURDIR)/$(BIN):$$PATH" bash demo.sh

# Linters, types and all tests.
test: lint
	$(BIN)/python -m pytest -q -n auto

# The tests without those that train in other processes, drive clusters or browsers, or use brute force.
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

# What the commands of the documents print, into the documents. DOCS=--long also those of minutes.
docs: $(VENV)/ready
	$(BIN)/python docs/run.py $(DOCS)

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

# The encoders to compare with. The demo goes on without them where they cannot be installed.
$(VENV)/rivals: $(VENV)/ready requirements-rivals.txt
	$(BIN)/python -m pip install --no-deps -r requirements-rivals.txt && touch $@ || \
	  echo "mozjpeg and jpegli cannot be installed: going on without them"
