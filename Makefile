# fernas: the commands of a checkout. `make demo` and `make test` set everything up by themselves.
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

.PHONY: help setup demo demo-full ablation complexity final test test-all lint fmt ui report tables bench clean retry-failed lock plan

help: ## the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/:/' | column -t -s ':'

setup: $(VENV)/.done ## the virtual environment with everything pinned (TORCH=auto|cpu|cuda, LANDMARKS=0 leaves the landmark model out)

$(VENV)/.done: requirements/torch.txt requirements/lock.txt pyproject.toml tools/setup.sh
	@PYTHON="$(PYTHON)" TORCH="$(TORCH)" LANDMARKS="$(LANDMARKS)" VENV="$(VENV)" bash tools/setup.sh
	@touch $@

demo: setup ## the whole study on rendered faces: tables, report, MLflow store
	$(SNAKEMAKE)

demo-full: setup ## every method of the tables on one rendered dataset, in results-full (at most 45 minutes on two cores)
	$(BIN)/snakemake --cores $(CORES) --configfile configs/full.yaml --resources mem_mb=7000

ablation: setup ## what each part of EmoNAS is worth: variants against EmoNAS itself, in results-ablation
	$(BIN)/snakemake --cores $(CORES) ablation --configfile configs/ablation.yaml

complexity: setup ## what the found networks cost, measured alone on the machine
	$(SNAKEMAKE) complexity

final: setup ## the models on all subjects that the config lists under `final`
	$(SNAKEMAKE) final

plan: setup ## what the study will cost
	$(BIN)/fernas plan $(CONFIG)

ui: setup ## browse all runs in MLflow, on localhost only
	$(BIN)/fernas track ui

report: setup ## write the tables and the HTML report anew
	$(SNAKEMAKE) --forcerun compare -- report

tables: setup ## the comparison tables
	$(SNAKEMAKE) tables

bench: setup ## speed and memory: ours and the plain form in turn, in one process
	$(BIN)/python -m benchmarks

test: setup ## lint, unit, contract and workflow tests, one small study
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not gpu and not slurm"

test-all: setup ## all tests, the long ones too
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not gpu"

lint: setup ## ruff, mypy, snakefmt, snakemake --lint, audit of the lock
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check --line-length 120 Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/python tools/audit_lock.py

fmt: setup ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt --line-length 120 Snakefile rules

retry-failed: setup ## forget failed searches and trainings, then run again
	$(BIN)/fernas retry-failed $(CONFIG)
	$(SNAKEMAKE)

lock: setup ## resolve all versions anew
	cd requirements && ../$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 --no-config -o lock.txt dev.in

clean: ## remove results and caches (the environment stays)
	rm -rf results .snakemake .ruff_cache .mypy_cache .pytest_cache .hypothesis
