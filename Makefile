# What you can do with the sources; `make` alone lists it.

CARGO ?= cargo
DESTDIR ?=
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
UNITDIR ?= $(PREFIX)/lib/systemd/system
USERUNITDIR ?= $(PREFIX)/lib/systemd/user
DOCKER ?= docker
# The OCI format has no health checks.
IMAGE_FLAGS ?= $(if $(filter %podman %buildah,$(firstword $(DOCKER))),--format docker)

STATIC_TARGET := x86_64-unknown-linux-musl
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# How the static program is compiled; a machine that has no such target may have another way.
STATIC_BUILD ?= $(CARGO) build --release --target $(STATIC_TARGET)
# Without paths the same sources give the same program, wherever they are. The functions of every run lie side by side,
# so that the system maps half of the program and not all of it; the list has their names in the one scheme that no
# compiler changes.
# With frame pointers the tables for unwinding and the addresses of the stack are shorter: 90 KB less
# for 2 % more instructions.
STATIC_FLAGS = target.$(STATIC_TARGET).rustflags = ["--remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo", \
	"--remap-path-prefix=$(CURDIR)=/source", "-Csymbol-mangling-version=v0", "-Clink-arg=-Wl,-T,link-order.ld", \
	"-Cforce-frame-pointers=yes"]
INTEROP := tests/interop
DENY = $(CARGO) deny --locked --config .ci/deny.toml
MANDIR ?= $(PREFIX)/share/man
# Where each shell looks for completions of installed programs.
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
SCRIPTS := start_token_refresher.sh check-token-refresher.sh
GENERATED := $(MANDIR)/man1/token-refresher.1 $(MANDIR)/man5/token-refresher-files.5 $(BASHDIR)/token-refresher $(ZSHDIR)/_token-refresher \
	$(FISHDIR)/token-refresher.fish
DEB_ARCHITECTURE ?= $(shell dpkg --print-architecture 2>/dev/null)
DEBDOC = $(TARGET_DIR)/deb/usr/share/doc/token-refresher
# What `make demo` and `make faults` run; any other build of the program will do.
PROGRAM ?= $(TARGET_DIR)/debug/token-refresher
STATIC_PROGRAM := $(TARGET_DIR)/$(STATIC_TARGET)/release/token-refresher
# What `make deb` packs: the static program, so that the package needs no library.
STATIC ?= $(STATIC_PROGRAM)
# What runs for `--generate`; a program for another platform cannot.
RUNNABLE ?= $(BUILT)
RELEASE := $(TARGET_DIR)/release-$(VERSION)
# The tests mostly wait: for a process, an endpoint, a clock. Three times as many as processors would save a sixth of the
# time, and what waits half a second for a busy process would fail now and then. More than twelve come near the 1,024
# files that a process may usually open.
TEST_THREADS ?= $(shell n=$$(($$(nproc) * 2)); echo $$((n < 12 ? n : 12)))
# Where the program is built for a second time.
AGAIN := $(TARGET_DIR)/again
# The licenses of the crates in the program.
NOTICE := $(TARGET_DIR)/THIRD-PARTY
DOCDIR ?= $(PREFIX)/share/doc/token-refresher
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
# What `make install` installs.
BUILT ?= $(TARGET_DIR)/release/token-refresher

# How much `make faults` does: kills of each kind, and seconds for which short-lived tokens are watched.
FAULT_TRIALS ?= 1000
FAULT_SECONDS ?= 300
# 1: the token files are sealed.
FAULT_SEALED ?= 0
# How long `make fuzz` feeds each target.
FUZZ_SECONDS ?= 600

.PHONY: help build static demo test fuzz faults interop interop-oidc interop-python interop-sealed interop-long interop-clients interop-bridge soak bench limits link-order lint docs image deb release reproducible static-program install install-project uninstall

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' Makefile | while read -r name what; do printf '  make %-16s %s\n' "$$name" "$$what"; done

$(NOTICE): Cargo.lock examples/third_party.rs
	@mkdir -p $(TARGET_DIR)
	$(CARGO) run --locked --quiet --example third_party > $@.new && mv $@.new $@

build: $(NOTICE) ## build the program: target/release/token-refresher
	$(CARGO) build --release --locked

static: $(NOTICE) static-program ## build it static, for scratch containers (needs the Rust target and musl-gcc)

static-program:
	@test "$(origin STATIC_BUILD)" != file || rustc --print target-libdir --target $(STATIC_TARGET) | xargs test -d || \
		{ echo "once before: rustup target add $(STATIC_TARGET)" >&2; exit 1; }
	@command -v musl-gcc >/dev/null || { echo "once before: apt-get install musl-tools (or your system's musl)" >&2; exit 1; }
	@# Cargo does not know that the program is made from the list too.
	@test ! -e $(STATIC_PROGRAM) || test ! link-order.ld -nt $(STATIC_PROGRAM) || touch src/main.rs
	$(STATIC_BUILD) --locked --config '$(STATIC_FLAGS)'

demo: ## watch a sign-in, an assistant's session that outlives its tokens, and a kill -9; a quarter of a minute
	@echo "Building the program and the demo; the first time that takes a minute or two."
	@$(CARGO) build --locked --bins --example demo
	@$(TARGET_DIR)/debug/examples/demo $(PROGRAM)

test: ## run all tests
	@# Without the examples: no test needs them, and `make lint` compiles them too.
	RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked --bins --tests

# The yardstick, built as the program is.
FLOOR := $(TARGET_DIR)/$(STATIC_TARGET)/release/examples/floor

bench: static-program ## print what the static program costs, as ratios to the bare work; half an hour (FILES, ROWS: less)
	$(STATIC_BUILD) --locked --config '$(STATIC_FLAGS)' --example floor
	PROGRAM=$(abspath $(STATIC)) FLOOR=$(abspath $(FLOOR)) $(CARGO) bench --locked --bench cost
	PROGRAM=$(abspath $(STATIC)) $(CARGO) bench --locked --bench bridge

limits: ## count its system calls and instructions, and fail where they grew by a factor (needs strace; valgrind)
	@command -v strace >/dev/null || { echo "once before: apt-get install strace (or your system's)" >&2; exit 1; }
	PROGRAM=$(abspath $(STATIC)) $(CARGO) test --locked --test cost -- --ignored --nocapture --skip link_order::

# The static program with the names of its functions.
SYMBOLS := $(TARGET_DIR)/symbols
link-order: ## write link-order.ld anew, after large changes (needs valgrind)
	@command -v valgrind >/dev/null || { echo "once before: apt-get install valgrind (or your system's)" >&2; exit 1; }
	CARGO_TARGET_DIR=$(SYMBOLS) CARGO_PROFILE_RELEASE_STRIP=false $(STATIC_BUILD) --locked --config '$(STATIC_FLAGS)' \
		--bin token-refresher --config profile.release.package.token-refresher.strip=false
	PROGRAM=$(abspath $(SYMBOLS))/$(STATIC_TARGET)/release/token-refresher \
		$(CARGO) test --locked --test cost -- --ignored --nocapture link_order::

faults: ## kill it, fail its system calls, fill its disk; ten minutes (needs strace, and root to mount)
	@command -v strace >/dev/null || { echo "once before: apt-get install strace (or your system's)" >&2; exit 1; }
	PROGRAM=$(abspath $(PROGRAM)) FAULT_TRIALS=$(FAULT_TRIALS) FAULT_SECONDS=$(FAULT_SECONDS) FAULT_SEALED=$(FAULT_SEALED) \
		$(CARGO) test --locked --test faults -- --ignored --nocapture --test-threads=1
	PROGRAM=$(abspath $(PROGRAM)) $(CARGO) test --locked --test suite nothing_lost:: -- --ignored --nocapture --test-threads=1

interop: interop-oidc interop-python interop-sealed interop-clients interop-bridge ## try it with real authorization servers and assistants (needs Node.js, Python, openssl)

interop-oidc: $(INTEROP)/node_modules/.package-lock.json
	$(CARGO) test --locked --test interop -- --ignored --nocapture --skip sealed_tokens_of_30_seconds

# Only this needs the network, once.
$(INTEROP)/node_modules/.package-lock.json: $(INTEROP)/package-lock.json
	cd $(INTEROP) && npm ci --ignore-scripts

interop-python: $(INTEROP)/python/venv/installed
	$(CARGO) test --locked --test interop_python -- --ignored --nocapture

# Only this needs the network, once.
$(INTEROP)/python/venv/installed: $(INTEROP)/python/requirements.txt
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --require-hashes --requirement $<
	touch $@

interop-long: $(INTEROP)/node_modules/.package-lock.json ## sealed tokens of 30 seconds at a real server, INTEROP_MINUTES (60)
	$(CARGO) test --locked --test interop -- --ignored --nocapture --exact sealed_tokens_of_30_seconds_are_never_refused

interop-sealed: $(INTEROP)/node_modules/.package-lock.json $(INTEROP)/python/venv/installed
	$(CARGO) test --locked --test interop_sealed -- --ignored --nocapture

# Installs the pinned clients, about 600 MB, and then needs no network.
interop-clients:
	@command -v npm >/dev/null || { echo "it needs Node.js 20 or newer, with npm" >&2; exit 1; }
	cd $(INTEROP)/clients && { cmp -s package-lock.json node_modules/.installed || \
		{ npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && cp package-lock.json node_modules/.installed; }; }
	$(CARGO) test --locked --test interop_clients -- --ignored

interop-bridge:
	@command -v npm >/dev/null || { echo "it needs Node.js 20 or newer, with npm" >&2; exit 1; }
	cd $(INTEROP)/bridge && { cmp -s package-lock.json node_modules/.installed || \
		{ npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && cp package-lock.json node_modules/.installed; }; }
	$(CARGO) test --locked --test interop_bridge -- --ignored

soak: ## run for SOAK_MINUTES (20) with tokens of 30 seconds, and show that nothing grows
	$(CARGO) test --locked --test soak -- --ignored --nocapture

fuzz: ## feed anything to all that reads text from outside, FUZZ_SECONDS (600) each (needs cargo-fuzz)
	@$(CARGO) fuzz --version >/dev/null 2>&1 || { echo "once before: cargo install cargo-fuzz" >&2; exit 1; }
	@# Its coverage flags are stable; only a sanitizer would want a nightly compiler.
	for target in $$($(CARGO) fuzz list); do \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run -s none $$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; done

lint: ## check format, clippy, documentation, arrows between modules, and scripts (where shellcheck is installed)
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	@# Those tests too which only make targets compile.
	$(CARGO) clippy --locked --test '*' -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items
	$(CARGO) test --locked --quiet --test house -- --include-ignored
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh .ci/run; \
		else echo "shellcheck is not installed: the scripts were not checked"; fi

# The pages, with what they link to beside them.
BOOK := $(TARGET_DIR)/book
docs: ## make the pages of docs/ one HTML book: target/book/html (needs mdbook)
	@command -v mdbook >/dev/null || { echo "once before: cargo install --locked mdbook" >&2; exit 1; }
	rm -rf $(BOOK) && mkdir -p $(BOOK)/src/examples
	cp docs/book.toml $(BOOK)
	cp examples/*.md examples/*.yaml examples/*.service token-refresher.service $(BOOK)/src/examples
	for page in docs/*.md; do sed -e 's|](\.\./examples/|](examples/|g' -e 's|](\.\./token-refresher\.service|](examples/token-refresher.service|g' \
		$$page > $(BOOK)/src/$$(basename $$page); done
	mdbook build $(BOOK)

deny: ## check the crates' licenses, sources and known faults (needs cargo-deny, and the network for the faults)
	@command -v cargo-deny >/dev/null || { echo "once before: cargo install --locked cargo-deny" >&2; exit 1; }
	@if $(DENY) fetch db 2>/dev/null; then $(DENY) check; \
		else echo "the database of known faults cannot be had here: they were not looked for" >&2; \
		$(DENY) check licenses bans sources; fi

image: static ## build a container image of the static program; DOCKER=podman or buildah will do
	$(DOCKER) build $(IMAGE_FLAGS) --build-arg BUILD=prebuilt -t token-refresher .

deb: ## pack the static program (make static) as a Debian package, beside it
	@test -x $(STATIC) || { echo "$(STATIC) is not there: run make static first" >&2; exit 1; }
	rm -rf $(TARGET_DIR)/deb
	install -d $(DEBDOC)/examples $(TARGET_DIR)/deb/DEBIAN
	$(MAKE) --no-print-directory install DESTDIR=$(abspath $(TARGET_DIR))/deb PREFIX=/usr BUILT=$(STATIC) RUNNABLE=$(RUNNABLE)
	gzip -9n $(TARGET_DIR)/deb/usr/share/man/man1/token-refresher.1 $(TARGET_DIR)/deb/usr/share/man/man5/token-refresher-files.5
	gzip -9nc CHANGELOG.md > $(DEBDOC)/changelog.gz
	install -m 644 README.md $(DEBDOC)
	install -d $(DEBDOC)/docs && install -m 644 docs/*.md $(DEBDOC)/docs
	install -m 644 LICENSE $(DEBDOC)/copyright
	install -m 644 examples/*.yaml $(DEBDOC)/examples
	printf '%s\n' 'Package: token-refresher' 'Version: $(VERSION)' 'Architecture: $(DEB_ARCHITECTURE)' \
		'Section: net' 'Priority: optional' 'Maintainer: The token-refresher developers <root@localhost>' \
		"Installed-Size: $$(du -sk $(TARGET_DIR)/deb/usr | cut -f 1)" 'Suggests: util-linux' \
		'Description: keeps the OAuth tokens of coding assistants fresh' \
		' Watches the token files in .oauth-tokens, refreshes each before it expires, and writes the MCP' \
		' client configurations that use them. Its unit is not started by itself: it wants a user and a project.' \
		> $(TARGET_DIR)/deb/DEBIAN/control
	dpkg-deb --root-owner-group --build $(TARGET_DIR)/deb $(TARGET_DIR)

release: static ## tarball, Debian package, checksums and SBOM of the static program: target/release-VERSION (needs cargo-cyclonedx)
	@$(CARGO) cyclonedx --version >/dev/null 2>&1 || { echo "once before: cargo install --locked cargo-cyclonedx" >&2; exit 1; }
	MAKE="$(MAKE)" scripts/release.sh $(VERSION) $(STATIC) $(RELEASE)

reproducible: static-program ## build the static program again in another place, and compare
	rm -rf $(AGAIN) && mkdir -p $(AGAIN)
	git ls-files -z | xargs -0 cp --parents --target-directory $(AGAIN)
	env -u CARGO_TARGET_DIR $(MAKE) --no-print-directory -C $(AGAIN) static-program
	cmp $(STATIC) $(AGAIN)/target/$(STATIC_TARGET)/release/token-refresher
	@sha256sum $(STATIC)

install: $(NOTICE) ## install program, scripts, units, man page and completions; honours DESTDIR and PREFIX
	@test -x $(BUILT) || { echo "$(BUILT) is not there: run make build first" >&2; exit 1; }
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(UNITDIR) $(DESTDIR)$(USERUNITDIR)
	install -d $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(BASHDIR) $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(FISHDIR)
	$(RUNNABLE) --generate man > $(DESTDIR)$(MANDIR)/man1/token-refresher.1
	cp docs/token-refresher-files.5 $(DESTDIR)$(MANDIR)/man5/token-refresher-files.5
	$(RUNNABLE) --generate complete-bash > $(DESTDIR)$(BASHDIR)/token-refresher
	$(RUNNABLE) --generate complete-zsh > $(DESTDIR)$(ZSHDIR)/_token-refresher
	$(RUNNABLE) --generate complete-fish > $(DESTDIR)$(FISHDIR)/token-refresher.fish
	chmod 644 $(addprefix $(DESTDIR),$(GENERATED))
	install -d $(DESTDIR)$(DOCDIR)
	install -m 644 $(NOTICE) $(DESTDIR)$(DOCDIR)/THIRD-PARTY
	install -m 755 $(BUILT) $(DESTDIR)$(BINDIR)/token-refresher
	install -m 755 $(addprefix scripts/,$(SCRIPTS)) $(DESTDIR)$(BINDIR)
	sed 's|/usr/local/bin/|$(BINDIR)/|' token-refresher.service > $(DESTDIR)$(UNITDIR)/token-refresher.service
	sed 's|/usr/local/bin/|$(BINDIR)/|' examples/token-refresher.user.service > $(DESTDIR)$(USERUNITDIR)/token-refresher.service
	chmod 644 $(DESTDIR)$(UNITDIR)/token-refresher.service $(DESTDIR)$(USERUNITDIR)/token-refresher.service

install-project: ## link the scripts of the installed program into a project: make install-project DIR=/path/to/it
	@test -d "$(DIR)" || { echo "say where: make install-project DIR=/path/to/project" >&2; exit 2; }
	@test -x $(DESTDIR)$(BINDIR)/token-refresher || { echo "it is not installed in $(BINDIR): make install first" >&2; exit 1; }
	@# A script of that name may be the Python service's: it is kept, with another ending.
	for script in $(SCRIPTS); do test $(BINDIR)/$$script -ef "$(DIR)/$$script" || \
		ln -s --backup=simple --suffix=.before $(BINDIR)/$$script "$(DIR)/$$script"; done

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(DOCDIR)/THIRD-PARTY
	rm -f $(addprefix $(DESTDIR)$(BINDIR)/,token-refresher $(SCRIPTS))
	rm -f $(addprefix $(DESTDIR),$(GENERATED))
	rm -f $(DESTDIR)$(UNITDIR)/token-refresher.service $(DESTDIR)$(USERUNITDIR)/token-refresher.service
