package lambdaapi

import (
	"encoding/json"
	"time"

	"glassine/aws/fault"
	"glassine/lambda"
)

// Shapes of a function's configuration, as the Lambda API Reference's "Data Types" name their members.

type environment struct{ Variables map[string]string }

type tracing struct{ Mode string }

type ephemeral struct{ Size int }

type logging struct {
	LogFormat           string `json:",omitempty"`
	ApplicationLogLevel string `json:",omitempty"`
	SystemLogLevel      string `json:",omitempty"`
	LogGroup            string `json:",omitempty"`
}

type usedLayer struct {
	Arn      string
	CodeSize int64
}

type snapStart struct{ ApplyOn, OptimizationStatus string }

type configuration struct {
	FunctionName     string
	FunctionArn      string
	Runtime          string `json:",omitempty"`
	Role             string
	Handler          string `json:",omitempty"`
	CodeSize         int64
	Description      string
	Timeout          int
	MemorySize       int
	LastModified     string
	CodeSha256       string
	Version          string
	Environment      *environment `json:",omitempty"`
	TracingConfig    tracing
	RevisionId       string
	Layers           []usedLayer `json:",omitempty"`
	State            string
	LastUpdateStatus string
	PackageType      string
	Architectures    []string
	EphemeralStorage ephemeral
	SnapStart        snapStart
	LoggingConfig    logging
}

// configured is a version's configuration under the ARN that it was asked by. It is active at once: what could be waited for
// is done before an answer goes out.
func configured(f lambda.Function, v lambda.Version, arn string) configuration {
	c := configuration{
		FunctionName: f.Name, FunctionArn: arn, Runtime: v.Runtime, Role: v.Role, Handler: v.Handler, Description: v.Shown(),
		Timeout: int(v.Timeout / time.Second), MemorySize: v.Memory, LastModified: v.Modified.UTC().Format("2006-01-02T15:04:05.000+0000"),
		CodeSha256: v.CodeSHA256(), Version: v.Number, TracingConfig: tracing{v.Tracing}, RevisionId: v.RevisionID, State: "Active", LastUpdateStatus: "Successful",
		PackageType: "Image", Architectures: []string{v.Architecture}, EphemeralStorage: ephemeral{v.Ephemeral}, SnapStart: snapStart{"None", "Off"},
		LoggingConfig: logging{v.Logging.Format, v.Logging.ApplicationLevel, v.Logging.SystemLevel, v.Logging.Group},
	}
	if _, size, ok := v.Zip(); ok {
		c.PackageType, c.CodeSize = "Zip", size
	}
	if len(v.Environment) > 0 {
		c.Environment = &environment{v.Environment}
	}
	for _, l := range v.Layers {
		c.Layers = append(c.Layers, usedLayer{l.ARN, l.Size()})
	}
	return c
}

// unsupported are members of configurations that only their emptiest value is taken of.
type unsupported struct {
	VpcConfig         *struct{ SubnetIds, SecurityGroupIds []string }
	KMSKeyArn         string
	FileSystemConfigs []json.RawMessage
	DeadLetterConfig  *struct{ TargetArn string }
	SnapStart         *struct{ ApplyOn string }
	ImageConfig       *struct {
		EntryPoint, Command []string
		WorkingDirectory    string
	}
	CodeSigningConfigArn string
}

func (u unsupported) check() error {
	refuse := func(member, why string) error {
		return fault.New("InvalidParameterValueException", "%s is not supported by glassine: %s.", member, why)
	}
	switch {
	case u.VpcConfig != nil && len(u.VpcConfig.SubnetIds)+len(u.VpcConfig.SecurityGroupIds) > 0:
		return refuse("VpcConfig", "it has no VPCs")
	case u.KMSKeyArn != "":
		return refuse("KMSKeyArn", "it has no KMS")
	case len(u.FileSystemConfigs) > 0:
		return refuse("FileSystemConfigs", "it has no EFS")
	case u.DeadLetterConfig != nil && u.DeadLetterConfig.TargetArn != "":
		return refuse("DeadLetterConfig", "it has no SQS and SNS; give a function as OnFailure destination with put-function-event-invoke-config")
	case u.SnapStart != nil && u.SnapStart.ApplyOn != "" && u.SnapStart.ApplyOn != "None":
		return refuse("SnapStart", "processes are not kept as snapshots")
	case u.ImageConfig != nil && (len(u.ImageConfig.EntryPoint)+len(u.ImageConfig.Command) > 0 || u.ImageConfig.WorkingDirectory != ""):
		return refuse("ImageConfig", "container images are not run")
	case u.CodeSigningConfigArn != "":
		return refuse("CodeSigningConfigArn", "code is not signed")
	}
	return nil
}

// settings are what creating and updating have in common.
type settings struct {
	unsupported
	Role, Runtime, Handler, Description *string
	MemorySize, Timeout                 *int
	EphemeralStorage                    *ephemeral
	Environment                         *environment
	TracingConfig                       *tracing
	Layers                              *[]string
	LoggingConfig                       *logging
}

// change is the settings as lambda takes them.
func (s settings) change() (lambda.Change, error) {
	if err := s.check(); err != nil {
		return lambda.Change{}, err
	}
	ch := lambda.Change{Role: s.Role, Description: s.Description, Runtime: s.Runtime, Handler: s.Handler, Memory: s.MemorySize, Layers: s.Layers}
	if s.Timeout != nil {
		t := time.Duration(*s.Timeout) * time.Second
		ch.Timeout = &t
	}
	if s.EphemeralStorage != nil {
		ch.Ephemeral = &s.EphemeralStorage.Size
	}
	if s.Environment != nil {
		ch.Environment = &s.Environment.Variables
	}
	if s.TracingConfig != nil {
		ch.Tracing = &s.TracingConfig.Mode
	}
	if l := s.LoggingConfig; l != nil {
		ch.Logging = &lambda.Logging{Format: l.LogFormat, ApplicationLevel: l.ApplicationLogLevel, SystemLevel: l.SystemLogLevel, Group: l.LogGroup}
	}
	return ch, nil
}

// value is what p points to; zero for nil.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// architecture reads Architectures, which has one member.
func architecture(list []string) (string, error) {
	switch len(list) {
	case 0:
		return "", nil
	case 1:
		return list[0], nil
	}
	return "", fault.New("InvalidParameterValueException", "A function has one architecture.")
}
