package iam

import (
	"strings"
	"testing"

	"glassine/aws/fault"
)

// A document of one Allow statement is identityHead, its other elements, tail.
const (
	identityHead = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",`
	tail         = `}]}`
)

func TestDocumentsThatAWSRefuses(t *testing.T) {
	const (
		id, trust, resource = IdentityPolicy, TrustPolicy, ResourcePolicy
		anyAction           = `"Action":"s3:GetObject"`
		who                 = `"Principal":"*"`
	)
	for _, c := range []struct {
		name string
		kind PolicyKind
		doc  string
		want string // the message or its beginning
	}{
		{"not JSON", id, `{`, "Syntax errors in policy."},
		{"not JSON, trust", trust, `{"Version"}`, "This policy contains invalid Json"},
		{"not JSON, bucket", resource, `{"Version"}`, "This policy contains invalid Json"},
		{"does not begin with a brace", resource, ` {}`, "Policies must be valid JSON and the first byte must be '{'"},
		{"empty", resource, ``, "Policies must be valid JSON and the first byte must be '{'"},
		{"something after the document", id, `{}{}`, "Syntax errors in policy."},
		{"a comma too many", id, identityHead + anyAction + `,"Resource":"*",` + tail, "Syntax errors in policy."},
		{"an array", id, `[]`, "Syntax errors in policy."},
		{"bad version", id, `{"Version":"2012-10-18","Statement":[]}`, "Policy document must be version 2012-10-17 or greater."},
		{"bad version, trust", trust, `{"Version":2012,"Statement":[]}`, "The policy must contain a valid version string"},
		{"no statement", id, `{"Version":"2012-10-17"}`, "Syntax errors in policy."},
		{"no statement, bucket", resource, `{"Version":"2012-10-17"}`, "Missing required field Statement"},
		{"empty statement list", trust, `{"Version":"2012-10-17","Statement":[]}`, "Could not parse the policy: Statement is empty!"},
		{"statement is a string", id, `{"Statement":"x"}`, "Syntax errors in policy."},
		{"repeated element", id, `{"Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}`, `Syntax errors in policy. ("Effect" is repeated)`},
		{"repeated condition key", id, identityHead + anyAction + `,"Resource":"*","Condition":{"StringEquals":{"a:b":"x","a:b":"y"}}` + tail, `Syntax errors in policy. ("a:b" is repeated)`},
		{"repeated statement list", id, `{"Statement":[],"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, `Syntax errors in policy. ("Statement" is repeated)`},
		{"repeated element written with an escape", id, `{"Statement":{"Effect":"Deny","\u0045ffect":"Allow","Action":"*","Resource":"*"}}`, `Syntax errors in policy. ("Effect" is repeated)`},
		{"unknown element", id, identityHead + anyAction + `,"Resource":"*","Remark":"x"` + tail, `Syntax errors in policy. (unknown element "Remark")`},
		{"element in another case", id, `{"Statement":{"effect":"Allow","Action":"*","Resource":"*"}}`, `Syntax errors in policy. (unknown element "effect")`},
		{"Id in an identity policy", id, `{"Id":"x","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, `Syntax errors in policy. (unknown element "Id")`},
		{"no effect", id, `{"Statement":{"Action":"*","Resource":"*"}}`, "Syntax errors in policy."},
		{"no effect, trust", trust, `{"Statement":{"Action":"sts:AssumeRole",` + who + `}}`, "Missing required field Effect"},
		{"effect in another case", trust, `{"Statement":{"Effect":"allow","Action":"sts:AssumeRole",` + who + `}}`, "Invalid effect: allow"},
		{"Sid repeated", id, `{"Statement":[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}]}`, "Statement IDs (SID) in a single policy must be unique."},
		{"Sid repeated, trust", trust, `{"Statement":[{"Sid":"a","Effect":"Allow","Action":"sts:AssumeRole",` + who + `},{"Sid":"a","Effect":"Allow","Action":"sts:AssumeRole",` + who + `}]}`, "The Statement Ids in the policy are not unique"},
		{"Sid with a space", id, identityHead + `"Sid":"a b",` + anyAction + `,"Resource":"*"` + tail, "Statement IDs (SID) must be alpha-numeric."},
		{"no action", id, identityHead + `"Resource":"*"` + tail, "Policy statement must contain actions."},
		{"empty action list", id, identityHead + `"Action":[],"Resource":"*"` + tail, "Policy statement must contain actions."},
		{"no action, trust", trust, identityHead + who + tail, "Missing required field Action"},
		{"action and its negation", id, identityHead + `"Action":"*","NotAction":"*","Resource":"*"` + tail, "Syntax errors in policy."},
		{"action without a prefix", id, identityHead + `"Action":"GetObject","Resource":"*"` + tail, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{"action with two colons", id, identityHead + `"Action":"s3:Get:Object","Resource":"*"` + tail, "Actions/Condition can contain only one colon."},
		{"wildcard in the vendor", id, identityHead + `"Action":"s*:Get","Resource":"*"` + tail, "Vendor s* is not valid"},
		{"wildcard in the vendor, bucket", resource, identityHead + who + `,"Action":"*:Get","Resource":"*"` + tail, "Policy has invalid action"},
		{"action without a name", id, identityHead + `"Action":"s3:","Resource":"*"` + tail, "Syntax errors in policy."},
		{"other service in a trust policy", trust, identityHead + who + `,"Action":"s3:GetObject"` + tail, "AssumeRole policy may only specify STS AssumeRole actions."},
		{"everything in a trust policy", trust, identityHead + who + `,"Action":"*"` + tail, "AssumeRole policy may only specify STS AssumeRole actions."},
		{"everything but in a trust policy", trust, identityHead + who + `,"NotAction":"sts:TagSession"` + tail, "AssumeRole policy may only specify STS AssumeRole actions."},
		{"no resource", id, identityHead + anyAction + tail, "Policy statement must contain resources."},
		{"no resource, bucket", resource, identityHead + who + `,` + anyAction + tail, "Missing required field Resource"},
		{"resource in a trust policy", trust, identityHead + who + `,"Action":"sts:AssumeRole","Resource":"*"` + tail, "Has prohibited field Resource"},
		{"resource is no ARN", id, identityHead + anyAction + `,"Resource":"bucket"` + tail, `Resource bucket must be in ARN format or "*".`},
		{"resource is no ARN, bucket", resource, identityHead + who + `,` + anyAction + `,"Resource":"bucket"` + tail, "Policy has invalid resource"},
		{"bad partition", id, identityHead + anyAction + `,"Resource":"arn:moon:s3:::b"` + tail, `Partition "moon" is not valid for resource "arn:moon:s3:::b".`},
		{"variable before the fifth colon", id, identityHead + anyAction + `,"Resource":"arn:aws:iam::${aws:PrincipalAccount}:role/x"` + tail, "Syntax errors in policy."},
		{"variable without an end", id, identityHead + anyAction + `,"Resource":"arn:aws:s3:::b/${aws:username"` + tail, "Syntax errors in policy."},
		{"principal in an identity policy", id, identityHead + who + `,` + anyAction + `,"Resource":"*"` + tail, "Policy document should not specify a principal."},
		{"no principal", trust, identityHead + `"Action":"sts:AssumeRole"` + tail, "Missing required field Principal"},
		{"empty principal", trust, identityHead + `"Principal":{},"Action":"sts:AssumeRole"` + tail, "Principal element cannot be empty!"},
		{"bare principal", trust, identityHead + `"Principal":"arn:aws:iam::111122223333:root","Action":"sts:AssumeRole"` + tail, `Invalid principal in policy: "arn:aws:iam::111122223333:root"`},
		{"partial wildcard in a principal", trust, identityHead + `"Principal":{"AWS":"arn:aws:iam::111122223333:user/*"},"Action":"sts:AssumeRole"` + tail, `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/*"`},
		{"unknown kind of principal", resource, identityHead + `"Principal":{"Aws":"*"},` + anyAction + `,"Resource":"*"` + tail, "Invalid principal in policy"},
		{"canonical user that nobody is", resource, identityHead + `"Principal":{"CanonicalUser":"79a5"},` + anyAction + `,"Resource":"*"` + tail, "Invalid principal in policy"},
		{"service that is none", trust, identityHead + `"Principal":{"Service":"example.com"},"Action":"sts:AssumeRole"` + tail, `Invalid principal in policy: "SERVICE":"example.com"`},
		{"group as principal", trust, identityHead + `"Principal":{"AWS":"arn:aws:iam::111122223333:group/g"},"Action":"sts:AssumeRole"` + tail, "Invalid principal in policy"},
		{"session ARN without a session", resource, identityHead + `"Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/r"},` + anyAction + `,"Resource":"*"` + tail, "Invalid principal in policy"},
		{"NotPrincipal in a trust policy", trust, identityHead + `"NotPrincipal":"*","Action":"sts:AssumeRole"` + tail, "AssumeRole policy must not contain NotPrincipal field."},
		{"NotPrincipal with Allow", resource, identityHead + `"NotPrincipal":"*",` + anyAction + `,"Resource":"*"` + tail, "Allow with NotPrincipal is not allowed."},
		{"bad CIDR", resource, identityHead + who + `,` + anyAction + `,"Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/99"}}` + tail, "Invalid IP address in Conditions"},
		{"condition key without a prefix", resource, identityHead + who + `,` + anyAction + `,"Resource":"*","Condition":{"StringEquals":{"x":"y"}}` + tail, "Policy has an invalid condition key"},
		{"character outside of Latin-1", id, identityHead + `"Sid":"a","Action":"s3:x","Resource":"arn:aws:s3:::b/€"` + tail, "Syntax errors in policy. (character U+20AC is not allowed)"},
		{"nested too deep", id, strings.Repeat(`{"Statement":`, 17) + `1` + strings.Repeat(`}`, 17), "Syntax errors in policy. (nested deeper than 16)"},
		{"too many statements", id, `{"Statement":[` + strings.Repeat(`{},`, 1000) + `{}]}`, "Syntax errors in policy. (more than 1000 statements)"},
		{"too many strings", id, identityHead + `"Action":["s3:a"` + strings.Repeat(`,"s3:a"`, 10000) + `],"Resource":"*"` + tail, "Syntax errors in policy. (more than 10000 strings)"},
		{"too long", id, identityHead + anyAction + `,"Resource":"*"` + strings.Repeat(" ", 131072) + tail, "Syntax errors in policy. (longer than 131072 bytes)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.doc), c.kind)
			if !fault.Is(err, "MalformedPolicyDocument") {
				t.Fatalf("Parse gave %v, want MalformedPolicyDocument", err)
			}
			if got := strings.TrimPrefix(err.Error(), "MalformedPolicyDocument: "); !strings.HasPrefix(got, c.want) {
				t.Errorf("message %q, want %q", got, c.want)
			}
		})
	}
}

func TestDocumentsThatAWSAccepts(t *testing.T) {
	for _, c := range []struct {
		name string
		kind PolicyKind
		doc  string
	}{
		{"no version, single values without brackets", IdentityPolicy, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`},
		{"white space around", IdentityPolicy, "\n{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}}\n"},
		{"elements in any order", IdentityPolicy, `{"Statement":[{"Resource":["*"],"Action":["s3:*","ec2:Describe*"],"Sid":"","Effect":"Deny"}],"Version":"2008-10-17"}`},
		{"action that nobody knows", IdentityPolicy, `{"Statement":{"Effect":"Allow","Action":"future:MakeToast","Resource":"arn:*:future:*:*:toast/?"}}`},
		{"negations", IdentityPolicy, `{"Statement":{"Effect":"Allow","NotAction":["iam:*"],"NotResource":"arn:aws:s3:::b"}}`},
		{"numbers and booleans in conditions", IdentityPolicy, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true},"NumericLessThan":{"s3:max-keys":10}}}}`},
		{"empty condition", IdentityPolicy, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}}`},
		{"every form of principal", ResourcePolicy, `{"Id":"x","Version":"2012-10-17","Statement":{"Sid":"all of them","Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/写/*","Principal":{
			"AWS":["*","111122223333","arn:aws:iam::111122223333:root","arn:aws:iam::111122223333:user/d/u","arn:aws:iam::111122223333:role/d/r","arn:aws:sts::111122223333:assumed-role/r/s","arn:aws:sts::111122223333:federated-user/f","AROAABCDEFGHIJKLMNOPQ"],
			"Service":["lambda.amazonaws.com","logs.us-west-2.amazonaws.com"],
			"Federated":["accounts.google.com","arn:aws:iam::111122223333:oidc-provider/host/x","arn:aws:iam::111122223333:saml-provider/s"]}}}`},
		{"Deny with NotPrincipal", ResourcePolicy, `{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":"s3:*","Resource":"*"}}`},
		{"trust with several actions", TrustPolicy, `{"Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse([]byte(c.doc), c.kind)
			if err != nil {
				t.Fatal(err)
			}
			if p.String() != c.doc || p.Kind() != c.kind {
				t.Errorf("String() = %q, Kind() = %v; want what was parsed", p, p.Kind())
			}
		})
	}
}

func TestParseRefusesOtherKinds(t *testing.T) {
	for _, k := range []PolicyKind{0, BoundaryPolicy, SessionPolicy} {
		if _, err := Parse([]byte(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`), k); err == nil {
			t.Errorf("Parse of kind %d gave no error", k)
		}
	}
}

func TestStatementsAreShownAsWritten(t *testing.T) {
	p := mustParse(t, ResourcePolicy, `{"Id":"doc","Statement":[
		{"Sid":"one","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],"Condition":{"StringEquals":{"aws:SourceArn":"x"}}},
		{"Effect":"Deny","Principal":"*","NotAction":"S3:Put*","NotResource":"arn:aws:s3:::c"}]}`)
	s := p.Statements()
	if len(s) != 2 {
		t.Fatalf("%d statements, want 2", len(s))
	}
	if s[0].Sid != "one" || s[0].Effect != Allow || s[0].Actions[0] != "s3:GetObject" || len(s[0].Resources) != 2 || s[0].ConditionKeys[0] != "aws:sourcearn" {
		t.Errorf("first statement is %+v", s[0])
	}
	if s[1].Effect != Deny || s[1].NotActions[0] != "S3:Put*" || s[1].NotResources[0] != "arn:aws:s3:::c" || s[1].Actions != nil || s[1].Resources != nil {
		t.Errorf("second statement is %+v", s[1])
	}
	s[0].Actions[0] = "changed"
	if p.Statements()[0].Actions[0] != "s3:GetObject" {
		t.Error("a policy was changed through Statements")
	}
	if p.Name() != "doc" || p.Named("other").Name() != "other" || p.Name() != "doc" {
		t.Error("Named changed the policy, or did not name it")
	}
}

func mustParse(t testing.TB, kind PolicyKind, doc string) *Policy {
	t.Helper()
	p, err := Parse([]byte(doc), kind)
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	return p
}

func FuzzParse(f *testing.F) {
	s := &Service{}
	if err := s.loadManaged(); err != nil {
		f.Fatal(err)
	}
	for _, e := range s.managed {
		doc := e.Versions[0].Document
		f.Add(doc)
	}
	for _, doc := range []string{
		edgePolicy, functionTrust, accessPointPolicy, objectLambdaPolicy, enforceTLS,
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","NotPrincipal":{"AWS":["111122223333"]},"NotAction":"s3:*","NotResource":"arn:aws:s3:::${aws:username, 'x'}/*","Condition":{"ForAllValues:StringLikeIfExists":{"aws:TagKeys":["a*",1,true]}}}}`,
	} {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		for _, kind := range []PolicyKind{IdentityPolicy, ResourcePolicy, TrustPolicy} {
			p, err := Parse([]byte(doc), kind)
			if err != nil {
				if !fault.Is(err, "MalformedPolicyDocument") {
					t.Errorf("error without a code: %v", err)
				}
				continue
			}
			if p.String() != doc {
				t.Errorf("String() = %q, want %q", p, doc)
			}
			again, err := Parse([]byte(p.String()), kind)
			if err != nil || len(again.Statements()) != len(p.Statements()) || again.Public() != p.Public() {
				t.Errorf("parsed twice, %q is not the same: %v", doc, err)
			}
			if len(p.Statements()) == 0 {
				t.Errorf("%q is a policy without statements", doc)
			}
		}
	})
}
