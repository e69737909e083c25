package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"glassine/store"
)

// codeOf is the code of the service's answer, "" if it gave none.
func codeOf(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// statusOf is the status of the service's answer, 0 if there was none.
func statusOf(err error) int {
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return e.HTTPStatusCode()
	}
	return 0
}

// nothingDone reports whether err says that the request had no effect.
func nothingDone(err error) bool {
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return true
	}
	status := statusOf(err)
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
}

// codes are the service's codes that have an error of store's. Others are errors of this installation's configuration, or
// of the service, and are told to the log alone. (S3 API Reference, "Error responses".)
var codes = map[string]error{
	"NoSuchKey": store.ErrNotFound, "NotFound": store.ErrNotFound, "NoSuchVersion": store.ErrNoVersion,
	"InvalidRange": store.ErrRange, "PreconditionFailed": store.ErrPrecondition,
	"NoSuchUpload": store.ErrNoUpload, "InvalidPart": store.ErrInvalidPart, "InvalidPartOrder": store.ErrPartOrder, "EntityTooSmall": store.ErrPartTooSmall,
	"InsufficientStorage": store.ErrFull, "QuotaExceeded": store.ErrFull, "XMinioStorageFull": store.ErrFull, "SlowDown": store.ErrUnavailable,
}

// fault says in store's errors what an answer about a version means; versionID is as in store.GetOptions.
func fault(ctx context.Context, err error, versionID string) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	status, code := statusOf(err), codeOf(err)
	if status < 300 { // the service did not answer, or not to the end
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if marker := markerOf(err, versionID); marker != nil {
		return marker
	}
	known := codes[code]
	switch {
	case known == nil && status == http.StatusNotFound && code != "NoSuchBucket" && code != "NoSuchTagSet":
		known = store.ErrNotFound
	case known == nil && status == http.StatusRequestedRangeNotSatisfiable:
		known = store.ErrRange
	case known == nil && status == http.StatusPreconditionFailed:
		known = store.ErrPrecondition
	case known == nil && status == http.StatusInsufficientStorage:
		known = store.ErrFull
	case known == nil && status == http.StatusBadRequest && versionID != "" && (code == "InvalidArgument" || code == "BadRequest" || code == "NoSuchVersion" || code == "InvalidVersionId"):
		known = store.ErrNoVersion // an id that the service could not have given
	case known == nil && status >= 500:
		known = store.ErrUnavailable
	}
	if known == nil {
		return err
	}
	if known == store.ErrNotFound && versionID != "" { //nolint:errorlint // of the table above
		known = store.ErrNoVersion
	}
	return fmt.Errorf("%w: %w", known, err)
}

// markerOf returns the delete marker that is the reason of err, or nil. (S3 User Guide, "Working with delete markers".)
func markerOf(err error, versionID string) error {
	e, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || e.Response == nil || e.Response.Header.Get("X-Amz-Delete-Marker") != "true" {
		return nil
	}
	m := &store.MarkerError{VersionID: e.Response.Header.Get("X-Amz-Version-Id"), Named: versionID != ""}
	if m.VersionID == "" {
		m.VersionID = store.NullVersion
	}
	if at, err := http.ParseTime(e.Response.Header.Get("Last-Modified")); err == nil {
		m.Modified = at.UTC()
	} else if at, err := http.ParseTime(e.Response.Header.Get("Date")); err == nil {
		m.Modified = at.UTC().Truncate(time.Second)
	}
	return m
}
