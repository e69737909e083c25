package objectlambda

import (
	"context"
	"net/http"
	"strings"
)

// kind of a header's value in what a function returns for HeadObject.
type headerKind int

const (
	textHeader headerKind = iota
	numberHeader
	booleanHeader
)

// headHeaders are the headers that a function's answer to HeadObject may set, by lower-case name. Others are dropped:
// functions return all that S3 gave them. (Amazon S3 User Guide, "Writing Lambda functions", HeadObject; S3 API Reference,
// HeadObject.)
var headHeaders = func() map[string]headerKind {
	m := map[string]headerKind{
		"content-length": numberHeader, "x-amz-missing-meta": numberHeader, "x-amz-mp-parts-count": numberHeader, "x-amz-tagging-count": numberHeader,
		"x-amz-server-side-encryption-bucket-key-enabled": booleanHeader, "x-amz-delete-marker": booleanHeader,
	}
	for _, name := range []string{
		"accept-ranges", "cache-control", "content-disposition", "content-encoding", "content-language", "content-range", "content-type",
		"etag", "expires", "last-modified", "x-amz-archive-status", "x-amz-expiration", "x-amz-replication-status",
		"x-amz-request-charged", "x-amz-restore", "x-amz-storage-class", "x-amz-version-id",
		"x-amz-object-lock-mode", "x-amz-object-lock-legal-hold", "x-amz-object-lock-retain-until-date",
		"x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id",
		"x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-key-md5",
	} {
		m[name] = textHeader
	}
	return m
}()

// HeadObject has the function answer, by what it returns. Answer.Length is the Content-Length; there is no Body.
//
// Errors: those of GetObject that come without a WriteGetObjectResponse; LambdaInvalidResponse for a return value that is
// no answer to HeadObject.
func (c *Call) HeadObject(ctx context.Context) (Answer, error) {
	payload, err := c.returned(ctx)
	if err != nil {
		return Answer{}, err
	}
	return headAnswer(payload)
}

// headAnswer reads what a function returned.
func headAnswer(payload []byte) (Answer, error) {
	f, err := readReturned(payload)
	if err != nil {
		return Answer{}, err
	}
	a := f.answer()
	if headers := f.object("headers"); headers != nil {
		for name := range headers.m {
			headers.header(name, &a)
		}
		f.err = headers.err
	}
	if a.Status < 300 && a.Length < 0 && f.err == nil {
		f.err = invalidReturn("The Lambda function returned no headers.Content-Length.")
	}
	return a, f.failure()
}

// header adds a header to a, unless it is none that an answer to HeadObject has.
func (f *fields) header(name string, a *Answer) {
	lower := strings.ToLower(name)
	kind, known := headHeaders[lower]
	metadata := strings.HasPrefix(lower, "x-amz-meta-")
	if !known && !metadata || !f.has(name) {
		return
	}
	value := f.text(name)
	if !headerText(value) {
		f.bad(name, "the value of a header")
	}
	switch kind {
	case numberHeader:
		n := f.number(name)
		if lower == "content-length" {
			a.Length = n
			return
		}
	case booleanHeader:
		f.boolean(name)
	case textHeader:
	}
	if !metadata {
		name = http.CanonicalHeaderKey(name)
	} else {
		name = lower
	}
	a.Headers = append(a.Headers, Header{name, value})
}

// headerText reports whether s may stand in a header: no control characters but the tab. (RFC 9110, section 5.5.)
func headerText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
