package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// Media types. (OCI image-spec 1.1, "OCI Image Media Types".)
const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// refName is the annotation that names an image in a layout. (OCI image-spec 1.1, "Annotations".)
const refName = "org.opencontainers.image.ref.name"

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     []descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// healthcheck is docker's, which the OCI's configuration has no word for and passes over. Times are nanoseconds.
type healthcheck struct {
	Test                           []string
	Interval, Timeout, StartPeriod time.Duration
	Retries                        int
}

// config is the image's configuration. (OCI image-spec 1.1, "OCI Image Configuration".)
type config struct {
	Created      time.Time `json:"created"`
	Architecture string    `json:"architecture"`
	OS           string    `json:"os"`
	Config       struct {
		User         string
		ExposedPorts map[string]struct{}
		Env          []string
		Entrypoint   []string
		Cmd          []string
		Volumes      map[string]struct{}
		WorkingDir   string
		Labels       map[string]string
		StopSignal   string
		Healthcheck  healthcheck
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
	History []history `json:"history"`
}

type history struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
}

// labels are the image's and the manifest's. (OCI image-spec 1.1, "Annotations".)
func (o options) labels() map[string]string {
	all := map[string]string{
		"org.opencontainers.image.title":       "glassine",
		"org.opencontainers.image.description": "S3 Object Lambda behind CloudFront as one program: photographs, served without their metadata",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.version":     o.version,
		"org.opencontainers.image.created":     o.created.Format(time.RFC3339),
	}
	if o.revision != "" {
		all["org.opencontainers.image.revision"] = o.revision
	}
	return all
}

// tag is the image's tag, VERSION-KIND: without Go's v, and with a dot for the + that a tag may not have. There is the tag KIND too.
// (OCI distribution-spec 1.1, "Pulling manifests".)
func (o options) tag() string {
	return strings.ReplaceAll(strings.TrimPrefix(o.version, "v"), "+", ".") + "-" + o.kind
}

func (o options) config(diffIDs []string) config {
	c := config{Created: o.created, Architecture: o.arch, OS: "linux"}
	c.Config.User = "65532:65532"
	c.Config.ExposedPorts = map[string]struct{}{"8080/tcp": {}, "8443/tcp": {}, "8443/udp": {}}
	// Viewers come from everywhere; the AWS endpoint and the console stay on the container's loopback unless told otherwise.
	c.Config.Env = []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/var/lib/glassine", "GLASSINE_DATA=/var/lib/glassine", "GLASSINE_HTTP=0.0.0.0:8080", "GLASSINE_HTTPS=0.0.0.0:8443",
	}
	c.Config.Entrypoint, c.Config.Cmd = []string{"/usr/bin/glassine"}, []string{"serve"}
	c.Config.Volumes = map[string]struct{}{"/var/lib/glassine": {}}
	c.Config.WorkingDir, c.Config.StopSignal = "/var/lib/glassine", "SIGTERM"
	c.Config.Labels = o.labels()
	c.Config.Healthcheck = healthcheck{[]string{"CMD", "/usr/bin/glassine", "health"}, 30 * time.Second, 6 * time.Second, 10 * time.Second, 3}
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", diffIDs
	for _, what := range []string{"what the program stands on, from Debian packages", "glassine " + o.version} {
		c.History = append(c.History, history{o.created, what})
	}
	return c
}

// write packs the layers and writes the image.
func write(o options, layers ...*layer) error {
	files := map[string][]byte{}
	describe := func(mediaType string, b blob) descriptor {
		files[blobName(b.digest)] = b.raw
		return descriptor{MediaType: mediaType, Digest: b.digest, Size: len(b.raw)}
	}
	m := manifest{SchemaVersion: 2, MediaType: manifestType, Annotations: o.labels()}
	var diffIDs []string
	for _, l := range layers {
		packed, diffID, err := l.pack()
		if err != nil {
			return err
		}
		diffIDs = append(diffIDs, diffID)
		m.Layers = append(m.Layers, describe(layerType, packed))
	}
	c, err := encode(o.config(diffIDs))
	if err != nil {
		return err
	}
	m.Config = describe(configType, c)
	encoded, err := encode(m)
	if err != nil {
		return err
	}
	d := describe(manifestType, encoded)
	d.Platform = &platform{o.arch, "linux"}
	d.Annotations = map[string]string{refName: o.tag()}
	return archive(o.out, o.created, files, d, []dockerImage{newDockerImage(o, m)})
}

func encode(v any) (blob, error) {
	raw, err := json.Marshal(v)
	return newBlob(raw), err
}

// blobs is where an archive has what is named by its digest.
const blobs = "blobs/sha256/"

func blobName(digest string) string { return blobs + strings.TrimPrefix(digest, "sha256:") }

// dockerImage is what docker load reads. (Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format".)
type dockerImage struct {
	Config           string
	RepoTags, Layers []string
}

func newDockerImage(o options, m manifest) dockerImage {
	out := dockerImage{Config: blobName(m.Config.Digest), RepoTags: []string{"glassine:" + o.tag(), "glassine:" + o.kind}}
	for _, l := range m.Layers {
		out.Layers = append(out.Layers, blobName(l.Digest))
	}
	return out
}

// archive writes the tar file, in the order of names: the blobs, and what leads to them.
func archive(out string, created time.Time, files map[string][]byte, top descriptor, docker []dockerImage) (err error) {
	layout, err := encode(index{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{top}})
	if err != nil {
		return err
	}
	loaded, err := encode(docker)
	if err != nil {
		return err
	}
	files["oci-layout"], files["index.json"], files["manifest.json"] = []byte(`{"imageLayoutVersion":"1.0.0"}`), layout.raw, loaded.raw
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(files[name])), ModTime: created}); err != nil {
			return err
		}
		if _, err := w.Write(files[name]); err != nil {
			return err
		}
	}
	return w.Close()
}
