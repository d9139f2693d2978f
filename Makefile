# The libtorch to build with: 2.11.0, or 2.1.0, for which gotch was generated (older GPU drivers).
TORCH ?= 2.11.0
# LIBTORCH=DIR uses the libtorch in DIR (lib/, include/; 2.1 to 2.11) and fetches nothing.
# CUDA=1 makes setup fetch the CUDA libraries too.
export LIBTORCH CUDA
# How long make fuzz fuzzes each reader.
FUZZTIME ?= 60s
# How many kills make torture makes.
KILLS ?= 100

SHELL := bash
cgo = eval "$$(scripts/env.sh $(TORCH))"

.PHONY: help setup env build test lint docs demo bench fuzz torture clean

help:
	@echo 'make demo    train, sweep and draw the figures into demo/ (a minute or two after the build)'
	@echo 'make test    run the tests'
	@echo 'make lint    go vet, staticcheck and gofmt'
	@echo 'make build   bin/lawa-replay'
	@echo 'make docs    docs/reference.md, from the lists of the program'
	@echo 'make bench   side by side with PyTorch (fetches PyTorch into bench/.venv, about 3 GB)'
	@echo 'make fuzz    fuzz the readers of files, a minute each'
	@echo 'make torture kill it KILLS=100 times at random moments, and look whether anything is lost or left'
	@echo 'make setup   fetch libtorch $(TORCH); CUDA=1 with the CUDA libraries, TORCH=2.1.0, LIBTORCH=DIR'
	@echo 'make env     the settings for go itself: eval "$$(make -s env)"'

setup:
	@scripts/libtorch.sh $(TORCH)

env: setup
	@scripts/env.sh $(TORCH)

build: setup
	@$(cgo) && go build -o bin/lawa-replay ./cmd/lawa-replay
	@CGO_ENABLED=0 go build -tags quick -ldflags '-s -w' -o bin/lawa-replay-quick ./cmd/lawa-replay && touch bin/lawa-replay-quick

test: setup
	@$(cgo) && go test -timeout 30m ./...

# staticcheck is pinned in scripts/tools.mod, apart from what the program itself is made of.
lint: setup
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt: $$unformatted" >&2; exit 1; }
	@$(cgo) && go vet ./... && go tool -modfile=scripts/tools.mod staticcheck ./...
	@export CGO_ENABLED=0; go vet -tags quick ./cmd/lawa-replay && go tool -modfile=scripts/tools.mod staticcheck -tags quick -checks inherit,-U1000 ./cmd/lawa-replay

docs: build
	@bin/lawa-replay list --markdown >docs/reference.md

demo: build
	@bin/lawa-replay demo

bench: build
	@mkdir -p bench/out && $(cgo) && go build -o bench/out/average_sweep ./bench/average_sweep
	@bench/run.sh $(TORCH)

fuzz: setup
	@$(cgo) && for f in FuzzTrajectory:trajectory FuzzAnswer:evaluator/worker FuzzParse:results FuzzReadHeader:checkpoint/safetensors FuzzPickle:checkpoint/pickle FuzzOpen:checkpoint/formats FuzzPickled:checkpoint/formats FuzzDCP:checkpoint/formats \
	  FuzzIndex:checkpoint/formats FuzzLog:importer FuzzName:importer FuzzIDX:dataset FuzzNPY:dataset FuzzJPEG:dataset FuzzStore:dataset FuzzStore:results/examples FuzzIDs:dataset FuzzConfig:model FuzzOpen:tokenizer FuzzDecode:dataset/picture; do \
	  go test -run '^$$' -fuzz "^$${f%%:*}\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "./$${f##*:}" || exit 1; done

torture: build
	@scripts/torture.sh $(KILLS)

clean:
	rm -rf bin demo bench/out
