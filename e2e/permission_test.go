package e2e

import (
	"context"
	"encoding/xml"
	"net/http"
	"testing"

	"glassine/iam"
)

// Removing any one permission of the chain turns the picture into an error; the policies that the reference solution puts
// on its access points decide nothing. (Amazon S3 User Guide, "Configuring IAM policies for Object Lambda Access Points".)
func TestEachPermissionOfTheChainIsNeeded(t *testing.T) {
	t.Parallel()
	allow := func(action, resource string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}]}`
	}
	for _, c := range []struct {
		name   string
		remove func(context.Context, *system, iam.Caller) error
		// at the Object Lambda access point, asked as the edge role is
		status int
		code   string
		// at the edge
		edge  int
		cache string
	}{
		{
			"nothing removed", func(context.Context, *system, iam.Caller) error { return nil },
			200, "", 200, "Miss from cloudfront",
		},
		{
			"the edge role's trust in edgelambda", func(ctx context.Context, s *system, root iam.Caller) error {
				return s.IAM.UpdateAssumeRolePolicy(ctx, root, edgeRole, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
			}, 403, "MissingAuthenticationToken", 503, "LambdaExecutionError from cloudfront",
		},
		{
			"the edge role's s3-object-lambda:GetObject", func(ctx context.Context, s *system, root iam.Caller) error {
				return s.IAM.DeleteRolePolicy(ctx, root, edgeRole, "object-lambda")
			}, 403, "AccessDenied", 403, "Error from cloudfront",
		},
		{
			"the edge role's lambda:InvokeFunction", func(ctx context.Context, s *system, root iam.Caller) error {
				return s.IAM.DeleteRolePolicy(ctx, root, edgeRole, "invoke")
			}, 403, "LambdaPermissionError", 403, "Error from cloudfront",
		},
		{
			"the edge role's s3:GetObject on the access point", func(ctx context.Context, s *system, root iam.Caller) error {
				return s.IAM.PutRolePolicy(ctx, root, edgeRole, "read-original", allow("s3:GetObject", "arn:aws:s3:::"+bucket+"/*"))
			}, 500, "InternalLambdaError", 500, "Error from cloudfront",
		},
		{
			"the edge role's s3:GetObject on the bucket", func(ctx context.Context, s *system, root iam.Caller) error {
				return s.IAM.PutRolePolicy(ctx, root, edgeRole, "read-original", allow("s3:GetObject", pointARN+"/object/*"))
			}, 500, "InternalLambdaError", 500, "Error from cloudfront",
		},
		{
			"the function role's WriteGetObjectResponse", func(ctx context.Context, s *system, root iam.Caller) error {
				return s.IAM.DeleteRolePolicy(ctx, root, imageRole, "write-response")
			}, 500, "LambdaResponseNotReceived", 500, "Error from cloudfront",
		},
		{
			"the function role's trust", func(ctx context.Context, s *system, root iam.Caller) error {
				return s.IAM.UpdateAssumeRolePolicy(ctx, root, imageRole, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
			}, 400, "LambdaInvocationFailed", 400, "Error from cloudfront",
		},
		{
			"the policy of the access point, which decides nothing", func(ctx context.Context, s *system, root iam.Caller) error {
				return s.S3.DeleteAccessPointPolicy(ctx, root, "glassine-demo-ap")
			}, 200, "", 200, "Miss from cloudfront",
		},
		{
			"the policy of the Object Lambda access point, which decides nothing", func(ctx context.Context, s *system, root iam.Caller) error {
				return s.ObjectLambda.PutPolicy(ctx, root, "glassine-demo", "")
			}, 200, "", 200, "Miss from cloudfront",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t)
			if err := c.remove(t.Context(), s, s.IAM.Root()); err != nil {
				t.Fatal(err)
			}
			unsign := func(r *http.Request) {}
			session, err := s.edgeSession(t)
			if err != nil { // the signer gets no credentials, so nobody signs
				unsign = func(r *http.Request) {
					for name := range r.Header {
						delete(r.Header, name)
					}
				}
			}
			direct := s.signed(t, session, "s3-object-lambda", http.MethodGet, "https://"+lambdaHost+"/sample.jpg", nil, unsign)
			var e awsError
			if c.code != "" {
				if err := xml.Unmarshal(direct.body, &e); err != nil {
					t.Fatalf("%v: %.300s", err, direct.body)
				}
			}
			if direct.StatusCode != c.status || e.Code != c.code {
				t.Errorf("at the access point: %s %s (%s), want %d %s", direct.Status, e.Code, e.Message, c.status, c.code)
			}
			at := s.view(t, http.MethodGet, "/sample.jpg")
			if at.StatusCode != c.edge || at.Header.Get("X-Cache") != c.cache {
				t.Errorf("at the edge: %s, X-Cache %q, want %d %q", at.Status, at.Header.Get("X-Cache"), c.edge, c.cache)
			}
		})
	}
}
