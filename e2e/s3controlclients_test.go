package e2e

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	"github.com/aws/aws-sdk-go-v2/service/s3control/types"
	"github.com/aws/smithy-go"
)

// The errors of S3 Control come wrapped, unlike S3's; a client that cannot decode one says UnknownError.
func TestS3ControlWithTheGoSDK(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := s.root(t)
	client := s3control.New(s3control.Options{
		Region: "us-east-1", HTTPClient: &http.Client{Transport: awsTransport(s.roots(t), s.Addresses().AWS)},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}, nil
		}),
	})
	ctx, id := t.Context(), aws.String(account)
	configuration := func(action types.ObjectLambdaTransformationConfigurationAction, function string) *types.ObjectLambdaConfiguration {
		return &types.ObjectLambdaConfiguration{
			SupportingAccessPoint: aws.String(pointARN), AllowedFeatures: []types.ObjectLambdaAllowedFeature{types.ObjectLambdaAllowedFeatureGetObjectRange},
			TransformationConfigurations: []types.ObjectLambdaTransformationConfiguration{{
				Actions:               []types.ObjectLambdaTransformationConfigurationAction{action},
				ContentTransformation: &types.ObjectLambdaContentTransformationMemberAwsLambda{Value: types.AwsLambdaTransformation{FunctionArn: aws.String(function), FunctionPayload: aws.String("p")}},
			}},
		}
	}
	const function = "arn:aws:lambda:us-east-1:" + account + ":function:glassine-image"
	made, err := client.CreateAccessPointForObjectLambda(ctx, &s3control.CreateAccessPointForObjectLambdaInput{AccountId: id, Name: aws.String("by-go"), Configuration: configuration(types.ObjectLambdaTransformationConfigurationActionHeadObject, function)})
	if err != nil || made.Alias.Status != types.ObjectLambdaAccessPointAliasStatusReady {
		t.Fatalf("create = %+v, %v", made, err)
	}
	got, err := client.GetAccessPointConfigurationForObjectLambda(ctx, &s3control.GetAccessPointConfigurationForObjectLambdaInput{AccountId: id, Name: aws.String("by-go")})
	if err != nil || got.Configuration.TransformationConfigurations[0].Actions[0] != types.ObjectLambdaTransformationConfigurationActionHeadObject || len(got.Configuration.AllowedFeatures) != 1 {
		t.Errorf("configuration = %+v, %v", got, err)
	}
	listed, err := client.ListAccessPointsForObjectLambda(ctx, &s3control.ListAccessPointsForObjectLambdaInput{AccountId: id})
	if err != nil || len(listed.ObjectLambdaAccessPointList) != 2 {
		t.Errorf("list = %+v, %v", listed, err)
	}
	for _, c := range []struct {
		want string
		call func() error
	}{
		{"AccessPointAlreadyOwnedByYou", func() error {
			_, err := client.CreateAccessPointForObjectLambda(ctx, &s3control.CreateAccessPointForObjectLambdaInput{AccountId: id, Name: aws.String("by-go"), Configuration: configuration(types.ObjectLambdaTransformationConfigurationActionGetObject, function)})
			return err
		}},
		{"InvalidRequest", func() error {
			_, err := client.CreateAccessPointForObjectLambda(ctx, &s3control.CreateAccessPointForObjectLambdaInput{AccountId: id, Name: aws.String("far"), Configuration: configuration(types.ObjectLambdaTransformationConfigurationActionGetObject, "arn:aws:lambda:eu-west-1:"+account+":function:f")})
			return err
		}},
		{"NoSuchAccessPoint", func() error {
			_, err := client.GetAccessPoint(ctx, &s3control.GetAccessPointInput{AccountId: id, Name: aws.String("absent")})
			return err
		}},
		{"NoSuchAccessPointPolicy", func() error {
			_, err := client.GetAccessPointPolicyForObjectLambda(ctx, &s3control.GetAccessPointPolicyForObjectLambdaInput{AccountId: id, Name: aws.String("by-go")})
			return err
		}},
		{"NoSuchAccessPointPolicy", func() error {
			_, err := client.GetAccessPointPolicyStatusForObjectLambda(ctx, &s3control.GetAccessPointPolicyStatusForObjectLambdaInput{AccountId: id, Name: aws.String("by-go")})
			return err
		}},
		{"NoSuchPublicAccessBlockConfiguration", func() error {
			_, err := client.GetPublicAccessBlock(ctx, &s3control.GetPublicAccessBlockInput{AccountId: id})
			return err
		}},
	} {
		if e, ok := errors.AsType[smithy.APIError](c.call()); !ok || e.ErrorCode() != c.want {
			t.Errorf("error %v, want %s", e, c.want)
		}
	}
	if _, err := client.DeleteAccessPointForObjectLambda(ctx, &s3control.DeleteAccessPointForObjectLambdaInput{AccountId: id, Name: aws.String("by-go")}); err != nil {
		t.Error(err)
	}
}

func TestS3ControlWithTheJavaScriptSDK(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := s.root(t)
	env := append(without(os.Environ(), "AWS_ENDPOINT_URL"), "NODE_EXTRA_CA_CERTS="+s.CAFile(), "AWS_ACCESS_KEY_ID="+key.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+key.SecretAccessKey, "AWS_SESSION_TOKEN=")
	script, err := filepath.Abs("node/s3control.mjs")
	if err != nil {
		t.Fatal(err)
	}
	out, errOut, err := command(t, env, "node", script, s.Addresses().AWS, account, pointARN)
	if err != nil || out != "done\n" {
		t.Errorf("%v %q: %s", err, out, errOut)
	}
}
