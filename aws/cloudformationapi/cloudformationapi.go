// Package cloudformationapi is CloudFormation's API on the wire (Query protocol, version 2010-05-15): stacks, change sets,
// events, templates; and the URL to which the functions of custom resources answer. It authenticates, translates forms to
// cloudformation's plain arguments and answers to XML, and decides nothing.
//
// Start at Handler.ServeHTTP, and at operations, which lists what is served.
package cloudformationapi

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/cloudformation"
	"glassine/iam"
)

const version = "2010-05-15"

// maxBody bounds a request: a template of 51,200 bytes, each up to three bytes in a form, and 200 parameters.
const maxBody = 2 << 20

// Objects reads templates from S3 as the caller. version may be "". The caller closes the reader.
type Objects interface {
	GetObject(ctx context.Context, c iam.Caller, bucket, key, version string) (io.ReadCloser, error)
}

// Handler answers CloudFormation API requests. Its fields are set before the first request.
type Handler struct {
	IAM    *iam.Service
	Stacks *cloudformation.Service
	// Objects is where TemplateURL leads; nil refuses it.
	Objects Objects
	// Endpoints are host names, besides AWS's, at which S3 is reached with or without a bucket's name before them.
	Endpoints []string
	Now       func() time.Time // nil means time.Now
	Log       *slog.Logger     // nil means slog.Default
}

// call is one request, authenticated, its form read.
type call struct {
	*Handler
	ctx    context.Context
	caller iam.Caller
	region string
	form   *wire.Form
}

// ServeHTTP authenticates, finds the operation by Action and Version, and runs it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := wire.NewRequestID()
	w.Header().Set("X-Amzn-Requestid", id)
	action, result, err := h.serve(r)
	if err != nil {
		wire.WriteError(w, r, wire.CloudFormation, id, err, cmp.Or(h.Log, slog.Default()))
		return
	}
	wire.WriteQuery(w, wire.CloudFormation, action, id, result)
}

func (h *Handler) serve(r *http.Request) (action string, result any, err error) {
	now := time.Now()
	if h.Now != nil {
		now = h.Now()
	}
	caller, sig, form, err := wire.AuthenticateQuery(r, wire.KeysOf(h.IAM.Lookup), wire.ServiceCloudFormation, now, maxBody)
	if err != nil {
		return "", nil, err
	}
	action = form.Get("Action")
	op, ok := operations[action]
	if form.Get("Version") != version || !ok && !unserved[action] {
		return "", nil, wire.UnknownOperation(form)
	}
	if !ok {
		return "", nil, fault.New("NotImplemented", "glassine does not serve the CloudFormation operation %s.", action)
	}
	for _, name := range op.required {
		if form.Get(name) == "" {
			return "", nil, fault.New("ValidationError", "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null",
				strings.ToLower(name[:1])+name[1:])
		}
	}
	c := &call{Handler: h, ctx: r.Context(), caller: caller.WithContext(wire.Context(r, sig)), region: sig.Region, form: form}
	if result, err = op.run(c); err == nil {
		c.settle(action)
	}
	return action, result, err
}

// patience is how long an answer to what begins an operation waits for the operation's end. Most end sooner, and clients then
// find them done at their first look; aws-cli's waiters sleep 30 seconds before the second (seen 2026-11).
const patience = 3 * time.Second

// begun waits a little for the end of the operation on a stack.
func (c *call) begun(stackID string, err error) error {
	if err != nil || stackID == "" {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	_, _ = c.Stacks.Wait(ctx, stackID) // whatever it is by then, clients ask
	return nil
}

// get is a parameter's text.
func (c *call) get(name string) string { return c.form.Get(name) }

// operation is how one action is answered. A result of nil is an answer without content.
type operation struct {
	run      func(*call) (any, error)
	required []string // parameters
}

func op(run func(*call) (any, error), required ...string) operation { return operation{run, required} }

// operations are all actions that are served. It is never written to. CloudFormation API Reference, "Actions".
var operations = map[string]operation{
	"CreateStack":                 op(createStack, "StackName"),
	"UpdateStack":                 op(updateStack, "StackName"),
	"DeleteStack":                 op(deleteStack, "StackName"),
	"CancelUpdateStack":           op(cancelUpdateStack, "StackName"),
	"ContinueUpdateRollback":      op(continueUpdateRollback, "StackName"),
	"RollbackStack":               op(rollbackStack, "StackName"),
	"UpdateTerminationProtection": op(updateTerminationProtection, "StackName", "EnableTerminationProtection"),
	"SetStackPolicy":              op(setStackPolicy, "StackName"),
	"GetStackPolicy":              op(getStackPolicy, "StackName"),

	"DescribeStacks":         op(describeStacks),
	"ListStacks":             op(listStacks),
	"DescribeStackEvents":    op(describeStackEvents, "StackName"),
	"DescribeEvents":         op(describeEvents),
	"DescribeStackResource":  op(describeStackResource, "StackName", "LogicalResourceId"),
	"DescribeStackResources": op(describeStackResources),
	"ListStackResources":     op(listStackResources, "StackName"),
	"ListExports":            op(listExports),
	"ListImports":            op(listImports, "ExportName"),

	"GetTemplate":        op(getTemplate),
	"GetTemplateSummary": op(getTemplateSummary),
	"ValidateTemplate":   op(validateTemplate),

	"CreateChangeSet":   op(createChangeSet, "StackName", "ChangeSetName"),
	"DescribeChangeSet": op(describeChangeSet, "ChangeSetName"),
	"ExecuteChangeSet":  op(executeChangeSet, "ChangeSetName"),
	"DeleteChangeSet":   op(deleteChangeSet, "ChangeSetName"),
	"ListChangeSets":    op(listChangeSets, "StackName"),
}

// unserved are the actions that AWS has and that are refused by name: drift, signals, stack sets, the registry, hooks, generated
// templates, refactoring. It is never written to.
var unserved = setOf(
	"DetectStackDrift", "DetectStackResourceDrift", "DetectStackSetDrift", "DescribeStackDriftDetectionStatus", "DescribeStackResourceDrifts", "SignalResource",
	"EstimateTemplateCost", "DescribeAccountLimits", "DescribeChangeSetHooks",
	"CreateStackSet", "UpdateStackSet", "DeleteStackSet", "DescribeStackSet", "DescribeStackSetOperation", "ListStackSets", "ListStackSetOperations",
	"ListStackSetOperationResults", "ListStackSetAutoDeploymentTargets", "StopStackSetOperation", "ImportStacksToStackSet", "CreateStackInstances",
	"UpdateStackInstances", "DeleteStackInstances", "DescribeStackInstance", "ListStackInstances", "ListStackInstanceResourceDrifts",
	"ActivateOrganizationsAccess", "DeactivateOrganizationsAccess", "DescribeOrganizationsAccess",
	"ActivateType", "DeactivateType", "BatchDescribeTypeConfigurations", "SetTypeConfiguration", "SetTypeDefaultVersion", "RegisterType", "DeregisterType",
	"DescribeType", "DescribeTypeRegistration", "ListTypes", "ListTypeVersions", "ListTypeRegistrations", "TestType", "PublishType", "RegisterPublisher",
	"DescribePublisher", "RecordHandlerProgress", "ListHookResults", "GetHookResult",
	"CreateGeneratedTemplate", "UpdateGeneratedTemplate", "DeleteGeneratedTemplate", "DescribeGeneratedTemplate", "GetGeneratedTemplate", "ListGeneratedTemplates",
	"StartResourceScan", "DescribeResourceScan", "ListResourceScans", "ListResourceScanResources", "ListResourceScanRelatedResources",
	"CreateStackRefactor", "DescribeStackRefactor", "ExecuteStackRefactor", "ListStackRefactors", "ListStackRefactorActions",
)

func setOf(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}
