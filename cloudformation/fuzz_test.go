package cloudformation

import (
	"strings"
	"testing"
	"time"

	"glassine/aws/fault"
)

// FuzzTemplate plans what it is given: a template or a refusal in AWS's words comes of it, and the same one each time.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		chain, changed, frame, "Resources: {A: {Type: Test::Thing}}", `{"Resources": {"A": {"Type": "Test::Thing", "Properties": {"Size": 1}}}}`,
		"Transform: AWS::LanguageExtensions\nResources: {\"Fn::ForEach::L\": [N, [a, b], {\"T${N}\": {Type: Test::Thing}}]}",
		"Resources: {A: &a {Type: x}, B: *a}", "Resources: {A: {Type: Test::Thing, Properties: {Text: !Sub [\"${x}${\", {x: !Ref A}]}}}",
		"a: {{{{{{{{", "{\"a\": [[[[", "Resources: {A: {Type: Test::Thing}}\nRules: {R: {Assertions: [{Assert: {\"Fn::Contains\": [[a], b]}}]}}",
	} {
		f.Add(s)
	}
	r := newRig(f)
	f.Fuzz(func(t *testing.T, text string) {
		plan := func() ([]Change, error) {
			tmpl, err := ParseTemplate(text)
			if err != nil {
				return nil, err
			}
			d := &Definition{Template: text}
			if d.Parameters, err = tmpl.choose(nil, nil); err != nil {
				return nil, err
			}
			changes, _, err := r.plan(t.Context(), nil, d, "arn:stack", "demo", region, r.caller)
			return changes, err
		}
		begun := time.Now()
		changes, err := plan()
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("a plan of %d bytes took %v", len(text), took)
		}
		if err != nil && fault.Code(err) == "" {
			t.Fatalf("error without a code: %v", err)
		}
		again, err2 := plan()
		if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() || len(again) != len(changes) {
			t.Errorf("once %v %v, then %v %v", changes, err, again, err2)
		}
	})
}

// FuzzValue computes a value in a frame whose names it may use.
func FuzzValue(f *testing.F) {
	for _, s := range []string{
		`!Ref Env`, `!Sub "${Env}-${Other.Size}"`, `!Join ["-", !Ref Names]`, `!Select [1, !Split [",", "a,b"]]`, `!FindInMap [Sizes, prod, Count]`, `!If [IsProd, 1, 2]`,
		`!Cidr ["10.0.0.0/8", 256, 4]`, `!Cidr ["::/0", 256, 127]`, `!Base64 x`, `{"Fn::Length": [1]}`, `{"Fn::ToJsonString": {a: 1}}`, `!GetAZs ""`, `"{{resolve:ssm:/a}}{{resolve:"`,
		`!GetAtt [Other, Arn]`, `{"Fn::Sub": ["${a}", {"a": {"Ref": "Env"}}]}`,
	} {
		f.Add(s)
	}
	r := newRig(f)
	f.Fuzz(func(t *testing.T, text string) {
		d := &Definition{Template: strings.Replace(frame, "VALUE", text, 1), Parameters: []Parameter{
			{Key: "Env", Value: "prod"}, {Key: "Names", Value: "a,b"}, {Key: "Ports", Value: "1,2"}, {Key: "Stored", Resolved: "s"}, {Key: "StoredList", Resolved: "x,y"},
		}}
		changes, _, err := r.plan(t.Context(), nil, d, "arn:stack", "demo", region, r.caller)
		if err != nil && fault.Code(err) == "" {
			t.Fatalf("error without a code: %v", err)
		}
		if err == nil && len(changes) == 0 {
			t.Error("a plan of nothing")
		}
	})
}

// FuzzStackPolicy reads policies: whatever is read can be asked.
func FuzzStackPolicy(f *testing.F) {
	f.Add(`{"Statement":[{"Effect":"Deny","Action":["Update:Replace","Update:Delete"],"Principal":"*","Resource":"LogicalResourceId/A*","Condition":{"StringEquals":{"ResourceType":["Test::Thing"]}}}]}`)
	f.Add(`{"Statement":{"Effect":"Allow","NotAction":"Update:Delete","Principal":"*","NotResource":"LogicalResourceId/[a"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseStackPolicy(text)
		if err != nil {
			if fault.Code(err) == "" {
				t.Errorf("error without a code: %v", err)
			}
			return
		}
		_ = p.allows("Update:Modify", "A", "Test::Thing")
	})
}

// FuzzAnswer takes what functions send to a response URL: something comes of all of it, and of the first alone.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"Status":"SUCCESS","PhysicalResourceId":"x","Data":{"a":1,"b":{"c":[true]}},"NoEcho":true}`))
	f.Add([]byte(`{"Status":"FAILED","Reason":"no"}`))
	f.Add([]byte(`{"Status":"SUCCESS","PhysicalResourceId":5}`))
	f.Add([]byte(`[`))
	s := &Service{custom: &customResources{waiting: map[string]chan Answer{}}}
	f.Fuzz(func(t *testing.T, body []byte) {
		token, answers := s.custom.expect()
		defer s.custom.forget(token)
		if err := s.Respond(token, body); err != nil {
			t.Fatal(err)
		}
		if err := s.Respond(token, []byte(`{"Status":"SUCCESS","PhysicalResourceId":"second"}`)); err != nil {
			t.Fatal(err)
		}
		a := <-answers
		if a.Status != "SUCCESS" && a.Status != "FAILED" {
			t.Errorf("%s came of %q", a.Status, body)
		}
		if len(answers) > 0 {
			t.Error("a second answer was taken")
		}
	})
}
