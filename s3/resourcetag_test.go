package s3

import "testing"

func TestResourcesAreTaggedByARN(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	for _, resource := range []string{bucketARN, pointARN} {
		if err := r.TagResource(ctx, r.root, resource, map[string]string{"a": "1", "b": "2"}); err != nil {
			t.Fatal(err)
		}
		if err := r.UntagResource(ctx, r.root, resource, []string{"a", "none"}); err != nil {
			t.Fatal(err)
		}
		tags, err := r.ListTagsForResource(ctx, r.root, resource)
		if err != nil || len(tags) != 1 || tags["b"] != "2" {
			t.Errorf("tags of %s = %v, %v, want b=2", resource, tags, err)
		}
		wantCode(t, "a tag of AWS", r.TagResource(ctx, r.root, resource, map[string]string{"aws:a": "1"}), "InvalidTag")
		reader := r.role(t, "reader-"+resource[len(resource)-2:], allow("s3:ListTagsForResource", resource))
		if _, err := r.ListTagsForResource(ctx, reader, resource); err != nil {
			t.Errorf("by one who may = %v", err)
		}
		wantCode(t, "TagResource by one who may not", r.TagResource(ctx, reader, resource, map[string]string{"a": "1"}), "AccessDenied")
	}
	if tags, err := r.BucketTagging(ctx, r.root, "photos"); err != nil || tags["b"] != "2" {
		t.Errorf("BucketTagging = %v, %v, want b=2", tags, err)
	}
	for _, c := range []struct{ name, resource, code string }{
		{"no ARN", "photos", "InvalidRequest"},
		{"the ARN of a function", "arn:aws:lambda:us-east-1:" + account + ":function:f", "InvalidRequest"},
		{"an access point that is not there", "arn:aws:s3:us-east-1:" + account + ":accesspoint/none", "NoSuchAccessPoint"},
		{"an access point of another region", "arn:aws:s3:eu-west-1:" + account + ":accesspoint/photos-ap", "NoSuchAccessPoint"},
		{"a bucket that is not there", "arn:aws:s3:::none-at-all", "NoSuchBucket"},
	} {
		_, err := r.ListTagsForResource(ctx, r.root, c.resource)
		wantCode(t, c.name, err, c.code)
	}
}
