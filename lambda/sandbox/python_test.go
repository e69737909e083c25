package sandbox

import (
	"fmt"
	"strings"
	"testing"
)

func TestPythonHandlersAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, c := range []struct {
		name, handler string
		files         []string
		want          string
	}{
		{"a function", "lambda_function.handler", []string{"lambda_function.py", "def handler(e, c):\n    return {'got': e['a']}"}, `{"got": 1}`},
		{"a module in packages", "src/app.main", []string{"src/__init__.py", "", "src/app.py", "def main(e, c):\n    return __file__"}, `"/var/task/src/app.py"`},
		{"letters beyond ASCII", "f.h", []string{"f.py", "def h(e, c):\n    return 'äöü €'"}, `"äöü €"`},
		{
			"the context", "f.h",
			[]string{"f.py", "def h(e, c):\n    return [c.function_name, c.function_version, c.memory_limit_in_mb, len(c.aws_request_id), c.invoked_function_arn, c.log_group_name, c.get_remaining_time_in_millis() > 1000, c.client_context, c.identity.cognito_identity_id, c.tenant_id]"},
			`["f", "$LATEST", "512", 36, "arn:aws:lambda:us-east-1:123456789012:function:f", "/aws/lambda/f", true, null, null, null]`,
		},
		{"a module of the name of one of ours", "names.h", []string{"names.py", "def h(e, c):\n    return 'names'"}, `"names"`},
		{"where modules are looked for", "f.h", []string{"f.py", "import sys\ndef h(e, c):\n    return sys.path[:4]"}, `["/var/task", "/opt/python", "/opt/python/lib/python3.11/site-packages", "/var/runtime"]`},
		{"another process", "f.h", []string{"f.py", "import subprocess\ndef h(e, c):\n    return subprocess.run(['id', '-un'], capture_output=True, text=True).stdout"}, `"sbx_user1051\n"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.t = t
			v := r.version("python3.11", c.handler, c.files...)
			for range 2 {
				r.want(r.invoke(v, `{"a":1}`), c.want)
			}
			r.Retire(v.Key)
		})
	}
}

func TestPythonHandlersFail(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, c := range []struct{ name, source, kind, message string }{
		{"an exception", "def inner():\n    raise ValueError('no')\ndef handler(e, c):\n    inner()", "ValueError", "no"},
		{"a missing module", "import nowhere\ndef handler(e, c): pass", "Runtime.ImportModuleError", "Unable to import module 'lambda_function': No module named 'nowhere'"},
		{"the SDK that AWS bundles", "import boto3\ndef handler(e, c): pass", "Runtime.ImportModuleError", "bundle boto3"},
		{"a syntax error", "def handler(e, c)", "Runtime.UserCodeSyntaxError", "Syntax error in module 'lambda_function'"},
		{"a missing handler", "def other(): pass", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'lambda_function'"},
		{"an error while loading", "1/0", "ZeroDivisionError", "division by zero"},
		{"a result that is no JSON", "def handler(e, c):\n    return {1, 2}", "Runtime.MarshalError", "Unable to marshal response: Object of type set is not JSON serializable"},
		{"an exit", "import sys\ndef handler(e, c):\n    sys.exit(3)", "Runtime.ExitError", "Error: Runtime exited with error: exit status 3"},
		{"an exit while loading", "import os\nos._exit(4)", "Runtime.ExitError", "Error: Runtime exited with error: exit status 4"},
		{"a result of more than 6 MB", "def handler(e, c):\n    return 'x' * 7000000", "Function.ResponseSizeTooLarge", "(7000002 bytes)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.t = t
			v := python(r, c.source)
			again := 1
			if strings.HasPrefix(c.kind, "Runtime.Mar") || strings.HasPrefix(c.kind, "Function.") || c.kind == "ValueError" {
				again = 2 // the process goes on
			}
			for range again {
				f := r.wantFailure(r.invoke(v, `{}`), c.kind, c.message)
				if c.kind == "ValueError" && (len(f.StackTrace) != 2 || !strings.Contains(fmt.Sprint(f.StackTrace[1]), "in inner") || f.RequestID == "") {
					t.Errorf("failure = %+v, want the two frames of the function's own and the request", f)
				}
			}
			r.Retire(v.Key)
		})
	}
	r.t = t
	r.wantFailure(r.invoke(r.version("python3.11", "sys.exit"), `{}`), "Runtime.ImportModuleError", "Cannot use built-in module sys as a handler module")
}

func TestPythonLogFormats(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	const source = "import logging\nlogger = logging.getLogger(__name__)\nlogger.setLevel(logging.INFO)\n" +
		"def handler(e, c):\n    print('printed')\n    logger.info('two\\nlines')\n    logging.info('of the root')\n    try:\n        1/0\n    except Exception:\n        logger.exception('caught')\n"
	r.invoke(python(r, source), `{}`)
	for _, want := range []string{"[INFO]\t", "Z\t8c1a3f0e-1111-4222-8333-944445555666\ttwo\nlines", "\nprinted\n", "\tcaught\nTraceback (most recent call last):\n"} {
		if !strings.Contains(r.logged(), want) {
			t.Errorf("log has no %q:\n%s", want, r.logged())
		}
	}
	if strings.Contains(r.logged(), "of the root") {
		t.Errorf("the root logger is at WARNING, but let INFO through:\n%s", r.logged())
	}
	r.log = nil
	v := python(r, source)
	v.LogJSON = true
	r.invoke(v, `{}`)
	for _, want := range []string{
		`"level": "INFO", "message": "two\nlines", "logger": "lambda_function", "requestId": "8c1a3f0e-1111-4222-8333-944445555666"}`,
		`"errorType": "ZeroDivisionError"`, `"stackTrace": ["Traceback`, `"message": "of the root"`,
	} {
		if !strings.Contains(r.logged(), want) {
			t.Errorf("JSON log has no %q:\n%s", want, r.logged())
		}
	}
}

func TestTraceIDIsInTheEnvironment(t *testing.T) {
	r := newRig(t, nil)
	for _, v := range []Version{
		node(r, `exports.handler = async () => process.env._X_AMZN_TRACE_ID ?? null`),
		python(r, "import os\ndef handler(e, c):\n    return os.environ.get('_X_AMZN_TRACE_ID')"),
	} {
		for _, trace := range []string{"Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", ""} {
			got, err := r.Invoke(t.Context(), v, Invocation{RequestID: "r", TraceID: trace, Payload: []byte("{}")})
			want := `"` + trace + `"`
			if trace == "" {
				want = "null"
			}
			if err != nil || string(got.Payload) != want {
				t.Errorf("%s with trace %q: %q, %v", v.Runtime, trace, got.Payload, err)
			}
		}
	}
}
