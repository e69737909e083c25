package sandbox

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

func TestNodeHandlersAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, c := range []struct {
		name, handler string
		files         []string
		want          string
	}{
		{"an async CommonJS handler", "index.handler", []string{"index.js", `exports.handler = async (e) => ({got: e.a})`}, `{"got":1}`},
		{"an ES module by its name", "index.handler", []string{"index.mjs", `export const handler = async (e) => e.a + 1`}, `2`},
		{"an ES module by package.json", "index.handler", []string{"package.json", `{"type":"module"}`, "index.js", `export const handler = async () => import.meta.url`}, `"file:///var/task/index.js"`},
		{"a top-level await", "index.handler", []string{"index.mjs", `const x = await new Promise((r) => setTimeout(() => r(3), 5)); export const handler = async () => x`}, `3`},
		{"a .cjs file in an ES package", "index.handler", []string{"package.json", `{"type":"module"}`, "index.cjs", `exports.handler = async () => typeof require`}, `"function"`},
		{"a handler in a folder, below a property", "src/app.api.get", []string{"src/app.js", `exports.api = {get: async () => __dirname}`}, `"/var/task/src"`},
		{"a dependency in node_modules", "index.handler", []string{"index.js", `exports.handler = async () => require('dep')`, "node_modules/dep/index.js", `module.exports = 'dep'`}, `"dep"`},
		{"a callback", "index.handler", []string{"index.js", `exports.handler = (e, c, cb) => setTimeout(() => cb(null, e), 5)`}, `{"a":1}`},
		{
			"a callback that waits for an empty event loop", "index.handler",
			[]string{"index.js", `let n = 0; exports.handler = (e, c, cb) => { const o = {toJSON: () => n}; cb(null, o); setTimeout(() => { n = 7 }, 30) }`},
			`7`,
		},
		{
			"a callback that does not wait", "index.handler",
			[]string{"index.js", `exports.handler = (e, c, cb) => { c.callbackWaitsForEmptyEventLoop = false; setInterval(() => {}, 1000); cb(null, 'at once') }`},
			`"at once"`,
		},
		{"only the first callback", "index.handler", []string{"index.js", `exports.handler = (e, c, cb) => { cb(null, 1); cb(null, 2) }`}, `1`},
		{"a handler that never calls back", "index.handler", []string{"index.js", `exports.handler = () => {}`}, `null`},
		{"context.succeed", "index.handler", []string{"index.js", `exports.handler = (e, c) => c.succeed('yes')`}, `"yes"`},
		{"context.done", "index.handler", []string{"index.js", `exports.handler = (e, c) => c.done(null, 'done')`}, `"done"`},
		{"undefined is null", "index.handler", []string{"index.js", `exports.handler = async () => {}`}, `null`},
		{"a thenable", "index.handler", []string{"index.js", `exports.handler = () => ({then: (f) => f('then')})`}, `"then"`},
		{"letters beyond ASCII", "index.handler", []string{"index.js", `exports.handler = async () => 'äöü €'`}, `"äöü €"`},
		{
			"the context", "index.handler",
			[]string{"index.js", `exports.handler = async (e, c) => [c.functionName, c.functionVersion, c.memoryLimitInMB, c.awsRequestId.length, c.invokedFunctionArn, c.logGroupName, c.getRemainingTimeInMillis() > 1000]`},
			`["f","$LATEST","512",36,"arn:aws:lambda:us-east-1:123456789012:function:f","/aws/lambda/f",true]`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.t = t
			v := r.version("nodejs20.x", c.handler, c.files...)
			for range 2 { // and the process goes on
				r.want(r.invoke(v, `{"a":1}`), c.want)
			}
			r.Retire(v.Key)
		})
	}
}

func TestNodeHandlersFail(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, c := range []struct {
		name, source, kind, message string
	}{
		{"a thrown error", `exports.handler = async () => { throw new TypeError('no') }`, "TypeError", "no"},
		{"an error thrown before any promise", `exports.handler = () => { throw new RangeError('far') }`, "RangeError", "far"},
		{"a callback with an error", `exports.handler = (e, c, cb) => cb(new Error('back'))`, "Error", "back"},
		{"context.fail", `exports.handler = (e, c) => c.fail(new Error('failed'))`, "Error", "failed"},
		{"what is no error", `exports.handler = async () => { throw 'a string' }`, "string", "a string"},
		{"a promise that never settles", `exports.handler = () => new Promise(() => {})`, "Runtime.NodeJsExit", ""},
		{"an uncaught exception", `exports.handler = () => new Promise(() => setTimeout(() => { throw new Error('loose') }, 5))`, "Error", "loose"},
		{"an unhandled rejection", `exports.handler = () => new Promise(() => { Promise.reject(new Error('left')) })`, "Runtime.UnhandledPromiseRejection", "Error: left"},
		{"an exit", `exports.handler = async () => process.exit(7)`, "Runtime.ExitError", "Error: Runtime exited with error: exit status 7"},
		{"an exit without a word", `exports.handler = async () => process.exit(0)`, "Runtime.ExitError", "Error: Runtime exited without providing a reason"},
		{"a missing module", `require('nowhere'); exports.handler = async () => 1`, "Runtime.ImportModuleError", "Cannot find module 'nowhere'"},
		{"the SDK that AWS bundles", `require('@aws-sdk/client-s3'); exports.handler = async () => 1`, "Runtime.ImportModuleError", "bundle the AWS SDK"},
		{"a syntax error", `exports.handler = async () => {`, "Runtime.UserCodeSyntaxError", "SyntaxError"},
		{"a missing handler", `exports.other = 1`, "Runtime.HandlerNotFound", "index.handler is undefined or not exported"},
		{"a handler that is no function", `exports.handler = 'text'`, "Runtime.HandlerNotFound", "index.handler is not a function"},
		{"an error while loading", `throw new Error('early')`, "Error", "early"},
		{"a result that is no JSON", `exports.handler = async () => 1n`, "Runtime.MarshalError", "BigInt"},
		{"a result of more than 6 MB", `exports.handler = async () => 'x'.repeat(7000000)`, "Function.ResponseSizeTooLarge", "Response payload size (7000002 bytes) exceeded maximum allowed payload size (6291556 bytes)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.t = t
			v := node(r, c.source)
			again := 1
			if strings.HasPrefix(c.kind, "Runtime.Mar") || strings.HasPrefix(c.kind, "Function.") || c.kind == "TypeError" {
				again = 2 // the process goes on
			}
			for range again {
				f := r.wantFailure(r.invoke(v, `{}`), c.kind, c.message)
				if strings.HasPrefix(c.kind, "Runtime.Exit") && !strings.HasPrefix(f.ErrorMessage, "RequestId: 8c1a3f0e-1111-4222-8333-944445555666 Error: ") {
					t.Errorf("message = %q, want it to begin with the request", f.ErrorMessage)
				}
			}
			r.Retire(v.Key)
		})
	}
}

// The edge of what a result may be: 6,291,556 bytes pass, one more does not.
func TestResultSizeLimit(t *testing.T) {
	r := newRig(t, nil)
	v := node(r, `exports.handler = async (n) => 'x'.repeat(n - 2)`)
	if got := r.invoke(v, "6291556"); got.Failed || len(got.Payload) != MaxPayload {
		t.Errorf("result of the limit: failed %t, %d bytes", got.Failed, len(got.Payload))
	}
	r.wantFailure(r.invoke(v, "6291557"), "Function.ResponseSizeTooLarge", "(6291557 bytes)")
	r.want(r.invoke(v, "3"), `"x"`)
}

func TestNodeLogFormats(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	const source = `exports.handler = async () => { console.log('two\nlines'); console.debug('low'); console.warn({a: 1}); console.error('bad', new Error('x')); process.stdout.write('raw\n') }`
	v := node(r, source)
	r.invoke(v, `{}`)
	for _, want := range []string{
		"Z\t8c1a3f0e-1111-4222-8333-944445555666\tINFO\ttwo\nlines\n", "\tDEBUG\tlow\n", "\tWARN\t{ a: 1 }\n", "\tERROR\tbad Error: x\n    at ", "\nraw\n",
		"INIT_START Runtime Version: nodejs:", "START RequestId: 8c1a3f0e-1111-4222-8333-944445555666 Version: $LATEST\n", "END RequestId: 8c1a3f0e-1111-4222-8333-944445555666\n",
		"\tMemory Size: 512 MB\tMax Memory Used: ", "\tInit Duration: ",
	} {
		if !strings.Contains(r.logged()+"\n", want) {
			t.Errorf("log has no %q:\n%s", want, r.logged())
		}
	}
	r.log = nil
	v = node(r, source)
	v.LogJSON, v.ApplicationLogLevel = true, "INFO"
	r.invoke(v, `{}`)
	for _, want := range []string{
		`"level":"INFO","requestId":"8c1a3f0e-1111-4222-8333-944445555666","message":"two\nlines"}`, `"level":"WARN","requestId":"8c1a3f0e-1111-4222-8333-944445555666","message":{"a":1}}`,
		`"errorType":"Error","errorMessage":"x"`, `"type":"platform.initStart"`, `"type":"platform.start","record":{"requestId":"8c1a3f0e-1111-4222-8333-944445555666","version":"$LATEST"}`, `"type":"platform.report"`, `"initDurationMs":`,
	} {
		if !strings.Contains(r.logged(), want) {
			t.Errorf("JSON log has no %q:\n%s", want, r.logged())
		}
	}
	if strings.Contains(r.logged(), `"low"`) {
		t.Errorf("JSON log at level INFO has a DEBUG line:\n%s", r.logged())
	}
}

func TestNodeStreamsItsResponse(t *testing.T) {
	r := newRig(t, nil)
	v := node(r, `exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
		if (event.prelude) stream = awslambda.HttpResponseStream.from(stream, {statusCode: 201});
		else stream.setContentType('text/plain');
		stream.write('one,');
		if (event.fail) throw new TypeError('broke');
		await new Promise((r) => setTimeout(r, 20));
		stream.write(Buffer.alloc(event.more ?? 0, 'm'));
		stream.end('two');
	})`)
	stream := func(payload string) (StreamHead, string, Result) {
		var head StreamHead
		var body bytes.Buffer
		result, err := r.Invoke(t.Context(), v, Invocation{RequestID: "r1", Payload: []byte(payload), Stream: func(h StreamHead) io.Writer { head = h; return &body }})
		if err != nil {
			t.Fatal(err)
		}
		return head, body.String(), result
	}
	head, body, result := stream(`{}`)
	if head.ContentType != "text/plain" || body != "one,two" || result.Failed || result.Payload != nil {
		t.Errorf("stream = %q %q, result %+v", head, body, result)
	}
	head, body, _ = stream(`{"prelude":true}`)
	if want := "{\"statusCode\":201}\x00\x00\x00\x00\x00\x00\x00\x00one,two"; head.ContentType != "application/vnd.awslambda.http-integration-response" || body != want {
		t.Errorf("stream with prelude = %q %q, want %q", head, body, want)
	}
	if _, body, _ = stream(`{"more":8000000}`); len(body) != 8000007 {
		t.Errorf("a stream of more than 6 MB has %d bytes", len(body))
	}
	_, body, result = stream(`{"fail":true}`)
	if body != "one," {
		t.Errorf("stream that fails = %q", body)
	}
	r.wantFailure(result, "TypeError", "broke")
	if got := r.invoke(v, `{}`); string(got.Payload) != "one,two" {
		t.Errorf("gathered stream = %q", got.Payload)
	}
	r.wantFailure(r.invoke(v, `{"more":8000000}`), "Function.ResponseSizeTooLarge", "")
	r.wantFailure(r.invoke(v, `{"fail":true}`), "TypeError", "broke")
	_, body, _ = stream(`{}`)
	if body != "one,two" {
		t.Errorf("stream afterwards = %q", body)
	}
}

func TestBufferedResponseIsOneWriteOfAStream(t *testing.T) {
	r := newRig(t, nil)
	var body bytes.Buffer
	result, err := r.Invoke(t.Context(), node(r, `exports.handler = async () => 'whole'`), Invocation{RequestID: "r1", Payload: []byte("{}"), Stream: func(StreamHead) io.Writer { return &body }})
	if err != nil || body.String() != `"whole"` || result.Payload != nil {
		t.Errorf("stream = %q, result %+v, %v", body.String(), result, err)
	}
}

func TestTimeoutEndsTheProcess(t *testing.T) {
	r := newRig(t, nil)
	v := node(r, `let n = 0; exports.handler = async (e) => { n++; console.log('busy'); while (e.spin) {} return n }`)
	v.Timeout = 600 * time.Millisecond
	r.want(r.invoke(v, `{}`), `1`)
	f := r.wantFailure(r.invoke(v, `{"spin":true}`), "Sandbox.Timedout", "Task timed out after 0.60 seconds")
	if want := "RequestId: 8c1a3f0e-1111-4222-8333-944445555666 Error: Task timed out after 0.60 seconds"; f.ErrorMessage != want {
		t.Errorf("message = %q, want %q", f.ErrorMessage, want)
	}
	if want := "8c1a3f0e-1111-4222-8333-944445555666 Task timed out after 0.60 seconds\nEND"; !strings.Contains(r.logged(), want) || !strings.Contains(r.logged(), "\tStatus: timeout\t") {
		t.Errorf("log has no %q or no status:\n%s", want, r.logged())
	}
	v.Timeout = 20 * time.Second // under load a start may take longer than the short one
	r.want(r.invoke(v, `{}`), `1`)
}
