# The targets that there are. Each sets up what it needs on a Debian machine with Go, Node and make (as root, for apt).
.PHONY: run test bench lint build libvips deps image deb sbom dist

export CGO_ENABLED = 0

# run: build and start everything with the demo; Ctrl-C ends it.
run: build
	bin/glassine up

# build: the program, one file. It carries libvips and loads it when pictures are to be made, so it is linked to the C
# library's loader (glibc 2.28 or later).
build: libvips
	@echo "Building bin/glassine (the first time this fetches Go modules)"
	@go build -trimpath -o bin/glassine ./cmd/glassine

# test: every test, with the real clients and tools that they ask.
test: deps libvips
	go vet ./...
	go test -timeout 24m ./...

# lint: golangci-lint and gofumpt at the versions of tools.mod.
lint:
	@echo "Checking form and style (the first time this compiles the linter, some minutes)"
	@test -z "$$(go tool -modfile=tools.mod gofumpt -l . | tee /dev/stderr)"
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

# image: the slim container image, in dist, without a container engine; docker load and podman load read it.
image: build
	@mkdir -p dist
	@sh deploy/image/build.sh slim dist/glassine-slim.oci.tar

# deb: the Debian package, in dist.
deb: build
	@mkdir -p dist
	@sh deploy/deb/build.sh dist/glassine.deb

# sbom: the bill of materials of the program, in dist.
sbom: build
	@mkdir -p dist
	@go run ./deploy/sbom bin/glassine >dist/glassine.cdx.json

# dist: what a release is made of, with checksums: tar file, package, bill of materials, both images. Takes mmdebstrap and minutes.
dist: build
	@sh deploy/dist/build.sh
