# From a fresh clone: `make serve` ends with a server that answers, `make test` passes the tests.

PYTHON     ?= python3
PORT       ?= 8080
REPOSITORY ?= model_repository
RUNS       ?= runs
INDEX      ?= data/index.sqlite
# What to serve: DATA=a folder of class folders to train on (FIT="--epochs 5" changes the recipe),
# or CHECKPOINT=a run folder (PICTURES=photos to prove it on, if it has none beside it); with
# neither, what is deployed, or else the starter model.  MODEL=imagenet (Caffe's two towers) or
# MODEL=torchvision is a published network, fetched once into DOWNLOADS.
DATA       ?=
CHECKPOINT ?=
PICTURES   ?=
FIT        ?=
MODEL      ?=
DOWNLOADS  ?= data/downloads
# What make triton allows: none, or explicit (models are loaded and unloaded on request).
CONTROL    ?= none

DEPLOYED := $(wildcard $(REPOSITORY)/alexnet/manifest.json)
# Where there is no way to the internet; import says so with exit code 3.
INSTEAD  := $(if $(DEPLOYED),what is deployed,the starter model)

RUN     := $(RUNS)/$(notdir $(abspath $(DATA)))
BIN     := .venv/bin
# What serves and asks, without PyTorch; and everything, to train and to test.
SERVING := .venv/serving
READY   := .venv/ready
PIP     := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt \
	--no-build-isolation
# What PyTorch is needed for: to train, and to read torchvision's file.
TORCHED := $(if $(CHECKPOINT),,$(or $(DATA),$(MODEL:imagenet=)))

# Tests and benchmarks import ONNX Runtime too; it reports to its makers unless this is set.
export ORT_DISABLE_TELEMETRY := 1

.PHONY: serve starter triton test faults faults-client faults-deploys check bench bench-check setup clean

serve: $(if $(TORCHED),$(READY),$(SERVING))
ifneq ($(CHECKPOINT),)
	$(BIN)/alexnet-export deploy "$(CHECKPOINT)" --repository "$(REPOSITORY)" \
		$(if $(PICTURES),--pictures "$(PICTURES)")
else ifneq ($(DATA),)
	$(BIN)/alexnet-train fit "$(DATA)" --out "$(RUN)" $(FIT)
	$(BIN)/alexnet-export deploy "$(RUN)" --repository "$(REPOSITORY)"
else ifneq ($(MODEL),)
	$(if $(filter imagenet torchvision,$(MODEL)),,$(error MODEL=$(MODEL): there are imagenet and torchvision))
	@$(BIN)/alexnet-export import $(if $(filter imagenet,$(MODEL)),caffe,$(MODEL)) --download \
		--downloads "$(DOWNLOADS)" --out "$(RUNS)/$(MODEL)" || [ $$? = 3 ]
	@if [ -e "$(RUNS)/$(MODEL)/weights.safetensors" ]; \
	then $(BIN)/alexnet-export deploy "$(RUNS)/$(MODEL)" --repository "$(REPOSITORY)" \
		$(if $(PICTURES),--pictures "$(PICTURES)"); \
	else echo "The network is closed: serving $(INSTEAD) instead of MODEL=$(MODEL)." >&2; fi
	@test -e "$(REPOSITORY)/alexnet/manifest.json" || $(MAKE) --no-print-directory starter
else
	@test -e "$(REPOSITORY)/alexnet/manifest.json" || $(MAKE) --no-print-directory starter
endif
	$(BIN)/alexnet-server serve --repository "$(REPOSITORY)" --port $(PORT) --index "sqlite:///$(INDEX)"

starter: $(SERVING)
	@echo "No model is deployed yet: deploying the starter model." >&2
	@echo "It knows ten kinds of clothing and nothing else. Your own: make serve DATA=path/to/folders" >&2
	$(BIN)/alexnet-export deploy starter/clothing.alexnet --repository "$(REPOSITORY)"

# A real Triton on what is deployed (with CPU placement), on this machine's ports 8000 to 8002.
# CONTROL=explicit lets `alexnet-export reload --triton localhost:8001` bring it to a new deploy.
triton: $(READY)
	@test -e "$(REPOSITORY)/alexnet/manifest.json" || $(MAKE) --no-print-directory starter
	$(BIN)/python deploy/local_triton/start.py --repository "$(REPOSITORY)" --model-control $(CONTROL)

# What waits longest, for the digits' training, begins first.  As many processes as cores run at
# once or more, so a process takes one thread for PyTorch: several would wait for each other.
test: export OMP_NUM_THREADS = 1
test: $(READY)
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 30 \
		tests/newcomer tests/e2e tests/triton tests/gpu tests/integration tests/faults tests/unit

# The fault tests of the server in full, where `make test` takes a sample. In the order of their
# names, because by far the longest (tests/faults/api) is then not the last to begin.
faults: $(READY)
	FAULTS=all $(BIN)/pytest --timeout 1200 --numprocesses 2 --dist loadfile --no-loadscope-reorder \
		--ignore tests/faults/client tests/faults

# The same of the client: killed, refused, full disks, thousands of pictures.
faults-client: $(READY)
	FAULTS=all $(BIN)/pytest --timeout 1200 --numprocesses 2 --dist loadfile tests/faults/client

# Deploys and rollbacks stopped at every step, not only at some of them (half an hour).
faults-deploys: $(READY)
	EVERY_STEP=1 $(BIN)/pytest --timeout 1800 tests/integration/interrupted_deploys

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy server/alexnet_pixels server/alexnet_repository server/alexnet_server export/alexnet_export client/alexnet_client training/alexnet_training
	$(BIN)/pytest --quiet tests/unit/kubernetes
	$(BIN)/python -m tests.audit

# Our engine and our server beside others in one run, on PICTURES=a folder of labelled photos;
# PEERS=the Python of an environment with benchmarks/requirements.txt, else without those servers.
BENCHED = $(if $(PICTURES),--pictures "$(PICTURES)",$(error PICTURES= a folder of labelled photos is needed)) \
	$(if $(CHECKPOINT),--checkpoint "$(CHECKPOINT)") --repositories data/benched
bench: $(READY)
	$(BIN)/python -m benchmarks.engine $(BENCHED)
	$(BIN)/python -m benchmarks.serve $(BENCHED) $(if $(PEERS),--peers-python "$(PEERS)")

# A short run of both: fails where a ratio is more than 15 % below that in benchmarks/results.
bench-check: $(READY)
	$(BIN)/python -m benchmarks.check $(BENCHED) $(if $(PEERS),--peers-python "$(PEERS)")

setup: $(READY)

$(SERVING): constraints.txt $(wildcard */pyproject.toml)
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + ": name another with PYTHON=")'
	@echo "Setting up .venv (half a minute the first time)" >&2
	$(PYTHON) -m venv .venv
	$(PIP) pip setuptools
	$(PIP) --editable "./server[serve]" --editable "./export[prove]" --editable ./client
	touch $(SERVING)

$(READY): $(SERVING) tests/requirements.txt
	@echo "Adding what trains and tests to .venv (some minutes the first time: PyTorch is large)" >&2
	$(PIP) --requirement tests/requirements.txt --editable ./training
	touch $(READY)

clean:
	rm -rf .venv build dist */*.egg-info
