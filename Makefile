# A thin front door to CMake (CMakePresets.json): the work is done there and in tools/.
#   make           the release build: build/cohort
#   make demo      train a small network before your eyes
#   make test      build, then run all tests
#   make torture   runs whose n-th file call or allocation fails, for every n (hours)
#   make ... SETUP=:   without looking for missing packages
PREFIX ?= /usr/local
DESTDIR ?=
SETUP ?= tools/setup.sh
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
CTEST_FLAGS ?= --output-on-failure
DEMO_FLAGS ?= --profile demo --run-dir runs/demo-$(shell date +%Y%m%d-%H%M%S)

.PHONY: all build program demo test bench torture nightly install format lint clean
all: build

build:
	@$(SETUP) build
	@test -f build/build.ninja || cmake --preset release
	@cmake --build build

program: # without the tests
	@$(SETUP) build
	@test -f build/build.ninja || cmake --preset release
	@cmake --build build --target cohort

demo: program
	build/cohort train $(DEMO_FLAGS)

test:
	@$(SETUP) build mpi test
	@cmake --preset release
	@cmake --build build
	@ctest --test-dir build -j $(JOBS) -LE nightly $(CTEST_FLAGS)

bench: program
	bench/run.sh build/cohort

torture: build
	COHORT=build/cohort FAULTS=build/tests/cohort_faults bash tests/fault/torture.sh

nightly:
	tools/nightly.sh

install: program
	DESTDIR="$(DESTDIR)" cmake --install build --prefix "$(PREFIX)"

format:
	@$(SETUP) dev
	tools/format.sh

lint:
	@$(SETUP) build dev
	tools/lint.sh

clean:
	rm -rf build build-*
