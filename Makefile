# What a person types. Cargo does the building; this file knows what is installed where.
#
#   make                       build for use
#   make install [DESTDIR=…]   what a package holds
#   make demo                  a pod on a throw-away machine
#   make bench                 podunit beside Podman with Quadlet, measured (docs/benchmarks.md); QUICK=1: in two
#                              minutes; GROWTH=1: podunit's cost against size
#   make soak                  operations at random on pods, 10,000 (OPS=300: so many; SEED=7: the same again)
#   make check                 everything that must hold before a change is taken
#   make clean

# Unit files name the programs under /usr; another PREFIX is for packages that move them there.
PREFIX ?= /usr
DESTDIR ?=
CARGO ?= cargo
TARGET ?= target

bin         = $(DESTDIR)$(PREFIX)/bin
libexec     = $(DESTDIR)$(PREFIX)/libexec/podunit
systemd     = $(DESTDIR)$(PREFIX)/lib/systemd
tmpfiles    = $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
share       = $(DESTDIR)$(PREFIX)/share
built       = $(TARGET)/release
pages       = $(built)/pages

.PHONY: release install demo bench soak check clean

release:
	$(CARGO) build --release --locked
	rm -rf $(pages)
	$(built)/podunit pages $(pages)

# Installs what `make` built; it builds nothing, so that root needs no toolchain.
install:
	@test -x $(built)/podunit || { echo "make install: $(built)/podunit is not there, run make first" >&2; exit 1; }
	install -Dm755 $(built)/podunit $(bin)/podunit
	install -Dm755 -t $(libexec) $(built)/podunit-supervise $(built)/podunit-pause
	ln -sfn ../../bin/podunit $(libexec)/podunit-names
	install -d $(systemd)/system-generators
	ln -sfn ../../../bin/podunit $(systemd)/system-generators/podunit-generator
	install -Dm644 -t $(systemd)/system units/*.slice units/*.service units/*.timer
	install -Dm644 packaging/dbus/org.podunit.conf $(share)/dbus-1/system.d/org.podunit.conf
	install -Dm644 -t $(share)/polkit-1/actions packaging/polkit/org.podunit.policy
	install -Dm644 packaging/tmpfiles/podunit.conf $(tmpfiles)/podunit.conf
	install -Dm644 packaging/podunit.conf $(share)/podunit/podunit.conf
	install -d $(addprefix $(share)/podunit/mount-points/,proc sys dev etc)
	for file in hosts hostname resolv.conf; do \
	    install -m644 /dev/null $(share)/podunit/mount-points/etc/$$file || exit 1; \
	done
	install -d $(DESTDIR)/etc/podunit
	for page in $(pages)/man/*; do \
	    install -Dm644 -t $(share)/man/man$${page##*.} $$page || exit 1; \
	done
	install -Dm644 $(pages)/completions/podunit.bash $(share)/bash-completion/completions/podunit
	install -Dm644 -t $(share)/zsh/site-functions $(pages)/completions/_podunit
	install -Dm644 -t $(share)/fish/vendor_completions.d $(pages)/completions/podunit.fish

# In this order: cargo cannot run before what it needs is there.
demo:
	CARGO=$(CARGO) tests/setup
	$(MAKE) --no-print-directory release
	tests/demo

# BENCH="--pairs 5": more for tests/bench/run.
bench:
	CARGO=$(CARGO) tests/setup
	$(MAKE) --no-print-directory release
	CARGO=$(CARGO) tests/bench/run $(if $(QUICK),--quick) $(if $(GROWTH),--growth) $(BENCH)

# SOAK="--suite sid --verbose": more for tests/soak/run.
soak:
	CARGO=$(CARGO) tests/setup
	$(MAKE) --no-print-directory release
	CARGO=$(CARGO) tests/soak/run --operations $(or $(OPS),10000) $(if $(SEED),--seed $(SEED)) $(SOAK)

check:
	tests/check-all

clean:
	$(CARGO) clean
