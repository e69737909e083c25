# The targets that there are. Each sets up what it needs on a Debian machine with Go, Node and make (as root, for apt).
.PHONY: run test bench form lint build libvips deps programs image deb sbom dist

export CGO_ENABLED = 0

# What image, deb and dist are made for, besides this machine's architecture, which goes unless another is named: make dist ARCH=arm64,
# or ARCH=all for amd64 and arm64.
HOST = $(shell go env GOHOSTARCH)
ARCH = $(HOST)
ARCHES = $(if $(filter all,$(ARCH)),amd64 arm64,$(ARCH))

# run: build and start everything with the demo; Ctrl-C ends it.
run: build
	bin/glassine up

# build: the program, one file. It carries libvips and loads it when pictures are to be made, so it is linked to the C
# library's loader (glibc 2.28 or later).
build: libvips
	@echo "Building bin/glassine (the first time this fetches Go modules)"
	@go build -trimpath -o bin/glassine ./cmd/glassine

# test: every test, with the real clients and tools that they ask. The whole-system tests take longest, so they begin first.
test: deps libvips
	go vet ./...
	go test -vet=off -timeout 24m -parallel 3 ./e2e ./...

# form: gofumpt at the version of tools.mod.
form:
	@found="$$(go tool -modfile=tools.mod gofumpt -l .)" && if [ -n "$$found" ]; then echo "Not in gofumpt's form:" $$found >&2; exit 1; fi

# lint: form, and golangci-lint, before a change is handed in. CI has no time to compile it.
lint: form
	@echo "Checking style (the first time this compiles the linter, some minutes)"
	go tool -modfile=tools.mod golangci-lint run ./...

# bench: ours and the peer in turn, in one run.
bench: build
	@sh e2e/deps.sh bench
	go run ./bench/strip
	go run ./bench/resize
	go run ./bench/hit
	go run ./bench/growth
	go run ./bench/s3
	go run ./bench/objectlambda -gib
	go run ./bench/invoke
	go test -count=1 -v -run '^TestDeployCDKOut$$' ./e2e

# libvips: the library that makes pictures, from npm at its locked version, to be embedded.
libvips:
	@sh transform/pixel/library/fetch.sh

# deps: the tools that the tests ask, from Debian's packages and npm.
deps:
	@sh e2e/deps.sh test

# programs: the program for each architecture: bin/glassine for this machine's, which packaging asks for manual pages and its version, and
# bin/arm64/glassine or bin/amd64/glassine for another.
programs: build
	@for arch in $(filter-out $(HOST),$(ARCHES)); do \
		sh transform/pixel/library/fetch.sh $$arch || exit 1; \
		echo "Building bin/$$arch/glassine (the first time this compiles everything for $$arch)"; \
		GOARCH=$$arch go build -trimpath -o bin/$$arch/glassine ./cmd/glassine || exit 1; \
	done

# image: the container images, slim and full, in dist, without a container engine; docker load and podman load read them.
image: programs
	@mkdir -p dist
	@sh deploy/image/build.sh slim dist/glassine-slim.oci.tar $(ARCH)
	@sh deploy/image/build.sh full dist/glassine-full.oci.tar $(ARCH)

# deb: the Debian package, in dist: glassine.deb for this machine, glassine-ARCHITECTURE.deb for another.
deb: programs
	@mkdir -p dist
	@for arch in $(ARCHES); do \
		sh deploy/deb/build.sh "dist/glassine$$([ $$arch = $(HOST) ] || echo -$$arch).deb" $$arch || exit 1; \
	done

# sbom: the bill of materials of the program, in dist.
sbom: build
	@mkdir -p dist
	@go run ./deploy/sbom bin/glassine >dist/glassine.cdx.json

# dist: what a release is made of, with checksums: tar file, package, bill of materials, images, the chart. SIGNING_KEY=FILE signs the
# checksums (deploy/README.md).
dist: programs
	@sh deploy/dist/build.sh $(ARCHES)
