package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"glassine/aws/sigv4"
)

// read is how many objects of a size are read in turn.
func read(size int) int {
	if size >= 1<<20 {
		return 8
	}
	return 64
}

func readKey(size, n int) string { return fmt.Sprintf("get/%d/%02d", size, n) }

// prepare puts the objects that are read, reads each once, and writes wrk's scripts: wrk asks for presigned URLs in turn.
func prepare(s side, dir string) error {
	for _, size := range sizes {
		body := content(size)
		var paths strings.Builder
		c, err := s.dial()
		if err != nil {
			return err
		}
		for n := range read(size) {
			path := "/" + s.bucket + "/" + readKey(size, n)
			if _, err := c.do(s.request("PUT", path, body), body); err != nil {
				return err
			}
			got, err := c.do(s.request("GET", path, nil), nil)
			if err != nil {
				return err
			}
			if string(got) != string(body) {
				return fmt.Errorf("%s gave %d other bytes for %s than were put", s.name, len(got), path)
			}
			u := sigv4.Presign("GET", &url.URL{Scheme: "http", Host: s.address, Path: path}, s.credentials, "us-east-1", "s3", time.Now(), 12*time.Hour)
			fmt.Fprintf(&paths, "%q,\n", u.RequestURI())
		}
		c.Close()
		script := fmt.Sprintf(wrkScript, &paths)
		if err := os.WriteFile(scriptName(s, dir, size), []byte(script), 0o600); err != nil {
			return err
		}
	}
	return nil
}

const wrkScript = `local paths = {
%s}
local n = 0
function request()
  n = n %% #paths + 1
  return wrk.format("GET", paths[n])
end
`

func scriptName(s side, dir string, size int) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return '-'
	}, s.name)
	return filepath.Join(dir, fmt.Sprintf("%s-%d.lua", name, size))
}

// content is an object's bytes; what they are does not matter.
func content(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * i >> 8)
	}
	return b
}

func get(ctx context.Context, s side, dir string, size, conns int, d time.Duration) (sample, error) {
	out, err := exec.CommandContext(ctx, "wrk", "-t1", fmt.Sprint("-c", conns), fmt.Sprint("-d", int(d.Seconds()), "s"), "--latency", "--timeout", "60s",
		"-s", scriptName(s, dir, size), "http://"+s.address).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("%w\n%s", err, out)
	}
	text := string(out)
	if strings.Contains(text, "Non-2xx") || strings.Contains(text, "Socket errors") {
		return sample{}, fmt.Errorf("not every request was answered:\n%s", text)
	}
	find := func(pattern string) string {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(text); m != nil {
			return m[1]
		}
		return ""
	}
	var r sample
	var err1, err2, err3, err4 error
	r.requests, err4 = strconv.ParseFloat(find(`([0-9]+) requests in`), 64)
	r.rate, err1 = strconv.ParseFloat(find(`Requests/sec:\s+([0-9.]+)`), 64)
	r.middle, err2 = time.ParseDuration(find(`(?m)^\s+50%\s+(\S+)`))
	r.high, err3 = time.ParseDuration(find(`(?m)^\s+99%\s+(\S+)`))
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		return sample{}, fmt.Errorf("wrk said\n%s", text)
	}
	return r, nil
}

// put puts new objects over so many connections and then flushes the file system.
func put(s side, dir string, round, size, conns int) (sample, error) {
	n, body := puts(size, conns), content(size)
	requests := make([][]byte, n)
	for i := range requests {
		requests[i] = s.request("PUT", fmt.Sprintf("/%s/put/%d/%d/%d/%05d", s.bucket, round, size, conns, i), body)
	}
	took := make([]time.Duration, n)
	began := time.Now()
	err := s.inParallel(n, conns, func(c *connection, i int) error {
		start := time.Now()
		_, err := c.do(requests[i], body)
		took[i] = time.Since(start)
		return err
	})
	if err != nil {
		return sample{}, err
	}
	r := sample{rate: float64(n) / time.Since(began).Seconds(), requests: float64(n)}
	slices.Sort(took)
	r.middle, r.high = took[n/2], took[n*99/100]
	began = time.Now()
	syscall.Sync()
	r.flush = time.Since(began)
	return r, nil
}

// inParallel does n tasks over so many connections.
func (s *server) inParallel(n, conns int, task func(c *connection, i int) error) error {
	tasks := make(chan int, n)
	for i := range n {
		tasks <- i
	}
	close(tasks)
	var wg sync.WaitGroup
	failed := make(chan error, conns)
	for range conns {
		wg.Go(func() {
			c, err := s.dial()
			if err != nil {
				failed <- err
				return
			}
			defer c.Close()
			for i := range tasks {
				if err := task(c, i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}

// listedPrefix is where the keys are that are listed: 1000 to each prefix, so that a server which keeps keys in directories
// has no directory of all of them.
const listedPrefix = "list/"

func fillListed(s side, keys int) error {
	began := time.Now()
	err := s.inParallel(keys, 64, func(c *connection, i int) error {
		_, err := c.do(s.request("PUT", fmt.Sprintf("/%s/%s%04d/%07d.jpg", s.bucket, listedPrefix, i/1000, i), nil), nil)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Printf("%-10s %v\n", s.name, time.Since(began).Round(time.Second))
	syscall.Sync()
	return nil
}

// listAll lists all keys and counts them.
func listAll(s side, keys int) (sample, error) {
	c, err := s.dial()
	if err != nil {
		return sample{}, err
	}
	defer c.Close()
	found, token := 0, ""
	var took []time.Duration
	began := time.Now()
	for {
		query := "?list-type=2&max-keys=1000&prefix=" + url.QueryEscape(listedPrefix)
		if token != "" {
			query = "?continuation-token=" + url.QueryEscape(token) + "&" + query[1:]
		}
		start := time.Now()
		page, err := c.do(s.request("GET", "/"+s.bucket+query, nil), nil)
		took = append(took, time.Since(start))
		if err != nil {
			return sample{}, err
		}
		text := string(page)
		found += strings.Count(text, "<Key>")
		_, rest, more := strings.Cut(text, "<NextContinuationToken>")
		if !more {
			break
		}
		token, _, _ = strings.Cut(rest, "<")
	}
	if found != keys {
		return sample{}, fmt.Errorf("%d keys are listed, want %d", found, keys)
	}
	r := sample{rate: float64(found) / time.Since(began).Seconds(), requests: float64(found) / 1000}
	slices.Sort(took)
	r.middle, r.high = took[len(took)/2], took[len(took)*99/100]
	return r, nil
}
