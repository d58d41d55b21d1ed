# The first commands: `make demo` and `make test`. Both set up the environment in .venv first; see
# tools/misc/setup_env.sh for what that is and which variables it reads.
PY := .venv/bin/python
WORKERS ?= 2
DEMO_DIR ?= work_dirs/demo

# Waiting OpenMP threads sleep instead of spinning: spinning slows small steps tenfold when another
# process shares the cores.
export OMP_WAIT_POLICY := PASSIVE
export GOMP_SPINCOUNT := 0

.PHONY: help env demo docs lint format check test benchmark clean

help:
	@echo "make demo       a photograph, then toy scenes: CAM -> pseudo boxes -> detector -> table"
	@echo "make test       lint and all tests (what CI runs)"
	@echo "make docs       the site, into site/; a broken link or missing page fails"
	@echo "make check      the inner loop: ruff, the maths, records, pictures, documents"
	@echo "make lint       ruff, mypy, import-linter, interrogate"
	@echo "make benchmark  speed of evaluator, methods, refinement, detectors; rewrites docs/benchmarks.md"

env:
	@bash tools/misc/setup_env.sh

demo: env
	@$(PY) -m studies.demo --out $(DEMO_DIR)

docs: env
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

lint: env
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/interrogate -q wsol_mm tools benchmarks studies

format: env
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

check: env
	.venv/bin/ruff check .
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) -q tests/functional tests/io tests/evaluation tests/visualization tests/test_*.py

test: lint
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --dist worksteal -q

benchmark: env
	$(PY) -m benchmarks.evaluator
	$(PY) -m benchmarks.cost
	$(PY) -m benchmarks.refinement
	$(PY) -m benchmarks.wend

clean:
	rm -rf build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
