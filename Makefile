# make demo: set-up, then the main job on the embedded default. make test: set-up, then the tests.
PYTHON ?= python3
BIN := .venv/bin
CORES ?= 2

.PHONY: demo test test-slurm lint setup

demo: .venv/ready
	$(BIN)/snakemake --cores $(CORES) results/order1/summary.csv results/order1/matrix.csv results/order1/accuracy.svg
	@echo; echo "results/order1/summary.csv:"; cat results/order1/summary.csv

test: .venv/ready-dev
	$(BIN)/python -m pytest --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder  # slow files first

# as root, with SLURM installed: apt-get install --no-install-recommends slurm-wlm munge
test-slurm: .venv/ready-dev
	$(BIN)/python -m pytest -s tests/slurm

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

setup: .venv/ready

.venv/ready: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

.venv/ready-dev: .venv/ready requirements-dev.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@
