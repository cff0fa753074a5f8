PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup sweep table1 figures test test-fast lint format bench ui clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## Make .venv with the pinned packages

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

sweep: $(READY) ## Run the main job: the ablation over p on the bundled digits (ARGS="--seeds 5")
	$(BIN)/python -m sweep.ablation_p $(ARGS)

table1: $(READY) ## Run the rows of Table 1 on the bundled data (ARGS="--datasets digits --seeds 5")
	$(BIN)/python -m sweep.table1 $(ARGS)

figures: $(READY) ## Run the paper's figures on the bundled digits (ARGS="--seeds 3")
	$(BIN)/python -m sweep.props
	$(BIN)/python -m sweep.ablation_size $(ARGS)
	$(BIN)/python -m sweep.ablation_epochs $(ARGS)
	$(BIN)/python -m sweep.ablation_p $(ARGS)
	$(BIN)/python -m sweep.ablation_lambdas $(ARGS)

# The slow ones start clusters and count seconds, so nothing else runs beside them. 5: no test chosen.
test: test-fast ## Run every test (ARGS="-k quantize")
	$(BIN)/python -m pytest -m slow $(ARGS) || test $$? = 5

test-fast: $(READY) ## Run the tests that take less than ten seconds each, in two processes
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m 'not slow' $(ARGS) || test $$? = 5

lint: $(READY) ## Check style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## Print every benchmark's ratios (half an hour)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks

ui: $(READY) ## Open the MLflow UI on the sweeps in runs/
	$(BIN)/mlflow ui --backend-store-uri sqlite:///$(CURDIR)/runs/mlflow.db

clean: ## Remove the environment and caches, keep runs/
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info
