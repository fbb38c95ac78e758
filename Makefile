# make test   lint and all tests          make demo   events, a Pythia8 reference and a report in demo/
# make lint   static checks only          make venv   the environment that the others use

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
PIP_FLAGS := --disable-pip-version-check --only-binary :all: --constraint constraints.txt
DEMO := demo
MODEL := ep-dis-10x275

export MPLBACKEND := Agg

.DELETE_ON_ERROR:
.PHONY: venv lint test demo clean

venv: $(READY)

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) --editable '.[dev]'
	touch $@

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/flake8 src

test: lint
	$(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadfile

demo: $(READY)
	mkdir -p $(DEMO)
	$(BIN)/cloudchamber generate --model $(MODEL) --events 5000 --seed 1 --out $(DEMO)/events.parquet
	$(BIN)/cloudchamber convert $(DEMO)/events.parquet $(DEMO)/events.hepmc3.gz
	$(BIN)/cloudchamber simulate dis --beams 10x275 --q2-min 25 --level stable --events 60000 --seed 2410 \
		--workers 2 --out $(DEMO)/reference
	$(BIN)/cloudchamber check $(DEMO)/events.hepmc3.gz
	$(BIN)/cloudchamber evaluate $(DEMO)/events.parquet --reference $(DEMO)/reference --out $(DEMO)/report \
		--budget quick
	@echo
	@echo "Events:  $(DEMO)/events.parquet and $(DEMO)/events.hepmc3.gz"
	@echo "Report:  open $(DEMO)/report/index.html in a browser; the numbers are in $(DEMO)/report/metrics.json"

clean:
	rm -rf $(DEMO) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
