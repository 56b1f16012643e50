# `make` alone lists the targets. Every target sets up what it needs.
#   DATASET=planted   DATA=DIR (your own folder)   ENCODER=   SEEDS=5 or 0,3,7   PROFILE=default   DEVICE=cpu
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || echo python3)
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
DATASET ?= planted
PROFILE ?=
OPTIONS := $(if $(ENCODER),--encoder $(ENCODER)) $(if $(SEEDS),--seeds $(SEEDS)) \
           $(if $(PROFILE),--profile $(PROFILE)) $(if $(DEVICE),--device $(DEVICE))
export OMP_NUM_THREADS ?= 1
.DEFAULT_GOAL := help
.PHONY: help setup data features reproduce-table1 theorems chapters publish lab test test-all check clean

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# One list of pins, two readers: conda reads environment.yml itself, this rule reads its pip list.
$(READY): environment.yml pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed: install it, or name another with PYTHON=" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	sed -n '/- pip:/,$$s/^ *- \([^: ]*\)$$/\1/p' environment.yml > $(VENV)/pins.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r $(VENV)/pins.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

setup: $(READY)  ## the environment in .venv (every other target does it by itself)

# The folder that a run reads: the one of DATA= once adopted, else data/$(DATASET).
FOLDER = $(if $(DATA),$$($(PY) data/folder.py "$(DATA)" | tail -n 1),data/$(DATASET))

data: $(READY)  ## make or fetch DATASET (planted), or adopt the folder of DATA=
	@test -n "$(DATA)" -o -f data/$(DATASET).py || { echo "error: there is no data/$(DATASET).py: choose $(patsubst data/%.py,%,$(filter-out data/folder.py,$(wildcard data/*.py)))" >&2; exit 2; }
	@$(if $(DATA),$(PY) data/folder.py "$(DATA)",$(PY) data/$(DATASET).py --out data/$(DATASET))

features: data  ## the frozen encoder's features of it
	@folder=$(FOLDER) && $(PY) -m tfe features --data "$$folder" \
		$(if $(ENCODER),--encoder $(ENCODER)) $(if $(DEVICE),--device $(DEVICE))

reproduce-table1: features  ## Table 1: vanilla and TFE over several seeds, into results/local/
	@folder=$(FOLDER) && $(PY) -m tfe batch book/batches/table1.yaml --data "$$folder" $(OPTIONS)

theorems: $(READY)  ## check Theorems 1 and 2 exactly, into results/theorems.csv
	@$(PY) -m tfe theorems

data/smoke/dataset.toml: $(READY) data/planted.py $(wildcard data/common/*.py)
	@rm -rf data/smoke
	@$(PY) data/planted.py --features-only --name smoke --out data/smoke --train 48 --val 16 --test 32 --shifted 32

chapters: data/smoke/dataset.toml  ## execute the chapters whose .py, modules or results changed
	@$(PY) book/execute.py

publish: $(READY)  ## make the tables of results/local/ the committed ones
	@$(PY) -m tfe publish $(or $(TABLES),table1)

lab: data/smoke/dataset.toml  ## JupyterLab at the first chapter
	$(PY) -m jupyterlab book/00_question.ipynb

test: data/smoke/dataset.toml  ## unit tests, then every chapter against its stored outputs
	$(PY) -m pytest -n auto --dist loadfile tests
	$(PY) -m pytest -n auto --dist loadfile -p no:cacheprovider --nbval --nbval-kernel-name python3 book/[0-9]*.ipynb
	$(PY) -m pytest -p no:cacheprovider --nbval-lax --nbval-kernel-name python3 book/run.ipynb

test-all: test  ## test, and the slow suites

check: $(READY)  ## chapters in step, no clutter (seconds; run before a commit)
	@$(PY) book/execute.py --check && $(PY) -m pytest -q tests/test_book.py tests/test_hygiene.py

clean:  ## remove what was made here: .venv, datasets, local results
	rm -rf $(VENV) results/local book/_build .pytest_cache .hypothesis data/planted data/smoke
