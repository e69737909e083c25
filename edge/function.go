package edge

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/edge/script"
	"glassine/iam"
)

// The stages of a CloudFront function. CloudFront API Reference, "FunctionMetadata".
const (
	StageDevelopment = "DEVELOPMENT"
	StageLive        = "LIVE"
)

// Function is one stage of a CloudFront function. Code is shared: nobody changes it.
// CloudFront API Reference, "FunctionSummary".
type Function struct {
	Name    string // 1 to 64 of a-z, A-Z, 0-9, - and _
	ARN     string // arn:aws:cloudfront::<account>:function/<Name>
	Stage   string // StageDevelopment or StageLive
	Status  string // UNPUBLISHED, UNASSOCIATED or DEPLOYED
	ETag    string // names this version; If-Match of the next change
	Created time.Time
	// LastModified is, of the live stage, when it was published.
	LastModified time.Time
	Comment      string // at most 128 characters
	Runtime      string // script.Runtime10 or script.Runtime20
	Code         []byte // at most script.MaxCode bytes
}

// FunctionConfig is what a function is made of. CloudFront API Reference, "FunctionConfig".
type FunctionConfig struct {
	Comment, Runtime string
	KeyValueStores   []string // ARNs; refused with NotImplemented when there are any
}

// functionRecord is a function with both its stages.
type functionRecord struct {
	Name        string
	Development functionStage
	Live        *functionStage // nil: never published
	Created     time.Time
}

type functionStage struct {
	ETag         string
	LastModified time.Time
	Comment      string
	Runtime      string
	Code         []byte
}

var functionName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// stage returns a stage of r, the development one for "". e.control need not be held.
func (e *Edge) stage(r functionRecord, stage string) (Function, error) {
	s := &r.Development
	switch stage {
	case "", StageDevelopment:
		stage = StageDevelopment
	case StageLive:
		s = r.Live
	default:
		return Function{}, invalid("Stage %q is neither DEVELOPMENT nor LIVE.", stage)
	}
	if s == nil {
		return Function{}, noFunction()
	}
	return Function{
		Name: r.Name, ARN: e.arn("function/" + r.Name), Stage: stage, ETag: s.ETag, Created: r.Created, LastModified: s.LastModified,
		Comment: s.Comment, Runtime: s.Runtime, Code: s.Code,
	}, nil
}

func noFunction() *fault.Error {
	return fault.New("NoSuchFunctionExists", "The function does not exist.").WithStatus(404)
}

// status says whether the function is published and used. e.control is held.
func (e *Edge) status(r functionRecord) string {
	switch arn := e.arn("function/" + r.Name); {
	case r.Live == nil:
		return "UNPUBLISHED"
	case e.functionInUse(arn):
		return "DEPLOYED"
	}
	return "UNASSOCIATED"
}

func (e *Edge) functionInUse(arn string) bool {
	return e.anyBehavior(func(b *CacheBehavior) bool {
		return slices.ContainsFunc(b.Functions, func(f FunctionAssociation) bool { return f.FunctionARN == arn })
	})
}

// CreateFunction makes a function in its development stage.
func (e *Edge) CreateFunction(ctx context.Context, c iam.Caller, name string, cfg FunctionConfig, code []byte, tags []Tag) (Function, error) {
	if err := e.ask(ctx, c, "CreateFunction", "function/"+name); err != nil {
		return Function{}, err
	}
	if !functionName.MatchString(name) {
		return Function{}, invalid("%q is no name for a function: 1 to 64 letters, digits, hyphens and underscores.", name)
	}
	if err := checkFunctionConfig(cfg, code); err != nil {
		return Function{}, err
	}
	tags, err := checkTags(tags)
	if err != nil {
		return Function{}, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	now := e.cfg.Now().UTC()
	r := functionRecord{Name: name, Created: now, Development: functionStage{newID("E", upperDigits), now, cfg.Comment, cfg.Runtime, code}}
	r, err = e.functions.Update(ctx, name, func(_ functionRecord, exists bool) (functionRecord, error) {
		if exists {
			return r, fault.New("FunctionAlreadyExists", "A function with the same name already exists in this Amazon Web Services account. To create a function, you must provide a unique name. "+
				"To update an existing function, use UpdateFunction.").WithStatus(409)
		}
		return r, nil
	})
	if err != nil {
		return Function{}, err
	}
	if len(tags) > 0 {
		if _, err := e.tags.Update(ctx, e.arn("function/"+name), func([]Tag, bool) ([]Tag, error) { return tags, nil }); err != nil {
			return Function{}, err
		}
	}
	return e.shown(r, StageDevelopment)
}

// shown is a stage with its status. e.control is held.
func (e *Edge) shown(r functionRecord, stage string) (Function, error) {
	f, err := e.stage(r, stage)
	f.Status = e.status(r)
	return f, err
}

func checkFunctionConfig(cfg FunctionConfig, code []byte) error {
	switch {
	case len(cfg.Comment) > 128:
		return invalid("The comment of a function has at most 128 characters.")
	case cfg.Runtime != script.Runtime10 && cfg.Runtime != script.Runtime20:
		return invalid("Runtime %q is neither %s nor %s.", cfg.Runtime, script.Runtime10, script.Runtime20)
	case len(cfg.KeyValueStores) > 0:
		return notImplemented("A function with a key value store")
	case len(code) == 0:
		return invalid("The function has no code.")
	case len(code) > script.MaxCode:
		return fault.New("FunctionSizeLimitExceeded", "The function is too large: %d bytes of code, at most %d are allowed.", len(code), script.MaxCode).WithStatus(413)
	}
	return nil
}

// GetFunction returns a stage of a function with its code, DescribeFunction the same for a caller who may only see what it
// is. The stage "" is the development one; a function that was never published has no live one: NoSuchFunctionExists.
func (e *Edge) GetFunction(ctx context.Context, c iam.Caller, name, stage string) (Function, error) {
	return e.getFunction(ctx, c, "GetFunction", name, stage)
}

// DescribeFunction is GetFunction for another right.
func (e *Edge) DescribeFunction(ctx context.Context, c iam.Caller, name, stage string) (Function, error) {
	return e.getFunction(ctx, c, "DescribeFunction", name, stage)
}

func (e *Edge) getFunction(ctx context.Context, c iam.Caller, action, name, stage string) (Function, error) {
	if err := e.ask(ctx, c, action, "function/"+name); err != nil {
		return Function{}, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	r, ok := e.functions.Get(name)
	if !ok {
		return Function{}, noFunction()
	}
	return e.shown(r, stage)
}

// ListFunctions returns the functions in the order of their names: a stage's, or with "" both stages of each.
func (e *Edge) ListFunctions(ctx context.Context, c iam.Caller, stage string) ([]Function, error) {
	if err := e.ask(ctx, c, "ListFunctions", "*"); err != nil {
		return nil, err
	}
	stages := []string{stage}
	if stage == "" {
		stages = []string{StageDevelopment, StageLive}
	}
	e.control.Lock()
	defer e.control.Unlock()
	var all []Function
	for _, r := range e.functions.All() {
		for _, s := range stages {
			switch f, err := e.shown(r, s); {
			case err == nil:
				all = append(all, f)
			case !fault.Is(err, "NoSuchFunctionExists"):
				return nil, err
			}
		}
	}
	return all, nil
}

// UpdateFunction replaces what the development stage is made of; ifMatch is its ETag.
func (e *Edge) UpdateFunction(ctx context.Context, c iam.Caller, name, ifMatch string, cfg FunctionConfig, code []byte) (Function, error) {
	return e.changeFunction(ctx, c, "UpdateFunction", name, ifMatch, StageDevelopment, func(r *functionRecord) error {
		if err := checkFunctionConfig(cfg, code); err != nil {
			return err
		}
		r.Development = functionStage{newID("E", upperDigits), e.cfg.Now().UTC(), cfg.Comment, cfg.Runtime, code}
		return nil
	})
}

// PublishFunction makes the live stage what the development stage is; ifMatch is the latter's ETag. Code that does not
// compile is InvalidArgument.
func (e *Edge) PublishFunction(ctx context.Context, c iam.Caller, name, ifMatch string) (Function, error) {
	return e.changeFunction(ctx, c, "PublishFunction", name, ifMatch, StageLive, func(r *functionRecord) error {
		compiled, err := script.New(script.Config{Runtime: r.Development.Runtime, Code: r.Development.Code, Budget: publishBudget})
		if err != nil {
			if bad, ok := errors.AsType[*script.Error](err); ok {
				return invalid("%s", bad.Error())
			}
			return err
		}
		compiled.Close()
		live := r.Development
		live.LastModified, live.ETag = e.cfg.Now().UTC(), newID("E", upperDigits)
		r.Live = &live
		return nil
	})
}

func (e *Edge) changeFunction(ctx context.Context, c iam.Caller, action, name, ifMatch, show string, change func(*functionRecord) error) (Function, error) {
	if err := e.ask(ctx, c, action, "function/"+name); err != nil {
		return Function{}, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	r, err := e.functions.Update(ctx, name, func(r functionRecord, exists bool) (functionRecord, error) {
		if !exists {
			return r, noFunction()
		}
		if err := match(ifMatch, r.Development.ETag); err != nil {
			return r, err
		}
		return r, change(&r)
	})
	if err != nil {
		return Function{}, err
	}
	f, err := e.shown(r, show)
	if err != nil {
		return f, err
	}
	return f, e.publish()
}

// DeleteFunction removes a function that no behavior uses; ifMatch is the ETag of its development stage.
func (e *Edge) DeleteFunction(ctx context.Context, c iam.Caller, name, ifMatch string) error {
	if err := e.ask(ctx, c, "DeleteFunction", "function/"+name); err != nil {
		return err
	}
	e.control.Lock()
	defer e.control.Unlock()
	arn := e.arn("function/" + name)
	err := e.functions.Delete(ctx, name, func(r functionRecord, exists bool) error {
		if !exists {
			return noFunction()
		}
		if err := match(ifMatch, r.Development.ETag); err != nil {
			return err
		}
		if e.functionInUse(arn) {
			return fault.New("FunctionInUse", "Cannot delete the function because it's attached to one or more cache behaviors.").WithStatus(409)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return e.tags.Delete(ctx, arn, nil)
}

// liveFunction returns the live stage of the function that an association names, or false. e.control need not be held.
func (e *Edge) liveFunction(arn string) (Function, bool) {
	name, ok := strings.CutPrefix(arn, e.arn("function/"))
	if !ok {
		return Function{}, false
	}
	r, ok := e.functions.Get(name)
	if !ok {
		return Function{}, false
	}
	f, err := e.stage(r, StageLive)
	return f, err == nil
}

// checkFunctionAssociations validates the CloudFront functions of a behavior: live ones, viewer events, one for each event,
// and no Lambda@Edge function beside them at the viewer's events.
// CloudFront Developer Guide, "Restrictions on CloudFront Functions"; "Restrictions on edge functions", "Function associations".
func (e *Edge) checkFunctionAssociations(b *CacheBehavior) error {
	bad := func(format string, args ...any) error {
		return fault.New("InvalidFunctionAssociation", format, args...)
	}
	seen := map[string]bool{}
	for _, f := range b.Functions {
		switch _, live := e.liveFunction(f.FunctionARN); {
		case !live:
			return bad("The function %s does not exist, or was not published to the LIVE stage.", f.FunctionARN)
		case f.EventType != "viewer-request" && f.EventType != "viewer-response":
			return bad("CloudFront Functions run at viewer-request and viewer-response, not at %q.", f.EventType)
		case seen[f.EventType]:
			return bad("There are two functions for %s.", f.EventType)
		}
		seen[f.EventType] = true
	}
	if len(b.Functions) > 0 && slices.ContainsFunc(b.LambdaFunctions, func(f LambdaFunctionAssociation) bool { return strings.HasPrefix(f.EventType, "viewer-") }) {
		return bad("A cache behavior has CloudFront Functions or Lambda@Edge functions at its viewer events, not both.")
	}
	return nil
}
