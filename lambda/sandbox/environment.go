package sandbox

import (
	"maps"
	"path"
	"strconv"
	"strings"

	"glassine/confine"
)

// Paths inside a sandbox, as on AWS.
const (
	taskRoot   = "/var/task"
	runtimeDir = "/var/runtime"
	layerRoot  = "/opt"
	langRoot   = "/var/lang" // of an interpreter that is not under /usr
)

// environment is what the process finds in its environment, but for credentials and what depends on its level. Reserved
// names win over the function's own. (AWS Lambda Developer Guide, "Defined runtime environment variables".)
func (h *Host) environment(v Version, r interpreter, stream string) map[string]string {
	env := map[string]string{
		"LANG":            "en_US.UTF-8",
		"PATH":            "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"LD_LIBRARY_PATH": "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
	}
	switch r.family {
	case "node":
		env["NODE_PATH"] = "/opt/nodejs/node" + strconv.Itoa(r.version.major) + "/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules"
	case "python":
		env["PYTHONPATH"] = runtimeDir
	}
	maps.Copy(env, v.Environment)
	maps.Copy(env, map[string]string{
		"_HANDLER":   v.Handler,
		"AWS_REGION": v.Region, "AWS_DEFAULT_REGION": v.Region,
		"AWS_LAMBDA_FUNCTION_NAME": v.FunctionName, "AWS_LAMBDA_FUNCTION_VERSION": v.Version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(v.MemoryMB), "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME": v.LogGroup, "AWS_LAMBDA_LOG_STREAM_NAME": stream,
		"AWS_LAMBDA_LOG_FORMAT": "Text", "AWS_LAMBDA_RUNTIME_API": apiAddress,
		"LAMBDA_TASK_ROOT": taskRoot, "LAMBDA_RUNTIME_DIR": runtimeDir, "TZ": ":UTC",
		"AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR", "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
		"_LAMBDA_TELEMETRY_LOG_FD": strconv.Itoa(confine.LogFD),
		// Documented for all SDKs, obeyed by few: where it is obeyed, one name less to resolve.
		"AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
	})
	if v.LogJSON {
		env["AWS_LAMBDA_LOG_FORMAT"], env["AWS_LAMBDA_LOG_LEVEL"] = "JSON", "INFO"
		if v.ApplicationLogLevel != "" {
			env["AWS_LAMBDA_LOG_LEVEL"] = v.ApplicationLogLevel
		}
	}
	if r.family != "" {
		env["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + v.Runtime
	}
	// SDKs and languages each read another one. Set all, or one from elsewhere beats another.
	for _, name := range []string{"AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"} {
		env[name] = bundlePath
	}
	if h.cfg.CAFile != "" {
		env["NODE_EXTRA_CA_CERTS"] = caPath // Node has the public roots built in
	}
	return env
}

// command is the program that runs the function, and its arguments.
func command(v Version, r interpreter, paths layout) []string {
	var args []string
	switch {
	case r.family == "node":
		args = []string{paths.interpreter}
		// V8 sizes its heap by the machine, not by the function's memory. An argument would win over the function's own wish.
		if !strings.Contains(v.Environment["NODE_OPTIONS"], "max-old-space-size") {
			args = append(args, "--max-old-space-size="+strconv.Itoa(max(v.MemoryMB*9/10, 64)))
		}
		args = append(args, path.Join(paths.runtime, "index.mjs"))
	case r.family == "python":
		args = []string{paths.interpreter, "-S", "-s", "-u", path.Join(paths.runtime, "bootstrap.py")}
	case r.goX:
		return []string{path.Join(paths.task, v.Handler)}
	default:
		return []string{path.Join(paths.bootstrap, "bootstrap")}
	}
	// (AWS Lambda Developer Guide, "Modifying the runtime environment", wrapper scripts.)
	if wrapper := v.Environment["AWS_LAMBDA_EXEC_WRAPPER"]; wrapper != "" {
		args = append([]string{paths.inside(wrapper)}, args...)
	}
	return args
}

// layout is where the parts of a sandbox are, as the process sees them.
type layout struct {
	task, runtime, layers, interpreter string
	bootstrap                          string // the directory that has one: of the task, or of the layers
}

// inside is a path under AWS's roots where this layout has it.
func (l layout) inside(p string) string {
	for _, r := range []struct{ aws, here string }{{taskRoot, l.task}, {runtimeDir, l.runtime}, {layerRoot, l.layers}} {
		if rest, ok := strings.CutPrefix(p, r.aws); ok && (rest == "" || rest[0] == '/') && r.here != "" {
			return r.here + rest
		}
	}
	return p
}

func pairs(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	return out
}
