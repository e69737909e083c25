package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// bootstrap is a function on AWS's own library for Go.
func bootstrap() {
	lambda.Start(func(ctx context.Context, event map[string]any) (any, error) {
		if event["fail"] != nil {
			return nil, errors.New("as asked")
		}
		if event["panic"] != nil {
			panic("as asked")
		}
		if url, ok := event["get"].(string); ok {
			resp, err := http.Get(url)
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			return string(b), err
		}
		lc, _ := lambdacontext.FromContext(ctx)
		return []string{lc.AwsRequestID, lc.InvokedFunctionArn, os.Getenv("_HANDLER"), os.Getenv("AWS_EXECUTION_ENV"), lambdacontext.FunctionName}, nil
	})
}

func TestGoBootstrap(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	v := provided(r, "main")
	r.want(r.invoke(v, `{}`), `["8c1a3f0e-1111-4222-8333-944445555666","arn:aws:lambda:us-east-1:123456789012:function:f","main","","f"]`)
	r.wantFailure(r.invoke(v, `{"fail":1}`), "errorString", "as asked")
	r.wantFailure(r.invoke(v, `{"panic":1}`), "string", "as asked") // ends the process
	r.want(r.invoke(v, `{}`), `["8c1a3f0e-1111-4222-8333-944445555666","arn:aws:lambda:us-east-1:123456789012:function:f","main","","f"]`)
}

// A bootstrap may be a script, and do everything wrong.
func TestScriptBootstrap(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	talk := func(body string) Version {
		return r.version("provided.al2", "x", "bootstrap", `#!/usr/bin/python3 -S
import http.client, os, json
api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
def call(method, path, body=None, headers={}):
    api.request(method, '/2018-06-01' + path, body, headers)
    r = api.getresponse()
    return r.status, r.read().decode(), r.headers
`+body)
	}
	v := talk(`
print(call('GET', '/ping')[:2])
while True:
    _, event, head = call('GET', '/runtime/invocation/next')
    id = head['Lambda-Runtime-Aws-Request-Id']
    if json.loads(event) == 'headers':
        call('POST', '/runtime/invocation/%s/response' % id, json.dumps(sorted(k for k in head.keys() if k.startswith('Lambda'))))
        continue
    wrong = call('POST', '/runtime/invocation/nobody/response', '1')[:2]
    mode = call('POST', '/runtime/invocation/%s/response' % id, '1', {'Lambda-Runtime-Function-Response-Mode': 'buffered'})[:2]
    busy = call('GET', '/runtime/invocation/next')[:2]
    first = call('POST', '/runtime/invocation/%s/response' % id, event)[:2]
    again = call('POST', '/runtime/invocation/%s/response' % id, event)[:2]
    initerror = call('POST', '/runtime/init/error', '{}')[:2]
    extension = call('POST', '/../2020-01-01/extension/register', '{}')[0]
    print(json.dumps([wrong, mode, busy, first, again, initerror]), flush=True)
`)
	r.want(r.invoke(v, `"headers"`), `["Lambda-Runtime-Aws-Request-Id", "Lambda-Runtime-Deadline-Ms", "Lambda-Runtime-Invoked-Function-Arn"]`)
	r.want(r.invoke(v, `"x"`), `"x"`)
	r.want(r.invoke(v, `"headers"`), `["Lambda-Runtime-Aws-Request-Id", "Lambda-Runtime-Deadline-Ms", "Lambda-Runtime-Invoked-Function-Arn"]`)
	var got [6]struct{ status, body any }
	_ = got
	want := [][]any{
		{400., `{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`},
		{400., `{"errorMessage":"Invalid function response mode: buffered","errorType":"InvalidFunctionResponseMode"}`},
		{403., `{"errorMessage":"State transition is not allowed","errorType":"InvalidStateTransition"}`},
		{202., `{"status":"OK"}`},
		{403., `{"errorMessage":"State transition is not allowed","errorType":"InvalidStateTransition"}`},
		{403., `{"errorMessage":"State transition is not allowed","errorType":"InvalidStateTransition"}`},
	}
	line, _ := json.Marshal(want)
	if !strings.Contains(strings.ReplaceAll(r.logged(), ", ", ","), strings.ReplaceAll(strings.ReplaceAll(string(line), ".0", ""), ", ", ",")) {
		t.Errorf("log:\n%s\nwant %s", r.logged(), line)
	}

	for _, c := range []struct{ name, source, kind, message string }{
		{"an error of its own at the beginning", `call('POST', '/runtime/init/error', '{"errorType":"Own.Type","errorMessage":"own","stackTrace":[]}', {'Lambda-Runtime-Function-Error-Type': 'Runtime.Own'})`, "Own.Type", "own"},
		{"an error type without a category", `call('GET', '/runtime/invocation/next'); call('POST', '/runtime/invocation/8c1a3f0e-1111-4222-8333-944445555666/error', '', {'Lambda-Runtime-Function-Error-Type': 'nonsense'})`, "Function.Unknown", ""},
		{"an end after the event", `call('GET', '/runtime/invocation/next'); os._exit(1)`, "Runtime.ExitError", "RequestId: 8c1a3f0e-1111-4222-8333-944445555666 Error: Runtime exited with error: exit status 1"},
		{"an end by a signal", `call('GET', '/runtime/invocation/next'); import ctypes; ctypes.string_at(0)`, "Runtime.ExitError", "signal: segmentation fault"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.t = t
			r.wantFailure(r.invoke(talk(c.source), `{}`), c.kind, c.message)
		})
	}
	r.t = t
	r.wantFailure(r.invoke(r.version("provided.al2", "x"), `{}`), "Runtime.InvalidEntrypoint", "bootstrap")
}
