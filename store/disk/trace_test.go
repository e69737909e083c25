package disk

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"glassine/store"
	"glassine/store/storetest"
)

func md5Hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// tracedStores are the stores that tracedPut is run on: the real one, and mutants that leave something out.
var tracedStores = map[string]func(dir string) (*Store, error){
	"real": func(dir string) (*Store, error) { return Open(dir, Options{}) },
	"no flush of files": func(dir string) (*Store, error) {
		return open(dir, Options{}, syncOnly(func(isDir bool) bool { return isDir }))
	},
	"no flush of directories": func(dir string) (*Store, error) {
		return open(dir, Options{}, syncOnly(func(isDir bool) bool { return !isDir }))
	},
	"no flush of the index": func(dir string) (*Store, error) { return unflushedIndex(Open(dir, Options{})) },
	"no flush at all": func(dir string) (*Store, error) {
		return unflushedIndex(open(dir, Options{}, syncOnly(func(bool) bool { return false })))
	},
}

// syncOnly flushes what wanted wants.
func syncOnly(wanted func(isDir bool) bool) func(*os.File) error {
	return func(f *os.File) error {
		info, err := f.Stat()
		if err != nil || !wanted(info.IsDir()) {
			return err
		}
		return f.Sync()
	}
}

func unflushedIndex(s *Store, err error) (*Store, error) {
	if err == nil {
		s.index.db.NoSync = true
	}
	return s, err
}

// tracedPut overwrites one object between a line "began" and a line "acknowledged" on standard output. As a mutant it
// acknowledges early, before it writes.
func tracedPut(dir string, open func(string) (*Store, error), early bool) error {
	s, err := open(dir)
	if err != nil {
		return err
	}
	<-s.swept
	put := func(size int) error {
		_, err := s.Put(context.Background(), "bucket", "key", bytes.NewReader(make([]byte, size)), store.PutOptions{})
		return err
	}
	if err := put(100); err != nil {
		return err
	}
	fmt.Println("began")
	if early {
		fmt.Println("acknowledged")
	}
	if err := put(200_000); err != nil {
		return err
	}
	if !early {
		fmt.Println("acknowledged")
	}
	return s.Close()
}

// checkTrace runs a child under strace and returns what is wrong with the order of its flushes.
func checkTrace(t *testing.T, do string) error {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("this test needs strace: install the Debian package strace (%v)", err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(dir, "trace")
	data := filepath.Join(dir, "data")
	args := append([]string{strace}, storetest.StraceArgs...)
	if out, err := child(do, data, append(args, "-o", trace)...).Output(); err != nil {
		t.Fatalf("%s: %v\n%s", do, err, out)
	}
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, f)
	events, err := storetest.ParseTrace(f)
	if err != nil {
		t.Fatal(err)
	}
	says := func(line string) func(storetest.Event) bool {
		return func(e storetest.Event) bool {
			return e.Call == "write" && strings.HasPrefix(e.Args, "1<") && strings.Contains(e.Args, `"`+line+`\n"`)
		}
	}
	return storetest.CheckFlushOrder(events, data, says("began"), says("acknowledged"))
}

func TestPutFlushesFileDirectoryAndIndexBeforeItReturns(t *testing.T) {
	if err := checkTrace(t, "trace real"); err != nil {
		t.Error(err)
	}
}

// The trace test must bite: it has to notice each of these.
func TestTraceTestNoticesMutants(t *testing.T) {
	tests := []struct{ do, want string }{
		{"trace no flush of files", "was not flushed between its last write"},
		{"trace no flush of directories", "was not flushed between the making"},
		{"trace no flush of the index", "pages were not flushed"},
		{"trace no flush at all", "was not flushed between its last write"},
		{"trace early", "0 blobs were made"},
	}
	for _, tt := range tests {
		t.Run(tt.do, func(t *testing.T) {
			err := checkTrace(t, tt.do)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the trace test says %v, want %q", err, tt.want)
			}
		})
	}
}
