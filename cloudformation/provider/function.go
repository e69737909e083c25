package provider

import (
	"context"
	"strings"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/cloudformation"
	"glassine/lambda"
)

// functions are the types of Lambda.
func (s Services) functions() []*cloudformation.Type {
	all := []*cloudformation.Type{{
		Name: "AWS::Lambda::Function", NameProperty: "FunctionName", Taggable: true, Properties: functionProperties(),
		Attributes: []string{"Arn"},
		Handler:    handler{create: s.createFunction, update: s.updateFunction, read: s.readFunction, delete: s.deleteFunction},
	}}
	return append(all, s.functionParts()...)
}

func functionProperties() fields {
	return fields{
		"FunctionName": fixed(text()), "PackageType": fixed(enum("Zip", "Image")), "Code": required(&property{Kind: cloudformation.Any, Check: checkCode}),
		"Architectures": list(enum("x86_64", "arm64")), "Description": text(), "Handler": text(), "Layers": texts(), "MemorySize": integer(128, 10240),
		"ReservedConcurrentExecutions": integer(), "Role": required(text()), "Runtime": text(), "Timeout": integer(1, 900), "Tags": tagList(),
		"Environment":      object(fields{"Variables": mapOf(text())}),
		"EphemeralStorage": object(fields{"Size": required(integer(512, 10240))}),
		"LoggingConfig":    object(fields{"ApplicationLogLevel": text(), "LogFormat": enum("Text", "JSON"), "LogGroup": text(), "SystemLogLevel": text()}),
		"TracingConfig":    object(fields{"Mode": enum("Active", "PassThrough")}),
		// What Lambda does anyway.
		"RuntimeManagementConfig": object(fields{"UpdateRuntimeOn": required(enum("Auto"))}),
		"SnapStart":               object(fields{"ApplyOn": required(enum("None"))}),
		"RecursiveLoop":           enum("Terminate"),
	}
}

// checkCode takes Code as AWS has it, and in place of it the URI of a function that is part of glassine.
func checkCode(v any) error {
	if uri, ok := v.(string); ok {
		if strings.Contains(uri, "://") {
			return nil
		}
		return fault.New("ValidationError", "%q is a path on the computer where the template is: aws cloudformation package, or glassine deploy, puts the code into a bucket and writes down where", uri)
	}
	code, ok := v.(map[string]any)
	if !ok {
		return fault.New("ValidationError", "expected type: Object")
	}
	known := map[string]bool{"S3Bucket": true, "S3Key": true, "S3ObjectVersion": true, "ZipFile": true, "ImageUri": true}
	for _, k := range sortedKeys(code) {
		if _, isText := code[k].(string); !known[k] || !isText {
			return fault.New("ValidationError", "extraneous key [%s] is not permitted", k)
		}
	}
	return nil
}

// codeOf is the code of a function. What stands in the template itself becomes an archive.
func codeOf(p values) (lambda.Code, error) {
	if uri := textOf(p["Code"]); uri != "" {
		return lambda.Code{URI: uri}, nil
	}
	c := objectOf(p["Code"])
	code := lambda.Code{URI: c.Text("ImageUri"), Bucket: c.Text("S3Bucket"), Key: c.Text("S3Key"), ObjectVersion: c.Text("S3ObjectVersion")}
	var err error
	if source := c.Text("ZipFile"); source != "" {
		code.Zip, err = inlineArchive(p.Text("Runtime"), source)
	}
	return code, err
}

func (s Services) functionARN(r *request, name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return arn.New("lambda", r.Region, r.Account, "function:"+name).String()
}

func (s Services) createFunction(ctx context.Context, r *request) (resource, error) {
	p := r.Properties
	name := named(r, "FunctionName", 64)
	code, err := codeOf(p)
	if err != nil {
		return resource{}, err
	}
	n := lambda.NewFunction{
		Name: name, Region: r.Region, Role: p.Text("Role"), Description: p.Text("Description"), Runtime: p.Text("Runtime"), Handler: p.Text("Handler"), Code: code,
		Memory: intOf(p["MemorySize"]), Ephemeral: intOf(objectOf(p["EphemeralStorage"])["Size"]), Timeout: time.Duration(intOf(p["Timeout"])) * time.Second,
		Environment: environmentOf(p), Layers: textsOf(p["Layers"]), Logging: loggingOf(p), Tracing: objectOf(p["TracingConfig"]).Text("Mode"),
		Tags: tagsOf(r.Tags, p["Tags"]),
	}
	if n.Architecture, err = architecture(p); err != nil {
		return resource{}, err
	}
	_, err = s.Lambda.CreateFunction(ctx, r.Caller, n)
	if retake(r, err, []string{"ResourceConflictException"}, func() (time.Time, error) {
		f, _, err := s.Lambda.GetFunctionConfiguration(ctx, r.Caller, s.functionARN(r, name))
		return f.Latest.Modified, err
	}) {
		err = nil
	}
	if err != nil {
		return resource{}, err
	}
	return s.functionResource(r, name), each(
		func() error { return r.Note(ctx, name) },
		func() error { return s.reserve(ctx, r, name) },
	)
}

func environmentOf(p values) map[string]string {
	return mapTexts(objectOf(p["Environment"])["Variables"])
}

func loggingOf(p values) lambda.Logging {
	l := objectOf(p["LoggingConfig"])
	return lambda.Logging{Format: l.Text("LogFormat"), ApplicationLevel: l.Text("ApplicationLogLevel"), SystemLevel: l.Text("SystemLogLevel"), Group: l.Text("LogGroup")}
}

// architecture is the one of Architectures, "" when there is none.
func architecture(p values) (string, error) {
	switch all := textsOf(p["Architectures"]); len(all) {
	case 0:
		return "", nil
	case 1:
		return all[0], nil
	}
	return "", fault.New("ValidationError", "Architectures: a function has one")
}

// functionResource is a function as templates see it. (CloudFormation Template Reference, AWS::Lambda::Function.)
func (s Services) functionResource(r *request, name string) resource {
	return resource{PhysicalID: name, Attributes: values{"Arn": s.functionARN(r, name)}}
}

// reserve brings the reserved concurrency.
func (s Services) reserve(ctx context.Context, r *request, name string) error {
	if !changed(r, "ReservedConcurrentExecutions") {
		return nil
	}
	n := intPointer(r.Properties["ReservedConcurrentExecutions"])
	if n == nil {
		return deleted(s.Lambda.DeleteFunctionConcurrency(ctx, r.Caller, s.functionARN(r, name)))
	}
	return s.Lambda.PutFunctionConcurrency(ctx, r.Caller, s.functionARN(r, name), *n)
}

func (s Services) updateFunction(ctx context.Context, r *request) (resource, error) {
	name := r.PhysicalID
	full := s.functionARN(r, name)
	configuration := func() error { return s.updateConfiguration(ctx, r, full) }
	code := func() error { return s.updateCode(ctx, r, full) }
	if _, archive := r.Properties["Code"].(map[string]any); !archive {
		configuration, code = code, configuration // an archive must have a handler as long as it is the code, and no other code has one
	}
	err := each(
		configuration,
		code,
		func() error { return s.reserve(ctx, r, name) },
		func() error {
			set, removed := retagged(r)
			if len(set) > 0 {
				if err := s.Lambda.TagResource(ctx, r.Caller, full, set); err != nil {
					return err
				}
			}
			if len(removed) > 0 {
				return s.Lambda.UntagResource(ctx, r.Caller, full, removed)
			}
			return nil
		},
	)
	if err != nil {
		return resource{}, err
	}
	return s.functionResource(r, name), nil
}

// updateConfiguration sets all that the template may say: what it does not say goes back to its default.
func (s Services) updateConfiguration(ctx context.Context, r *request, full string) error {
	if !changed(r, "Description", "Environment", "EphemeralStorage", "Handler", "Layers", "LoggingConfig", "MemorySize", "Role", "Runtime", "Timeout", "TracingConfig") {
		return nil
	}
	p := r.Properties
	role, description, runtime, handler := p.Text("Role"), p.Text("Description"), p.Text("Runtime"), p.Text("Handler")
	memory, ephemeral, timeout := 128, 512, 3*time.Second // Lambda API Reference, CreateFunction
	if n := intOf(p["MemorySize"]); n > 0 {
		memory = n
	}
	if n := intOf(objectOf(p["EphemeralStorage"])["Size"]); n > 0 {
		ephemeral = n
	}
	if n := intOf(p["Timeout"]); n > 0 {
		timeout = time.Duration(n) * time.Second
	}
	environment, layers, logging, tracing := environmentOf(p), textsOf(p["Layers"]), loggingOf(p), "PassThrough"
	if mode := objectOf(p["TracingConfig"]).Text("Mode"); mode != "" {
		tracing = mode
	}
	ch := lambda.Change{
		Role: &role, Description: &description, Memory: &memory, Ephemeral: &ephemeral, Timeout: &timeout, Environment: &environment, Layers: &layers,
		Logging: &logging, Tracing: &tracing, Handler: &handler,
	}
	if runtime != "" {
		ch.Runtime = &runtime
	}
	_, err := s.Lambda.UpdateFunctionConfiguration(ctx, r.Caller, full, ch)
	return err
}

func (s Services) updateCode(ctx context.Context, r *request, full string) error {
	inline := objectOf(r.Properties["Code"]).Text("ZipFile") != "" && changed(r, "Runtime") // its file has another name
	if !inline && !changed(r, "Code", "Architectures") {
		return nil
	}
	code, err := codeOf(r.Properties)
	if err != nil {
		return err
	}
	arch, err := architecture(r.Properties)
	if err != nil {
		return err
	}
	if arch == "" {
		arch = "x86_64"
	}
	_, _, err = s.Lambda.UpdateFunctionCode(ctx, r.Caller, full, lambda.CodeChange{Code: code, Architecture: arch})
	return err
}

func (s Services) readFunction(ctx context.Context, r *request) (resource, error) {
	_, _, err := s.Lambda.GetFunctionConfiguration(ctx, r.Caller, s.functionARN(r, r.PhysicalID))
	return found(s.functionResource(r, r.PhysicalID), err)
}

func (s Services) deleteFunction(ctx context.Context, r *request) error {
	return deleted(s.Lambda.DeleteFunction(ctx, r.Caller, s.functionARN(r, r.PhysicalID)))
}
