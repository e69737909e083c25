package iam

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"glassine/aws/fault"
)

func TestSimulatePrincipal(t *testing.T) {
	s, _, _ := newService(t)
	ctx, root := t.Context(), s.Root()
	_, bob := makeUser(t, s, "bob", `{"Version":"2012-10-17",
 "Statement":[
  {"Sid":"home","Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*"},
  {"Effect":"Deny","Action":"s3:Delete*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"},"StringEquals":{"S3:Extra":"x"}}}]}`)
	must(t, second(s.CreateGroup(ctx, root, "g", "")), s.AttachGroupPolicy(ctx, root, "g", "arn:aws:iam::aws:policy/service-role/AWSLambdaRole"), s.AddUserToGroup(ctx, root, "g", "bob"))
	const arn = "arn:aws:iam::111122223333:user/bob"
	simulate := func(m Simulation) []Simulated {
		t.Helper()
		if m.Principal == "" {
			m.Principal = arn
		}
		out, err := s.Simulate(ctx, root, m)
		must(t, err)
		return out
	}
	verdicts := func(list []Simulated) string {
		var out []string
		for _, x := range list {
			verdict := "implicit"
			if x.Allowed {
				verdict = "allowed"
			} else if x.Explicit {
				verdict = "explicit"
			}
			out = append(out, fmt.Sprintf("%s %s %s", x.Action, x.Resource, verdict))
		}
		return strings.Join(out, "; ")
	}
	f := func(name string, m Simulation, want string) {
		t.Helper()
		if got := verdicts(simulate(m)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	const home, away = "arn:aws:s3:::b/bob/x", "arn:aws:s3:::b/eve/x"
	f("actions by resources", Simulation{Actions: []string{"s3:GetObject", "lambda:InvokeFunction"}, Resources: []string{home, away}},
		"s3:GetObject "+home+" allowed; s3:GetObject "+away+" implicit; lambda:InvokeFunction "+home+" allowed; lambda:InvokeFunction "+away+" allowed")
	f("no resource is *", Simulation{Actions: []string{"s3:GetObject"}}, "s3:GetObject * implicit")
	f("a given key wins", Simulation{Actions: []string{"s3:GetObject"}, Resources: []string{away}, Context: Context{"aws:UserName": {"eve"}}}, "s3:GetObject "+away+" allowed")
	f("a Deny by its keys", Simulation{Actions: []string{"s3:DeleteObject"}, Resources: []string{home}, Context: Context{"aws:SecureTransport": {"false"}, "s3:extra": {"x"}}}, "s3:DeleteObject "+home+" explicit")
	f("further policies", Simulation{Actions: []string{"sqs:SendMessage"}, Policies: []string{allowEverything}}, "sqs:SendMessage * allowed")
	f("a resource policy", Simulation{Actions: []string{"s3:GetObject"}, Resources: []string{testObject}, ResourcePolicy: bucketPolicy("Allow", `{"AWS":"`+arn+`"}`)}, "s3:GetObject "+testObject+" allowed")
	f("another caller", Simulation{Actions: []string{"s3:GetObject"}, Resources: []string{testObject}, ResourcePolicy: bucketPolicy("Allow", `{"AWS":"`+arn+`"}`), Caller: "arn:aws:iam::111122223333:user/eve"}, "s3:GetObject "+testObject+" implicit")
	f("another account's resource needs both", Simulation{Actions: []string{"s3:GetObject"}, Resources: []string{home}, ResourceOwner: "arn:aws:iam::444455556666:root"}, "s3:GetObject "+home+" implicit")
	f("a boundary", Simulation{Actions: []string{"s3:GetObject"}, Resources: []string{home}, Boundary: allowOther}, "s3:GetObject "+home+" implicit")

	x := simulate(Simulation{Actions: []string{"s3:DeleteObject"}, Resources: []string{home}, Boundary: allowOther})[0]
	if !x.Bounded || x.InBoundary || x.By != BoundaryPolicy {
		t.Errorf("with a boundary: %+v", x)
	}
	if want := []string{"aws:SecureTransport", "S3:Extra"}; !reflect.DeepEqual(x.Missing, want) {
		t.Errorf("missing keys %q, want %q", x.Missing, want)
	}
	if want := []Match{{Kind: IdentityPolicy, Policy: "inline", Sid: "home", Effect: Allow, Start: Position{3, 3}, End: Position{3, 96}}}; !reflect.DeepEqual(x.Matches, want) {
		t.Errorf("matches %+v, want %+v", x.Matches, want)
	}
	// The simulation says what the request gets.
	for _, resource := range []string{home, away} {
		d, err := s.Explain(ctx, bob, Ask{Action: "s3:GetObject", Resources: []string{resource}})
		must(t, err)
		if got := simulate(Simulation{Actions: []string{"s3:GetObject"}, Resources: []string{resource}})[0].Decision; got != d {
			t.Errorf("%s: simulated %+v, decided %+v", resource, got, d)
		}
	}
	f("a group", Simulation{Principal: "arn:aws:iam::111122223333:group/g", Actions: []string{"lambda:InvokeFunction", "s3:GetObject"}}, "lambda:InvokeFunction * allowed; s3:GetObject * implicit")
	makeRole(t, s, "worker", allowIdentity)
	f("a role", Simulation{
		Principal: "arn:aws:iam::111122223333:role/worker", Actions: []string{"s3:GetObject"}, Resources: []string{testObject},
		ResourcePolicy: bucketPolicy("Deny", `{"AWS":"arn:aws:iam::111122223333:role/worker"}`),
	}, "s3:GetObject "+testObject+" explicit")
}

func TestSimulationRefusals(t *testing.T) {
	s, _, _ := newService(t)
	_, weak := makeUser(t, s, "weak", "")
	one := []string{"s3:GetObject"}
	for name, c := range map[string]struct {
		who  Caller
		m    Simulation
		code string
	}{
		"who may not ask about a principal":  {weak, Simulation{Principal: "arn:aws:iam::111122223333:user/weak", Actions: one}, "AccessDenied"},
		"who may not ask about policies":     {weak, Simulation{Policies: []string{allowIdentity}, Actions: one}, "AccessDenied"},
		"no such user":                       {s.Root(), Simulation{Principal: "arn:aws:iam::111122223333:user/nosuch", Actions: one}, "NoSuchEntity"},
		"a policy as principal":              {s.Root(), Simulation{Principal: adminRole, Actions: one}, "InvalidInput"},
		"no action":                          {s.Root(), Simulation{Policies: []string{allowIdentity}}, "ValidationError"},
		"an action without a service":        {s.Root(), Simulation{Policies: []string{allowIdentity}, Actions: []string{"GetObject"}}, "InvalidInput"},
		"a broken policy":                    {s.Root(), Simulation{Policies: []string{"{"}, Actions: one}, "MalformedPolicyDocument"},
		"a resource policy without a caller": {s.Root(), Simulation{Policies: []string{allowIdentity}, Actions: one, ResourcePolicy: bucketPolicy("Allow", `"*"`)}, "InvalidInput"},
		"a session as caller":                {s.Root(), Simulation{Policies: []string{allowIdentity}, Actions: one, Caller: "arn:aws:sts::111122223333:assumed-role/a/b"}, "InvalidInput"},
		"too many":                           {s.Root(), Simulation{Policies: []string{allowIdentity}, Actions: make101("s3:A"), Resources: make101("arn")}, "LimitExceeded"},
	} {
		if _, err := s.Simulate(t.Context(), c.who, c.m); fault.Code(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

func make101(s string) []string {
	out := make([]string, 101)
	for i := range out {
		out[i] = s
	}
	return out
}

func TestContextKeys(t *testing.T) {
	s, _, _ := newService(t)
	makeUser(t, s, "bob", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:PrincipalTag/Team, 'none'}","Condition":{"StringLike":{"aws:Referer":"${aws:username}*"}}}}`)
	got, err := s.ContextKeys(t.Context(), s.Root(), "arn:aws:iam::111122223333:user/bob", []string{`{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${no:variable}","Condition":{"Null":{"AWS:referer":"true"}}}}`})
	if want := []string{"aws:PrincipalTag/Team", "aws:Referer", "aws:username"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("keys %q, %v, want %q", got, err, want)
	}
}

// An administrator sees which statement refused a caller, and what else was looked at.
func TestTraceOfADenial(t *testing.T) {
	s, _, _ := newService(t)
	_, bob := makeUser(t, s, "bob", `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"tls","Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`)
	ask := Ask{Action: "s3:GetObject", Resources: []string{testObject}, Context: Context{"aws:SecureTransport": {"false"}}}
	got, err := s.Trace(t.Context(), bob, ask)
	must(t, err)
	d, err := s.Explain(t.Context(), bob, ask)
	must(t, err)
	if got.Decision != d || got.Sid != "tls" || got.Statement != 1 || got.Policy != "inline" || len(got.Matches) != 2 || got.Matches[1].Effect != Deny {
		t.Errorf("trace %+v of decision %+v", got, d)
	}
	bound := forwardOf(t, s, bob, "x.amazonaws.com", Bound{})
	if got, err := s.Trace(t.Context(), bound, ask); err != nil || got.Allowed || got.By != SessionPolicy {
		t.Errorf("trace of a bound caller: %+v, %v", got, err)
	}
}
