# Every target works on a fresh machine with Python 3.11, pip and make.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# The publisher's wheels of torch for the CPU; PyPI's carry CUDA. Empty: the index that pip is set up with.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
NAMED_INDEX := $(if $(filter command environment,$(firstword $(origin TORCH_INDEX))),$(TORCH_INDEX))
GENERATORS := tests/app/generated/.venv/.installed
ENTRYPOINT := tests/docker/test_entrypoint.py::test_it_serves_on_postgresql_and_s3_with_secrets_from_files

.PHONY: setup demo demo-service serve test test-services test-browser test-generated pictures check format bench-accuracy bench-folder bench-promise \
	bench-alignment bench-coreset wheelhouse clean bench-search bench-load bench-peers bench-latency bench-build bench-gpu \
	bench-reduced bench-placement bench-groups bench-screening bench-advice bench-memory bench-ledger bench-fuzz bench-many \
	bench-contract bench-cluster chaos

setup: $(STAMP)  ## everything the project needs, in .venv

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(if $(NAMED_INDEX),$(BIN)/python -m pip install --quiet -c constraints.txt --index-url $(NAMED_INDEX) torch torchvision)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)

demo: setup  ## the main job on real solar cells; writes build/demo/report.html
	$(BIN)/python -m bench.demo

serve: setup  ## the service on http://127.0.0.1:8000, its state in build/data
	NOMINAL_DATA_DIR=$${NOMINAL_DATA_DIR:-build/data} $(BIN)/nominal serve

demo-service: setup  ## a tour of the service on the same cells, over HTTP; overlays in build/demo-service
	$(BIN)/python -m bench.demo_service

test: setup  ## the whole test suite, a file at a time on up to four cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-services: setup  ## what needs PostgreSQL, S3 and nginx, all started on loopback; the rest is in `test`
	OMP_NUM_THREADS=1 $(BIN)/python tests/services/run.py tests/app/store tests/app/servers tests/app/events tests/app/http/test_proxy.py $(ENTRYPOINT) \
		-k 'not sqlite' -q -n auto --maxprocesses 4 --dist loadfile

test-browser: setup  ## the console in Chromium, with real solar cells; screenshots in build/screenshots
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/browser -m browser -q -n auto --maxprocesses 2 --dist loadfile \
		--no-loadscope-reorder

pictures: test-browser  ## the pictures of README and docs/, anew from the browser tests' screenshots
	$(BIN)/python tests/browser/pictures.py

test-generated: setup $(GENERATORS)  ## clients generated from /openapi.json, and tritonclient, against a live server
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/app/generated -m generated -q

$(GENERATORS): tests/app/generated/requirements.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

check: setup  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-accuracy: setup  ## the table of docs/accuracy.md
	$(BIN)/python -m bench.accuracy

bench-promise: setup  ## whether thresholds keep their promise on unseen parts; a table of docs/accuracy.md
	$(BIN)/python -m bench.promise

bench-coreset: setup  ## lazy greedy coreset against the textbook loop
	$(BIN)/python -m bench.coreset

wheelhouse:  ## every wheel that an installation without a network needs, in build/wheelhouse
	$(PYTHON) -m pip wheel -c constraints.txt -w build/wheelhouse --no-deps $(TORCH_INDEX:%=--index-url %) torch torchvision
	$(PYTHON) -m pip wheel -c constraints.txt -w build/wheelhouse --find-links build/wheelhouse '.[telemetry,oidc,mqtt,opcua,modbus]'
	$(PYTHON) -m pip wheel -w build/wheelhouse --no-deps ./clients/python
	cp constraints.txt build/wheelhouse

bench-alignment: setup  ## pixel metrics with maps moved by -8 to 8 input pixels
	$(BIN)/python -m bench.alignment

bench-placement: setup  ## parts turned, dirtied and covered, with and without the remedies; a table of docs/accuracy.md
	$(BIN)/python -m bench.placement

bench-groups: setup  ## photographs of one part found: true pairs joined, groups, time
	$(BIN)/python -m bench.groups

bench-ledger: setup  ## similar inspections, Pareto, report and their pages over 100,000 inspections; a table of docs/performance.md
	$(BIN)/python -m bench.ledger

bench-memory: setup  ## defects found again, suggested, mined for patterns and explained; three tables of docs/accuracy.md
	$(BIN)/python -m bench.memory

bench-fuzz: setup  ## 50,000 damaged pictures and banks: none may crash, hang or grow their reader
	$(BIN)/python -m bench.fuzz

bench-screening: setup  ## defects mixed into good images: how many a screening lists; a table of docs/accuracy.md
	$(BIN)/python -m bench.screening

bench-advice: setup  ## advised settings against the default ones by true defects; a table of docs/accuracy.md
	$(BIN)/python -m bench.advice

bench-reduced: setup  ## JPEG decoded at a reduced scale against the whole
	$(BIN)/python -m bench.reduced

bench-gpu: setup  ## build, coreset, search and latency on a CUDA device against the CPU
	$(BIN)/python -m bench.gpu

bench-search: setup  ## exact search against FAISS flat
	$(BIN)/python -m bench.search

PEERS := bench/.venvs/anomalib/.installed bench/.venvs/textbook/.installed

bench-peers: setup $(PEERS)  ## speed, memory and accuracy beside anomalib and a textbook pipeline; a table of docs/performance.md
	$(BIN)/python -m bench.peers

bench/.venvs/%/.installed: bench/peers/requirements-%.txt
	$(PYTHON) -m venv bench/.venvs/$*
	$(if $(NAMED_INDEX),bench/.venvs/$*/bin/python -m pip install --quiet -c $< --index-url $(NAMED_INDEX) torch torchvision)
	bench/.venvs/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

bench-latency: setup  ## the stages of one image in process and over HTTP; a table of docs/performance.md
	$(BIN)/python -m bench.latency

bench-build: setup  ## what a build costs per image, and its growth; a table of docs/performance.md
	$(BIN)/python -m bench.build

bench-load: setup  ## 64 clients for a minute on one bank, then inspections beside a build: latency, refusals, nothing lost
	$(BIN)/python -m bench.load
	$(BIN)/python -m bench.load --beside-build

bench-fortress: setup  ## a line's answers in time, and the server's memory, beside floods of each kind
	$(BIN)/python -m bench.fortress

bench-line: setup  ## what events cost a line, how soon they arrive, and whether kills lose any; tables of docs/performance.md
	$(BIN)/python -m bench.events
	$(BIN)/python -m bench.controllers

bench-folder: setup  ## 50,000 files in a watched folder at once: memory, pace, the line beside them; a table of docs/performance.md
	$(BIN)/python -m bench.folder --seconds 300

chaos: setup  ## kill -9 at 20 random moments: nothing acknowledged is lost
	$(BIN)/python -m bench.chaos

bench-contract: setup  ## half an hour of requests drawn from the OpenAPI document, by three roles
	$(BIN)/python -m bench.contract

bench-many: setup  ## a server with 1,000 and 10,000 banks: start, health, metrics, pages, paging
	$(BIN)/python -m bench.many

bench-cluster: setup  ## a build plainly against one and two workers of a Ray cluster: CPU, wall, identical bytes
	$(BIN)/python -m bench.cluster

clean:  ## everything that is not source; build/data, which is the data of `make serve`, stays
	rm -rf .venv tests/app/generated/.venv *.egg-info clients/python/build clients/python/*.egg-info
	if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name data -exec rm -rf {} +; fi
