package iam

import "testing"

func TestPublicPolicies(t *testing.T) {
	const bucket, point = "arn:aws:s3:::b/*", "arn:aws:s3:us-west-2:111122223333:accesspoint/ap/object/*"
	cond := func(c string) string { return `,"Condition":` + c }
	for _, c := range []struct {
		name, effect, principal, resource, condition string
		want                                         bool
	}{
		{"everyone", "Allow", `"*"`, bucket, "", true},
		{"everyone as AWS", "Allow", `{"AWS":"*"}`, bucket, "", true},
		{"everyone among others", "Allow", `{"AWS":["111122223333","*"]}`, bucket, "", true},
		{"a deny of everyone", "Deny", `"*"`, bucket, "", false},
		{"an account", "Allow", `{"AWS":"111122223333"}`, bucket, "", false},
		{"a service", "Allow", `{"Service":"cloudfront.amazonaws.com"}`, bucket, "", false},
		{"a web identity provider", "Allow", `{"Federated":"graph.facebook.com"}`, bucket, "", true},
		{"a SAML provider of the account", "Allow", `{"Federated":"arn:aws:iam::111122223333:saml-provider/s"}`, bucket, "", false},
		{"from one distribution", "Allow", `"*"`, bucket, cond(`{"ArnEquals":{"aws:SourceArn":"arn:aws:cloudfront::111122223333:distribution/E1"}}`), false},
		{"from any distribution", "Allow", `"*"`, bucket, cond(`{"ArnLike":{"aws:SourceArn":"arn:aws:cloudfront::111122223333:distribution/*"}}`), true},
		{"from one account", "Allow", `"*"`, bucket, cond(`{"StringEquals":{"AWS:SourceAccount":"111122223333"}}`), false},
		{"from accounts of a pattern", "Allow", `"*"`, bucket, cond(`{"StringLike":{"aws:SourceAccount":"1111*"}}`), true},
		{"one fixed value of two", "Allow", `"*"`, bucket, cond(`{"StringLike":{"aws:SourceAccount":["111122223333","*"]}}`), true},
		{"not from one account", "Allow", `"*"`, bucket, cond(`{"StringNotEquals":{"aws:SourceAccount":"111122223333"}}`), true},
		{"if the account is known", "Allow", `"*"`, bucket, cond(`{"StringEqualsIfExists":{"aws:SourceAccount":"111122223333"}}`), true},
		{"all values, of which there may be none", "Allow", `"*"`, bucket, cond(`{"ForAllValues:StringEquals":{"aws:SourceAccount":"111122223333"}}`), true},
		{"an organization", "Allow", `"*"`, bucket, cond(`{"StringEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}}`), false},
		{"a variable", "Allow", `"*"`, bucket, cond(`{"StringEquals":{"aws:SourceAccount":"${aws:PrincipalAccount}"}}`), true},
		{"a key that anyone can send", "Allow", `"*"`, bucket, cond(`{"StringEquals":{"aws:Referer":"secret"}}`), true},
		{"TLS alone", "Allow", `"*"`, bucket, cond(`{"Bool":{"aws:SecureTransport":"true"}}`), true},
		{"one of two conditions restricts", "Allow", `"*"`, bucket, cond(`{"Bool":{"aws:SecureTransport":"true"},"StringEquals":{"aws:SourceVpc":"vpc-1"}}`), false},
		{"a network of the common size", "Allow", `"*"`, bucket, cond(`{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`), false},
		{"the broadest network that is not public", "Allow", `"*"`, bucket, cond(`{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`), false},
		{"a broader network", "Allow", `"*"`, bucket, cond(`{"IpAddress":{"aws:SourceIp":"10.0.0.0/7"}}`), true},
		{"the whole internet", "Allow", `"*"`, bucket, cond(`{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","0.0.0.0/0"]}}`), true},
		{"an IPv6 network", "Allow", `"*"`, bucket, cond(`{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}`), false},
		{"a broader IPv6 network", "Allow", `"*"`, bucket, cond(`{"IpAddress":{"aws:SourceIp":"2001:db8::/31"}}`), true},
		{"all but a network", "Allow", `"*"`, bucket, cond(`{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`), true},
		{"one user id", "Allow", `"*"`, bucket, cond(`{"StringEquals":{"aws:userid":"AIDAABCDEFGHIJKLMNOPQ"}}`), false},
		{"sessions of one role", "Allow", `"*"`, bucket, cond(`{"StringLike":{"aws:userid":"AROAABCDEFGHIJKLMNOPQ:*"}}`), false},
		{"sessions of any role", "Allow", `"*"`, bucket, cond(`{"StringLike":{"aws:userid":"AROA*:*"}}`), true},
		{"the id of nobody", "Allow", `"*"`, bucket, cond(`{"StringEquals":{"aws:userid":"anonymous"}}`), true},
		{"an account's access points", "Allow", `"*"`, bucket, cond(`{"StringEquals":{"s3:DataAccessPointAccount":"111122223333"}}`), false},
		{"one access point", "Allow", `"*"`, bucket, cond(`{"ArnEquals":{"s3:DataAccessPointArn":"arn:aws:s3:us-west-2:111122223333:accesspoint/ap"}}`), false},
		{"any access point of an account", "Allow", `"*"`, bucket, cond(`{"StringLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-west-2:111122223333:accesspoint/*"}}`), false},
		{"access points of any account", "Allow", `"*"`, bucket, cond(`{"StringLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-west-2:*:accesspoint/ap"}}`), true},
		{"that key in an access point's own policy", "Allow", `"*"`, point, cond(`{"ArnEquals":{"s3:DataAccessPointArn":"arn:aws:s3:us-west-2:111122223333:accesspoint/ap"}}`), true},
		{"an access point's policy for an account", "Allow", `{"AWS":"111122223333"}`, point, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := mustParse(t, ResourcePolicy, `{"Version":"2012-10-17","Statement":[`+
				`{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"s3:*","Resource":"`+c.resource+`"},`+
				`{"Effect":"`+c.effect+`","Principal":`+c.principal+`,"Action":"s3:GetObject","Resource":"`+c.resource+`"`+c.condition+`}]}`)
			if got := p.Public(); got != c.want {
				t.Errorf("Public() = %v, want %v: %s", got, c.want, p)
			}
		})
	}
	for _, p := range []*Policy{nil, {}, mustParse(t, IdentityPolicy, allowIdentity)} {
		if !p.Public() {
			t.Errorf("%v is not called public, though it is no resource policy", p)
		}
	}
}
