package objectlambda

import (
	"regexp"
	"testing"

	"glassine/iam"
	"glassine/s3"
)

func TestCreateChecksTheConfiguration(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	for _, c := range []struct {
		name, point string
		change      func(*Configuration)
		want        string
	}{
		{"all well", "good-name", func(*Configuration) {}, ""},
		{"name that is there", "photos", func(*Configuration) {}, "AccessPointAlreadyOwnedByYou"},
		{"name of 46 characters", "a234567890123456789012345678901234567890123456", func(*Configuration) {}, "InvalidURI"},
		{"name of 45 characters", "a23456789012345678901234567890123456789012345", func(*Configuration) {}, ""},
		{"supporting access point that is not there", "p1", func(c *Configuration) { c.SupportingAccessPoint = pointARN + "x" }, "InvalidURI"},
		{"supporting access point that is not there", "point-1", func(c *Configuration) { c.SupportingAccessPoint = pointARN + "x" }, "InvalidRequest"},
		{"supporting access point of another region", "point-2", func(c *Configuration) {
			c.SupportingAccessPoint = "arn:aws:s3:eu-west-1:" + account + ":accesspoint/photos-ap"
		}, "InvalidRequest"},
		{"supporting access point of another account", "point-3", func(c *Configuration) {
			c.SupportingAccessPoint = "arn:aws:s3:us-west-2:999999999999:accesspoint/photos-ap"
		}, "InvalidRequest"},
		{"all four features", "point-4", func(c *Configuration) {
			c.AllowedFeatures = []string{"GetObject-Range", "GetObject-PartNumber", "HeadObject-Range", "HeadObject-PartNumber"}
		}, ""},
		{"unknown feature", "point-5", func(c *Configuration) { c.AllowedFeatures = []string{"GetObject"} }, "InvalidRequest"},
		{"no function", "point-6", func(c *Configuration) { c.Transformations[0].Function = "" }, "InvalidRequest"},
		{"bare function name", "point-7", func(c *Configuration) { c.Transformations[0].Function = "clean" }, ""},
		{"function of another region", "point-8", func(c *Configuration) {
			c.Transformations[0].Function = "arn:aws:lambda:us-east-1:" + account + ":function:clean"
		}, "InvalidRequest"},
		{"function of another account", "point-9", func(c *Configuration) {
			c.Transformations[0].Function = "arn:aws:lambda:us-west-2:999999999999:function:clean"
		}, "InvalidRequest"},
		{"ARN of no function", "point-10", func(c *Configuration) { c.Transformations[0].Function = pointARN }, "InvalidRequest"},
		{"function's name under another service", "point-16", func(c *Configuration) {
			c.Transformations[0].Function = "arn:aws:s3:us-west-2:" + account + ":function:clean"
		}, "InvalidRequest"},
		{"no transformation", "point-11", func(c *Configuration) { c.Transformations = nil }, ""},
		{"no action", "point-12", func(c *Configuration) { c.Transformations[0].Actions = nil }, "InvalidRequest"},
		{"unknown action", "point-13", func(c *Configuration) { c.Transformations[0].Actions = []string{"PutObject"} }, "InvalidRequest"},
		{"all four actions", "point-14", func(c *Configuration) {
			c.Transformations[0].Actions = []string{GetObject, HeadObject, ListObjects, ListObjectsV2}
		}, ""},
		{"handler by URL where there are none", "point-17", func(c *Configuration) { c.Transformations[0].Function = "https://handlers.example/" }, "InvalidRequest"},
		{"action twice", "point-15", func(c *Configuration) { c.Transformations = append(c.Transformations, c.Transformations[0]) }, "InvalidRequest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := configuration()
			c.change(&cfg)
			_, err := r.Create(t.Context(), r.iam.Root(), c.point, cfg)
			wantCode(t, "Create", err, c.want)
			if _, ok := r.points.Get(c.point); ok != (c.want == "" || c.point == "photos") {
				t.Errorf("access point %s is there: %t", c.point, ok)
			}
		})
	}
}

func TestAliasFindsTheAccessPoint(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	ap, err := r.Get(t.Context(), r.iam.Root(), "photos")
	if err != nil || !regexp.MustCompile(`^photos-[a-z0-9]{24}usw2a--ol-s3$`).MatchString(ap.Alias) {
		t.Fatalf("alias = %q, %v", ap.Alias, err)
	}
	if name, ok := r.ByAlias(ap.Alias); name != "photos" || !ok {
		t.Errorf("ByAlias = %q, %t", name, ok)
	}
	if _, ok := r.ByAlias("x" + ap.Alias); ok {
		t.Error("ByAlias finds an alias that nobody has")
	}
}

// Each operation asks for its own action of service s3, on the access point's ARN.
func TestControlPlaneActions(t *testing.T) {
	policy := grant("Allow", "viewer", "s3-object-lambda:GetObject", olapARN)
	ops := []struct {
		name, action string
		do           func(*testing.T, *rig, iam.Caller) error
	}{
		{"create", "s3:CreateAccessPointForObjectLambda", func(t *testing.T, r *rig, c iam.Caller) error {
			_, err := r.Create(t.Context(), c, "another", configuration())
			return err
		}},
		{"get", "s3:GetAccessPointForObjectLambda", func(t *testing.T, r *rig, c iam.Caller) error {
			ap, err := r.Get(t.Context(), c, "photos")
			if ap.Policy != "" || ap.PolicyIDs != nil {
				t.Error("Get shows the policy")
			}
			return err
		}},
		{"put policy", "s3:PutAccessPointPolicyForObjectLambda", func(t *testing.T, r *rig, c iam.Caller) error {
			return r.PutPolicy(t.Context(), c, "photos", policy)
		}},
		{"get policy", "s3:GetAccessPointPolicyForObjectLambda", func(t *testing.T, r *rig, c iam.Caller) error {
			doc, err := r.GetPolicy(t.Context(), c, "photos")
			if err == nil && doc != policy {
				t.Errorf("GetPolicy = %s", doc)
			}
			return err
		}},
		{"delete policy", "s3:DeleteAccessPointPolicyForObjectLambda", func(t *testing.T, r *rig, c iam.Caller) error {
			return r.PutPolicy(t.Context(), c, "photos", "")
		}},
		{"delete", "s3:DeleteAccessPointForObjectLambda", func(t *testing.T, r *rig, c iam.Caller) error {
			return r.Delete(t.Context(), c, "photos")
		}},
	}
	r := newRig(t)
	defer r.Close()
	for _, op := range ops {
		others := r.role(t, "without-"+op.action[3:], `"s3-object-lambda:*"`)
		wantCode(t, op.name+" without "+op.action, op.do(t, r, others), "AccessDenied")
		wantCode(t, op.name+" with "+op.action, op.do(t, r, r.role(t, "with-"+op.action[3:], `"`+op.action+`"`)), "")
	}
	for _, op := range ops[1:] {
		wantCode(t, op.name+" of what is gone", op.do(t, r, r.iam.Root()), "NoSuchAccessPoint")
	}
}

func TestPolicyOfAnAccessPoint(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	for _, c := range []struct{ name, doc, want string }{
		{"a role of the account", grant("Allow", "viewer", "s3-object-lambda:GetObject", olapARN), ""},
		{"public: Block Public Access is always on", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3-object-lambda:GetObject","Resource":"` + olapARN + `"}]}`, "AccessDenied"},
		{"objects: there are none in this service's ARNs", grant("Allow", "viewer", "s3-object-lambda:GetObject", olapARN+"/object/*"), "MalformedPolicy"},
		{"another access point", grant("Allow", "viewer", "s3-object-lambda:GetObject", olapARN+"x"), "MalformedPolicy"},
		{"a role that nobody has", grant("Allow", "nobody", "s3-object-lambda:GetObject", olapARN), "MalformedPolicy"},
		{"no JSON", "{", "MalformedPolicy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := r.PutPolicy(t.Context(), r.iam.Root(), "photos", ""); err != nil {
				t.Fatal(err)
			}
			wantCode(t, "PutPolicy", r.PutPolicy(t.Context(), r.iam.Root(), "photos", c.doc), c.want)
			_, err := r.GetPolicy(t.Context(), r.iam.Root(), "photos")
			if c.want != "" {
				wantCode(t, "GetPolicy after a refusal", err, "NoSuchAccessPointPolicy")
			}
		})
	}
}

func TestAccessPointIsInTheRegionOfItsSupportingOne(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	ctx, root := t.Context(), r.iam.Root()
	if _, err := r.s3.CreateBucket(ctx, root, "far-bucket", "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	point, err := r.s3.CreateAccessPoint(ctx, root, s3.NewAccessPoint{Name: "far-ap", Bucket: "far-bucket", Block: s3.BlockAll})
	if err != nil {
		t.Fatal(err)
	}
	ap, err := r.Create(ctx, root, "far", Configuration{SupportingAccessPoint: point.ARN(), Transformations: []Transformation{{Actions: []string{GetObject}, Function: "clean"}}})
	if want := "arn:aws:s3-object-lambda:eu-west-1:" + account + ":accesspoint/far"; err != nil || ap.ARN() != want {
		t.Errorf("ARN = %s, %v, want %s", ap.ARN(), err, want)
	}
}
