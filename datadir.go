package glassine

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"glassine/backup"
	"glassine/iam"
	"glassine/lockfile"
)

// dataVersion is the layout of the data directory that this program writes. A newer one is refused.
const dataVersion = 1

// dataDir is an open data directory. It holds, all private to the user:
//
//	VERSION                the layout's number
//	lock                   held while a glassine runs on the directory
//	secret.key             32 random bytes that seal the secrets in state.db and encrypt the objects
//	root-credentials.json  the root access key, for glassine env
//	ca.pem, ca-key.pem     the local certificate authority
//	state.db               control-plane records
//	audit.log              control operations and denials, one JSON line each
//	objects/               the store
//	functions/             functions' archives, and their files
//	logs/                  events of log groups
//	edge-logs/             lines of distributions' standard logs, until they are delivered
type dataDir struct {
	path string
	lock *os.File
	key  [32]byte
}

// openDataDir makes or opens the directory and locks it.
func openDataDir(path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open data directory: %w", err)
	}
	if err := lockfile.Take(lock); err != nil {
		lock.Close()
		return nil, fmt.Errorf("%w: %s. Stop that one, or choose another directory with --data", ErrInUse, path)
	}
	if _, err := os.Stat(filepath.Join(path, backup.Unfinished)); err == nil {
		lock.Close()
		return nil, fmt.Errorf("glassine restore has not finished in %s: run it again with the same directory, or choose another with --data", path)
	}
	d := &dataDir{path: path, lock: lock}
	if err := errors.Join(finishReset(path), d.checkVersion(), d.loadKey(), signLock(lock)); err != nil {
		lock.Close()
		return nil, err
	}
	return d, nil
}

// objectKeys are the master keys that objects' data keys are encrypted under. They come from the sealing key, which is to be
// backed up apart from the objects.
func (d *dataDir) objectKeys() [][32]byte {
	raw, err := hkdf.Key(sha256.New, d.key[:], nil, "glassine objects 1", 32)
	if err != nil {
		panic(err) // the length is fine
	}
	return [][32]byte{[32]byte(raw)}
}

// Close lets the directory go.
func (d *dataDir) Close() error { return lockfile.Close(d.lock) }

func (d *dataDir) checkVersion() error {
	file := filepath.Join(d.path, "VERSION")
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return writeFile(file, []byte(strconv.Itoa(dataVersion)+"\n"), 0o644)
	}
	if err != nil {
		return fmt.Errorf("read data directory's version: %w", err)
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || v < 1 {
		return fmt.Errorf("%s does not hold a version number: %q", file, raw)
	}
	if v < dataVersion {
		return d.migrate(v, migrations)
	}
	if v > dataVersion {
		return fmt.Errorf("the data directory %s was written by a newer glassine (layout %d; this program knows %d): run that version, or choose another directory with --data", d.path, v, dataVersion)
	}
	return nil
}

// migrations bring a data directory from the layout of their index plus one to the next: there are dataVersion-1. Each must be one
// that can be done again after it was cut off. docs/guide/upgrading.md tells the user what they do.
var migrations []func(dir string) error

// migrate brings the directory from layout v to the one after the last step, and says so in VERSION after each.
func (d *dataDir) migrate(v int, steps []func(dir string) error) error {
	for ; v <= len(steps); v++ {
		if err := steps[v-1](d.path); err != nil {
			return fmt.Errorf("bring the data directory %s from layout %d to %d: %w", d.path, v, v+1, err)
		}
		if err := writeFile(filepath.Join(d.path, "VERSION"), []byte(strconv.Itoa(v+1)+"\n"), 0o644); err != nil {
			return fmt.Errorf("write data directory's version: %w", err)
		}
	}
	return nil
}

func (d *dataDir) loadKey() error {
	file := filepath.Join(d.path, "secret.key")
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(d.path, "state.db")); err == nil {
			return fmt.Errorf("%s is missing: it seals the secrets in state.db, which cannot be read without it", file)
		}
		raw = make([]byte, len(d.key))
		rand.Read(raw)
		err = writeFile(file, raw, 0o600)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	if len(raw) != len(d.key) {
		return fmt.Errorf("%s is not %d bytes long", file, len(d.key))
	}
	copy(d.key[:], raw)
	return nil
}

// writeFile writes a whole file durably: a temporary one, synced, renamed, its directory synced.
func writeFile(name string, content []byte, mode os.FileMode) error {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncDir(dir)
}

// rootFile is root-credentials.json: what glassine env prints.
type rootFile struct {
	AccessKeyID, SecretAccessKey string
}

func rootFileName(data string) string { return filepath.Join(data, "root-credentials.json") }

func writeRootFile(data string, c iam.Credentials) error {
	raw, err := json.MarshalIndent(rootFile{c.AccessKeyID, c.SecretAccessKey}, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(rootFileName(data), append(raw, '\n'), 0o600)
}

// RootCredentials reads the root access key that the data directory keeps for its owner. When the file was lost,
// ReplaceRootCredentials makes a new key.
func RootCredentials(data string) (iam.Credentials, error) {
	raw, err := os.ReadFile(rootFileName(data))
	if errors.Is(err, fs.ErrNotExist) {
		return iam.Credentials{}, fmt.Errorf("%s is missing: start glassine once, or if it was deleted make a new root key with: glassine root-key --data %s", rootFileName(data), data)
	}
	if err != nil {
		return iam.Credentials{}, fmt.Errorf("read root credentials: %w", err)
	}
	var f rootFile
	if err := json.Unmarshal(raw, &f); err != nil || f.AccessKeyID == "" {
		return iam.Credentials{}, fmt.Errorf("%s does not hold credentials; make a new root key with: glassine root-key --data %s", rootFileName(data), data)
	}
	return iam.Credentials{AccessKeyID: f.AccessKeyID, SecretAccessKey: f.SecretAccessKey}, nil
}
