package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// pack makes a zip archive of files (name in the archive to path) and of folders, whose names in it are the keys too. skip
// says which paths of a folder, relative to it, stay out.
func pack(files, folders map[string]string, skip func(string) bool) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	add := func(name, path string) error {
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: name, Method: zip.Deflate}
		header.SetMode(0o755) // a bootstrap is to be run
		f, err := w.CreateHeader(header)
		if err != nil {
			return err
		}
		_, err = f.Write(body)
		return err
	}
	for name, path := range files {
		if err := add(name, path); err != nil {
			return nil, err
		}
	}
	for name, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			inside, err := filepath.Rel(folder, path)
			if err != nil {
				return err
			}
			if skip != nil && skip(filepath.ToSlash(inside)) {
				if d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
			info, err := os.Stat(path) // packages are linked on Debian
			if err != nil || info.IsDir() {
				return err
			}
			return add(name+"/"+filepath.ToSlash(inside), path)
		})
		if err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// nodeArchive is a handler of node/functions with the packages that it needs, as people upload it.
func nodeArchive(t *testing.T, file string, packages ...string) []byte {
	t.Helper()
	folders := map[string]string{}
	if len(packages) == 0 {
		packages = []string{"@aws-sdk/client-s3"}
	}
	for _, name := range packages {
		nodePackage(t, name, folders)
	}
	return packed(t, map[string]string{"index.mjs": "node/functions/" + file, "read.mjs": "node/functions/read.mjs"}, folders, nil)
}

// nodePackage adds a package of node_modules to folders, with all that it and the packages nested in it depend on there.
func nodePackage(t *testing.T, name string, folders map[string]string) {
	t.Helper()
	at := "node/node_modules/" + name
	if _, err := os.Stat(at); err != nil || folders["node_modules/"+name] != "" {
		return // for another system, nested in the package that wants it, or there already
	}
	folders["node_modules/"+name] = at
	err := filepath.WalkDir(at, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "package.json" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var p struct{ Dependencies, OptionalDependencies map[string]string }
		if json.Unmarshal(text, &p) != nil {
			return nil //nolint:nilerr // a test's, not a package's
		}
		for _, needs := range []map[string]string{p.Dependencies, p.OptionalDependencies} {
			for other := range needs {
				nodePackage(t, other, folders)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func packed(t *testing.T, files, folders map[string]string, without []string) []byte {
	t.Helper()
	key := fmt.Sprint(files, folders, without)
	packs.Lock()
	defer packs.Unlock()
	if body, ok := packs.made[key]; ok {
		return body
	}
	body, err := pack(files, folders, func(path string) bool {
		switch filepath.Ext(path) {
		case ".ts", ".mts", ".cts", ".map", ".md", ".pyc":
			return true
		}
		name := filepath.Base(path)
		return slices.Contains(without, path) || name == "dist-es" || name == "dist-types" // for bundlers and editors
	})
	if err != nil {
		t.Fatal(err)
	}
	packs.made[key] = body
	return body
}

var packs = struct {
	sync.Mutex
	made map[string][]byte
}{made: map[string][]byte{}}

// pythonArchive is a handler of node/functions with Debian's boto3, of which it takes the part that S3 needs.
func pythonArchive(t *testing.T, file string) []byte {
	t.Helper()
	const dist = "/usr/lib/python3/dist-packages/"
	folders := map[string]string{}
	for _, name := range []string{"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "requests", "chardet", "idna", "certifi"} {
		folders[name] = dist + name
	}
	entries, err := os.ReadDir(dist + "botocore/data")
	if err != nil {
		t.Fatal(err)
	}
	var without []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != "s3" {
			without = append(without, "data/"+e.Name())
		}
	}
	return packed(t, map[string]string{"index.py": "node/functions/" + file, "six.py": dist + "six.py"}, folders, without)
}
