# PulmoMAP. `make demo` and `make test` need Python 3.10-3.13 and make; everything else they bring themselves.

PYTHON ?= $(firstword $(foreach v,3.11 3.12 3.13 3.10,$(shell command -v python$(v) 2>/dev/null)) python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SEED   ?= 1
FLAVOUR ?= cpu

.DEFAULT_GOAL := help
.PHONY: help demo pacs-demo test test-slow lint format bench nnunet-env image image-check image-lock clean

help:            ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

$(STAMP): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	  || { echo "PulmoMAP needs Python 3.10 to 3.13; set PYTHON=/path/to/python"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

demo: $(STAMP)   ## draw a phantom patient, run the app on it, say where the report is
	$(BIN)/python -m training phantom --seed $(SEED) --out demo/phantom --no-breathing
	rm -rf demo/study && mkdir -p demo/study && cp -r demo/phantom/ncct demo/phantom/seg demo/study/
	$(BIN)/python -m app -i demo/study -o demo/out -m models
	@echo "Report: $$(ls -d demo/out/*/report.html)"

pacs-demo: $(STAMP)  ## Orthanc, gateway and viewer on loopback: send a phantom by DICOM, print where its vessels are
	$(BIN)/python -m deploy.demo --seed $(SEED)

test: $(STAMP)   ## the test suite (under 15 minutes on two cores)
	$(BIN)/python -m pytest -m "not slow" --durations=15

test-slow: $(STAMP)  ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

lint: $(STAMP)   ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## wall time and memory of each stage: JSON and a table in benchmarks/out
	$(BIN)/python -m benchmarks

NNUNET := .venv-nnunet

$(NNUNET)/.installed: requirements-nnunet.txt requirements.txt
	test -x $(NNUNET)/bin/python || $(PYTHON) -m venv $(NNUNET)
	$(NNUNET)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-nnunet.txt
	@touch $@

nnunet-env: $(NNUNET)/.installed  ## nnU-Net in an environment of its own, for the recipe nnunet

image: $(STAMP)  ## the MAP container image; FLAVOUR=cuda for the one with CUDA (docs/container.md)
	$(BIN)/python -m container build --flavour $(FLAVOUR)

image-check: $(STAMP)  ## prove the image: layout, hardened runs, exit codes; builds it if it is missing
	$(BIN)/python -m container check --flavour $(FLAVOUR)

image-lock: $(STAMP)  ## resolve requirements.txt to the exact packages of the image
	$(BIN)/python -m container.lock

clean:           ## remove what the other targets made
	rm -rf $(VENV) demo benchmarks/out .mypy_cache .ruff_cache .pytest_cache .hypothesis
