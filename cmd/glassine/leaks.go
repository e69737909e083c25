package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"glassine/console/client"
	"glassine/transform/metadata"
)

type auditCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
	URL         string   `arg:"" name:"s3-url" complete:"s3" help:"Bucket, and perhaps what keys begin with: s3://photos/2026/."`
	Risk        []string `help:"Only pictures that tell this: where, who, when, device, other." enum:"where,who,when,device,other"`
	All         bool     `help:"Look into every object, not only those whose names end as pictures' do."`
	Fail        bool     `help:"End with status 1 when a picture is listed, for a check in CI."`
	Jobs        int      `short:"j" help:"How many pictures at once." default:"8"`
}

// auditedPicture is what the original of a picture would give away: lines by risk.
type auditedPicture struct {
	Key    string
	Size   int64
	Type   string   `json:"ContentType,omitempty"`
	Where  []string `json:",omitempty"`
	Who    []string `json:",omitempty"`
	When   []string `json:",omitempty"`
	Device []string `json:",omitempty"`
	Other  []string `json:",omitempty"`
	Error  string   `json:",omitempty"` // why it could not be looked into
}

// risk returns the lines of a risk by its name, in any case.
func (p *auditedPicture) risk(name string) *[]string {
	switch strings.ToLower(name) {
	case "where":
		return &p.Where
	case "who":
		return &p.Who
	case "when":
		return &p.When
	case "device":
		return &p.Device
	}
	return &p.Other
}

// auditSummary counts pictures.
type auditSummary struct {
	Bucket, Prefix string
	Objects        int // that were listed
	Pictures       int // that were looked into
	Leaking        int // that tell where, who, when or by which device
	Where          int
	Who            int
	When           int
	Device         int
	Other          int
	Unreadable     int
}

// auditRisks are the risks in order, the worst first.
var auditRisks = []string{"Where", "Who", "When", "Device", "Other"}

// auditPage is how many keys are held at a time.
const auditPage = 1000

// Run lists the pictures in the order of their keys, and at the end how many tell what. It reads as much of each as its metadata is
// away from its beginning, and changes nothing.
func (c *auditCmd) Run() error {
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(c.URL, "s3://"), "/")
	if !strings.HasPrefix(c.URL, "s3://") || bucket == "" {
		return usageError{&card{fmt.Errorf("%s is not of the form s3://BUCKET/PREFIX", c.URL), "", "glassine audit s3://" + strings.Trim(c.URL, "/")}}
	}
	ctx, stop := interruptible()
	defer stop()
	caller, err := c.caller()
	if err != nil {
		return err
	}
	sum := auditSummary{Bucket: bucket, Prefix: prefix}
	bar := newMeter("looked into", 0)
	listed := 0
	for token := ""; ; {
		page, err := caller.ListKeys(ctx, bucket, prefix, token, auditPage)
		if err != nil {
			bar.end()
			return err
		}
		sum.Objects += len(page.Objects)
		objects := slices.DeleteFunc(page.Objects, func(o client.Object) bool { return o.Size == 0 || !c.All && !isPictureName(o.Key) })
		var writing error
		done := inOrder(ctx, len(objects), max(c.Jobs, 1), func(i int) *auditedPicture { return auditObject(ctx, caller, bucket, objects[i]) }, func(_ int, p *auditedPicture) {
			if p != nil && sum.count(p) && c.wanted(p) {
				listed++
				if writing == nil {
					bar.clear()
					writing = c.record(p, p.write)
				}
			}
			bar.step(1)
		})
		if writing != nil || done < len(objects) {
			bar.end()
			return errors.Join(writing, ctx.Err())
		}
		if token = page.Next; token == "" {
			break
		}
	}
	bar.end()
	if err := c.record(struct{ Summary auditSummary }{sum}, sum.write); err != nil {
		return err
	}
	if c.Fail && listed > 0 {
		return &card{fmt.Errorf("%s would give something away", counted(listed, "picture")), "", "serve them through an Object Lambda access point, or glassine strip"}
	}
	return nil
}

// wanted reports whether a picture is listed: it tells what was asked for, or could not be looked into.
func (c *auditCmd) wanted(p *auditedPicture) bool {
	if len(c.Risk) == 0 {
		return true
	}
	return slices.ContainsFunc(c.Risk, func(r string) bool { return len(*p.risk(r)) > 0 })
}

// count adds a picture, and reports whether there is anything to say about it.
func (s *auditSummary) count(p *auditedPicture) bool {
	s.Pictures++
	if p.Error != "" {
		s.Unreadable++
		return true
	}
	worst := false
	for _, r := range auditRisks {
		if len(*p.risk(r)) == 0 {
			continue
		}
		*map[string]*int{"Where": &s.Where, "Who": &s.Who, "When": &s.When, "Device": &s.Device, "Other": &s.Other}[r]++
		worst = worst || r != "Other"
	}
	if worst {
		s.Leaking++
	}
	return worst || len(p.Other) > 0
}

// write is a picture for people: what it tells, the worst first.
func (p *auditedPicture) write(w io.Writer) {
	fmt.Fprintf(w, "%s  %s\n", shownName(p.Key), shownSize(p.Size))
	if p.Error != "" {
		fmt.Fprintf(w, "  %-8s %s\n", "Unread", shownText(p.Error))
	}
	for _, r := range auditRisks {
		lines := *p.risk(r)
		switch {
		case len(lines) == 0:
		case r == "Where":
			fmt.Fprintf(w, "  %-8s %s\n", painted(os.Stdout, red, r)+strings.Repeat(" ", 8-len(r)), strings.Join(lines, "; "))
		default:
			more := ""
			if len(lines) > 3 {
				more = fmt.Sprintf("; and %d more", len(lines)-3)
			}
			fmt.Fprintf(w, "  %-8s %s%s\n", r, strings.Join(lines[:min(len(lines), 3)], "; "), more)
		}
	}
}

// write is the summary for people.
func (s auditSummary) write(w io.Writer) {
	fmt.Fprintf(w, "\ns3://%s: %s, %s looked into, %d would tell something about people\n", shownName(s.Bucket+"/"+s.Prefix), counted(s.Objects, "object"), counted(s.Pictures, "picture"), s.Leaking)
	for _, r := range []struct {
		name, means string
		n           int
	}{{"Where", "a place", s.Where}, {"Who", "a person", s.Who}, {"When", "a time", s.When}, {"Device", "a camera or program", s.Device}, {"Other", "settings, thumbnails and the like", s.Other}} {
		fmt.Fprintf(w, "  %-8s %7d  %s\n", r.name, r.n, r.means)
	}
	if s.Unreadable > 0 {
		fmt.Fprintf(w, "  %-8s %7d  could not be looked into\n", "Unread", s.Unreadable)
	}
}

// dateInName finds dates in file names as cameras write them: IMG_20260331_143022.jpg.
var dateInName = regexp.MustCompile(`(?:^|[^0-9])((?:19|20)[0-9]{2})[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12][0-9]|3[01])(?:[^0-9]|$)`)

// auditObject looks into one object. nil is one that is no picture after all.
func auditObject(ctx context.Context, caller *client.Client, bucket string, o client.Object) *auditedPicture {
	p := &auditedPicture{Key: o.Key, Size: o.Size}
	src := &objectReader{ctx: ctx, caller: caller, bucket: bucket, object: o}
	about, err := metadata.Describe(src, o.Size)
	if err != nil {
		if unsupported, ok := errors.AsType[*metadata.UnsupportedError](err); ok && unsupported.Format == "" && !isPictureName(o.Key) {
			return nil
		}
		p.Error = err.Error()
		if src.err != nil {
			p.Error = src.err.Error()
		}
		return p
	}
	p.Type = about.Format.ContentType()
	text, err := about.JSON()
	if err == nil {
		var groups map[string][]string
		if groups, err = leakGroups(about, text); err == nil {
			for _, r := range auditRisks {
				*p.risk(r) = groups[r]
			}
		}
	}
	if err != nil {
		p.Error = err.Error()
	}
	p.beside(src.head)
	return p
}

// beside adds what is told by the object's name and by the headers that a plain GET answers.
func (p *auditedPicture) beside(h client.Head) {
	if m := dateInName.FindStringSubmatch(path.Base(p.Key)); m != nil {
		p.When = append(p.When, fmt.Sprintf("%s-%s-%s (name)", m[1], m[2], m[3]))
	}
	if h.ContentDisposition != "" {
		p.Other = append(p.Other, "Content-Disposition: "+shownText(h.ContentDisposition)+" (header)")
	}
	for _, key := range sortedKeys(h.Metadata) {
		p.Other = append(p.Other, "x-amz-meta-"+shownText(key)+": "+shownText(h.Metadata[key])+" (header)")
	}
}

// objectReader reads an object in blocks by signed requests and holds a few of them: at most objectBlocks*objectBlock bytes. Not for
// several goroutines.
type objectReader struct {
	ctx    context.Context
	caller *client.Client
	bucket string
	object client.Object
	head   client.Head // of the first answer
	err    error       // of the last request

	blocks []block // the last used at the end
}

type block struct {
	at   int64
	data []byte
}

// Metadata is mostly in the first block; what is far behind it comes in others.
const (
	objectBlock  = 128 << 10
	objectBlocks = 8
)

// ReadAt is io.ReaderAt.
func (r *objectReader) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n)
		if at >= r.object.Size {
			return n, io.EOF
		}
		b, err := r.block(at / objectBlock * objectBlock)
		if err != nil {
			return n, err
		}
		if at-b.at >= int64(len(b.data)) {
			return n, io.ErrUnexpectedEOF
		}
		n += copy(p[n:], b.data[at-b.at:])
	}
	return n, nil
}

// block returns the block that begins at an offset.
func (r *objectReader) block(at int64) (block, error) {
	for i, b := range r.blocks {
		if b.at == at {
			r.blocks = append(slices.Delete(r.blocks, i, i+1), b)
			return b, nil
		}
	}
	data, head, err := r.caller.GetRange(r.ctx, r.bucket, r.object.Key, r.object.ETag, at, min(objectBlock, r.object.Size-at))
	if err != nil {
		r.err = err
		return block{}, err
	}
	if r.head.ContentType == "" {
		r.head = head
	}
	if len(r.blocks) == objectBlocks {
		r.blocks = slices.Delete(r.blocks, 0, 1)
	}
	r.blocks = append(r.blocks, block{at, data})
	return r.blocks[len(r.blocks)-1], nil
}
