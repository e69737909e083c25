package lambda

import (
	"fmt"
	"strings"
	"testing"

	"glassine/iam"
)

// (AWS Lambda Developer Guide, "Working with resource-based IAM policies in Lambda".)
func TestWhoMayInvoke(t *testing.T) {
	grant := func(name string) func(t *testing.T, r *rig) {
		return func(t *testing.T, r *rig) {
			p := Permission{StatementID: "s", Action: "lambda:InvokeFunction", AWS: "arn:aws:iam::" + account + ":role/viewer"}
			if _, err := r.AddPermission(t.Context(), r.root, name, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name, identity             string
		grant                      func(t *testing.T, r *rig)
		unqualified, latest, first bool
	}{
		{"nobody allows", "", nil, false, false, false},
		{"identity names the function", allow("lambda:InvokeFunction", functionARN), nil, true, false, false},
		{"identity names $LATEST", allow("lambda:InvokeFunction", functionARN+":$LATEST"), nil, true, true, false},
		{"identity names a version", allow("lambda:InvokeFunction", functionARN+":1"), nil, false, false, true},
		{"identity names all that begins so", allow("lambda:InvokeFunction", functionARN+"*"), nil, true, true, true},
		{"identity names another action", allow("lambda:InvokeFunctionUrl", "*"), nil, false, false, false},
		{"the function's policy grants it unqualified", "", grant("clean"), true, false, false},
		{"the function's policy grants $LATEST", "", grant("clean:$LATEST"), true, true, false},
		{"the function's policy grants a version", "", grant("clean:1"), false, false, true},
		{"a Deny of $LATEST denies the unqualified call", allow("lambda:InvokeFunction", functionARN+"*") + `,{"Effect":"Deny","Action":"lambda:InvokeFunction","Resource":"` + functionARN + `:$LATEST"}`, nil, false, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if _, _, err := r.PublishVersion(t.Context(), r.root, "clean", Publish{}); err != nil {
				t.Fatal(err)
			}
			viewer := r.caller(t, "viewer", c.identity)
			if c.grant != nil {
				c.grant(t, r)
			}
			code := map[bool]string{true: "", false: "AccessDenied"}
			for name, want := range map[string]bool{"clean": c.unqualified, "clean:$LATEST": c.latest, functionARN + ":1": c.first} {
				_, err := r.Invoke(t.Context(), viewer, name, []byte("1"))
				wantCode(t, "Invoke of "+name, err, code[want])
			}
		})
	}
}

func TestPermissionForAService(t *testing.T) {
	const distribution = "arn:aws:cloudfront::" + account + ":distribution/E1"
	service := func(name string, keys iam.Context) iam.Caller {
		return iam.Caller{Principal: iam.Principal{Kind: iam.ServicePrincipal, Service: name}, Context: keys}
	}
	for _, c := range []struct {
		name       string
		permission Permission
		caller     iam.Caller
		want       string
	}{
		{"the service", Permission{}, service("cloudfront.amazonaws.com", nil), ""},
		{"another service", Permission{}, service("s3.amazonaws.com", nil), "AccessDenied"},
		{"from the right source", Permission{SourceARN: distribution}, service("cloudfront.amazonaws.com", iam.Context{"aws:sourcearn": {distribution}}), ""},
		{"from another source", Permission{SourceARN: distribution}, service("cloudfront.amazonaws.com", iam.Context{"aws:sourcearn": {distribution + "2"}}), "AccessDenied"},
		{"from no source", Permission{SourceARN: distribution}, service("cloudfront.amazonaws.com", nil), "AccessDenied"},
		{"from the right account", Permission{SourceAccount: account}, service("cloudfront.amazonaws.com", iam.Context{"aws:sourceaccount": {account}}), ""},
		{"from another account", Permission{SourceAccount: account}, service("cloudfront.amazonaws.com", iam.Context{"aws:sourceaccount": {"999999999999"}}), "AccessDenied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			c.permission.StatementID, c.permission.Action, c.permission.Service = "s", "lambda:InvokeFunction", "cloudfront.amazonaws.com"
			if _, err := r.AddPermission(t.Context(), r.root, "clean", c.permission); err != nil {
				t.Fatal(err)
			}
			_, err := r.Invoke(t.Context(), c.caller, "clean", []byte("1"))
			wantCode(t, "Invoke", err, c.want)
		})
	}
}

func TestCheckOfPermissions(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		name   string
		change func(*Permission)
		want   string
	}{
		{"a good one", func(*Permission) {}, ""},
		{"its id again", func(*Permission) {}, "ResourceConflictException"},
		{"everybody", func(p *Permission) { p.StatementID, p.Service, p.AWS = "all", "", "*" }, ""},
		{"no id", func(p *Permission) { p.StatementID = "" }, "InvalidParameterValueException"},
		{"bad id", func(p *Permission) { p.StatementID = "a b" }, "InvalidParameterValueException"},
		{"no principal", func(p *Permission) { p.StatementID, p.Service = "x", "" }, "InvalidParameterValueException"},
		{"two principals", func(p *Permission) { p.StatementID, p.AWS = "x", account }, "InvalidParameterValueException"},
		{"no service's name", func(p *Permission) { p.StatementID, p.Service = "x", "example.com" }, "InvalidParameterValueException"},
		{"a role that nobody has", func(p *Permission) {
			p.StatementID, p.Service, p.AWS = "x", "", "arn:aws:iam::"+account+":role/nobody"
		}, "InvalidParameterValueException"},
		{"another service's action", func(p *Permission) { p.StatementID, p.Action = "x", "s3:GetObject" }, "InvalidParameterValueException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Permission{StatementID: "s", Action: "lambda:InvokeFunction", Service: "s3.amazonaws.com"}
			c.change(&p)
			_, err := r.AddPermission(t.Context(), r.root, "clean", p)
			wantCode(t, "AddPermission", err, c.want)
		})
	}
	var err error
	for i := 0; err == nil && i < 200; i++ {
		_, err = r.AddPermission(t.Context(), r.root, "clean", Permission{StatementID: fmt.Sprintf("s%d", i), Action: "lambda:InvokeFunction", Service: "s3.amazonaws.com"})
	}
	wantCode(t, "AddPermission past 20 KB", err, "PolicyLengthExceededException")
}

// Who is deleted and made anew under the same name is another; a new statement may name both.
func TestRemadeRoleGetsNothingFromAnOldPermission(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	add := func(id string) {
		t.Helper()
		p := Permission{StatementID: id, Action: "lambda:InvokeFunction", AWS: "arn:aws:iam::" + account + ":role/viewer"}
		if id == "version" {
			if _, err := r.AddPermission(ctx, r.root, "clean:1", p); err != nil {
				t.Fatal(err)
			}
			return
		}
		if _, err := r.AddPermission(ctx, r.root, "clean", p); err != nil {
			t.Fatal(err)
		}
	}
	invoke := func(c iam.Caller, name, want string) {
		t.Helper()
		_, err := r.Invoke(ctx, c, name, []byte("1"))
		wantCode(t, "Invoke of "+name, err, want)
	}
	if _, _, err := r.PublishVersion(ctx, r.root, "clean", Publish{}); err != nil {
		t.Fatal(err)
	}
	first := r.caller(t, "viewer", "")
	add("first")
	invoke(first, "clean", "")
	if _, err := r.AddPermission(ctx, r.root, "clean", Permission{StatementID: "other", Action: "lambda:InvokeFunction", AWS: roleARN}); err != nil {
		t.Fatal(err)
	}
	if err := r.iam.DeleteRole(ctx, r.root, "viewer"); err != nil {
		t.Fatal(err)
	}
	second := r.caller(t, "viewer", "")
	invoke(second, "clean", "AccessDenied")
	add("version") // a grant of something else to the namesake does not bring the old one back
	invoke(second, "clean:1", "")
	invoke(second, "clean", "AccessDenied")
	doc, _, err := r.GetPolicy(ctx, r.root, "clean")
	if err != nil || strings.Contains(doc, "role/viewer") || strings.Count(doc, `"AROA`) != 1 || !strings.Contains(doc, roleARN) {
		t.Errorf("GetPolicy = %s, %v, want the id of who is gone and the ARN of who is there", doc, err)
	}
	if doc, _, err = r.GetPolicy(ctx, r.root, "clean:1"); err != nil || strings.Count(doc, "role/viewer") != 1 || strings.Contains(doc, `"AROA`) {
		t.Errorf("GetPolicy of version 1 = %s, %v, want its own statement alone, with the ARN of who is there now", doc, err)
	}
}
