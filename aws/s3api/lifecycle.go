package s3api

import (
	"encoding/xml"
	"net/http"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/s3"
)

// lifecycleRule is one Rule of a LifecycleConfiguration. (S3 API Reference, PutBucketLifecycleConfiguration.)
type lifecycleRule struct {
	ID                             string
	Prefix                         *string `xml:",omitempty"`
	Status                         string
	Filter                         *lifecycleFilter       `xml:",omitempty"`
	Expiration                     *expiration            `xml:",omitempty"`
	NoncurrentVersionExpiration    *noncurrentExpiration  `xml:",omitempty"`
	AbortIncompleteMultipartUpload *abortIncompleteUpload `xml:",omitempty"`

	Transition, NoncurrentVersionTransition []struct{} `xml:",omitempty"`
}

type lifecycleFilter struct {
	Prefix                *string    `xml:",omitempty"`
	Tag                   *tag       `xml:",omitempty"`
	ObjectSizeGreaterThan *int64     `xml:",omitempty"`
	ObjectSizeLessThan    *int64     `xml:",omitempty"`
	And                   *filterAnd `xml:",omitempty"`
}

type filterAnd struct {
	Prefix                *string `xml:",omitempty"`
	Tag                   []tag   `xml:",omitempty"`
	ObjectSizeGreaterThan *int64  `xml:",omitempty"`
	ObjectSizeLessThan    *int64  `xml:",omitempty"`
}

type expiration struct {
	Date                      string `xml:",omitempty"`
	Days                      *int   `xml:",omitempty"`
	ExpiredObjectDeleteMarker bool   `xml:",omitempty"`
}

type noncurrentExpiration struct {
	NoncurrentDays          *int `xml:",omitempty"`
	NewerNoncurrentVersions *int `xml:",omitempty"`
}

type abortIncompleteUpload struct{ DaysAfterInitiation *int }

func (h *Handler) getLifecycle(req *request) error {
	rules, err := h.S3.BucketLifecycle(req.Context(), req.caller, req.target.name)
	if err != nil {
		return err
	}
	var out struct{ Rule []lifecycleRule }
	for _, r := range rules {
		out.Rule = append(out.Rule, lifecycleXML(r))
	}
	req.w.Header().Set("X-Amz-Transition-Default-Minimum-Object-Size", "all_storage_classes_128K")
	wire.WriteElement(req.w, http.StatusOK, "LifecycleConfiguration", xmlns, out)
	return nil
}

func (h *Handler) putLifecycle(req *request) error {
	var in struct {
		XMLName xml.Name `xml:"LifecycleConfiguration"`
		Rule    []lifecycleRule
	}
	if _, err := readXML(req, maxConfiguration, &in); err != nil {
		return err
	}
	var rules []s3.LifecycleRule
	for _, x := range in.Rule {
		r, err := x.rule()
		if err != nil {
			return err
		}
		rules = append(rules, r)
	}
	return req.done(h.S3.PutBucketLifecycle(req.Context(), req.caller, req.target.name, rules))
}

// rule is x as package s3 has it.
func (x lifecycleRule) rule() (s3.LifecycleRule, error) {
	r := s3.LifecycleRule{ID: x.ID, Enabled: x.Status == "Enabled"}
	switch {
	case x.Status != "Enabled" && x.Status != "Disabled", x.Prefix != nil && x.Filter != nil, x.Prefix == nil && x.Filter == nil:
		return r, malformedXML()
	case len(x.Transition) > 0 || len(x.NoncurrentVersionTransition) > 0:
		return r, notImplemented("lifecycle transitions: there is one storage class")
	}
	if x.Prefix != nil {
		r.Prefix, r.LegacyPrefix = *x.Prefix, true
	}
	if x.Filter != nil {
		if err := x.Filter.into(&r); err != nil {
			return r, err
		}
	}
	if e := x.Expiration; e != nil {
		if e.Date != "" {
			t, err := time.Parse(time.RFC3339, e.Date)
			if err != nil {
				return r, malformedXML()
			}
			r.ExpireDate = t.UTC()
		}
		var err error
		if r.ExpireDays, err = positive(e.Days, "'Days' for Expiration action must be a positive integer"); err != nil {
			return r, err
		}
		r.ExpireMarkers = e.ExpiredObjectDeleteMarker
	}
	var err error
	if n := x.NoncurrentVersionExpiration; n != nil {
		if r.NoncurrentDays, err = positive(n.NoncurrentDays, "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer"); err != nil {
			return r, err
		}
		r.NewerNoncurrent, err = positive(n.NewerNoncurrentVersions, "'NewerNoncurrentVersions' must be a positive integer that does not exceed 100")
	}
	if a := x.AbortIncompleteMultipartUpload; a != nil && err == nil {
		r.AbortDays, err = positive(a.DaysAfterInitiation, "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
	}
	return r, err
}

// positive reads a number that, when it is there, is at least 1.
func positive(n *int, otherwise string) (int, error) {
	if n == nil {
		return 0, nil
	}
	if *n < 1 {
		return 0, fault.New("InvalidArgument", "%s", otherwise)
	}
	return *n, nil
}

// into puts the filter into r. It has one of its elements, or And with several.
func (f *lifecycleFilter) into(r *s3.LifecycleRule) error {
	and := filterAnd{f.Prefix, nil, f.ObjectSizeGreaterThan, f.ObjectSizeLessThan}
	n := 0
	for _, there := range []bool{f.Prefix != nil, f.Tag != nil, f.ObjectSizeGreaterThan != nil, f.ObjectSizeLessThan != nil, f.And != nil} {
		if there {
			n++
		}
	}
	if n > 1 {
		return malformedXML()
	}
	if f.Tag != nil {
		and.Tag = []tag{*f.Tag}
	}
	if f.And != nil {
		and = *f.And
	}
	if and.Prefix != nil {
		r.Prefix = *and.Prefix
	}
	r.SizeGreaterThan, r.SizeLessThan = and.ObjectSizeGreaterThan, and.ObjectSizeLessThan
	var err error
	if len(and.Tag) > 0 {
		r.Tags, err = tagSet{and.Tag}.tags()
	}
	return err
}

func lifecycleXML(r s3.LifecycleRule) lifecycleRule {
	number := func(n int) *int {
		if n == 0 {
			return nil
		}
		return &n
	}
	x := lifecycleRule{ID: r.ID, Status: "Disabled"}
	if r.Enabled {
		x.Status = "Enabled"
	}
	if r.LegacyPrefix {
		x.Prefix = &r.Prefix
	} else {
		x.Filter = filterXML(r)
	}
	if r.ExpireDays > 0 || !r.ExpireDate.IsZero() || r.ExpireMarkers {
		x.Expiration = &expiration{Days: number(r.ExpireDays), ExpiredObjectDeleteMarker: r.ExpireMarkers}
		if !r.ExpireDate.IsZero() {
			x.Expiration.Date = isoTime(r.ExpireDate)
		}
	}
	if r.NoncurrentDays > 0 {
		x.NoncurrentVersionExpiration = &noncurrentExpiration{number(r.NoncurrentDays), number(r.NewerNoncurrent)}
	}
	if r.AbortDays > 0 {
		x.AbortIncompleteMultipartUpload = &abortIncompleteUpload{number(r.AbortDays)}
	}
	return x
}

func filterXML(r s3.LifecycleRule) *lifecycleFilter {
	and := filterAnd{Tag: newTagSet(r.Tags).Tag, ObjectSizeGreaterThan: r.SizeGreaterThan, ObjectSizeLessThan: r.SizeLessThan}
	n := len(and.Tag)
	for _, there := range []bool{r.Prefix != "", r.SizeGreaterThan != nil, r.SizeLessThan != nil} {
		if there {
			n++
		}
	}
	if n > 1 {
		if r.Prefix != "" {
			and.Prefix = &r.Prefix
		}
		return &lifecycleFilter{And: &and}
	}
	f := &lifecycleFilter{ObjectSizeGreaterThan: r.SizeGreaterThan, ObjectSizeLessThan: r.SizeLessThan}
	switch {
	case len(and.Tag) == 1:
		f.Tag = &and.Tag[0]
	case n == 0 || r.Prefix != "":
		f.Prefix = &r.Prefix
	}
	return f
}
