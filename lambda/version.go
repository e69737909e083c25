package lambda

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
)

// Version is what runs. A published one never changes.
type Version struct {
	Number string // "$LATEST" or a number
	// Code is the URI of what runs: glassine://image, a webhook's URL, the ARN of a function in AWS; or "zip" for the archive.
	Code        string
	Archive     archive // of code "zip", else zero
	Role        string  // ARN of the execution role
	Description string
	Runtime     string
	Handler     string
	Memory      int           // MB
	Timeout     time.Duration // 1 s to 900 s
	Modified    time.Time
	RevisionID  string // changes whenever the version does

	Ephemeral    int    // MB of /tmp
	Architecture string // x86_64 or arm64
	Environment  map[string]string
	Layers       []UsedLayer // in the order of their configuration
	Logging      Logging
	Tracing      string // PassThrough or Active; kept, not acted on
	// Published is the description that the version was published with; "" leaves Description.
	Published string
}

// Logging is how a function logs. (Lambda API Reference, LoggingConfig.)
type Logging struct {
	Format           string // Text or JSON
	ApplicationLevel string // of JSON: TRACE to FATAL; "" is INFO
	SystemLevel      string // of JSON: DEBUG, INFO or WARN; "" is INFO
	Group            string // the log group
}

// UsedLayer is a layer version in a function's configuration: it stays usable when the layer version is deleted.
type UsedLayer struct {
	ARN     string
	Archive archive
}

// codeZip is the Code of a version whose code is an archive.
const codeZip = "zip"

// Shown is the description to show.
func (v Version) Shown() string {
	if v.Published != "" {
		return v.Published
	}
	return v.Description
}

// Zip reports whether the version's code is a zip archive; its SHA-256 in hex and its size in bytes.
func (v Version) Zip() (sum string, size int64, ok bool) {
	return v.Archive.SHA256, v.Archive.Size, v.Code == codeZip
}

// Size is how many bytes of archive the layer has.
func (l UsedLayer) Size() int64 { return l.Archive.Size }

// fill puts defaults where nothing was said.
func (v *Version) fill(function string) {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	if v.Memory == 0 {
		v.Memory = 128
	}
	if v.Ephemeral == 0 {
		v.Ephemeral = 512
	}
	if v.Timeout == 0 {
		v.Timeout = 3 * time.Second
	}
	if len(v.Environment) == 0 {
		v.Environment = nil
	}
	set(&v.Architecture, "x86_64")
	set(&v.Tracing, "PassThrough")
	set(&v.Logging.Format, "Text")
	set(&v.Logging.Group, "/aws/lambda/"+function)
	if v.Logging.Format == "JSON" {
		set(&v.Logging.ApplicationLevel, "INFO")
		set(&v.Logging.SystemLevel, "INFO")
	}
}

// maxEnvironment is the most bytes of names and values. (Lambda Developer Guide, "Lambda quotas": 4 KB.)
const maxEnvironment = 4 << 10

// check refuses a configuration that Lambda does not take. It does not look at the code and the layers.
func (v *Version) check() error {
	switch {
	case v.Memory < 128 || v.Memory > 10240:
		return invalid("MemorySize %d is not between 128 and 10240 MB.", v.Memory)
	case v.Ephemeral < 512 || v.Ephemeral > 10240:
		return invalid("EphemeralStorage of %d MB is not between 512 and 10240 MB.", v.Ephemeral)
	case v.Timeout < time.Second || v.Timeout > 900*time.Second:
		return invalid("Timeout %s is not between 1 and 900 seconds.", v.Timeout)
	case len(v.Description) > 256 || len(v.Published) > 256:
		return invalid("The description is longer than 256 characters.")
	case len(v.Handler) > 128 || strings.ContainsAny(v.Handler, " \t\r\n"):
		return invalid("The handler %q is not up to 128 characters without space.", v.Handler)
	case v.Architecture != "x86_64" && v.Architecture != "arm64":
		return invalid("The architecture %q is neither x86_64 nor arm64.", v.Architecture)
	case v.Tracing != "PassThrough" && v.Tracing != "Active":
		return invalid("The tracing mode %q is neither PassThrough nor Active.", v.Tracing)
	case v.Runtime != "" && !knownRuntime(v.Runtime):
		return invalid("Value %s at 'runtime' failed to satisfy constraint: glassine runs nodejs*.x, python3.*, provided, provided.al2, provided.al2023 and go1.x.", v.Runtime)
	}
	if err := v.Logging.check(); err != nil {
		return err
	}
	return checkEnvironment(v.Environment)
}

// knownRuntime takes the names of runtimes that a process can have here, of any version: which of them is installed is
// found out when it runs.
func knownRuntime(name string) bool {
	version, ok := strings.CutPrefix(name, "nodejs")
	if ok {
		n, ok := strings.CutSuffix(version, ".x")
		return ok && number(n)
	}
	if version, ok = strings.CutPrefix(name, "python3."); ok {
		return number(version)
	}
	return name == "provided" || name == "provided.al2" || name == "provided.al2023" || name == "go1.x"
}

func (l Logging) check() error {
	switch {
	case l.Format != "Text" && l.Format != "JSON":
		return invalid("The log format %q is neither Text nor JSON.", l.Format)
	case l.Format == "Text" && (l.ApplicationLevel != "" || l.SystemLevel != ""):
		return invalid("Log levels need the log format JSON.")
	case l.Format == "JSON" && !slices.Contains([]string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}, l.ApplicationLevel):
		return invalid("The application log level %q is not one of TRACE, DEBUG, INFO, WARN, ERROR and FATAL.", l.ApplicationLevel)
	case l.Format == "JSON" && !slices.Contains([]string{"DEBUG", "INFO", "WARN"}, l.SystemLevel):
		return invalid("The system log level %q is not one of DEBUG, INFO and WARN.", l.SystemLevel)
	case l.Group == "" || len(l.Group) > 512:
		return invalid("The log group's name is not 1 to 512 characters long.")
	}
	return nil
}

// reserved are environment variables that Lambda sets itself.
// (Lambda Developer Guide, "Using Lambda environment variables", Reserved environment variables.)
var reserved = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME",
	"AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}

func checkEnvironment(env map[string]string) error {
	size := 0
	for k, v := range env {
		size += len(k) + len(v)
		valid := k != "" && validName(k, 1024) && !strings.Contains(k, "-") && !number(k[:1]) && k[0] != '_'
		switch {
		case slices.Contains(reserved, k):
			return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", k)
		case !valid:
			return invalid("The environment variable's name %q does not begin with a letter, or holds others than letters, digits and underscores.", k)
		case strings.Contains(v, "\x00"):
			return invalid("The environment variable %s has a value that holds a zero byte.", k)
		}
	}
	if size > maxEnvironment {
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit.")
	}
	return nil
}

// version finds the version that a qualifier names; of an alias it is the main one, whatever its weights. A copy of Latest
// is returned for "" and $LATEST.
func (f Function) version(qualifier string) (Version, bool) {
	if qualifier == "" || qualifier == Latest {
		return f.Latest, f.Name != ""
	}
	if a, ok := f.alias(qualifier); ok {
		qualifier = a.Version
		if qualifier == Latest {
			return f.Latest, true
		}
	}
	for _, v := range f.Versions {
		if v.Number == qualifier {
			return v, true
		}
	}
	return Version{}, false
}

// publish freezes the unpublished version under the next number, unless the last one is the same, and returns it.
func (f *Function) publish(description string) Version {
	v := f.Latest
	if n := len(f.Versions); n > 0 {
		last := f.Versions[n-1]
		was := last
		last.Number, last.Modified, last.RevisionID, last.Published = v.Number, v.Modified, v.RevisionID, v.Published
		if reflect.DeepEqual(last, v) {
			return was
		}
	}
	v.Number, v.RevisionID, v.Published = strconv.Itoa(f.NextVersion), wire.NewRequestID(), description
	f.Versions = append(slices.Clone(f.Versions), v)
	f.NextVersion++
	return v
}

// Publish says how to publish a version. The zero value publishes whatever there is.
type Publish struct {
	Description            string // "" leaves the function's
	CodeSHA256, RevisionID string // base64, and of the unpublished version: refuse when they are others
}

// PublishVersion freezes the unpublished version under the next number. When code and configuration are as they were in
// the last one, that one is returned. (Lambda API Reference, PublishVersion.)
func (s *Service) PublishVersion(ctx context.Context, c iam.Caller, name string, p Publish) (Function, Version, error) {
	var v Version
	f, err := s.change(ctx, c, "PublishVersion", name, func(f *Function) error {
		if p.CodeSHA256 != "" && p.CodeSHA256 != f.Latest.CodeSHA256() {
			return fault.New("PreconditionFailedException", "CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.", p.CodeSHA256, f.Latest.CodeSHA256())
		}
		if p.RevisionID != "" && p.RevisionID != f.Latest.RevisionID {
			return errStale
		}
		if len(p.Description) > 256 {
			return invalid("The description is longer than 256 characters.")
		}
		v = f.publish(p.Description)
		return nil
	})
	return f, v, err
}

// ListVersions returns $LATEST and the published versions in order, with their function.
func (s *Service) ListVersions(ctx context.Context, c iam.Caller, name string) (Function, []Version, error) {
	f, _, err := s.read(ctx, c, "ListVersionsByFunction", name)
	return f, append([]Version{f.Latest}, f.Versions...), err
}
