package glassine

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"glassine/aws/wire"
	"glassine/iam"
	"glassine/lambda"
	"glassine/objectlambda"
	"glassine/telemetry"
)

// tracedFunctions runs functions, each as a step of the trace that its request is in. What a function sends from a process of its
// own is put under that step: see System.joined.
type tracedFunctions struct{ s *System }

// Invoke implements objectlambda.Invoker.
func (f tracedFunctions) Invoke(ctx context.Context, c iam.Caller, function string, payload []byte) (lambda.Result, error) {
	ctx, span := telemetry.StartSpan(ctx, "lambda.invoke", "faas.invoked_name", function)
	if span != nil {
		now := f.s.cfg.Now()
		for _, secret := range objectlambda.SecretsOf(ctx) {
			f.s.joins.Put(secret, telemetry.PointOf(ctx), now, now.Add(joinLife))
		}
	}
	result, err := f.s.Lambda.Invoke(ctx, c, function, payload)
	span.Fail(err, "faas.version", result.Version, "faas.invocation_id", result.RequestID)
	return result, err
}

// InvokeEdge implements edge.Invoker.
func (f tracedFunctions) InvokeEdge(ctx context.Context, version string, event []byte) ([]byte, error) {
	ctx, span := telemetry.StartSpan(ctx, "lambda.invoke", "faas.invoked_name", version)
	result, err := f.s.Lambda.InvokeEdge(ctx, version, event)
	span.Fail(err, "faas.version", result.Version, "faas.invocation_id", result.RequestID)
	if err != nil {
		return nil, err
	}
	return result.Payload, nil
}

// CheckEdgeFunction implements edge.FunctionChecker.
func (f tracedFunctions) CheckEdgeFunction(ctx context.Context, version string) error {
	return f.s.Lambda.CheckEdgeFunction(ctx, version)
}

// hopName is what a trace calls a request inside the process: its service, and its method or what it does. No query is in it:
// it may be signed.
func hopName(req *http.Request, host string) string {
	labels, _ := wire.AWSLabels(host)
	switch {
	case strings.HasSuffix(req.URL.Path, "/WriteGetObjectResponse"):
		return "s3.write_get_object_response"
	case slices.Contains(labels, "s3-object-lambda") || len(labels) > 0 && strings.HasSuffix(labels[0], "--ol-s3"):
		return "olap." + knownMethod(req.Method)
	}
	return "s3." + knownMethod(req.Method)
}

// knownMethod is a request's method in lower case, or other.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodOptions:
		return strings.ToLower(method)
	}
	return telemetry.Other
}

// statusText is a status as spans have it.
func statusText(status int) string { return strconv.Itoa(status) }
