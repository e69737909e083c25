package glassine

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"glassine/aws/wire"
	"glassine/iam"
	"glassine/lambda"
	"glassine/telemetry"
)

// tracedFunctions runs the functions of Object Lambda access points, each as a step of the trace that its request is in.
type tracedFunctions struct{ to *lambda.Service }

// Invoke implements objectlambda.Invoker.
func (f tracedFunctions) Invoke(ctx context.Context, c iam.Caller, function string, payload []byte) (lambda.Result, error) {
	ctx, span := telemetry.StartSpan(ctx, "function", "faas.invoked_name", function)
	result, err := f.to.Invoke(ctx, c, function, payload)
	span.Fail(err, "faas.version", result.Version, "faas.invocation_id", result.RequestID)
	return result, err
}

// hopName is what a trace calls a request inside the process: its service, and its method or what it does. No query is in it:
// it may be signed.
func hopName(req *http.Request, host string) string {
	labels, _ := wire.AWSLabels(host)
	switch {
	case strings.HasSuffix(req.URL.Path, "/WriteGetObjectResponse"):
		return "WriteGetObjectResponse"
	case slices.Contains(labels, "s3-object-lambda") || strings.HasSuffix(labels[0], "--ol-s3"):
		return "Object Lambda " + req.Method
	}
	return "S3 " + req.Method
}
