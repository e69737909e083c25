package lambda

import (
	"context"
	"strings"
	"testing"

	"glassine/aws/fault"
	"glassine/iam"
)

func TestAliasesAreRefused(t *testing.T) {
	r := newRig(t)
	for range 2 {
		if _, _, err := r.PublishVersion(t.Context(), r.root, "clean", Publish{}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.UpdateFunctionConfiguration(t.Context(), r.root, "clean", Change{Memory: new(256)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, alias string
		change      AliasChange
		want        string
	}{
		{"of a version", "a", AliasChange{Version: new("1")}, ""},
		{"of $LATEST", "b", AliasChange{Version: new("$LATEST")}, ""},
		{"of two", "c", AliasChange{Version: new("1"), Weights: &map[string]float64{"2": 0.5}}, ""},
		{"of no version", "d", AliasChange{Version: new("9")}, "ResourceNotFoundException"},
		{"with a number as its name", "12", AliasChange{Version: new("1")}, "InvalidParameterValueException"},
		{"with a bad name", "a b", AliasChange{Version: new("1")}, "InvalidParameterValueException"},
		{"with a weight above 1", "e", AliasChange{Version: new("1"), Weights: &map[string]float64{"2": 1.5}}, "InvalidParameterValueException"},
		{"with a weight of itself", "e", AliasChange{Version: new("1"), Weights: &map[string]float64{"1": 0.5}}, "InvalidParameterValueException"},
		{"of $LATEST and a version", "e", AliasChange{Version: new("$LATEST"), Weights: &map[string]float64{"2": 0.5}}, "InvalidParameterValueException"},
		{"with three versions", "e", AliasChange{Version: new("1"), Weights: &map[string]float64{"2": 0.5, "3": 0.1}}, "InvalidParameterValueException"},
	} {
		_, _, err := r.CreateAlias(t.Context(), r.root, "clean", c.alias, c.change)
		wantCode(t, "CreateAlias "+c.name, err, c.want)
	}
	wantCode(t, "DeleteFunction of a version with weight", r.DeleteFunction(t.Context(), r.root, "clean:2"), "ResourceConflictException")
	wantCode(t, "CheckEdgeFunction of an alias", r.CheckEdgeFunction(t.Context(), functionARN+":a"), "InvalidLambdaFunctionAssociation")
}

func TestWeightsAreKept(t *testing.T) {
	a := Alias{Version: "1", Weights: map[string]float64{"2": 0.25}}
	n := 0
	for range 10_000 {
		if a.choose() == "2" {
			n++
		}
	}
	if n < 2200 || n > 2800 { // 2500, and six standard deviations
		t.Errorf("of 10,000 invocations %d went to a version of weight 0.25", n)
	}
}

func TestUsedVersionsStay(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.UsedBy = func(version string) string {
			if version == functionARN+":1" {
				return "the distribution E1"
			}
			return ""
		}
	})
	if _, _, err := r.PublishVersion(t.Context(), r.root, "clean", Publish{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"clean", "clean:1"} {
		err := r.DeleteFunction(t.Context(), r.root, name)
		wantCode(t, "DeleteFunction "+name, err, "ResourceConflictException")
		if f := err.Error(); !strings.Contains(f, "E1") {
			t.Errorf("DeleteFunction %s says %s, want what uses it", name, f)
		}
	}
}

// Each of the further operations asks for its own action too, on the function or the layer.
func TestActionOfEachFurtherOperation(t *testing.T) {
	ctx := context.Background()
	layer := "arn:aws:lambda:us-east-1:" + account + ":layer:l"
	for _, op := range []struct {
		action, resource string
		do               func(r *rig, c iam.Caller) error
	}{
		{"GetFunctionConfiguration", functionARN, func(r *rig, c iam.Caller) error { _, _, err := r.GetFunctionConfiguration(ctx, c, "clean"); return err }},
		{"GetFunctionConfiguration", functionARN + ":1", func(r *rig, c iam.Caller) error {
			_, _, err := r.GetFunctionConfiguration(ctx, c, "clean:1")
			return err
		}},
		{"ListFunctions", "*", func(r *rig, c iam.Caller) error { _, err := r.ListFunctions(ctx, c, "us-east-1"); return err }},
		{"ListVersionsByFunction", functionARN, func(r *rig, c iam.Caller) error { _, _, err := r.ListVersions(ctx, c, "clean"); return err }},
		{"UpdateFunctionConfiguration", functionARN, func(r *rig, c iam.Caller) error {
			_, err := r.UpdateFunctionConfiguration(ctx, c, "clean", Change{Memory: new(256)})
			return err
		}},
		{"CreateAlias", functionARN, func(r *rig, c iam.Caller) error {
			_, _, err := r.CreateAlias(ctx, c, "clean", "new", AliasChange{Version: new("1")})
			return err
		}},
		{"UpdateAlias", functionARN, func(r *rig, c iam.Caller) error {
			_, _, err := r.UpdateAlias(ctx, c, "clean", "live", AliasChange{Description: new("x")})
			return err
		}},
		{"GetAlias", functionARN, func(r *rig, c iam.Caller) error { _, _, err := r.GetAlias(ctx, c, "clean", "live"); return err }},
		{"ListAliases", functionARN, func(r *rig, c iam.Caller) error { _, _, err := r.ListAliases(ctx, c, "clean", ""); return err }},
		{"DeleteAlias", functionARN, func(r *rig, c iam.Caller) error { return r.DeleteAlias(ctx, c, "clean", "live") }},
		{"RemovePermission", functionARN, func(r *rig, c iam.Caller) error { return r.RemovePermission(ctx, c, "clean", "s", "") }},
		{"TagResource", functionARN, func(r *rig, c iam.Caller) error {
			return r.TagResource(ctx, c, functionARN, map[string]string{"a": "b"})
		}},
		{"UntagResource", functionARN, func(r *rig, c iam.Caller) error { return r.UntagResource(ctx, c, functionARN, []string{"a"}) }},
		{"ListTags", functionARN, func(r *rig, c iam.Caller) error { _, err := r.ListTags(ctx, c, functionARN); return err }},
		{"PutFunctionConcurrency", functionARN, func(r *rig, c iam.Caller) error { return r.PutFunctionConcurrency(ctx, c, "clean", 1) }},
		{"DeleteFunctionConcurrency", functionARN, func(r *rig, c iam.Caller) error { return r.DeleteFunctionConcurrency(ctx, c, "clean") }},
		{"GetFunctionConcurrency", functionARN, func(r *rig, c iam.Caller) error { _, err := r.GetFunctionConcurrency(ctx, c, "clean"); return err }},
		{"GetAccountSettings", "*", func(r *rig, c iam.Caller) error { _, err := r.GetAccountSettings(ctx, c, "us-east-1"); return err }},
		{"PutFunctionEventInvokeConfig", functionARN, func(r *rig, c iam.Caller) error {
			_, _, err := r.PutFunctionEventInvokeConfig(ctx, c, "clean", EventInvokeChange{})
			return err
		}},
		{"UpdateFunctionEventInvokeConfig", functionARN, func(r *rig, c iam.Caller) error {
			_, _, err := r.UpdateFunctionEventInvokeConfig(ctx, c, "clean", EventInvokeChange{})
			return err
		}},
		{"GetFunctionEventInvokeConfig", functionARN, func(r *rig, c iam.Caller) error {
			_, _, err := r.GetFunctionEventInvokeConfig(ctx, c, "clean")
			return err
		}},
		{"ListFunctionEventInvokeConfigs", functionARN, func(r *rig, c iam.Caller) error {
			_, _, err := r.ListFunctionEventInvokeConfigs(ctx, c, "clean")
			return err
		}},
		{"DeleteFunctionEventInvokeConfig", functionARN, func(r *rig, c iam.Caller) error { return r.DeleteFunctionEventInvokeConfig(ctx, c, "clean") }},
		{"PublishLayerVersion", layer, func(r *rig, c iam.Caller) error {
			_, _, err := r.PublishLayerVersion(ctx, c, NewLayer{Name: "l", Region: "us-east-1", Content: Code{Zip: []byte("x")}})
			if fault.Is(err, "InvalidParameterValueException") { // it was asked before the archive was looked at
				return nil
			}
			return err
		}},
		{"ListLayers", "*", func(r *rig, c iam.Caller) error { _, err := r.ListLayers(ctx, c, "us-east-1"); return err }},
		{"ListLayerVersions", layer, func(r *rig, c iam.Caller) error { _, err := r.ListLayerVersions(ctx, c, "us-east-1", "l"); return err }},
		{"DeleteLayerVersion", layer + ":1", func(r *rig, c iam.Caller) error { return r.DeleteLayerVersion(ctx, c, "us-east-1", "l", 1) }},
		{"GetLayerVersion", layer + ":1", func(r *rig, c iam.Caller) error {
			_, _, err := r.GetLayerVersion(ctx, c, "us-east-1", "l", 1)
			if fault.Is(err, "ResourceNotFoundException") {
				return nil
			}
			return err
		}},
		{"InvokeFunction", functionARN + ":live", func(r *rig, c iam.Caller) error { return r.DryRun(ctx, c, "clean:live") }},
	} {
		t.Run(op.action, func(t *testing.T) {
			r := newRig(t)
			_, _, err := r.PublishVersion(ctx, r.root, "clean", Publish{})
			if err == nil {
				_, _, err = r.CreateAlias(ctx, r.root, "clean", "live", AliasChange{Version: new("1")})
			}
			if err == nil {
				_, err = r.AddPermission(ctx, r.root, "clean", Permission{StatementID: "s", Action: "lambda:InvokeFunction", Service: "s3.amazonaws.com"})
			}
			if err == nil {
				_, _, err = r.PutFunctionEventInvokeConfig(ctx, r.root, "clean", EventInvokeChange{})
			}
			if err != nil {
				t.Fatal(err)
			}
			wantCode(t, "without the right", op.do(r, r.caller(t, "none", `{"Effect":"Allow","NotAction":"lambda:`+op.action+`","Resource":"*"}`)), "AccessDenied")
			wantCode(t, "with it", op.do(r, r.caller(t, "one", allow("lambda:"+op.action, op.resource))), "")
		})
	}
}

func TestTagsDecide(t *testing.T) {
	r := newRig(t)
	if err := r.TagResource(t.Context(), r.root, functionARN, map[string]string{"team": "photos"}); err != nil {
		t.Fatal(err)
	}
	rule := func(value string) string {
		return `{"Effect":"Allow","Action":"lambda:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"` + value + `"}}}`
	}
	_, _, err := r.GetFunction(t.Context(), r.caller(t, "photos", rule("photos")), "clean")
	wantCode(t, "GetFunction of the team's", err, "")
	_, _, err = r.GetFunction(t.Context(), r.caller(t, "films", rule("films")), "clean")
	wantCode(t, "GetFunction of another team's", err, "AccessDenied")
	wantCode(t, "TagResource of a version", r.TagResource(t.Context(), r.root, functionARN+":1", nil), "InvalidParameterValueException")
	wantCode(t, "TagResource with aws:", r.TagResource(t.Context(), r.root, functionARN, map[string]string{"aws:x": "y"}), "InvalidParameterValueException")
}
