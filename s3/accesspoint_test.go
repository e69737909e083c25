package s3

import (
	"regexp"
	"strings"
	"testing"
)

func TestCreateAccessPoint(t *testing.T) {
	r := newRig(t)
	if _, err := r.CreateBucket(t.Context(), r.root, "far", "ap-northeast-2"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, point, bucket, want string }{
		{"in the bucket's region", "far-ap", "far", ""},
		{"again", "photos-ap", "photos", "AccessPointAlreadyOwnedByYou"},
		{"of no bucket", "new-ap", "absent", "InvalidRequest"},
		{"under a short name", "ap", "photos", "InvalidURI"},
		{"under a name of 50 characters", strings.Repeat("a", 50), "photos", ""},
		{"under a name of 51 characters", strings.Repeat("a", 51), "photos", "InvalidURI"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ap, err := r.CreateAccessPoint(t.Context(), r.root, NewAccessPoint{Name: c.point, Bucket: c.bucket})
			wantCode(t, "CreateAccessPoint", err, c.want)
			if c.point == "far-ap" {
				if want := "arn:aws:s3:ap-northeast-2:" + account + ":accesspoint/far-ap"; ap.ARN() != want {
					t.Errorf("ARN = %s, want %s", ap.ARN(), want)
				}
				if name, ok := r.ByAlias(ap.Alias); name != "far-ap" || !ok {
					t.Errorf("ByAlias(%s) = %q, %t", ap.Alias, name, ok)
				}
			}
		})
	}
	if _, ok := r.ByAlias("x-s3alias"); ok {
		t.Error("ByAlias finds an alias that nobody has")
	}
}

// As five seen on AWS: 29 characters of metadata for Object Lambda, 34 for standard ones, the region's code within.
// (Amazon S3 User Guide, "Using a bucket-style alias for your access point" and "... Object Lambda Access Point".)
func TestAliasShape(t *testing.T) {
	for _, c := range []struct {
		name, region, suffix string
		size                 int
		want                 string
	}{
		{"my-object-lambda-access-point", "us-east-1", "--ol-s3", 57, `^my-object-lambda-acc-[a-z0-9]{24}use1a--ol-s3$`},
		{"my-object-lambda-access-point", "ap-northeast-2", "--ol-s3", 57, `^my-object-lambda-acc-[a-z0-9]{24}apn2a--ol-s3$`},
		{"photos", "us-west-2", "--ol-s3", 57, `^photos-[a-z0-9]{24}usw2a--ol-s3$`},
		{"my-access-point-of-photos", "us-west-2", "-s3alias", 63, `^my-access-point-of-p-[a-z0-9]{29}usw2a-s3alias$`},
		{"abc", "us-gov-west-1", "-s3alias", 63, `^abc-[a-z0-9]{28}usgw1a-s3alias$`},
		{"abc", strings.Repeat("region", 10), "--ol-s3", 57, `^abc-[a-z0-9]{20}regionrea--ol-s3$`},
	} {
		got := Alias(c.name, c.size, c.suffix, c.region)
		if !regexp.MustCompile(c.want).MatchString(got) || len(got) > c.size {
			t.Errorf("Alias(%s, %d, %s, %s) = %q, want %s", c.name, c.size, c.suffix, c.region, got, c.want)
		}
		if got == Alias(c.name, c.size, c.suffix, c.region) {
			t.Errorf("Alias(%s) is %q twice", c.name, got)
		}
	}
}

func TestSupporting(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		arn  string
		want bool
	}{
		{pointARN, true},
		{pointARN + "x", false},
		{pointARN + "/object/a.jpg", false},
		{strings.Replace(pointARN, "accesspoint/", "accesspoint:", 1), false},
		{strings.Replace(pointARN, "us-east-1", "us-west-2", 1), false},
		{strings.Replace(pointARN, account, "999999999999", 1), false},
		{strings.Replace(pointARN, ":s3:", ":s3-object-lambda:", 1), false},
		{"photos-ap", false},
		{"", false},
	} {
		if ap, ok := r.Supporting(c.arn); ok != c.want || ok && ap.Name != "photos-ap" {
			t.Errorf("Supporting(%s) = %s, %t, want %t", c.arn, ap.Name, ok, c.want)
		}
	}
}

func TestAccessPointThatIsGone(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	_, err := r.GetAccessPointPolicy(ctx, r.root, "photos-ap")
	wantCode(t, "GetAccessPointPolicy before there is one", err, "NoSuchAccessPointPolicy")
	if err := r.DeleteAccessPoint(ctx, r.root, "photos-ap"); err != nil {
		t.Fatal(err)
	}
	_, get := r.GetAccessPoint(ctx, r.root, "photos-ap")
	_, getPolicy := r.GetAccessPointPolicy(ctx, r.root, "photos-ap")
	for what, err := range map[string]error{
		"GetAccessPoint": get, "GetAccessPointPolicy": getPolicy, "DeleteAccessPoint": r.DeleteAccessPoint(ctx, r.root, "photos-ap"),
		"PutAccessPointPolicy": r.PutAccessPointPolicy(ctx, r.root, "photos-ap", "{}"), "GetObject": r.get(r.root, point, "a.jpg"),
	} {
		wantCode(t, what, err, "NoSuchAccessPoint")
	}
	wantCode(t, "GetObject of the bucket", r.get(r.root, bucket, "a.jpg"), "")
}

func TestAccessPointPolicyNamesItsOwnResources(t *testing.T) {
	r := newRig(t)
	r.role(t, "viewer", "")
	for resource, want := range map[string]string{
		pointARN: "", pointARN + "/object/*": "", pointARN + "/*": "", pointARN + "2/object/*": "MalformedPolicy", bucketARN + "/*": "MalformedPolicy",
	} {
		err := r.PutAccessPointPolicy(t.Context(), r.root, "photos-ap", document(to("Allow", roleNamed("viewer"), "s3:GetObject", resource)))
		wantCode(t, "PutAccessPointPolicy on "+resource, err, want)
	}
}
