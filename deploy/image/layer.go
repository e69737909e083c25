package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// layer is a layer on its way: its files by name, without a leading slash. What is put in twice is there once, the later one.
type layer struct {
	created time.Time
	entries map[string]entry
}

type entry struct {
	header tar.Header
	body   []byte
}

func (l *layer) put(h tar.Header, body []byte) {
	if l.entries == nil {
		l.entries = map[string]entry{}
	}
	h.Name = strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if h.Name == "" {
		return
	}
	h.Size = int64(len(body))
	l.entries[h.Name] = entry{h, body}
	for dir := path.Dir(h.Name); dir != "."; dir = path.Dir(dir) {
		if _, ok := l.entries[dir]; !ok {
			l.entries[dir] = entry{header: tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}}
		}
	}
}

func (l *layer) addFile(name string, mode int64, body []byte) error {
	if body == nil {
		return fmt.Errorf("%s is empty", name)
	}
	l.put(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, body)
	return nil
}

func (l *layer) addDir(name string, mode int64, owner int) {
	l.put(tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, Uid: owner, Gid: owner}, nil)
}

func (l *layer) addLink(name, target string) {
	l.put(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, nil)
}

// appendFile adds text to a file; one that is not there begins with first.
func (l *layer) appendFile(name, first, text string) error {
	body := []byte(first)
	if e, ok := l.entries[name]; ok {
		body = e.body
	}
	return l.addFile(name, 0o644, append(bytes.Clone(body), text...))
}

// readTar calls f with every entry. A file is held whole.
func readTar(r io.Reader, f func(*tar.Header, []byte) error) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		body, err := io.ReadAll(t)
		if err != nil {
			return err
		}
		if err := f(h, body); err != nil {
			return err
		}
	}
}

// blob is something by its digest.
type blob struct {
	digest string // sha256:...
	raw    []byte
}

func newBlob(raw []byte) blob {
	sum := sha256.Sum256(raw)
	return blob{"sha256:" + hex.EncodeToString(sum[:]), raw}
}

// pack makes the layer's tar, in the order of names, hard links after what they are of; and what gzip makes of it.
func (l *layer) pack() (packed blob, diffID string, err error) {
	var raw bytes.Buffer
	w := tar.NewWriter(&raw)
	for _, links := range []bool{false, true} {
		for _, name := range slices.Sorted(maps.Keys(l.entries)) {
			e := l.entries[name]
			if (e.header.Typeflag == tar.TypeLink) != links {
				continue
			}
			h := e.header
			h.ModTime, h.Format = l.created, tar.FormatPAX
			if h.Typeflag == tar.TypeDir {
				h.Name += "/"
			}
			if h.Typeflag == tar.TypeLink {
				h.Linkname = strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
			}
			if err := w.WriteHeader(&h); err != nil {
				return blob{}, "", err
			}
			if _, err := w.Write(e.body); err != nil {
				return blob{}, "", err
			}
		}
	}
	if err := w.Close(); err != nil {
		return blob{}, "", err
	}
	var small bytes.Buffer
	z, err := gzip.NewWriterLevel(&small, gzip.DefaultCompression)
	if err != nil {
		return blob{}, "", err
	}
	if _, err := z.Write(raw.Bytes()); err != nil {
		return blob{}, "", err
	}
	if err := z.Close(); err != nil {
		return blob{}, "", err
	}
	return newBlob(small.Bytes()), newBlob(raw.Bytes()).digest, nil
}
