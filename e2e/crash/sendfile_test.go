package crash

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A plain object leaves by sendfile(2) on a plaintext connection: its bytes pass no buffer of the server. The first 512 do,
// since net/http sends them with the headers; so do whole small objects, for which it would cost more than it saves.
func TestPlainObjectsGoBySendfile(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(home, "data")
	plain, encrypted := "/kernel-plain", "/kernel-encrypted"
	s := start(t, data)
	s.must(t, "PUT", plain, "")
	s.must(t, "PUT", encrypted, "")
	s.stop(t)
	doNotEncrypt(t, data, strings.TrimPrefix(plain, "/"))

	large, small := newBody(5<<20), newBody(64<<10)
	sizes := map[string]int{} // bytes of each answer, in the order of gets
	gets := []struct {
		name, path, rng string
		want            int // bytes of the answer
		sent            int // by sendfile
	}{
		{"a large object", plain + "/large", "", large.size, large.size - 512},
		{"a range of it", plain + "/large", "bytes=1000000-2999999", 2_000_000, 2_000_000 - 512},
		{"an encrypted object", encrypted + "/large", "", large.size, 0},
		{"a small object", plain + "/small", "", small.size, 0},
	}
	var counts []int // bytes by sendfile before each mark, a GET of a key that is not there
	underStrace(t, data, []string{"-f", "-y", "-s", "64", "-e", "signal=none", "-e", "trace=sendfile,read"}, func(s *server) {
		for _, p := range []struct {
			path string
			body body
		}{{plain + "/large", large}, {encrypted + "/large", large}, {plain + "/small", small}} {
			if a, err := s.do("PUT", p.path, p.body.bytes(), p.body.header()); err != nil || a.status != 200 {
				t.Fatalf("PUT %s: %v, %d %s", p.path, err, a.status, a.body)
			}
		}
		for _, g := range gets {
			header := map[string]string{}
			if g.rng != "" {
				header["Range"] = g.rng
			}
			a, err := s.do("GET", g.path, nil, header)
			if err == nil && g.rng == "" {
				_, err = bodyOf(a)
			} else if err == nil && string(a.body) != string(large.bytes()[1_000_000:3_000_000]) {
				err = errNotWhole
			}
			if err != nil {
				t.Errorf("GET of %s: %d, %v", g.name, a.status, err)
			}
			sizes[g.name] = len(a.body)
			if _, err := s.do("GET", plain+"/mark", nil, nil); err != nil {
				t.Fatal(err)
			}
		}
	}, func(trace io.Reader) error {
		// 123 sendfile(9<TCP:[...]>, 10</dir/objects/objects/01/...>, NULL, 5242368) = 2539008, or in two lines.
		call := regexp.MustCompile(`sendfile(?:\(| resumed).* = ([0-9]+)$`)
		sent := 0
		lines := bufio.NewScanner(trace)
		for lines.Scan() {
			if m := call.FindStringSubmatch(lines.Text()); m != nil {
				n, err := strconv.Atoi(m[1])
				if err != nil {
					return err
				}
				sent += n
			}
			if strings.Contains(lines.Text(), plain+"/mark HTTP") {
				counts = append(counts, sent)
				sent = 0
			}
		}
		return lines.Err()
	})
	if len(counts) != len(gets) {
		t.Fatalf("the trace has %d marks, want %d", len(counts), len(gets))
	}
	for i, g := range gets {
		if sizes[g.name] != g.want || counts[i] != g.sent {
			t.Errorf("%s: %d bytes, %d of them by sendfile; want %d and %d", g.name, sizes[g.name], counts[i], g.want, g.sent)
		}
	}
	t.Log(fmt.Sprint("by sendfile: ", counts))
}
