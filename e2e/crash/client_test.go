package crash

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"glassine/store/storetest"
)

// client writes to the server until that is gone: to places of its own, of which it has a model, and to some that all
// clients share, of which there is a history.
type client struct {
	*model
	t       *testing.T
	name    string
	history *storetest.History // of the shared places, by path; bodies by their number

	uploads map[string]*upload // acknowledged, by id
	opening map[place]bool     // an upload was asked for and not answered

	done map[string]int // acknowledged requests, by kind
}

// upload is a multipart upload under way.
type upload struct {
	place  place
	body   body
	parts  map[int]string // ETags of those acknowledged, by number
	unsure int            // the number of a part that was sent and not answered; 0: none
	ending string         // "complete" or "abort" was sent and not answered; "": neither
}

func newClient(t *testing.T, name string, history *storetest.History, early bool) *client {
	return &client{model: newModel(early), t: t, name: name, history: history, uploads: map[string]*upload{}, opening: map[place]bool{}, done: map[string]int{}}
}

// keysEach is how many keys of each bucket a client owns, sharedKeys how many of each bucket without versions are shared.
const keysEach, sharedKeys = 2, 2

func (c *client) places() []place {
	var all []place
	for _, b := range testBuckets {
		for k := range keysEach {
			all = append(all, place{b, fmt.Sprintf("%s/key %d", c.name, k)})
		}
	}
	return all
}

func sharedPlaces() []place {
	var all []place
	for _, b := range testBuckets {
		if !b.versioned {
			for k := range sharedKeys {
				all = append(all, place{b, fmt.Sprint("shared/", k)})
			}
		}
	}
	return all
}

func one[T any](of []T) T { return of[rand.IntN(len(of))] }

// maxVersions bounds what a place holds, and so what every round has to read.
const maxVersions = 4

// run sends requests until the server is gone, or something is wrong.
func (c *client) run(s *server) {
	for c.step(s) {
	}
}

// step sends one request, or one upload's worth of them.
func (c *client) step(s *server) bool {
	p := one(c.places())
	holds := c.holds[p]
	if len(holds) > maxVersions {
		return c.removeVersion(s, p, one(holds).id)
	}
	switch n := rand.IntN(20); {
	case n < 6:
		return c.put(s, p)
	case n < 8:
		return c.remove(s, p)
	case n < 9 && p.bucket.versioned && len(holds) > 0:
		return c.removeVersion(s, p, one(holds).id)
	case n < 11:
		return c.removeMany(s, p.bucket)
	case n < 13:
		return c.copy(s, one(c.places()), p)
	case n < 16:
		return c.multipart(s, p)
	case n < 18:
		return c.read(s, p)
	}
	return c.share(s, one(sharedPlaces()))
}

// ask sends a request; it returns false when the server is gone, or answered with an error.
func (c *client) ask(s *server, kind, method, path string, content []byte, header map[string]string) (answer, bool) {
	a, err := s.do(method, path, content, header)
	if err != nil {
		if !s.killed.Load() {
			c.t.Errorf("%s %s to a server that lives: %v", method, path, err)
		}
		return a, false
	}
	if a.status/100 != 2 {
		c.t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
		return a, false
	}
	c.done[kind]++
	return a, true
}

// stored returns the id and the ETag of what an answer says was stored at p.
func stored(p place, a answer) (id, etag string) {
	if id = a.header.Get("X-Amz-Version-Id"); id == "" {
		id = "null"
	}
	return id, a.header.Get("ETag")
}

func (c *client) put(s *server, p place) bool {
	b := anyBody()
	c.begin(p, change{put: &version{body: b}})
	a, ok := c.ask(s, "PUT", "PUT", p.path(), b.bytes(), b.header())
	if ok {
		id, etag := stored(p, a)
		c.acknowledged(p, id, etag)
	}
	return ok
}

// removal is the deletion of what p holds.
func removal(p place) change {
	if p.bucket.versioned {
		return change{put: &version{marker: true}}
	}
	return change{clear: true}
}

func (c *client) remove(s *server, p place) bool {
	c.begin(p, removal(p))
	a, ok := c.ask(s, "DELETE", "DELETE", p.path(), nil, nil)
	if ok {
		id, _ := stored(p, a)
		c.acknowledged(p, id, "")
	}
	return ok
}

func (c *client) removeVersion(s *server, p place, id string) bool {
	c.begin(p, change{drop: id})
	_, ok := c.ask(s, "DELETE of a version", "DELETE", p.path()+"?versionId="+id, nil, nil)
	if ok {
		c.acknowledged(p, "", "")
	}
	return ok
}

// removeMany deletes in one request what all the client's places in a bucket hold, of some only a version.
func (c *client) removeMany(s *server, b testBucket) bool {
	type object struct{ Key, VersionId string }
	var request struct {
		XMLName xml.Name `xml:"Delete"`
		Object  []object
	}
	places := map[string]place{}
	for _, p := range c.places() {
		if p.bucket != b {
			continue
		}
		places[p.key] = p
		if holds := c.holds[p]; b.versioned && len(holds) > 0 && rand.IntN(2) == 0 {
			id := one(holds).id
			request.Object = append(request.Object, object{p.key, id})
			c.begin(p, change{drop: id})
			continue
		}
		request.Object = append(request.Object, object{Key: p.key})
		c.begin(p, removal(p))
	}
	content, err := xml.Marshal(request)
	if err != nil {
		c.t.Error(err)
		return false
	}
	sum := md5.Sum(content)
	a, ok := c.ask(s, "DELETE of many", "POST", "/"+b.name+"?delete", content, map[string]string{"Content-MD5": base64.StdEncoding.EncodeToString(sum[:])})
	if !ok {
		return false
	}
	var result struct {
		Deleted []struct{ Key, DeleteMarkerVersionId string }
		Error   []struct{ Key, Code string }
	}
	if err := xml.Unmarshal(a.body, &result); err != nil || len(result.Deleted) != len(request.Object) || len(result.Error) > 0 {
		c.t.Errorf("deletion of %d objects: %v, %s", len(request.Object), err, a.body)
		return false
	}
	for _, d := range result.Deleted {
		c.acknowledged(places[d.Key], d.DeleteMarkerVersionId, "")
	}
	return true
}

func (c *client) copy(s *server, from, to place) bool {
	src, ok := c.current(from)
	if !ok || from == to {
		return c.put(s, to)
	}
	c.begin(to, change{put: &version{body: src.body}})
	a, ok := c.ask(s, "copy", "PUT", to.path(), nil, map[string]string{"X-Amz-Copy-Source": from.path()})
	if ok {
		id, _ := stored(to, a)
		var result struct{ ETag string }
		if err := xml.Unmarshal(a.body, &result); err != nil || result.ETag == "" {
			c.t.Errorf("copy: %v, %s", err, a.body)
			return false
		}
		c.acknowledged(to, id, result.ETag)
	}
	return ok
}

// read gets what the client itself was told is there.
func (c *client) read(s *server, p place) bool {
	a, err := s.do("GET", p.path(), nil, nil)
	if err != nil {
		if !s.killed.Load() {
			c.t.Errorf("GET %s from a server that lives: %v", p.path(), err)
		}
		return false
	}
	want, ok := c.current(p)
	if a.status == http.StatusNotFound && !ok {
		return true
	}
	if got, err := bodyOf(a); a.status != http.StatusOK || err != nil || !ok || got != want.body {
		c.t.Errorf("GET %s: %d with body %v (%v), want %v %v", p.path(), a.status, got, err, want, ok)
		return false
	}
	c.done["GET"]++
	return true
}

// share puts or deletes an object that other clients write to as well.
func (c *client) share(s *server, p place) bool {
	method, b := "PUT", anyBody()
	sum, content, header := b.String(), b.bytes(), b.header()
	if rand.IntN(4) == 0 {
		method, sum, content, header = "DELETE", storetest.Absent, nil, nil
	}
	number := c.history.Began(p.path(), sum)
	if c.early {
		c.history.Acknowledged(number)
	}
	_, ok := c.ask(s, method+" of shared", method, p.path(), content, header)
	if ok && !c.early {
		c.history.Acknowledged(number)
	}
	return ok
}

// multipart begins an upload, or goes on with one of the client's, one request at a time.
func (c *client) multipart(s *server, p place) bool {
	for id, u := range c.uploads {
		if u.place == p {
			return c.goOn(s, id, u)
		}
	}
	b := anyBody()
	if rand.IntN(6) == 0 {
		b = newBody(partSize + 1 + rand.IntN(100_000)) // of two parts
	}
	c.opening[p] = true
	a, ok := c.ask(s, "create upload", "POST", p.path()+"?uploads", nil, b.header())
	if !ok {
		return false
	}
	delete(c.opening, p)
	var result struct{ UploadId string }
	if err := xml.Unmarshal(a.body, &result); err != nil || result.UploadId == "" {
		c.t.Errorf("create upload: %v, %s", err, a.body)
		return false
	}
	c.uploads[result.UploadId] = &upload{place: p, body: b, parts: map[int]string{}}
	return true
}

// partSize is the least that a part other than the last has.
const partSize = 5 << 20

// count is how many parts the upload's body has.
func (u *upload) count() int { return max(1, (u.body.size+partSize-1)/partSize) }

func (u *upload) part(number int) []byte {
	return u.body.bytes()[(number-1)*partSize : min(number*partSize, u.body.size)]
}

// goOn sends the upload's next part, or one of them again, or ends it.
func (c *client) goOn(s *server, id string, u *upload) bool {
	next := len(u.parts) + 1
	if next > u.count() && rand.IntN(4) > 0 {
		return c.end(s, id, u, "complete")
	}
	if rand.IntN(8) == 0 {
		return c.end(s, id, u, "abort")
	}
	number := min(next, u.count())
	u.unsure = number
	if c.early {
		u.parts[number] = `"` + sum(u.part(number)) + `"`
	}
	a, ok := c.ask(s, "part", "PUT", fmt.Sprintf("%s?partNumber=%d&uploadId=%s", u.place.path(), number, id), u.part(number), nil)
	if ok {
		u.unsure, u.parts[number] = 0, a.header.Get("ETag")
	}
	return ok
}

func (c *client) end(s *server, id string, u *upload, how string) bool {
	u.ending = how
	path := u.place.path() + "?uploadId=" + id
	if how == "abort" {
		if c.early {
			delete(c.uploads, id)
		}
		_, ok := c.ask(s, "abort upload", "DELETE", path, nil, nil)
		if ok {
			delete(c.uploads, id)
		}
		return ok
	}
	var content strings.Builder
	content.WriteString("<CompleteMultipartUpload>")
	for number := range u.count() {
		fmt.Fprintf(&content, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", number+1, u.parts[number+1])
	}
	content.WriteString("</CompleteMultipartUpload>")
	c.begin(u.place, change{put: &version{body: u.body}})
	if c.early {
		delete(c.uploads, id)
	}
	a, ok := c.ask(s, "complete upload", "POST", path, []byte(content.String()), nil)
	if !ok {
		return false
	}
	var result struct{ ETag string }
	if err := xml.Unmarshal(a.body, &result); err != nil || result.ETag == "" {
		c.t.Errorf("complete upload: %v, %s", err, a.body)
		return false
	}
	versionID, _ := stored(u.place, a)
	c.acknowledged(u.place, versionID, result.ETag)
	delete(c.uploads, id)
	return true
}
