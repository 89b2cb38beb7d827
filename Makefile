# fernas: the commands of a checkout. `make demo` and `make test` set up their own environment.
SHELL := /bin/bash
PYTHON ?= python3.11
TORCH ?= auto
LANDMARKS ?= 1
CORES ?= all
CONFIG ?= config.yaml
VENV := .venv
BIN := $(VENV)/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES) --configfile $(CONFIG)
export MLFLOW_DISABLE_TELEMETRY := true
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup demo demo-full ablation complexity final test test-all mutants lint fmt ui report tables bench docs-pages clean retry-failed lock plan

help: ## the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/:/' | column -t -s ':'

setup: $(VENV)/.done ## the pinned environment (TORCH=auto|cpu|cuda, LANDMARKS=0: no landmark model)

$(VENV)/.done: requirements/torch.txt requirements/lock.txt pyproject.toml tools/setup.sh
	@PYTHON="$(PYTHON)" TORCH="$(TORCH)" LANDMARKS="$(LANDMARKS)" VENV="$(VENV)" bash tools/setup.sh
	@touch $@

demo: setup ## the whole study on synthetic faces: tables, report, MLflow store
	$(SNAKEMAKE)

demo-full: setup ## every method of the tables on one rendered dataset, in results-full
	$(BIN)/snakemake --cores $(CORES) --configfile configs/full.yaml --resources mem_mb=7000

ablation: setup ## variants of EmoNAS against EmoNAS itself, in results-ablation
	$(BIN)/snakemake --cores $(CORES) ablation --configfile configs/ablation.yaml

complexity: setup ## the measured cost of the searched networks, with the machine to itself
	$(SNAKEMAKE) complexity

final: setup ## the models on all subjects that the config lists under `final`
	$(SNAKEMAKE) final

plan: setup ## the cost of the study, before it starts
	$(BIN)/fernas plan $(CONFIG)

ui: setup ## browse all runs in MLflow, on localhost only
	$(BIN)/fernas track ui

report: setup ## write the tables and the HTML report again
	$(SNAKEMAKE) --forcerun compare -- report

tables: setup ## the comparison tables
	$(SNAKEMAKE) tables

bench: setup ## speed and memory, each beside the plain form in one process
	$(BIN)/python -m benchmarks

test: setup ## lint, unit, contract and workflow tests, one small study
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations=20 -m "not slow and not gpu and not slurm"

test-all: setup ## all tests, the long ones too
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations=20 -m "not gpu"

mutants: setup ## put one known mistake at a time into a copy; the tests must find each
	$(BIN)/python tests/mutants/run.py --jobs 2

lint: setup ## ruff, mypy, snakefmt, snakemake --lint, audit of the lock
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check --line-length 120 Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/python tools/audit_lock.py

docs-pages: setup ## the generated pages: docs/datasets, docs/config.md
	$(BIN)/python -m fernas.datasets.docs docs/datasets
	$(BIN)/python -m fernas.study.config_docs

fmt: setup ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt --line-length 120 Snakefile rules

retry-failed: setup ## forget failed searches and trainings, then run again
	$(BIN)/fernas retry-failed $(CONFIG)
	$(SNAKEMAKE)

lock: setup ## resolve all versions again
	cd requirements && ../$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 --no-config -o lock.txt dev.in

clean: ## remove results and caches (the environment stays)
	rm -rf results .snakemake .ruff_cache .mypy_cache .pytest_cache .hypothesis
