package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"glassine/telemetry"
)

// What the command line reads besides what the console does.

// LookupEvent returns the record of one request in the audit log, by its id; nil when there is none.
func (c *Client) LookupEvent(ctx context.Context, requestID string) (*telemetry.Record, error) {
	raw, _ := json.Marshal(map[string]any{"LookupAttributes": []map[string]string{{"AttributeKey": "EventId", "AttributeValue": requestID}}}) // strings always encode
	var out struct {
		Events []struct{ CloudTrailEvent string }
	}
	err := c.json(ctx, request{
		operation: "cloudtrail:LookupEvents", service: "cloudtrail", method: http.MethodPost, url: "https://cloudtrail." + c.Region + ".amazonaws.com/", body: raw, reads: true,
		header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"}},
	}, &out)
	if err != nil || len(out.Events) == 0 {
		return nil, err
	}
	var r telemetry.Record
	if err := json.Unmarshal([]byte(out.Events[0].CloudTrailEvent), &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// ListKeys returns a page of at most limit objects whose keys begin with prefix, in the order of their keys, whatever slashes are in
// them. token is a Listing's Next, or "".
func (c *Client) ListKeys(ctx context.Context, bucket, prefix, token string, limit int) (Listing, error) {
	q := url.Values{"list-type": {"2"}, "max-keys": {strconv.Itoa(limit)}, "prefix": {prefix}, "encoding-type": {"url"}}
	if token != "" {
		q.Set("continuation-token", token)
	}
	r := c.s3("ListObjectsV2", http.MethodGet, bucket, "", encodeQuery(q), "list-objects-v2", "--bucket", bucket, "--prefix", prefix)
	r.quiet = true
	var out Listing
	if _, err := c.xml(ctx, r, &out); err != nil {
		return out, err
	}
	for i := range out.Objects {
		out.Objects[i].Key = decoded(out.Objects[i].Key)
	}
	return out, nil
}

// GetRange returns length bytes of an object, or less at its end, from an offset, and its headers. etag is that of the object as it
// was listed, or ""; an object that is another by now is PreconditionFailed.
func (c *Client) GetRange(ctx context.Context, bucket, key, etag string, offset, length int64) ([]byte, Head, error) {
	r := c.s3("GetObject", http.MethodGet, bucket, key, "", "get-object", "--bucket", bucket, "--key", key, "original")
	r.quiet = true
	r.header = http.Header{"Range": {"bytes=" + strconv.FormatInt(offset, 10) + "-" + strconv.FormatInt(offset+length-1, 10)}}
	if etag != "" {
		r.header.Set("If-Match", etag)
	}
	raw, h, err := c.read(ctx, r)
	return raw, headOf(h, int64(len(raw))), err
}
