# Every command of the project. What takes more than a few lines is a script: in docker/,
# or in proof/tools/ where it needs a tool that the tests do without.
.DEFAULT_GOAL := help
.PHONY: help docker-compose-up docker-compose-down docker-compose-logs docker-image build \
        netcat-test scale demo test test-containers simulate drill soak fuzz mutants coverage deny bench-setup bench clean cargo
MAKEFLAGS += --no-print-directory
# One thing at a time, even with -j: they work on the same containers.
.NOTPARALLEL:
# The programs are looked for in target/release.
unexport CARGO_BUILD_TARGET

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

docker-compose-up: ## Build the images, start the server and two clients in the background
	@sh docker/up.sh

docker-compose-down: ## Stop and remove all containers of the project, and its network
	@sh docker/down.sh

docker-compose-logs: ## Follow the logs (Ctrl-C ends it); add "| grep server" to see one program
	@sh docker/logs.sh

docker-image: ## Build both images
	@sh docker/build-images.sh

build: cargo ## Build both programs on this machine (faster than the images; needs Rust)
	@cargo build --release --locked --package echo-reactor --package echo-client --target-dir target

netcat-test: ## Test the echo with a real netcat, in a container of its own
	@sh docker/netcat-test.sh

scale: ## Bring the environment to N clients, 0 to 900: make scale CLIENTS=N
	@sh docker/scale.sh "$$CLIENTS"

demo: build ## The same without Docker: local processes, some seconds, then the drain
	@sh docker/demo.sh

test: cargo ## Test everything: format, lints, units, programs, scripts, containers
	@cargo fmt --version >/dev/null
	@cargo fmt --all --check || { echo 'error: not formatted: cargo fmt --all' >&2; exit 1; }
	@cargo clippy --workspace --all-targets --locked -- -D warnings
	@cargo test --workspace --locked
	@cargo test --release --locked --package echo-reactor --test simulation
	@$(MAKE) test-containers

test-containers: build ## Test the demo, and in containers the environment and its faults
	@cargo test --locked --package echo-containers -- --ignored

simulate: cargo ## Drive the reactor through many lives: make simulate SEEDS=1000000 (START=0)
	@SEEDS="$${SEEDS:-100000}" cargo test --release --locked --package echo-reactor --test simulation \
		-- --nocapture every_life

drill: cargo ## Restart the server 100 times under 50 clients that count their messages
	@DRILL_RESTARTS=100 DRILL_CLIENTS=50 cargo test --locked --package echo-reactor --test promises \
		-- --nocapture drill

soak: build ## Mixed load, faults and restarts at once, then a plot: make soak MINUTES=10
	@cargo build --release --locked --quiet --package echo-soak --target-dir target
	@target/release/echo-soak --minutes "$${MINUTES:-10}"

fuzz: cargo ## Throw files, variables and messages at the parsers: make fuzz SECONDS=60
	@proof/tools/fuzz.sh "$(or $(SECONDS),60)"

mutants: cargo ## Break the programs in 500 ways and count what is noticed (needs cargo-mutants, nextest)
	@proof/tools/mutants.sh

coverage: cargo ## Name the lines that no test runs (needs cargo-tarpaulin)
	@proof/tools/coverage.sh

deny: cargo ## Check licences, sources and known faults of all packages (needs cargo-deny)
	@proof/tools/deny.sh

bench-setup: ## Install what the benchmark compares with (Debian; needs root)
	@sh proof/bench/setup.sh

bench: cargo ## Measure the server beside its peers; make bench QUICK=1 in under 2 minutes
	@sh proof/bench/run.sh $(if $(QUICK),--quick)

clean: ## Remove build output and the project's images
	@sh docker/clean.sh

cargo:
	@sh docker/need-cargo.sh
