# Every target works on a fresh machine with Python 3.11, pip and make.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup demo test test-services check format bench-accuracy bench-coreset clean

setup: $(STAMP)  ## everything the project needs, in .venv

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)

demo: setup  ## the main job on real solar cells; writes build/demo/report.html
	$(BIN)/python -m bench.demo

test: setup  ## the whole test suite
	$(BIN)/python -m pytest -q

test-services: setup  ## the store's tests on PostgreSQL and S3 too, both started on loopback
	$(BIN)/python tests/services/run.py tests/app/store -q

check: setup  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-accuracy: setup  ## the accuracy table of README.md
	$(BIN)/python -m bench.accuracy

bench-coreset: setup  ## lazy greedy coreset against the textbook loop
	$(BIN)/python -m bench.coreset

clean:  ## everything that is not source
	rm -rf .venv build *.egg-info
