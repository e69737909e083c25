// Command gofunction is an Object Lambda function as people write it in Go: a bootstrap for provided.al2023 with
// aws-lambda-go, which answers with the SDK. It passes the original on in upper case. The tests build and upload it.
package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

type event struct {
	GetObjectContext struct {
		InputS3URL  string `json:"inputS3Url"`
		OutputRoute string `json:"outputRoute"`
		OutputToken string `json:"outputToken"`
	} `json:"getObjectContext"`
}

func main() {
	client := s3.New(s3.Options{Region: os.Getenv("AWS_REGION"), Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{
			AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
		}, nil
	})})
	lambda.Start(func(ctx context.Context, e event) error {
		original, err := http.Get(e.GetObjectContext.InputS3URL)
		if err != nil {
			return err
		}
		defer original.Body.Close()
		body, err := io.ReadAll(original.Body)
		if err != nil {
			return err
		}
		_, err = client.WriteGetObjectResponse(ctx, &s3.WriteGetObjectResponseInput{
			RequestRoute: &e.GetObjectContext.OutputRoute, RequestToken: &e.GetObjectContext.OutputToken, StatusCode: aws.Int32(200),
			Body: bytes.NewReader(bytes.ToUpper(body)), ContentType: aws.String("text/plain"), Metadata: map[string]string{"by": "go"},
		})
		return err
	})
}
