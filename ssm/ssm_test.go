package ssm

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"glassine/aws/fault"
)

func TestParameterHasVersions(t *testing.T) {
	r := newRig(t)
	if n := r.put(Put{Name: "/app/one", Value: "a", Description: "first"}); n != 1 {
		t.Errorf("version = %d, want 1", n)
	}
	_, _, err := r.PutParameter(t.Context(), r.root, region, Put{Name: "/app/one", Value: "b", Type: String})
	wantCode(t, "PutParameter of one that is there", err, "ParameterAlreadyExists")
	if n := r.put(Put{Name: "/app/one", Value: "b", Overwrite: true}); n != 2 {
		t.Errorf("version = %d, want 2", n)
	}
	r.restart([32]byte{2})
	p := r.get("/app/one")
	if p.Value != "b" || p.Version != 2 || p.Type != String || p.Description != "first" || p.ARN != "arn:aws:ssm:"+region+":"+account+":parameter/app/one" || p.ModifiedBy != "arn:aws:iam::"+account+":root" {
		t.Errorf("GetParameter = %+v", p)
	}
	if p := r.get("/app/one:1"); p.Value != "a" || p.Selector != ":1" {
		t.Errorf("version 1 = %+v, want a", p)
	}
	if p := r.get("arn:aws:ssm:" + region + ":" + account + ":parameter/app/one"); p.Value != "b" {
		t.Errorf("by ARN = %+v, want b", p)
	}
	_, err = r.GetParameter(t.Context(), r.root, region, "/app/one:9", true)
	wantCode(t, "version that is not there", err, "ParameterVersionNotFound")
	_, err = r.GetParameter(t.Context(), r.root, "us-east-1", "/app/one", true)
	wantCode(t, "another region", err, "ParameterNotFound")
	_, _, err = r.PutParameter(t.Context(), r.root, region, Put{Name: "/app/one", Value: "c", Type: SecureString, Overwrite: true})
	wantCode(t, "another type", err, "HierarchyTypeMismatchException")
	if err := r.DeleteParameter(t.Context(), r.root, region, "/app/one"); err != nil {
		t.Error(err)
	}
	wantCode(t, "second DeleteParameter", r.DeleteParameter(t.Context(), r.root, region, "/app/one"), "ParameterNotFound")
	if n := r.put(Put{Name: "/app/one", Value: "new"}); n != 1 {
		t.Errorf("version after deletion = %d, want 1", n)
	}
}

func TestOldestVersionGoesUnlessItHasALabel(t *testing.T) {
	r := newRig(t)
	r.put(Put{Name: "p", Value: "1"})
	for i := 2; i <= versionsKept+1; i++ {
		r.put(Put{Name: "p", Value: fmt.Sprint(i), Overwrite: true})
	}
	all, err := r.GetParameterHistory(t.Context(), r.root, region, "p", true)
	if err != nil || len(all) != versionsKept || all[0].Version != 2 || all[versionsKept-1].Value != "101" {
		t.Fatalf("history has %d versions, %v, want 100 from 2 on", len(all), err)
	}
	bad, n, err := r.LabelParameterVersion(t.Context(), r.root, region, "p", 2, []string{"prod", "1st", "awsome", "a b"})
	if err != nil || n != 2 || !slices.Equal(bad, []string{"1st", "awsome", "a b"}) {
		t.Errorf("LabelParameterVersion = %v, %d, %v", bad, n, err)
	}
	if p := r.get("p:prod"); p.Value != "2" || p.Labels[0] != "prod" {
		t.Errorf("by label = %+v, want version 2", p)
	}
	_, _, err = r.PutParameter(t.Context(), r.root, region, Put{Name: "p", Value: "x", Overwrite: true})
	wantCode(t, "PutParameter over a labelled oldest", err, "ParameterMaxVersionLimitExceeded")
	if _, n, err := r.LabelParameterVersion(t.Context(), r.root, region, "p", 0, []string{"prod"}); err != nil || n != 101 {
		t.Errorf("LabelParameterVersion of the newest = %d, %v", n, err)
	}
	if p := r.get("p:prod"); p.Value != "101" {
		t.Errorf("by moved label = %+v, want version 101", p)
	}
	removed, bad, err := r.UnlabelParameterVersion(t.Context(), r.root, region, "p", 101, []string{"prod", "none"})
	if err != nil || !slices.Equal(removed, []string{"prod"}) || !slices.Equal(bad, []string{"none"}) {
		t.Errorf("UnlabelParameterVersion = %v, %v, %v", removed, bad, err)
	}
	r.put(Put{Name: "p", Value: "x", Overwrite: true})
}

func TestSecureStringIsEncryptedWhereItIsStored(t *testing.T) {
	r := newRig(t)
	r.put(Put{Name: "/secret", Value: "hunter2 hunter2", Type: SecureString})
	stored, err := r.records.List(t.Context(), "ssm/parameters", "")
	if err != nil || len(stored) != 1 {
		t.Fatalf("stored = %v, %v", stored, err)
	}
	if bytes.Contains(stored[0].Value, []byte("hunter2")) || bytes.Contains(stored[0].Value, []byte(base64.StdEncoding.EncodeToString([]byte("hunter2")))) {
		t.Errorf("the record holds the secret: %s", stored[0].Value)
	}
	if p := r.get("/secret"); p.Value != "hunter2 hunter2" || p.KeyID != DefaultKey {
		t.Errorf("decrypted = %+v", p)
	}
	p, err := r.GetParameter(t.Context(), r.root, region, "/secret", false)
	if err != nil || strings.Contains(p.Value, "hunter2") || p.Value == "" {
		t.Errorf("without decryption = %+v, %v, want ciphertext", p, err)
	}
	r.restart([32]byte{3})
	if _, err := r.GetParameter(t.Context(), r.root, region, "/secret", true); err == nil || fault.Code(err) != "" {
		t.Errorf("under another key = %v, want an error without a code", err)
	}
}

func TestWhatCannotBeAParameter(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		name string
		put  Put
		code string
	}{
		{"a name of AWS", Put{Name: "/aws/x", Value: "v", Type: String}, "AccessDeniedException"},
		{"a name of ssm", Put{Name: "ssm-x", Value: "v", Type: String}, "ValidationException"},
		{"a path without its slash", Put{Name: "a/b", Value: "v", Type: String}, "ValidationException"},
		{"a name with a space", Put{Name: "a b", Value: "v", Type: String}, "ValidationException"},
		{"too many levels", Put{Name: strings.Repeat("/a", 16), Value: "v", Type: String}, "HierarchyLevelLimitExceededException"},
		{"no name", Put{Value: "v", Type: String}, "ValidationException"},
		{"no value", Put{Name: "a", Type: String}, "ValidationException"},
		{"no type", Put{Name: "a", Value: "v"}, "ValidationException"},
		{"a type that is none", Put{Name: "a", Value: "v", Type: "Text"}, "ValidationException"},
		{"a value that is too long", Put{Name: "a", Value: strings.Repeat("v", 4097), Type: String}, "ValidationException"},
		{"an advanced value that is too long", Put{Name: "a", Value: strings.Repeat("v", 8193), Type: String, Tier: Advanced}, "ValidationException"},
		{"a list with nothing between commas", Put{Name: "a", Value: "v,,w", Type: StringList}, "ValidationException"},
		{"a value that does not match", Put{Name: "a", Value: "v1", Type: String, AllowedPattern: "[a-z]"}, "ParameterPatternMismatchException"},
		{"a pattern that is none", Put{Name: "a", Value: "v", Type: String, AllowedPattern: "["}, "InvalidAllowedPatternException"},
		{"another key", Put{Name: "a", Value: "v", Type: SecureString, KeyID: "alias/mine"}, "InvalidKeyId"},
		{"tags with overwrite", Put{Name: "a", Value: "v", Type: String, Overwrite: true, Tags: map[string]string{"k": "v"}}, "ValidationException"},
		{"another data type", Put{Name: "a", Value: "v", Type: String, DataType: "aws:ec2:image"}, "ValidationException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := r.PutParameter(t.Context(), r.root, region, c.put)
			wantCode(t, "PutParameter", err, c.code)
		})
	}
	if all, err := r.DescribeParameters(t.Context(), r.root, region, nil); err != nil || names(all) != "/ready/version " {
		t.Errorf("after refusals there are %s, %v", names(all), err)
	}
	if _, tier, err := r.PutParameter(t.Context(), r.root, region, Put{Name: "a", Value: strings.Repeat("v", 4097), Type: String, Tier: IntelligentTiering}); err != nil || tier != Advanced {
		t.Errorf("Intelligent-Tiering of 4,097 characters = %q, %v, want Advanced", tier, err)
	}
}

func TestParametersAreFoundByPathAndFilter(t *testing.T) {
	r := newRig(t)
	for _, n := range []string{"/a/one", "/a/two", "/a/b/three", "/ab/four", "five"} {
		r.put(Put{Name: n, Value: n, Tags: map[string]string{"level": fmt.Sprint(strings.Count(n, "/"))}})
	}
	r.put(Put{Name: "/a/key", Value: "s", Type: SecureString})
	for _, c := range []struct {
		path      string
		recursive bool
		filters   []Filter
		want      string
	}{
		{"/a", false, nil, "/a/key /a/one /a/two "},
		{"/a/", false, nil, "/a/key /a/one /a/two "},
		{"/a", true, nil, "/a/b/three /a/key /a/one /a/two "},
		{"/", false, nil, "five "},
		{"/a", true, []Filter{{Key: "Type", Values: []string{String}}}, "/a/b/three /a/one /a/two "},
		{"/none", true, nil, ""},
	} {
		got, err := r.GetParametersByPath(t.Context(), r.root, region, c.path, c.recursive, true, c.filters)
		if err != nil || names(got) != c.want {
			t.Errorf("GetParametersByPath(%s, %v) = %q, %v, want %q", c.path, c.recursive, names(got), err, c.want)
		}
	}
	_, err := r.GetParametersByPath(t.Context(), r.root, region, "a", false, true, nil)
	wantCode(t, "a path without a slash", err, "ValidationException")
	_, err = r.GetParametersByPath(t.Context(), r.root, region, "/a", false, true, []Filter{{Key: "Name", Values: []string{"x"}}})
	wantCode(t, "a filter that is not for paths", err, "InvalidFilterKey")
	for _, c := range []struct {
		filter Filter
		want   string
	}{
		{Filter{Key: "Name", Option: "BeginsWith", Values: []string{"/a/"}}, "/a/b/three /a/key /a/one /a/two "},
		{Filter{Key: "Name", Option: "Contains", Values: []string{"o"}}, "/a/one /a/two /ab/four /ready/version "},
		{Filter{Key: "Name", Values: []string{"/five"}}, "five "},
		{Filter{Key: "Path", Option: "Recursive", Values: []string{"/a"}}, "/a/b/three /a/key /a/one /a/two "},
		{Filter{Key: "tag:level", Values: []string{"3", "0"}}, "/a/b/three five "},
		{Filter{Key: "tag:level"}, "/a/b/three /a/one /a/two /ab/four five "},
		{Filter{Key: "Type", Values: []string{SecureString}}, "/a/key "},
		{Filter{Key: "KeyId", Values: []string{DefaultKey}}, "/a/key "},
	} {
		got, err := r.DescribeParameters(t.Context(), r.root, region, []Filter{c.filter})
		if err != nil || names(got) != c.want {
			t.Errorf("DescribeParameters(%+v) = %q, %v, want %q", c.filter, names(got), err, c.want)
		}
	}
	_, err = r.DescribeParameters(t.Context(), r.root, region, []Filter{{Key: "Colour", Values: []string{"x"}}})
	wantCode(t, "a filter that is none", err, "InvalidFilterKey")
	found, missing, err := r.GetParameters(t.Context(), r.root, region, []string{"five", "/none", "/a/one:1", "/a/one:7"}, true)
	if err != nil || names(found) != "/a/one five " || !slices.Equal(missing, []string{"/none", "/a/one:7"}) {
		t.Errorf("GetParameters = %q, %q, %v", names(found), missing, err)
	}
	deleted, missing, err := r.DeleteParameters(t.Context(), r.root, region, []string{"five", "/none"})
	if err != nil || !slices.Equal(deleted, []string{"five"}) || !slices.Equal(missing, []string{"/none"}) {
		t.Errorf("DeleteParameters = %q, %q, %v", deleted, missing, err)
	}
}

// A provisioned parameter is in every region, is adopted by who makes it, and stays away once deleted.
func TestProvisionedParameters(t *testing.T) {
	r := newRig(t)
	for _, at := range []string{region, "us-west-2"} {
		p, err := r.GetParameter(t.Context(), r.root, at, "/ready/version", true)
		if err != nil || p.Value != "33" || p.Version != 1 {
			t.Errorf("in %s = %+v, %v, want 33", at, p, err)
		}
	}
	if n := r.put(Put{Name: "/ready/version", Value: "21", Tags: map[string]string{"k": "v"}}); n != 1 {
		t.Errorf("version = %d, want 1", n)
	}
	_, _, err := r.PutParameter(t.Context(), r.root, region, Put{Name: "/ready/version", Value: "22", Type: String})
	wantCode(t, "second PutParameter", err, "ParameterAlreadyExists")
	r.restart([32]byte{2})
	if p := r.get("/ready/version"); p.Value != "21" {
		t.Errorf("after PutParameter = %+v, want 21", p)
	}
	if err := r.DeleteParameter(t.Context(), r.root, region, "/ready/version"); err != nil {
		t.Fatal(err)
	}
	r.restart([32]byte{2})
	_, err = r.GetParameter(t.Context(), r.root, region, "/ready/version", true)
	wantCode(t, "after DeleteParameter", err, "ParameterNotFound")
	wantCode(t, "second DeleteParameter", r.DeleteParameter(t.Context(), r.root, region, "/ready/version"), "ParameterNotFound")
	if n := r.put(Put{Name: "/ready/version", Value: "40"}); n != 1 {
		t.Errorf("version = %d, want 1", n)
	}
	if p, err := r.GetParameter(t.Context(), r.root, "us-west-2", "/ready/version", true); err != nil || p.Value != "33" {
		t.Errorf("in another region = %+v, %v, want 33 still", p, err)
	}
}

func TestTags(t *testing.T) {
	r := newRig(t)
	r.put(Put{Name: "p", Value: "v", Tags: map[string]string{"a": "1"}})
	if err := r.AddTagsToResource(t.Context(), r.root, region, "p", map[string]string{"b": "2"}); err != nil {
		t.Error(err)
	}
	if err := r.RemoveTagsFromResource(t.Context(), r.root, region, "p", []string{"a"}); err != nil {
		t.Error(err)
	}
	tags, err := r.ListTagsForResource(t.Context(), r.root, region, "p")
	if err != nil || len(tags) != 1 || tags["b"] != "2" {
		t.Errorf("tags = %v, %v, want b=2", tags, err)
	}
	_, err = r.ListTagsForResource(t.Context(), r.root, region, "none")
	wantCode(t, "tags of nothing", err, "InvalidResourceId")
	wantCode(t, "tag of AWS", r.AddTagsToResource(t.Context(), r.root, region, "p", map[string]string{"aws:x": "2"}), "ValidationException")
}

func TestIAMDecides(t *testing.T) {
	r := newRig(t)
	r.put(Put{Name: "/team/photos/key", Value: "v", Tags: map[string]string{"team": "photos"}})
	r.put(Put{Name: "/team/other", Value: "v"})
	c := r.caller("reader", `{"Effect":"Allow","Action":["ssm:GetParameter","ssm:GetParametersByPath"],"Resource":"arn:aws:ssm:*:*:parameter/team/photos/*"},
		{"Effect":"Allow","Action":"ssm:DeleteParameter","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"photos"}}},
		{"Effect":"Allow","Action":"ssm:PutParameter","Resource":"*","Condition":{"StringEquals":{"ssm:Overwrite":"true"}}}`)
	_, err := r.GetParameter(t.Context(), c, region, "/team/photos/key", true)
	wantCode(t, "what is allowed", err, "")
	_, err = r.GetParameter(t.Context(), c, region, "/team/other", true)
	wantCode(t, "another name", err, "AccessDenied")
	_, err = r.GetParameter(t.Context(), c, region, "/team/none", true)
	wantCode(t, "a name that is not there", err, "AccessDenied")
	_, err = r.GetParametersByPath(t.Context(), c, region, "/team/photos/", true, true, nil)
	wantCode(t, "the path that is allowed", err, "")
	_, err = r.GetParametersByPath(t.Context(), c, region, "/team", true, true, nil)
	wantCode(t, "the path above", err, "AccessDenied")
	_, err = r.DescribeParameters(t.Context(), c, region, nil)
	wantCode(t, "DescribeParameters", err, "AccessDenied")
	wantCode(t, "deletion by tag", r.DeleteParameter(t.Context(), c, region, "/team/other"), "AccessDenied")
	_, _, err = r.PutParameter(t.Context(), c, region, Put{Name: "/team/new", Value: "v", Type: String})
	wantCode(t, "PutParameter of a new one", err, "AccessDenied")
	_, _, err = r.PutParameter(t.Context(), c, region, Put{Name: "/team/other", Value: "w", Overwrite: true})
	wantCode(t, "PutParameter over one", err, "")
	wantCode(t, "deletion by tag", r.DeleteParameter(t.Context(), c, region, "/team/photos/key"), "")
}

// What checkName lets in is read back under its name and its ARN, and by nothing else.
func FuzzName(f *testing.F) {
	for _, n := range []string{"a", "/a/b", "a/b", "/aws/x", "//", "/a/", "a:1", "x.y_z-1", "arn:aws:ssm:eu-west-1:123456789012:parameter/a"} {
		f.Add(n)
	}
	r := newRig(f)
	f.Fuzz(func(t *testing.T, name string) {
		_, _, err := r.PutParameter(t.Context(), r.root, region, Put{Name: name, Value: name + "!", Type: String})
		if err != nil {
			if fault.Code(err) == "" {
				t.Fatalf("PutParameter(%q) = %v, want a fault", name, err)
			}
			_, err := r.GetParameter(t.Context(), r.root, region, name, true)
			if fault.Code(err) == "" {
				t.Fatalf("GetParameter(%q) = %v, want a fault", name, err)
			}
			return
		}
		for _, asked := range []string{name, name + ":1", r.ARN(region, name)} {
			p, err := r.GetParameter(t.Context(), r.root, region, asked, true)
			if err != nil || p.Name != name || p.Value != name+"!" {
				t.Errorf("GetParameter(%q) = %+v, %v, want %q", asked, p, err, name)
			}
		}
		if err := r.DeleteParameter(t.Context(), r.root, region, name); err != nil {
			t.Errorf("DeleteParameter(%q) = %v", name, err)
		}
	})
}
