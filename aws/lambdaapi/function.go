package lambdaapi

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/lambda"
)

// named is the input of operations on a function, and on a version or alias of it.
type named struct {
	FunctionName string `path:"FunctionName" json:"-"`
	Qualifier    string `query:"Qualifier" json:"-"`
}

// arn is the full ARN that n means.
func (n named) arn(c *call) (string, error) { return c.function(n.FunctionName, n.Qualifier) }

// source is where code is.
type source struct {
	ZipFile                                    []byte
	S3Bucket, S3Key, S3ObjectVersion, ImageUri string
	S3ObjectStorageMode, SourceKMSKeyArn       string
}

func (s source) code() lambda.Code {
	return lambda.Code{URI: s.ImageUri, Zip: s.ZipFile, Bucket: s.S3Bucket, Key: s.S3Key, ObjectVersion: s.S3ObjectVersion}
}

type createInput struct {
	settings
	FunctionName  string
	Code          source
	PackageType   string
	Architectures []string
	Tags          map[string]string
	Publish       bool
}

func createFunction(c *call, in *createInput) (configuration, error) {
	arch, err := architecture(in.Architectures)
	if err != nil {
		return configuration{}, err
	}
	ch, err := in.change()
	if err != nil {
		return configuration{}, err
	}
	if in.PackageType != "" && (in.PackageType == "Image") != (in.Code.ImageUri != "") {
		return configuration{}, fault.New("InvalidParameterValueException", "PackageType %s does not go with this code: an archive is Zip, and an ImageUri is Image.", in.PackageType)
	}
	full, err := c.function(in.FunctionName, "")
	if err != nil {
		return configuration{}, err
	}
	parts := strings.Split(full, ":")
	if len(parts) != 7 {
		return configuration{}, fault.New("InvalidParameterValueException", "%q is not the name of a function that can be created.", in.FunctionName)
	}
	f, err := c.lambda.CreateFunction(c.ctx, c.caller, lambda.NewFunction{
		Name: parts[6], Region: parts[3], Role: value(ch.Role), Description: value(ch.Description), Runtime: value(ch.Runtime), Handler: value(ch.Handler),
		Code: in.Code.code(), Memory: value(ch.Memory), Ephemeral: value(ch.Ephemeral), Timeout: value(ch.Timeout), Architecture: arch,
		Environment: value(ch.Environment), Layers: value(ch.Layers), Logging: value(ch.Logging), Tracing: value(ch.Tracing), Tags: in.Tags, Publish: in.Publish,
	})
	if err != nil {
		return configuration{}, err
	}
	if in.Publish {
		return configured(f, f.Versions[0], f.ARN), nil
	}
	return configured(f, f.Latest, f.ARN), nil
}

type functionOutput struct {
	Configuration configuration
	Code          struct {
		RepositoryType   string
		Location         string `json:",omitempty"`
		ImageUri         string `json:",omitempty"`
		ResolvedImageUri string `json:",omitempty"`
	}
	Tags        map[string]string `json:",omitempty"`
	Concurrency *concurrency      `json:",omitempty"`
}

func getFunction(c *call, in *named) (out functionOutput, err error) {
	full, err := in.arn(c)
	if err != nil {
		return out, err
	}
	f, v, err := c.lambda.GetFunction(c.ctx, c.caller, full)
	if err != nil {
		return out, err
	}
	out.Configuration = configured(f, v, full)
	out.Tags = f.Tags
	if f.Reserved != nil {
		out.Concurrency = &concurrency{f.Reserved}
	}
	if _, _, ok := v.Zip(); ok {
		out.Code.RepositoryType = "S3"
		query := url.Values{}
		if qualifier, ok := strings.CutPrefix(full, f.ARN+":"); ok {
			query.Set("Qualifier", qualifier)
		}
		out.Code.Location, err = c.location("lambda:GetFunction", []string{full, f.ARN}, functions+"/"+f.Name+"/code", query)
		return out, err
	}
	out.Code.RepositoryType, out.Code.ImageUri, out.Code.ResolvedImageUri = "ECR", v.Code, v.Code
	return out, nil
}

// locationLife is how long a link to code works. (Lambda API Reference, FunctionCodeLocation: 10 minutes.)
const locationLife = 10 * time.Minute

// location is a presigned URL of this API with which whoever has it downloads what the caller may: nothing but the action
// on the resources.
func (c *call) location(action string, resources []string, path string, query url.Values) (string, error) {
	creds, err := c.h.IAM.Forward(c.ctx, c.caller, lambda.ServicePrincipal, iam.Bound{Actions: []string{action}, Resources: resources}, locationLife)
	if err != nil {
		return "", err
	}
	u := *c.base
	u.Path = path
	query.Set("X-Amz-Content-Sha256", sigv4.UnsignedPayload)
	u.RawQuery = query.Encode()
	return sigv4.Presign(http.MethodGet, &u, sigv4.Credentials{AccessKeyID: creds.AccessKeyID, SecretAccessKey: creds.SecretAccessKey, SessionToken: creds.SessionToken},
		c.region, wire.ServiceLambda, c.h.Now(), locationLife).String(), nil
}

// getCode sends the archive.
func getCode(c *call, in wire.Input, w http.ResponseWriter) error {
	full, err := c.function(in.Params["FunctionName"], in.Query.Get("Qualifier"))
	if err != nil {
		return err
	}
	body, size, err := c.lambda.OpenCode(c.ctx, c.caller, full)
	if err != nil {
		return err
	}
	return send(w, body, size)
}

func send(w http.ResponseWriter, body io.ReadCloser, size int64) error {
	defer body.Close()
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	w.WriteHeader(http.StatusOK)
	_, _ = io.Copy(w, body) // the length tells a client that it broke off
	return nil
}

func getFunctionConfiguration(c *call, in *named) (configuration, error) {
	full, err := in.arn(c)
	if err != nil {
		return configuration{}, err
	}
	f, v, err := c.lambda.GetFunctionConfiguration(c.ctx, c.caller, full)
	return configured(f, v, full), err
}

type listInput struct {
	paging
	FunctionVersion string `query:"FunctionVersion" json:"-"`
}

type listOutput struct {
	NextMarker string `json:",omitempty"`
	Functions  []configuration
}

func listFunctions(c *call, in *listInput) (out listOutput, err error) {
	all, err := c.lambda.ListFunctions(c.ctx, c.caller, c.region)
	if err != nil {
		return out, err
	}
	var list []configuration
	for _, f := range all {
		if in.FunctionVersion == "" {
			list = append(list, configured(f, f.Latest, f.ARN))
			continue
		}
		for _, v := range append([]lambda.Version{f.Latest}, f.Versions...) {
			list = append(list, configured(f, v, f.ARN+":"+v.Number))
		}
	}
	out.Functions, out.NextMarker, err = page(list, in.paging, 50, func(c configuration) string { return c.FunctionArn })
	if out.Functions == nil {
		out.Functions = []configuration{}
	}
	return out, err
}

type codeInput struct {
	named
	source
	Publish, DryRun bool
	RevisionId      string
	Architectures   []string
}

func updateFunctionCode(c *call, in *codeInput) (configuration, error) {
	full, err := in.arn(c)
	if err != nil {
		return configuration{}, err
	}
	arch, err := architecture(in.Architectures)
	if err != nil {
		return configuration{}, err
	}
	f, v, err := c.lambda.UpdateFunctionCode(c.ctx, c.caller, full, lambda.CodeChange{
		Code: in.code(), Architecture: arch, RevisionID: in.RevisionId, Publish: in.Publish, DryRun: in.DryRun,
	})
	return configured(f, v, full), err
}

type configurationInput struct {
	named
	settings
	RevisionId string
}

func updateFunctionConfiguration(c *call, in *configurationInput) (configuration, error) {
	full, err := in.arn(c)
	if err != nil {
		return configuration{}, err
	}
	ch, err := in.change()
	if err != nil {
		return configuration{}, err
	}
	ch.RevisionID = in.RevisionId
	f, err := c.lambda.UpdateFunctionConfiguration(c.ctx, c.caller, full, ch)
	return configured(f, f.Latest, full), err
}

func deleteFunction(c *call, in *named) error {
	full, err := in.arn(c)
	if err != nil {
		return err
	}
	return c.lambda.DeleteFunction(c.ctx, c.caller, full)
}

// getCodeSigning says that there is none: CloudFormation asks for it.
func getCodeSigning(c *call, in *named) (struct{ FunctionName string }, error) {
	full, err := in.arn(c)
	if err != nil {
		return struct{ FunctionName string }{}, err
	}
	f, _, err := c.lambda.GetFunctionConfiguration(c.ctx, c.caller, full)
	return struct{ FunctionName string }{f.Name}, err
}
