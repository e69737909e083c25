package stsapi

import (
	"time"

	"glassine/aws/fault"
	"glassine/iam"
)

// credentials is the shape of temporary credentials. STS API Reference, Credentials.
type credentials struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }

func shape(c iam.Credentials) credentials {
	return credentials{c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Expires.UTC().Format("2006-01-02T15:04:05Z")}
}

func getCallerIdentity(c *call) (any, error) {
	p, err := c.iam.CallerIdentity(c.caller)
	return struct{ UserId, Account, Arn string }{p.ID, p.Account, p.ARN}, err
}

func assumeRole(c *call) (any, error) {
	seconds, err := c.form.Int("DurationSeconds", 3600)
	if err != nil {
		return nil, err
	}
	a := iam.AssumeRole{
		RoleARN: c.form.Get("RoleArn"), SessionName: c.form.Get("RoleSessionName"), Policy: c.form.Get("Policy"),
		Duration: time.Duration(seconds) * time.Second, ExternalID: c.form.Get("ExternalId"), SourceIdentity: c.form.Get("SourceIdentity"),
	}
	arns, err := c.form.List("PolicyArns")
	if err != nil {
		return nil, err
	}
	for _, p := range arns {
		a.PolicyARNs = append(a.PolicyARNs, p.Get("arn"))
	}
	tags, err := c.form.List("Tags")
	if err != nil {
		return nil, err
	}
	for _, t := range tags {
		a.Tags = append(a.Tags, iam.Tag{Key: t.Get("Key"), Value: t.Get("Value")})
	}
	if a.Transitive, err = c.form.Strings("TransitiveTagKeys"); err != nil {
		return nil, err
	}
	got, err := c.iam.AssumeRole(c.ctx, c.caller, a)
	type assumedRoleUser struct{ AssumedRoleId, Arn string }
	return struct {
		Credentials      credentials
		AssumedRoleUser  assumedRoleUser
		PackedPolicySize int    `xml:",omitempty"`
		SourceIdentity   string `xml:",omitempty"`
	}{shape(got.Credentials), assumedRoleUser{got.ID, got.ARN}, got.Packed, got.SourceIdentity}, err
}

func getSessionToken(c *call) (any, error) {
	seconds, err := c.form.Int("DurationSeconds", 12*3600)
	if err != nil {
		return nil, err
	}
	got, err := c.iam.GetSessionToken(c.ctx, c.caller, time.Duration(seconds)*time.Second)
	return struct{ Credentials credentials }{shape(got)}, err
}

// signInAction is this program's own, for its web console: STS has no such operation. DurationSeconds is 15 minutes to 12 hours.
const signInAction = "GlassineSignIn"

func signIn(c *call) (any, error) {
	seconds, err := c.form.Int("DurationSeconds", 12*3600)
	if err != nil {
		return nil, err
	}
	got, err := c.iam.SignIn(c.ctx, c.caller, time.Duration(seconds)*time.Second)
	return struct{ Credentials credentials }{shape(got)}, err
}

func getAccessKeyInfo(c *call) (any, error) {
	account, err := c.iam.AccessKeyAccount(c.ctx, c.caller, c.form.Get("AccessKeyId"))
	return struct{ Account string }{account}, err
}

// decodeAuthorizationMessage knows no message: no refusal of ours has an encoded one, so that whatever is asked is none.
func decodeAuthorizationMessage(c *call) (any, error) {
	if err := c.iam.Authorize(c.ctx, c.caller, iam.Ask{Action: "sts:DecodeAuthorizationMessage", Resources: []string{"*"}}); err != nil {
		return nil, err
	}
	if !c.form.Has("EncodedMessage") {
		return nil, fault.New("ValidationError", "1 validation error detected: Value null at 'encodedMessage' failed to satisfy constraint: Member must not be null")
	}
	return nil, fault.New("InvalidAuthorizationMessageException", "Message is not valid: what glassine refuses is said in the message of the error itself, and never encoded.")
}
