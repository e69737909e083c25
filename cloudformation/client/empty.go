package client

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"

	"glassine/aws/fault"
)

type objectVersion struct{ Key, VersionId string }

// EmptyBucket deletes every object of a bucket, all versions and delete markers, and returns how many they were.
func (c *Client) EmptyBucket(ctx context.Context, bucket string) (int, error) {
	all := 0
	for {
		versions, err := c.versions(ctx, bucket)
		if err != nil || len(versions) == 0 {
			return all, err
		}
		if err := c.deleteVersions(bucket, versions); err != nil {
			return all, err
		}
		all += len(versions)
	}
}

// versions returns the first up to 1,000 versions and delete markers of a bucket.
func (c *Client) versions(ctx context.Context, bucket string) ([]objectVersion, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	raw, err := c.Send("s3", c.Region, http.MethodGet, objectURL(c.Region, bucket, "")+"?encoding-type=url&max-keys=1000&versions=", nil, nil)
	if err != nil {
		return nil, err
	}
	var out struct {
		Version, DeleteMarker []objectVersion
		IsTruncated           bool
	}
	if err := xml.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("ListObjectVersions: read answer: %w", err)
	}
	all := append(out.Version, out.DeleteMarker...)
	for i := range all {
		if all[i].Key, err = url.QueryUnescape(all[i].Key); err != nil {
			return nil, err
		}
	}
	if len(all) == 0 && out.IsTruncated {
		return nil, fmt.Errorf("bucket %s lists nothing and says that there is more", bucket)
	}
	return all, nil
}

// deleteVersions deletes at most 1,000 versions in one call. S3 API Reference, "DeleteObjects".
func (c *Client) deleteVersions(bucket string, versions []objectVersion) error {
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Delete"`
		Quiet   bool
		Object  []objectVersion
	}{Quiet: true, Object: versions})
	if err != nil {
		return err
	}
	// A control character is written as the replacement character, and names another object then.
	if bytes.ContainsRune(body, '\uFFFD') {
		return c.deleteOneByOne(bucket, versions)
	}
	sum := md5.Sum(body)
	header := http.Header{"Content-Type": {"application/xml"}, "Content-Md5": {base64.StdEncoding.EncodeToString(sum[:])}}
	raw, err := c.Send("s3", c.Region, http.MethodPost, objectURL(c.Region, bucket, "")+"?delete=", header, body)
	if err != nil {
		return err
	}
	var out struct {
		Error []struct{ Key, Code, Message string }
	}
	if err := xml.Unmarshal(raw, &out); err != nil {
		return fmt.Errorf("DeleteObjects: read answer: %w", err)
	}
	if len(out.Error) > 0 {
		return fault.New(out.Error[0].Code, "%s: %s", out.Error[0].Key, out.Error[0].Message)
	}
	return nil
}

func (c *Client) deleteOneByOne(bucket string, versions []objectVersion) error {
	for _, v := range versions {
		if _, err := c.Send("s3", c.Region, http.MethodDelete, objectURL(c.Region, bucket, v.Key)+"?versionId="+url.QueryEscape(v.VersionId), nil, nil); err != nil {
			return err
		}
	}
	return nil
}
