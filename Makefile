# make demo   create .venv, install, reconstruct a phantom            (about 3 minutes the first time)
# make test   the same environment, every check, the documentation and every test
# make coverage   every test again, and what part of the package they run (half as long again)
PYTHON ?= $(shell command -v python3.13 >/dev/null 2>&1 && python3.13 -c '' >/dev/null 2>&1 && echo python3.13 || \
	(command -v python3.12 >/dev/null 2>&1 && python3.12 -c '' >/dev/null 2>&1 && echo python3.12) || \
	(command -v python3.11 >/dev/null 2>&1 && python3.11 -c '' >/dev/null 2>&1 && echo python3.11) || echo python3)
VENV ?= .venv
BIN := $(VENV)/bin

# Widgets are tested in a real viewer, on a virtual screen where there is no other.
SCREEN := $(shell [ "$$(uname)" = Linux ] && [ -z "$$DISPLAY$$WAYLAND_DISPLAY" ] && echo 'xvfb-run -a -s "-screen 0 1400x1000x24"')
SCREEN_PACKAGES := xvfb xauth libfontconfig1 libglib2.0-0 libdbus-1-3 libgl1 libegl1 libxkbcommon0 libxkbcommon-x11-0 \
	libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-image0 libxcb-render-util0 libxcb-shape0

.PHONY: demo test tests coverage lint docs screen screenshots bench results downstream sizes ablation prior clean

demo: $(VENV)/.installed
	$(BIN)/napari-emgauss demo --output demo_output

# One thread of torch in each process: more would wait for each other (Numba, which draws napari's labels, would give
# torch its own number). More processes than cores: widgets often wait.
# Tests of a file stay in one of them, and share what they train; files of few but long tests don't come last. Compiled
# Python is kept even where the environment says otherwise: many tests start processes of their own.
PYTEST = PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 QT_API=pyqt6 $(SCREEN) $(BIN)/python -m pytest \
	-n 4 --dist loadfile --no-loadscope-reorder

test: $(VENV)/.installed-dev screen
	$(MAKE) --no-print-directory -j 3 lint docs tests

tests: $(VENV)/.installed-dev screen
	$(PYTEST)

coverage: $(VENV)/.installed-dev screen
	$(PYTEST) --cov --cov-report=term:skip-covered --cov-fail-under=85

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# make docs   the documentation as a site, in site/; any warning is an error
docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

screen:
	@[ -z '$(SCREEN)' ] || { command -v xvfb-run >/dev/null 2>&1 && ldconfig -p | grep -q libxcb-cursor; } || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends $(SCREEN_PACKAGES); } || \
		{ echo "A virtual screen is missing. On Debian or Ubuntu: sudo apt-get install $(SCREEN_PACKAGES)"; exit 1; }

# make screenshots   every widget in both themes, into docs/images
screenshots: $(VENV)/.installed-dev screen
	QT_API=pyqt6 $(SCREEN) $(BIN)/python docs/screenshots.py

# make bench VOLUMES="fib.tif epfl.tif"   speed, then quality, seconds and memory of the presets
bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.splatting
	$(BIN)/python -m benchmarks.reconstruction $(VOLUMES)

# make results VOLUMES="fib25_sample2.tif epfl_ca1_crop.tif"   docs/lab/results.md: every method on every crop (hours)
results: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.results $(VOLUMES) --output docs/lab/results.md

# make downstream DATA=folder   docs/lab/downstream.md: segmentations of reconstructed and interpolated volumes
downstream: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.downstream $(DATA) --output docs/lab/downstream.md

# make sizes   seconds and memory against the size of the volume
sizes: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.sizes

# make ablation VOLUME=fib.tif            one element of the published method changed at a time (half an hour and more)
ablation: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.ablation $(VOLUME) --output benchmark_output/ablation.md

# make prior VOLUME=isotropic.tif         weights of the prior, as those that ship were trained (ten minutes on a large GPU)
prior: $(VENV)/.installed
	$(BIN)/python -m prior_training.train $(VOLUME) --output weights.safetensors --checkpoint training.safetensors

clean:
	rm -rf $(VENV) demo_output benchmark_output site

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13)))' || \
		{ echo "napari-emgauss needs Python 3.11, 3.12 or 3.13; found $$($(PYTHON) --version). Install one and run: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && apt-get update -qq && apt-get install -y -qq python3-venv; } || \
		{ echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch first: a looser requirement asked for first can pull gigabytes of CUDA packages.
$(VENV)/.torch: $(VENV)/bin/python constraints.txt
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check torch -c constraints.txt
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -e . -c constraints.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.torch pyproject.toml
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -e ".[dev]" -c constraints.txt
	@touch $@
