package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// join writes one archive of several, which are of one version and kind, and each of another architecture: an image index, from which
// skopeo and podman take the image of the machine that they copy for. (OCI image-spec 1.1, "OCI Image Index Specification".) docker load
// knows no index in an archive: it loads each, under a tag that ends with the architecture.
func join(out string, names []string) error {
	if len(names) == 0 {
		return errors.New("name the archives to join")
	}
	var (
		all     = index{SchemaVersion: 2, MediaType: indexType}
		files   = map[string][]byte{}
		docker  []dockerImage
		created time.Time
	)
	for _, name := range names {
		a, err := readArchive(name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if err := all.add(a.image, a.annotations); err != nil {
			return fmt.Errorf("join %s: %w", name, err)
		}
		for i := range a.docker.RepoTags {
			a.docker.RepoTags[i] += "-" + a.image.Platform.Architecture
		}
		docker = append(docker, a.docker)
		maps.Copy(files, a.blobs)
		if a.created.After(created) {
			created = a.created
		}
	}
	ref := all.Manifests[0].Annotations
	slices.SortFunc(all.Manifests, func(a, b descriptor) int { return strings.Compare(a.Platform.Architecture, b.Platform.Architecture) })
	for i := range all.Manifests {
		all.Manifests[i].Annotations = nil
	}
	slices.SortFunc(docker, func(a, b dockerImage) int { return strings.Compare(a.RepoTags[0], b.RepoTags[0]) })
	inner, err := encode(all)
	if err != nil {
		return err
	}
	files[blobName(inner.digest)] = inner.raw
	return archive(out, created, files, descriptor{MediaType: indexType, Digest: inner.digest, Size: len(inner.raw), Annotations: ref}, docker)
}

// add adds an image of another architecture, and of the same name.
func (x *index) add(d descriptor, annotations map[string]string) error {
	for _, other := range x.Manifests {
		if other.Platform.Architecture == d.Platform.Architecture {
			return fmt.Errorf("it is for %s, as one before it is", d.Platform.Architecture)
		}
		if !maps.Equal(other.Annotations, d.Annotations) {
			return fmt.Errorf("it is %s, and one before it is %s", d.Annotations[refName], other.Annotations[refName])
		}
	}
	x.Manifests, x.Annotations = append(x.Manifests, d), annotations
	return nil
}

// built is an archive that write wrote.
type built struct {
	image       descriptor
	annotations map[string]string
	docker      dockerImage
	blobs       map[string][]byte // by their names in the archive
	created     time.Time
}

func readArchive(name string) (built, error) {
	b := built{blobs: map[string][]byte{}}
	raw, err := os.ReadFile(name)
	if err != nil {
		return b, err
	}
	files := map[string][]byte{}
	if err := readTar(bytes.NewReader(raw), func(h *tar.Header, body []byte) error {
		files[h.Name], b.created = body, h.ModTime
		if strings.HasPrefix(h.Name, blobs) {
			b.blobs[h.Name] = body
		}
		return nil
	}); err != nil {
		return b, err
	}
	var (
		top    index
		m      manifest
		docker []dockerImage
	)
	if err := errors.Join(json.Unmarshal(files["index.json"], &top), json.Unmarshal(files["manifest.json"], &docker)); err != nil {
		return b, err
	}
	if len(top.Manifests) != 1 || len(docker) != 1 || top.Manifests[0].MediaType != manifestType || top.Manifests[0].Platform == nil {
		return b, errors.New("it is not an archive of one image")
	}
	b.image, b.docker = top.Manifests[0], docker[0]
	if err := json.Unmarshal(b.blobs[blobName(b.image.Digest)], &m); err != nil {
		return b, err
	}
	b.annotations = m.Annotations
	return b, nil
}
