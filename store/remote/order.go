package remote

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"glassine/store"
)

// maxListing is the most bytes of a listing; 1000 versions with keys of 1024 bytes, each byte written as three, are 4 MB.
const maxListing = 16 << 20

// versionOrder notes in what order an answer lists versions and delete markers. The SDK sorts them into two lists, and which
// is the newer cannot be told by times of whole seconds.
type versionOrder struct {
	markers []bool // of each entry: it is a delete marker
}

// watch is an option of ListObjectVersions.
func (v *versionOrder) watch(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("GlassineVersionOrder", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			if err != nil {
				return out, metadata, err
			}
			if resp, ok := out.RawResponse.(*smithyhttp.Response); ok && resp.StatusCode == 200 {
				raw, err := io.ReadAll(io.LimitReader(resp.Body, maxListing+1))
				resp.Body.Close()
				if err == nil && len(raw) > maxListing {
					err = errors.New("the service's listing is too long")
				}
				if err != nil {
					return out, metadata, err
				}
				v.markers = readOrder(raw)
				resp.Body = io.NopCloser(bytes.NewReader(raw))
			}
			return out, metadata, nil
		}), middleware.After) // next to the transport: before the SDK reads the answer
	})
}

// readOrder finds the entries of a ListVersionsResult. What is not XML the SDK refuses.
func readOrder(raw []byte) (markers []bool) {
	d := xml.NewDecoder(bytes.NewReader(raw))
	depth := 0
	for {
		token, err := d.RawToken()
		if err != nil {
			return markers
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			if depth == 2 && (t.Name.Local == "Version" || t.Name.Local == "DeleteMarker") {
				markers = append(markers, t.Name.Local == "DeleteMarker")
			}
		case xml.EndElement:
			depth--
		}
	}
}

// merge puts the two lists together again.
func (v *versionOrder) merge(list *s3.ListObjectVersionsOutput) ([]store.Info, error) {
	versions, markers := list.Versions, list.DeleteMarkers
	if len(v.markers) != len(versions)+len(markers) {
		return nil, fmt.Errorf("the service's listing has %d entries, and %d versions and %d markers", len(v.markers), len(versions), len(markers))
	}
	var out []store.Info
	for _, marker := range v.markers {
		var info store.Info
		var key *string
		switch {
		case marker && len(markers) > 0:
			m := markers[0]
			markers, key = markers[1:], m.Key
			info = store.Info{VersionID: aws.ToString(m.VersionId), DeleteMarker: true, Latest: aws.ToBool(m.IsLatest), Modified: seconds(m.LastModified)}
		case !marker && len(versions) > 0:
			o := versions[0]
			versions, key = versions[1:], o.Key
			etag := unquoted(aws.ToString(o.ETag))
			info = store.Info{
				VersionID: aws.ToString(o.VersionId), Latest: aws.ToBool(o.IsLatest), Modified: seconds(o.LastModified),
				Size: aws.ToInt64(o.Size), ETag: etag, PartCount: partCount(etag), Checksum: listed(o.ChecksumAlgorithm, o.ChecksumType),
			}
		default:
			return nil, errors.New("the service's listing is read in two ways")
		}
		var err error
		if info.Key, err = decode(list.EncodingType, key); err != nil {
			return nil, err
		}
		if info.VersionID == "" {
			info.VersionID = store.NullVersion
		}
		out = append(out, info)
	}
	return out, nil
}
