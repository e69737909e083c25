package objectlambda

import (
	"testing"

	"glassine/s3"
)

func TestListShowsNoPolicies(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	if err := r.PutPolicy(t.Context(), r.iam.Root(), "photos", grant("Allow", "viewer", "s3-object-lambda:GetObject", olapARN)); err != nil {
		t.Fatal(err)
	}
	got, err := r.List(t.Context(), r.iam.Root())
	if err != nil || len(got) != 1 || got[0].Name != "photos" || got[0].Policy != "" || got[0].PolicyIDs != nil {
		t.Errorf("List = %+v, %v, want photos without its policy", got, err)
	}
	_, err = r.List(t.Context(), r.viewer)
	wantCode(t, "List by another", err, "AccessDenied")
}

func TestConfigurationIsReplaced(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	ctx, root := t.Context(), r.iam.Root()
	if _, err := r.s3.CreateBucket(ctx, root, "far-bucket", "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	far, err := r.s3.CreateAccessPoint(ctx, root, s3.NewAccessPoint{Name: "far-ap", Bucket: "far-bucket"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, point string
		change      func(*Configuration)
		want        string
	}{
		{"another feature", "photos", func(c *Configuration) { c.AllowedFeatures = []string{"GetObject-Range"} }, ""},
		{"a bad one", "photos", func(c *Configuration) { c.Transformations[0].Function = "" }, "InvalidRequest"},
		{"a supporting access point of another region", "photos", func(c *Configuration) { c.SupportingAccessPoint = far.ARN() }, "InvalidRequest"},
		{"of an absent access point", "absent", func(*Configuration) {}, "NoSuchAccessPoint"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := configuration()
			c.change(&cfg)
			wantCode(t, "PutConfiguration", r.PutConfiguration(ctx, root, c.point, cfg), c.want)
		})
	}
	got, err := r.GetConfiguration(ctx, root, "photos")
	if err != nil || len(got.AllowedFeatures) != 1 || got.SupportingAccessPoint != pointARN {
		t.Errorf("GetConfiguration = %+v, %v, want the one that was taken", got, err)
	}
	_, err = r.GetConfiguration(ctx, root, "absent")
	wantCode(t, "GetConfiguration of an absent access point", err, "NoSuchAccessPoint")
	_, err = r.GetConfiguration(ctx, r.viewer, "photos")
	wantCode(t, "GetConfiguration by another", err, "AccessDenied")
	wantCode(t, "PutConfiguration by another", r.PutConfiguration(ctx, r.viewer, "photos", configuration()), "AccessDenied")
}
