// Package provider holds the resource types of CloudFormation templates: what a template may say of each, and how the resource
// is made, changed and removed through the domain services, as the caller of the stack operation. It is no engine: package
// cloudformation plans, orders, retries and goes back.
//
// Start at Types. Names of properties, what they are and which of them replace a resource are those of AWS's registry of
// resource types (CloudFormation Template Reference, "AWS resource and property types reference"); properties that no service
// here could honour are left out, so that a template that has them fails when it is planned.
package provider

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/cloudformation"
	"glassine/edge"
	"glassine/iam"
	"glassine/lambda"
	"glassine/logs"
	"glassine/objectlambda"
	"glassine/s3"
	"glassine/ssm"
)

// Services are what the resources live in.
type Services struct {
	IAM          *iam.Service
	S3           *s3.Service
	Lambda       *lambda.Service
	Logs         *logs.Service
	SSM          *ssm.Service
	ObjectLambda *objectlambda.Service
	Edge         *edge.Edge
	// API runs AWS operations by name, for Custom::AWS; nil refuses them.
	API API
}

// API runs an operation of AWS by the names that its SDKs give to service and operation, in any case, such as SSM and
// getParameter, with the input's members as SDKs take them, and returns those of the output. Errors carry AWS's codes.
type API interface {
	Run(ctx context.Context, key iam.Credentials, region, service, operation string, input map[string]any) (map[string]any, error)
}

// Types returns every resource type but those that the engine has by itself.
func Types(s Services) []*cloudformation.Type {
	var all []*cloudformation.Type
	for _, group := range [][]*cloudformation.Type{s.storage(), s.objectLambda(), s.identities(), s.functions(), s.records(), s.edges(), s.natives(), s.bootstraps()} {
		all = append(all, group...)
	}
	return all
}

// The values of a template.
type (
	request  = cloudformation.Request
	resource = cloudformation.Resource
	values   = cloudformation.Values
)

// handler is cloudformation.Handler made of functions. update is nil for a type of which every change is a replacement.
type handler struct {
	create, update, read func(context.Context, *request) (resource, error)
	delete               func(context.Context, *request) error
}

// Create implements cloudformation.Handler.
func (h handler) Create(ctx context.Context, r *request) (resource, error) { return h.create(ctx, r) }

// Update implements cloudformation.Handler.
func (h handler) Update(ctx context.Context, r *request) (resource, error) {
	if h.update == nil {
		return h.read(ctx, r) // nothing that is not a replacement can differ but the stack's tags
	}
	return h.update(ctx, r)
}

// Delete implements cloudformation.Handler.
func (h handler) Delete(ctx context.Context, r *request) error { return h.delete(ctx, r) }

// Read implements cloudformation.Handler.
func (h handler) Read(ctx context.Context, r *request) (resource, error) { return h.read(ctx, r) }

// absent are the codes by which services say that something is not there.
var absent = []string{
	"NoSuchBucket", "NoSuchAccessPoint", "NoSuchAccessPointPolicy", "NoSuchBucketPolicy", "NoSuchEntity", "ResourceNotFoundException", "ParameterNotFound",
	"NoSuchDistribution", "NoSuchCachePolicy", "NoSuchOriginRequestPolicy", "NoSuchResponseHeadersPolicy", "NoSuchOriginAccessControl", "NoSuchPublicKey",
	"NoSuchResource", "NoSuchFunctionExists", "InvalidResourceId", "NoSuchKeyGroup",
}

// gone reports whether err says that the resource is not there.
func gone(err error) bool { return slices.Contains(absent, fault.Code(err)) }

// deleted is the outcome of a deletion: what is gone already is no error.
func deleted(err error) error {
	if gone(err) {
		return nil
	}
	return err
}

// found puts ErrNotFound in the place of a service's own word for it.
func found(res resource, err error) (resource, error) {
	if gone(err) {
		return resource{}, cloudformation.ErrNotFound
	}
	return res, err
}

// retake reports whether a creation that a service refused as existing made its resource in an earlier attempt: which was
// made since that attempt began. Services' times have whole seconds at the least.
func retake(r *request, err error, codes []string, made func() (time.Time, error)) bool {
	if !r.Retry || !slices.Contains(codes, fault.Code(err)) {
		return false
	}
	at, err := made()
	return err == nil && !at.Before(r.Begun.Truncate(time.Second))
}

// each runs steps until one fails.
func each(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// named is the name that the template gives under property, or one made of the stack's and the logical name, of at most most
// characters.
func named(r *request, property string, most int) string {
	if name := r.Properties.Text(property); name != "" {
		return name
	}
	return r.Name(most)
}

// lowerNamed is named for resources whose names have no capitals.
func lowerNamed(r *request, property string, most int) string {
	if name := r.Properties.Text(property); name != "" {
		return name
	}
	return strings.ToLower(r.Name(most))
}

// joined keeps the first error that is not nil among those of a deletion's steps, having tried them all.
func joined(errs ...error) error {
	var out []error
	for _, err := range errs {
		out = append(out, deleted(err))
	}
	for _, err := range out {
		if err != nil {
			return err
		}
	}
	return errors.Join(out...)
}

func exists(kind, id string) error {
	return fault.New("AlreadyExists", "Resource of type '%s' with identifier '%s' already exists.", kind, id)
}
