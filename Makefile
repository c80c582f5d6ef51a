# Every command of the project; "make help" lists them from the comments behind ## and ##@.
# What takes more than a few lines is a script, in docker/ or in proof/.
.DEFAULT_GOAL := help
.PHONY: help docker-compose-up docker-compose-down docker-compose-logs docker-image build \
        netcat-test scale watch demo stack-up stack-status stack-watch stack-scale stack-update stack-down \
        lesson break check-exercise first-solution test test-programs test-guide test-containers test-swarm \
        simulate drill soak fuzz mutants coverage deny bench-setup bench bench-swarm clean cargo
MAKEFLAGS += --no-print-directory
# One thing at a time, even with -j: they work on the same containers.
.NOTPARALLEL:
# The programs are looked for in target/release.
unexport CARGO_BUILD_TARGET

##@ Use

help: ## Show this list
	@awk -F ':.*## ' '/^##@ / { printf "%s%s\n", n++ ? "\n" : "", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

docker-compose-up: ## Build the images, start the server and two clients
	@sh docker/up.sh

docker-compose-logs: ## Follow the logs; Ctrl-C ends the reading only
	@sh docker/logs.sh

docker-compose-down: ## Stop and remove the containers and their network
	@sh docker/down.sh

netcat-test: ## Send messages with a real netcat, from a container; each must come back unaltered
	@sh docker/netcat-test.sh

scale: ## Have N clients, 0 to 900: make scale CLIENTS=20
	@exec sh docker/scale.sh "$$CLIENTS"

watch: ## See the server's turns on a page, which also has the numbers for Prometheus; prints its address
	@sh docker/watch.sh

demo: build ## The same without Docker: local processes, for some seconds, then SIGTERM
	@sh docker/demo.sh

##@ Use on a Docker Swarm

stack-up: ## Deploy replicas of the server and clients: make stack-up REPLICAS=3 CLIENTS=12
	@exec sh docker/stack-up.sh "$$REPLICAS" "$$CLIENTS"

stack-status: ## Say where the replicas are, and how many messages they have answered
	@sh docker/stack-status.sh

stack-watch: ## Show all replicas on a page while they work
	@sh docker/stack-watch.sh

stack-scale: ## Have other numbers of them: make stack-scale REPLICAS=6 CLIENTS=20
	@exec sh docker/stack-scale.sh "$$REPLICAS" "$$CLIENTS"

stack-update: ## Roll out the sources as they are now, one replica after the other
	@exec sh docker/stack-update.sh "$$IMAGE"

stack-down: ## Stop and remove the stack
	@sh docker/stack-down.sh

##@ Learn

# The first build takes a minute and shows what it does. Later ones have nothing to say.
quiet_rebuild = $(if $(wildcard target/release/echo-guide),--quiet)

lesson: build ## Play the scene of a chapter of docs/guide.md with a real server: make lesson N=3
	@cargo build --release --locked $(quiet_rebuild) --package echo-guide --target-dir target
	@$(if $(filter 7,$(N)),$(MAKE) -s -C proof/bench/peers threads blocking OUT="$(CURDIR)/target/bench")
	@exec target/release/echo-guide lesson "$$N" $(if $(CONNECTIONS),--connections "$$CONNECTIONS")

break: cargo ## Break the server in one of five ways, in a copy, and see what notices: make break N=1
	@cargo build --release --locked $(quiet_rebuild) --package echo-guide --target-dir target
	@exec target/release/echo-guide break "$$N"

check-exercise: ## Test any image's server as exercise 3, 4 or 5 demands: make check-exercise N=4 IMAGE=my-server
	@exec sh docker/check-exercise.sh "$$N" "$$IMAGE"

first-solution: ## Build the image of a beginner's server, to see check-exercise complain
	@sh docker/first-solution.sh

##@ Change

build: ## Build the programs on this machine (needs Rust)
	@sh docker/build.sh

docker-image: ## Build the images
	@sh docker/build-images.sh

test: ## Test everything: format, lints, units, programs, scripts, containers (needs Rust or Docker)
	@sh docker/test.sh

test-programs: build ## Test all that needs no container: format, lints, units, programs, simulation, guide
	@sh docker/test-programs.sh

test-containers: build ## Test the demo, and in containers the environment and its faults
	@sh docker/test-containers.sh

test-guide: build ## Run every command of the guide that needs no Docker, and hold what it prints against the guide
	@cargo test --locked --package echo-guide -- --ignored

test-swarm: build ## Test the stack on a Swarm of three engines on this machine (needs root and dockerd)
	@cargo test --locked --package echo-swarm -- --ignored

clean: ## Remove what was built, and the images
	@sh docker/clean.sh

##@ Prove

simulate: cargo ## Drive the server's code through many simulated lives: make simulate SEEDS=1000000
	@SEEDS="$${SEEDS:-100000}" cargo test --release --locked --package echo-reactor --test simulation \
		-- --nocapture every_life

drill: cargo ## Restart the server 100 times under 50 clients that count their messages
	@DRILL_RESTARTS=100 DRILL_CLIENTS=50 cargo test --locked --package echo-reactor --test promises \
		-- --nocapture drill

soak: build ## Mixed load and faults at once, then a plot: make soak MINUTES=10
	@cargo build --release --locked --quiet --package echo-soak --target-dir target
	@exec target/release/echo-soak --minutes "$${MINUTES:-10}"

fuzz: cargo ## Feed random files, variables and messages to the parsers: make fuzz SECONDS=60
	@exec sh proof/tools/fuzz.sh "$(or $(SECONDS),60)"

mutants: cargo ## Break the programs, one line at a time: do the tests notice? (needs cargo-mutants, nextest)
	@sh proof/tools/mutants.sh

coverage: cargo ## Name the lines that no test runs (needs cargo-tarpaulin)
	@sh proof/tools/coverage.sh

deny: cargo ## Check licences, sources and known faults of all packages (needs cargo-deny)
	@sh proof/tools/deny.sh

bench-setup: ## Install what the benchmark compares with (Debian; needs root)
	@sh proof/bench/setup.sh

bench: cargo ## Measure the server beside its peers (QUICK=1), another build (AGAINST=path), or itself (WATCHED=1, JSON=1)
	@sh proof/bench/run.sh $(if $(QUICK),--quick) $(if $(AGAINST),--against "$(AGAINST)") $(if $(WATCHED),--watched) $(if $(JSON),--json)

bench-swarm: build ## Measure one, two and three replicas on a Swarm of this machine (needs root and dockerd)
	@cargo run --quiet --locked --package echo-swarm

# The programs are for Linux and need Rust; this says so in one line where something is missing.
cargo:
	@sh docker/need-cargo.sh
