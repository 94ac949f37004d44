# `make demo`, `make test`, `make test-slurm`, `make check`, `make status`, `make slurm-profile`, `make bench`, `make trial-oral`, `make trial-tiles`, `make trial-nodes`, `make trial-nuclei`: each sets up .venv first if it is missing or the lock file changed.
PYTHON ?= python3.11
VENV := .venv
LOCKED := $(VENV)/.installed
INSTALLED := $(VENV)/.plugins
PLUGINS := $(wildcard plugins/*)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: demo test test-slurm check status slurm-profile bench trial-oral trial-tiles trial-nodes trial-nuclei lock

# Folders OSCC and Normal of Mendeley Data ftmp4cvtmb, and images and masks of 9bsc36jyrt.
trial-oral: IMAGES ?= oral_oscc_100x
trial-tiles: IMAGES ?= oral_ocdc_masks
# Tables of heatmap features and classes of CAMELYON16's training slides, and of its test slides if they are there.
trial-nodes: TABLES ?= camelyon16_features
# Images and labels of BBBC038 in the folders images and labels, and images without labels at 0.5 µm/px.
trial-nuclei: IMAGES ?= nuclei_dsb2018
trial-nuclei: UNLABELLED ?= lymphocyte_cae_patches

# The demo cohort from nothing to results/report.html.
demo: $(INSTALLED)
	# Two small jobs share a GPU, or the cores.
	snakemake --resources gpu=2
	snakemake score --configfile recipes/demo_submissions.yaml
	snakemake --report results/report.html
	@cat results/evaluation/summary.md results/staging/summary.md
	@echo "Report: results/report.html   Tables: results/evaluation   Pictures: results/figures"

test: $(INSTALLED)
	pytest -n 2

# On a small SLURM of its own in .slurm and a folder of /tmp; nothing is installed, all of it is ended.
test-slurm: $(INSTALLED)
	# They wait more than they compute: four clusters, a file at a time on each.
	pytest -n 4 tests/slurm

# Where a run stands: this folder's, or `make status RUN=folder`.
status: RUN ?= .
status: $(INSTALLED)
	@python -m snakemake_logger_plugin_progress status --directory $(RUN)

# `snakemake --profile slurm` from anywhere.
slurm-profile: SNAKEMAKE_PROFILES ?= $(or $(XDG_CONFIG_HOME),$(HOME)/.config)/snakemake
slurm-profile: $(INSTALLED)
	mkdir -p "$(SNAKEMAKE_PROFILES)"
	ln -sfn "$(CURDIR)/profiles/slurm" "$(SNAKEMAKE_PROFILES)/slurm"

check: $(INSTALLED)
	ruff check --no-cache
	ruff format --check --no-cache
	snakefmt --check Snakefile rules
	snakemake --lint

# Against peers, each in an environment of its own (15 GB), and against the decode bound.
bench: $(INSTALLED)
	python bench/run.py --pin
	python bench/memory.py
	python bench/training_reads.py
	python bench/training.py
	python bench/nuclei.py

# Models of the registry on real images, five folds; an hour on two cores.
trial-oral: $(INSTALLED)
	python trials/oral.py $(IMAGES) results/trials/oral
	@cat results/trials/oral/summary.md

# Segmenters on real tiles with masks, each tile tested by what the others taught; ten minutes on two cores.
trial-tiles: $(INSTALLED)
	python trials/tiles.py $(IMAGES) results/trials/tiles
	@cat results/trials/tiles/summary.md

# Random forests on heatmap features of CAMELYON16, beside other settings and learners, in folds and on test slides; fifteen minutes on one core.
trial-nodes: $(INSTALLED)
	python trials/camelyon16_tables.py $(TABLES) results/trials/nodes
	@cat results/trials/nodes/summary.md

# Nuclei found without labels, with few and with all, beside peaks of the haematoxylin channel; some hours on two cores, resumed where it was stopped.
trial-nuclei: $(INSTALLED)
	python trials/nucleus_trial.py $(IMAGES) $(UNLABELLED) results/trials/nuclei
	@cat results/trials/nuclei/summary.md

# The lock file anew from envs/requirements.in; needs uv.
lock:
	uv pip compile envs/requirements.in --python-version 3.11 --no-header --no-annotate -o envs/requirements.lock

# --no-deps: the lock file names every package, so nothing else may be chosen.
$(LOCKED): envs/requirements.lock
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip install --disable-pip-version-check --no-deps --quiet --progress-bar on -r $<
	touch $@

# Snakemake's plugins as they are in this checkout: what is changed there is changed in .venv.
$(INSTALLED): $(LOCKED) $(PLUGINS:=/pyproject.toml)
	$(VENV)/bin/pip install --disable-pip-version-check --no-deps --quiet $(PLUGINS:%=--editable ./%)
	touch $@
