package crash

import (
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"glassine/store/storetest"
)

// observed is what a server has after a kill, as its listings say and its objects prove.
type observed struct {
	places  map[place][]version
	uploads map[string]seenUpload
}

type seenUpload struct {
	place place
	parts map[int]seenPart
}

type seenPart struct {
	etag string
	size int
}

// observe lists and reads everything. An object that is not whole, or that listings disagree about, is an error.
func observe(s *server) (observed, error) {
	o := observed{map[place][]version{}, map[string]seenUpload{}}
	for _, b := range testBuckets {
		if err := o.versions(s, b); err != nil {
			return o, err
		}
		if err := o.multipart(s, b); err != nil {
			return o, err
		}
	}
	return o, nil
}

// listing reads an XML answer.
func listing(s *server, path string, into any) error {
	a, err := s.do("GET", path, nil, nil)
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("%d %s", a.status, a.body)
	}
	if err == nil {
		err = xml.Unmarshal(a.body, into)
	}
	if err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}

func (o observed) versions(s *server, b testBucket) error {
	var list struct {
		IsTruncated bool
		Entries     []struct {
			XMLName                              xml.Name
			Key, VersionId, ETag, IsLatest, Size string
		} `xml:",any"`
	}
	if err := listing(s, "/"+b.name+"?versions", &list); err != nil {
		return err
	}
	if list.IsTruncated {
		return errors.New("more versions than a page holds")
	}
	latest := map[string]bool{} // keys that have an object
	var reads []func() error
	for _, e := range list.Entries {
		if e.XMLName.Local != "Version" && e.XMLName.Local != "DeleteMarker" {
			continue
		}
		p := place{b, e.Key}
		v := version{id: e.VersionId, etag: e.ETag, marker: e.XMLName.Local == "DeleteMarker"}
		first := len(o.places[p]) == 0
		if e.IsLatest != strconv.FormatBool(first) {
			return fmt.Errorf("%s: version %d of the listing says IsLatest %s", p.path(), len(o.places[p]), e.IsLatest)
		}
		o.places[p] = append(o.places[p], v)
		if v.marker {
			continue
		}
		if first {
			latest[e.Key] = true
		}
		at := len(o.places[p]) - 1
		reads = append(reads, func() error {
			body, err := readVersion(s, p, v, first, e.Size)
			o.places[p][at].body = body
			return err
		})
	}
	if err := inTurn(reads); err != nil {
		return err
	}
	var current struct{ Contents []struct{ Key string } }
	if err := listing(s, "/"+b.name+"?list-type=2", &current); err != nil {
		return err
	}
	keys := []string{}
	for _, c := range current.Contents {
		keys = append(keys, c.Key)
	}
	if want := slices.Sorted(maps.Keys(latest)); !slices.Equal(keys, want) {
		return fmt.Errorf("%s: the list of objects has %q, the list of versions %q", b.name, keys, want)
	}
	return nil
}

// inTurn calls the functions, four at a time.
func inTurn(functions []func() error) error {
	errs := make([]error, len(functions))
	gate := make(chan struct{}, 4)
	var running sync.WaitGroup
	for i, f := range functions {
		gate <- struct{}{}
		running.Go(func() {
			errs[i] = f()
			<-gate
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// readVersion reads a version whole and returns which body it is. The newest it reads without naming the version.
func readVersion(s *server, p place, v version, newest bool, size string) (body, error) {
	path := p.path()
	if !newest {
		path += "?versionId=" + v.id
	}
	a, err := s.do("GET", path, nil, nil)
	if err != nil {
		return body{}, fmt.Errorf("GET %s: %w", path, err)
	}
	b, err := bodyOf(a)
	encrypted := a.header.Get("X-Amz-Server-Side-Encryption") == "AES256"
	switch {
	case a.status != http.StatusOK:
		return b, fmt.Errorf("GET %s: %d %s", path, a.status, a.body)
	case err != nil:
		return b, fmt.Errorf("GET %s: %w", path, err)
	case size != strconv.Itoa(b.size) || a.header.Get("ETag") != v.etag || encrypted != p.bucket.encrypted:
		return b, fmt.Errorf("GET %s: %v; the listing says size %s and ETag %s", path, a.header, size, v.etag)
	case !strings.Contains(v.etag, "-") && v.etag != `"`+sum(a.body)+`"`:
		return b, fmt.Errorf("GET %s: ETag %s is not the MD5", path, v.etag)
	}
	return b, nil
}

func (o observed) multipart(s *server, b testBucket) error {
	var list struct {
		Upload []struct{ Key, UploadId string }
	}
	if err := listing(s, "/"+b.name+"?uploads", &list); err != nil {
		return err
	}
	for _, u := range list.Upload {
		seen := seenUpload{place{b, u.Key}, map[int]seenPart{}}
		var parts struct {
			Part []struct {
				PartNumber, Size int
				ETag             string
			}
		}
		if err := listing(s, seen.place.path()+"?uploadId="+url.QueryEscape(u.UploadId), &parts); err != nil {
			return err
		}
		for _, p := range parts.Part {
			seen.parts[p.PartNumber] = seenPart{p.ETag, p.Size}
		}
		o.uploads[u.UploadId] = seen
	}
	return nil
}

// check compares what the server has with what the clients know, and aborts the uploads that no client knows.
func (o observed) check(s *server, clients []*client, history *storetest.History) error {
	known := map[place]bool{}
	for _, c := range clients {
		for _, p := range c.places() {
			known[p] = true
			if err := c.check(p, o.places[p]); err != nil {
				return fmt.Errorf("client %s: %w", c.name, err)
			}
		}
		if err := o.checkUploads(c); err != nil {
			return fmt.Errorf("client %s: %w", c.name, err)
		}
	}
	for _, p := range sharedPlaces() {
		known[p] = true
		found := storetest.Absent
		if v := o.places[p]; len(v) > 0 {
			found = v[0].body.String()
		}
		if err := history.Check(p.path(), found); err != nil {
			return err
		}
	}
	for p := range o.places {
		if !known[p] {
			return fmt.Errorf("%s is there, which nobody sent", p.path())
		}
	}
	for id, u := range o.uploads { // what checkUploads left
		asked := false
		for _, c := range clients {
			asked = asked || c.opening[u.place]
		}
		a, err := s.do("DELETE", u.place.path()+"?uploadId="+url.QueryEscape(id), nil, nil)
		if !asked || err != nil || a.status != http.StatusNoContent {
			return fmt.Errorf("%s has an upload that nobody asked for, or that cannot be aborted: %v, %d %s", u.place.path(), err, a.status, a.body) //nolint:errorlint // it may be nil
		}
	}
	for _, c := range clients {
		clear(c.opening)
	}
	return nil
}

// checkUploads checks the uploads that c knows, and takes them out of o.
func (o observed) checkUploads(c *client) error {
	for id, u := range c.uploads {
		seen, there := o.uploads[id]
		delete(o.uploads, id)
		gone := u.ending == "complete" && c.landed[u.place] || u.ending == "abort" && !there
		if there == gone || there && seen.place != u.place {
			return fmt.Errorf("upload %s of %s (ending: %q, object made: %v) is there: %v", id, u.place.path(), u.ending, c.landed[u.place], there)
		}
		if gone {
			delete(c.uploads, id)
			continue
		}
		if u.unsure != 0 && there {
			if p, ok := seen.parts[u.unsure]; ok { // it happened, or was there before: the bytes are the same
				u.parts[u.unsure] = p.etag
			}
		}
		for number, p := range seen.parts {
			if content := u.part(number); p.size != len(content) || p.etag != `"`+sum(content)+`"` || u.parts[number] != p.etag {
				return fmt.Errorf("part %d of upload %s has %d bytes with ETag %s; acknowledged was %q", number, id, p.size, p.etag, u.parts[number])
			}
		}
		if len(seen.parts) != len(u.parts) {
			return fmt.Errorf("upload %s has the parts %v; acknowledged were %v", id, seen.parts, u.parts)
		}
		u.unsure, u.ending = 0, ""
	}
	clear(c.landed)
	return nil
}
