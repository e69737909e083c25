package cloudformation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
)

// Type is a resource type: what a template may say of a resource, and what makes it. It is never written to after it
// was given to New.
type Type struct {
	// Name is AWS's, such as AWS::S3::Bucket.
	Name string
	// Properties are what the template may set. A name that is not here is refused when a change is planned.
	Properties map[string]*Property
	// Attributes are the names that Fn::GetAtt knows, dotted ones too, such as Endpoint.Address. The name "*" stands for
	// any, as custom resources have it.
	Attributes []string
	// Capability says that a stack with such a resource needs CAPABILITY_IAM, and CAPABILITY_NAMED_IAM if NameProperty is set.
	Capability bool
	// NameProperty is the property with which a template names the resource itself, such as RoleName, or "".
	NameProperty string
	// Taggable says that the tags of the stack belong on the resource too: when they change, Update is called although no
	// property changed.
	Taggable bool
	// AnyProperty lets every property be set, of any kind, besides those listed: custom resources.
	AnyProperty bool
	// Timeout bounds one operation, which fails when it takes longer. Zero
	// means DefaultTimeout.
	Timeout time.Duration
	// Handler does the work.
	Handler Handler
	// Removes returns what Handler.Delete removes beside the resource itself, as far as the request says it: a stack that owns it
	// is named in a warning. Nil is nothing.
	Removes func(r *Request) []Owned
}

// Owned names something as a stack that owns it does.
type Owned struct {
	Type, PhysicalID string
	Region           string // of the stack; "" is any
}

// DefaultTimeout bounds one operation of a resource. CloudFormation User Guide, "Custom resources": one hour.
const DefaultTimeout = time.Hour

// Handler makes, changes and removes the resources of a type. The methods are called on many goroutines at once, but for one
// resource never two at a time. Each acts as Request.Caller through the domain services, which ask IAM by themselves. A
// method returns when what it did is there for everyone: where something takes time it waits, until ctx ends.
//
// An error that carries an AWS code (a *fault.Error) is shown with its message; of any other only that it happened is.
type Handler interface {
	// Create makes the resource. When Request.Retry is set, an earlier call with the same Token may have made it, or part of
	// it, and the answer was lost: what was made at or after Request.Begun is then taken over, not made twice and not
	// refused as existing. What exists already and was not made so is an error.
	// If Create fails after it called Request.Note, or returned a Resource with a PhysicalID, Delete is called for that id.
	Create(ctx context.Context, r *Request) (Resource, error)
	// Update changes the resource from Previous to Properties. Only properties whose Replace is false differ. Another
	// PhysicalID than the Request's is a replacement: the old one is deleted later. Update must be able to be called again
	// with the same values, and back again with the two exchanged.
	Update(ctx context.Context, r *Request) (Resource, error)
	// Delete removes the resource. What is gone already is no error.
	Delete(ctx context.Context, r *Request) error
	// Read returns the resource as it is, ErrNotFound when it is gone.
	Read(ctx context.Context, r *Request) (Resource, error)
}

// ErrNotFound is what Read returns for a resource that is gone.
var ErrNotFound = errors.New("resource not found")

// Request is one operation on one resource. The maps are shared: they are never written to.
type Request struct {
	// Caller is who acts: the caller of the stack operation by way of cloudformation.amazonaws.com, or the stack's role.
	Caller iam.Caller
	// Account and Region are where the stack is.
	Account, Region    string
	StackID, StackName string
	LogicalID          string
	Type               string // as the template spells it: for custom resources it is not the Type's Name
	// Token is the same in every attempt at this one operation, and another for each other one: a UUID.
	Token string
	// Retry says that this operation was begun before, at Begun, and its outcome is not known.
	Retry bool
	Begun time.Time
	// Properties are the values that the resource shall have, by the kinds of Type.Properties: see Kind. For Delete they are
	// the ones that it has.
	Properties Values
	// Previous are the properties before an Update, and nil otherwise.
	Previous Values
	// PhysicalID and Attributes are of the resource that is there: for Update, Delete and Read. With Retry, Create has in
	// PhysicalID what was noted before.
	PhysicalID string
	Attributes Values
	// Tags are those of the stack, PreviousTags those it had before an Update.
	Tags, PreviousTags []Tag

	note func(ctx context.Context, physicalID string) error
}

// Resource is what an operation made.
type Resource struct {
	// PhysicalID names the resource, and is what Ref returns.
	PhysicalID string
	// Attributes are what Fn::GetAtt returns, by name.
	Attributes Values
	// Properties are what Read found, as a template would say it; nil where nothing is read back.
	Properties Values
	// NoEcho says that the attributes are secret: they are not shown anywhere.
	NoEcho bool
}

// Tag is a tag of a stack.
type Tag struct{ Key, Value string }

// Note makes known that physicalID exists, or is about to, before the operation ends. When it returned nil the id is on disk: if
// the process is killed, the operation is tried again with it, and if the operation fails, it is deleted.
func (r *Request) Note(ctx context.Context, physicalID string) error {
	if r.note == nil {
		return nil
	}
	return r.note(ctx, physicalID)
}

// nameAlphabet is of the ends of generated names.
const nameAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// Name returns a name for a resource that the template does not name: <stack>-<logical id>-<12 letters and digits>, of at most
// most characters. It is the same for every attempt at an operation. Types whose names have no capitals put it in lower case.
// CloudFormation User Guide, "Name type"; policies rest on the form.
func (r *Request) Name(most int) string {
	const random = 12
	sum := sha256.Sum256([]byte(r.StackID + "\x00" + r.LogicalID + "\x00" + r.Token))
	end := make([]byte, random)
	for i := range end {
		end[i] = nameAlphabet[int(sum[i])%len(nameAlphabet)]
	}
	stack, logical := r.StackName, r.LogicalID
	// What is too long is cut at the end of its longer half, so that both can still be recognised.
	room := max(most-random-2, 2)
	if len(stack)+len(logical) > room {
		half := room / 2
		switch {
		case len(stack) <= half:
			logical = logical[:room-len(stack)]
		case len(logical) <= room-half:
			stack = stack[:room-len(logical)]
		default:
			stack, logical = stack[:half], logical[:room-half]
		}
	}
	return strings.TrimRight(stack, "-") + "-" + logical + "-" + string(end)
}

// Types are the resource types that a Service knows, by name.
type Types struct {
	byName map[string]*Type
	custom *Type // for Custom:: names that have no type of their own
}

// NewTypes collects types. One that is named CustomResource stands for every Custom:: name that has none of its own. It
// panics when two have the same name: a broken program.
func NewTypes(list ...*Type) *Types {
	t := &Types{byName: map[string]*Type{}}
	for _, x := range list {
		if t.byName[x.Name] != nil {
			panic(fmt.Sprintf("cloudformation: type %s is there twice", x.Name))
		}
		t.byName[x.Name] = x
		if x.Name == CustomResource {
			t.custom = x
		}
	}
	return t
}

// CustomResource is the type of resources whose work a function does; Custom::Anything means the same.
const CustomResource = "AWS::CloudFormation::CustomResource"

// Find returns the type of a name, or nil.
func (t *Types) Find(name string) *Type {
	if x := t.byName[name]; x != nil {
		return x
	}
	if strings.HasPrefix(name, "Custom::") {
		return t.custom
	}
	return nil
}

// with returns the types and one more.
func (t *Types) with(x *Type) *Types {
	return NewTypes(append(slices.Collect(maps.Values(t.byName)), x)...)
}

func unknownType(name string) error {
	return fault.New("ValidationError", "Template format error: Unrecognized resource types: [%s]", name)
}

// instead says what to do about a type that is not here.
func (t *Types) instead(name string) string {
	switch {
	case name == "AWS::CloudFormation::Stack":
		return ": glassine has no nested stacks; deploy each as a stack of its own, and use exports"
	case name == "AWS::CloudFormation::Macro":
		return ": glassine has no macros; expand the template first"
	case strings.HasPrefix(name, "AWS::CloudFormation::WaitCondition"):
		return ": nothing in glassine waits for signals"
	case strings.HasPrefix(name, "AWS::CloudFormation::StackSet"):
		return ": glassine has no stack sets"
	case strings.HasPrefix(name, "AWS::Serverless::"):
		return ": glassine does not expand AWS::Serverless; expand the template first (sam)"
	}
	return didYouMean(name, t.Names())
}

// Names returns the names of all types, sorted.
func (t *Types) Names() []string { return slices.Sorted(maps.Keys(t.byName)) }

// attribute reports whether Fn::GetAtt may ask for the name.
func (t *Type) attribute(name string) bool {
	return slices.Contains(t.Attributes, "*") || slices.Contains(t.Attributes, name)
}
