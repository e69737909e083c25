package lambda

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"glassine/iam"
)

func TestCreateFunction(t *testing.T) {
	r := newRig(t)
	if _, err := r.iam.CreateRole(t.Context(), r.root, iam.NewRole{Name: "untrusting", Trust: trust(`"ec2.amazonaws.com"`)}); err != nil {
		t.Fatal(err)
	}
	maker := r.caller(t, "maker", allow("lambda:*", "*"))
	passer := r.caller(t, "passer", allow("lambda:*", "*")+`,{"Effect":"Allow","Action":"iam:PassRole","Resource":"`+roleARN+`","Condition":{"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}}`)
	for _, c := range []struct {
		name   string
		caller iam.Caller
		change func(*NewFunction)
		want   string
	}{
		{"by root", r.root, func(*NewFunction) {}, ""},
		{"by one who may pass the role", passer, func(*NewFunction) {}, ""},
		{"by one who may not pass the role", maker, func(*NewFunction) {}, "AccessDenied"},
		{"by one who may not create", r.caller(t, "nobody", allow("iam:PassRole", "*")), func(*NewFunction) {}, "AccessDenied"},
		{"again", r.root, func(n *NewFunction) { n.Name = "clean" }, "ResourceConflictException"},
		{"under a bad name", r.root, func(n *NewFunction) { n.Name = "a:b" }, "InvalidParameterValueException"},
		{"in a bad region", r.root, func(n *NewFunction) { n.Region = "a:b" }, "InvalidParameterValueException"},
		{"with a role that does not trust Lambda", r.root, func(n *NewFunction) { n.Role = strings.Replace(roleARN, "execution", "untrusting", 1) }, "InvalidParameterValueException"},
		{"with a role that is not there", r.root, func(n *NewFunction) { n.Role += "x" }, "InvalidParameterValueException"},
		{"with no role", r.root, func(n *NewFunction) { n.Role = "" }, "ValidationError"},
		{"with a URI that names nothing here", r.root, func(n *NewFunction) { n.Code.URI = "s3://bucket/code.zip" }, "InvalidParameterValueException"},
		{"with a webhook", r.root, func(n *NewFunction) { n.Code.URI = "https://functions.example/clean" }, ""},
		{"with a webhook that would get credentials in clear", r.root, func(n *NewFunction) { n.Code.URI = "http://functions.example/clean" }, "InvalidParameterValueException"},
		{"with 127 MB", r.root, func(n *NewFunction) { n.Memory = 127 }, "InvalidParameterValueException"},
		{"with 10241 MB", r.root, func(n *NewFunction) { n.Memory = 10241 }, "InvalidParameterValueException"},
		{"with 901 s", r.root, func(n *NewFunction) { n.Timeout = 901 * time.Second }, "InvalidParameterValueException"},
		{"with half a second", r.root, func(n *NewFunction) { n.Timeout = time.Second / 2 }, "InvalidParameterValueException"},
		{"with the most of both", r.root, func(n *NewFunction) { n.Memory, n.Timeout = 10240, 900*time.Second }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newFunction()
			n.Name = "new"
			c.change(&n)
			f, err := r.CreateFunction(t.Context(), c.caller, n)
			wantCode(t, "CreateFunction", err, c.want)
			if err != nil {
				return
			}
			if f.ARN != strings.Replace(functionARN, "clean", "new", 1) || f.Latest.Number != "$LATEST" || f.Latest.Memory < 128 || f.Latest.Timeout < time.Second {
				t.Errorf("function = %+v", f)
			}
			wantCode(t, "DeleteFunction", r.DeleteFunction(t.Context(), r.root, "new"), "")
		})
	}
}

// Each operation asks for its own action, on the function's ARN.
func TestActionOfEachOperation(t *testing.T) {
	ctx := context.Background()
	for _, op := range []struct {
		action, resource string
		do               func(r *rig, c iam.Caller) error
	}{
		{"lambda:GetFunction", functionARN, func(r *rig, c iam.Caller) error {
			f, _, err := r.GetFunction(ctx, c, "clean")
			if f.Policy != "" || f.PolicyIDs != nil {
				return errors.New("GetFunction shows the policy")
			}
			return err
		}},
		{"lambda:UpdateFunctionCode", functionARN, func(r *rig, c iam.Caller) error {
			_, _, err := r.UpdateFunctionCode(ctx, c, "clean", uri("glassine://other"))
			return err
		}},
		{"lambda:PublishVersion", functionARN, func(r *rig, c iam.Caller) error {
			_, _, err := r.PublishVersion(ctx, c, "clean", Publish{})
			return err
		}},
		{"lambda:AddPermission", functionARN, func(r *rig, c iam.Caller) error {
			_, err := r.AddPermission(ctx, c, "clean", Permission{StatementID: "b", Action: "lambda:InvokeFunction", Service: "s3.amazonaws.com"})
			return err
		}},
		{"lambda:AddPermission", functionARN + ":1", func(r *rig, c iam.Caller) error {
			_, err := r.AddPermission(ctx, c, "clean:1", Permission{StatementID: "b", Action: "lambda:InvokeFunction", Service: "s3.amazonaws.com"})
			return err
		}},
		{"lambda:GetPolicy", functionARN, func(r *rig, c iam.Caller) error { _, _, err := r.GetPolicy(ctx, c, "clean"); return err }},
		{"lambda:DeleteFunction", functionARN + ":1", func(r *rig, c iam.Caller) error { return r.DeleteFunction(ctx, c, "clean:1") }},
		{"lambda:DeleteFunction", functionARN, func(r *rig, c iam.Caller) error { return r.DeleteFunction(ctx, c, "clean") }},
	} {
		t.Run(op.action, func(t *testing.T) {
			r := newRig(t)
			if _, _, err := r.PublishVersion(ctx, r.root, "clean", Publish{}); err != nil {
				t.Fatal(err)
			}
			if _, err := r.AddPermission(ctx, r.root, "clean", Permission{StatementID: "a", Action: "lambda:InvokeFunction", Service: "s3.amazonaws.com"}); err != nil {
				t.Fatal(err)
			}
			wantCode(t, "without the right", op.do(r, r.caller(t, "none", `{"Effect":"Allow","NotAction":"`+op.action+`","Resource":"*"}`)), "AccessDenied")
			wantCode(t, "with it", op.do(r, r.caller(t, "one", allow(op.action, op.resource))), "")
		})
	}
}

func TestPublishVersion(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r := newRig(t, func(c *Config) { c.Now = func() time.Time { now = now.Add(time.Second); return now } })
	ctx := t.Context()
	publish := func(want, code string) {
		t.Helper()
		_, v, err := r.PublishVersion(ctx, r.root, "clean", Publish{})
		if err != nil || v.Number != want || v.Code != code {
			t.Errorf("PublishVersion = %s with code %s, %v, want %s with %s", v.Number, v.Code, err, want, code)
		}
	}
	update := func(code string) {
		t.Helper()
		if _, _, err := r.UpdateFunctionCode(ctx, r.root, "clean", uri(code)); err != nil {
			t.Fatal(err)
		}
	}
	publish("1", "glassine://test")
	publish("1", "glassine://test") // nothing changed
	update("glassine://test")
	publish("1", "glassine://test") // the same code again is no change
	update("glassine://other")
	publish("2", "glassine://other")
	update("glassine://test")
	publish("3", "glassine://test")
	if out, err := r.Invoke(ctx, r.root, "clean:2", []byte(`1`)); err != nil || string(out.Payload) != `"other"` || out.Version != "2" {
		t.Errorf("Invoke of version 2 = %s, %v: a published version changed", out.Payload, err)
	}
	wantCode(t, "delete of version 3", r.DeleteFunction(ctx, r.root, "clean:3"), "")
	wantCode(t, "delete of it again", r.DeleteFunction(ctx, r.root, "clean:3"), "ResourceNotFoundException")
	wantCode(t, "delete of $LATEST", r.DeleteFunction(ctx, r.root, "clean:$LATEST"), "InvalidParameterValueException")
	publish("4", "glassine://test") // a number is never used twice
	f, _, err := r.GetFunction(ctx, r.root, "clean")
	if err != nil || len(f.Versions) != 3 {
		t.Errorf("versions = %v, %v, want 1, 2 and 4", f.Versions, err)
	}
}

func TestPublishedVersionIsNotChanged(t *testing.T) {
	r := newRig(t)
	if _, _, err := r.PublishVersion(t.Context(), r.root, "clean", Publish{}); err != nil {
		t.Fatal(err)
	}
	_, _, err := r.UpdateFunctionCode(t.Context(), r.root, "clean:1", uri("glassine://other"))
	wantCode(t, "UpdateFunctionCode of a version", err, "InvalidParameterValueException")
	_, _, err = r.PublishVersion(t.Context(), r.root, "clean:1", Publish{})
	wantCode(t, "PublishVersion of a version", err, "InvalidParameterValueException")
	_, _, err = r.UpdateFunctionCode(t.Context(), r.root, "clean:$LATEST", uri("glassine://other"))
	wantCode(t, "UpdateFunctionCode of $LATEST", err, "")
	_, _, err = r.UpdateFunctionCode(t.Context(), r.root, "clean", uri("no code"))
	wantCode(t, "UpdateFunctionCode with code that cannot run", err, "InvalidParameterValueException")
}

func TestFunctionThatIsNotThere(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	_, _, get := r.GetFunction(ctx, r.root, "absent")
	_, _, update := r.UpdateFunctionCode(ctx, r.root, "absent", uri("glassine://test"))
	_, _, publish := r.PublishVersion(ctx, r.root, "absent", Publish{})
	_, _, policy := r.GetPolicy(ctx, r.root, "absent")
	_, _, noPolicy := r.GetPolicy(ctx, r.root, "clean")
	_, invoke := r.Invoke(ctx, r.root, "absent", nil)
	_, version := r.Invoke(ctx, r.root, "clean:1", nil)
	_, edge := r.InvokeEdge(ctx, functionARN+":1", nil)
	permission := Permission{StatementID: "a", Action: "lambda:InvokeFunction", Service: "s3.amazonaws.com"}
	_, add := r.AddPermission(ctx, r.root, "absent", permission)
	_, addVersion := r.AddPermission(ctx, r.root, "clean:1", permission)
	for what, err := range map[string]error{
		"GetFunction": get, "UpdateFunctionCode": update, "PublishVersion": publish, "GetPolicy": policy, "GetPolicy of a function without": noPolicy,
		"Invoke": invoke, "Invoke of a version": version, "InvokeEdge": edge,
		"DeleteFunction": r.DeleteFunction(ctx, r.root, "absent"), "DeleteFunction of a version": r.DeleteFunction(ctx, r.root, "absent:1"),
		"AddPermission": add, "AddPermission to a version": addVersion,
	} {
		wantCode(t, what, err, "ResourceNotFoundException")
	}
}
