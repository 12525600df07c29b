# make demo: the whole line, from photos to a detector.  make test: all tests.  make install: the set-up alone.
# make bench: what each verb costs beside its floor and its peers.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo "$$p" && break; done)
VENV = .venv
BIN = $(VENV)/bin

.PHONY: install demo test bench fuzz lint clean
.DEFAULT_GOAL := install

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.13 with venv was found. Install one (Debian, Ubuntu:" \
		"apt install python3 python3-venv), or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 1; }
	@echo "Installing into $(VENV) with $(PYTHON): a minute or a few, 2.6 GB ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[ssd,export,scale,dev]"
	@# Slim machines lack the window system that opencv-python links to: its headless twin is the same without windows.
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { echo "No libGL here: taking OpenCV without windows." \
		&& $(BIN)/python -m pip uninstall --quiet --yes opencv-python \
		&& $(BIN)/python -m pip install --quiet --disable-pip-version-check 'opencv-python-headless>=4.11,<5' \
		&& $(BIN)/python -c 'import cv2'; }
	@touch $@

demo: install
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh data/demo.sh

test: install
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . && $(BIN)/mypy
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile

fuzz: install
	@cd tests && for target in annotation label_map image; do PYTHONPATH=.. ../$(BIN)/python -m fuzz $$target || exit 1; done

bench: install build/bench/installed
	@$(BIN)/python tests/bench/run.py && $(BIN)/python tests/bench/augment.py --workers && $(BIN)/python tests/bench/ssd_math.py \
		&& $(BIN)/python tests/bench/ssd_input.py && $(BIN)/python tests/bench/ssd_predict.py

build/bench/installed: pyproject.toml
	@mkdir -p build/bench
	@$(BIN)/python -m venv --clear build/bench/peers
	@# Apart from .venv: what they ask for is not what ssdprep is held to. Without them the tables lack their rows.
	@build/bench/peers/bin/python -m pip install --quiet --disable-pip-version-check \
		$$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["bench"])') \
		|| { echo "The peers could not be installed: their rows will be missing."; rm -rf build/bench/peers; }
	@touch $@

lint: install
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

clean:
	rm -rf build $(VENV)
