# Everything sets itself up: a virtual environment in .venv, from Python 3.11.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo test quick lint format clean

demo: .venv/ready
	PATH="$(CURDIR)/$(BIN):$$PATH" bash demo.sh

test: lint
	$(BIN)/python -m pytest -q -n auto

# Without what trains in processes of its own, drives clusters and browsers, or tries by brute force.
quick: .venv/ready
	$(BIN)/python -m pytest -q -n auto -m "not slow" --no-header --disable-warnings

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/shellcheck *.sh example_experiments/*.sh .ci/run

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv demo

.venv/ready: requirements.txt requirements-dev.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	  echo "error: LearnedJPEG needs Python 3.11, which TensorFlow 2.14 runs on; $(PYTHON) is not it." \
	    "Install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@
