package provider

import (
	"context"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/cloudformation"
	"glassine/lambda"
)

// functionParts are what belongs to functions: versions, aliases, permissions, layers and what becomes of events.
func (s Services) functionParts() []*cloudformation.Type {
	destination := object(fields{"Destination": required(text())})
	return []*cloudformation.Type{
		{
			Name:       "AWS::Lambda::Version",
			Properties: fields{"FunctionName": fixed(required(text())), "CodeSha256": fixed(text()), "Description": fixed(text())},
			Attributes: []string{"FunctionArn", "Version"},
			Handler:    handler{create: s.createVersion, read: s.readVersion, delete: s.deleteQualified},
		},
		{
			Name: "AWS::Lambda::Alias",
			Properties: fields{
				"FunctionName": fixed(required(text())), "Name": fixed(required(text())), "FunctionVersion": required(text()), "Description": text(),
				"RoutingConfig": object(fields{"AdditionalVersionWeights": list(object(fields{
					"FunctionVersion": required(text()), "FunctionWeight": required(number()),
				}))}),
			},
			Attributes: []string{"AliasArn"},
			Handler:    handler{create: s.createAlias, update: s.updateAlias, read: s.readAlias, delete: s.deleteAlias},
		},
		{
			Name: "AWS::Lambda::Permission",
			Properties: fields{
				"FunctionName": fixed(required(text())), "Action": fixed(required(text())), "Principal": fixed(required(text())), "SourceArn": fixed(text()),
				"SourceAccount": fixed(text()), "PrincipalOrgID": fixed(text()), "EventSourceToken": fixed(text()), "FunctionUrlAuthType": fixed(enum("AWS_IAM", "NONE")),
			},
			Attributes: []string{"Id"},
			Handler:    handler{create: s.createPermission, read: s.readPermission, delete: s.deletePermission},
		},
		{
			Name: "AWS::Lambda::LayerVersion",
			Properties: fields{
				"LayerName": fixed(text()), "Description": fixed(text()), "LicenseInfo": fixed(text()), "CompatibleRuntimes": fixed(texts()),
				"CompatibleArchitectures": fixed(texts()),
				"Content":                 fixed(required(object(fields{"S3Bucket": required(text()), "S3Key": required(text()), "S3ObjectVersion": text()}))),
			},
			Attributes: []string{"LayerVersionArn"},
			Handler:    handler{create: s.createLayer, read: s.readLayer, delete: s.deleteLayer},
		},
		{
			Name: "AWS::Lambda::EventInvokeConfig",
			Properties: fields{
				"FunctionName": fixed(required(text())), "Qualifier": fixed(required(text())), "MaximumEventAgeInSeconds": integer(60, 21600),
				"MaximumRetryAttempts": {Kind: cloudformation.Integer, Min: 0, Max: 2}, "DestinationConfig": object(fields{"OnSuccess": destination, "OnFailure": destination}),
			},
			Handler: handler{create: s.putEvents, update: s.putEvents, read: s.readEvents, delete: s.deleteEvents},
		},
	}
}

// createVersion publishes what the function is now. Two resources cannot have one version: when nothing changed since the
// last one, there is none to make.
func (s Services) createVersion(ctx context.Context, r *request) (resource, error) {
	full := s.functionARN(r, r.Properties.Text("FunctionName"))
	before, _, err := s.Lambda.GetFunctionConfiguration(ctx, r.Caller, full)
	if err != nil {
		return resource{}, err
	}
	_, v, err := s.Lambda.PublishVersion(ctx, r.Caller, full, lambda.Publish{Description: r.Properties.Text("Description"), CodeSHA256: r.Properties.Text("CodeSha256")})
	if err != nil {
		return resource{}, err
	}
	if n, err := strconv.Atoi(v.Number); !r.Retry && err == nil && n < before.NextVersion {
		return resource{}, fault.New("AlreadyExists", "A version for this Lambda function exists ( %s ). Modify the function to create a new version..", v.Number)
	}
	return versionResource(before.ARN + ":" + v.Number), nil
}

func versionResource(full string) resource {
	return resource{PhysicalID: full, Attributes: values{"FunctionArn": full, "Version": full[strings.LastIndexByte(full, ':')+1:]}}
}

func (s Services) readVersion(ctx context.Context, r *request) (resource, error) {
	_, _, err := s.Lambda.GetFunctionConfiguration(ctx, r.Caller, r.PhysicalID)
	return found(versionResource(r.PhysicalID), err)
}

func (s Services) deleteQualified(ctx context.Context, r *request) error {
	return deleted(s.Lambda.DeleteFunction(ctx, r.Caller, r.PhysicalID))
}

func aliasChange(p values) lambda.AliasChange {
	version, description, weights := p.Text("FunctionVersion"), p.Text("Description"), map[string]float64{}
	for _, x := range listOf(objectOf(p["RoutingConfig"])["AdditionalVersionWeights"]) {
		weights[objectOf(x).Text("FunctionVersion")] = floatOf(objectOf(x)["FunctionWeight"])
	}
	return lambda.AliasChange{Version: &version, Description: &description, Weights: &weights}
}

func (s Services) createAlias(ctx context.Context, r *request) (resource, error) {
	full, name := s.functionARN(r, r.Properties.Text("FunctionName")), r.Properties.Text("Name")
	_, _, err := s.Lambda.CreateAlias(ctx, r.Caller, full, name, aliasChange(r.Properties))
	if r.Retry && fault.Is(err, "ResourceConflictException") { // aliases do not say when they were made: one that says the same is ours
		_, _, err = s.Lambda.UpdateAlias(ctx, r.Caller, full, name, aliasChange(r.Properties))
	}
	if err != nil {
		return resource{}, err
	}
	return aliasResource(full + ":" + name), nil
}

func aliasResource(full string) resource {
	return resource{PhysicalID: full, Attributes: values{"AliasArn": full}}
}

func (s Services) updateAlias(ctx context.Context, r *request) (resource, error) {
	full := s.functionARN(r, r.Properties.Text("FunctionName"))
	_, _, err := s.Lambda.UpdateAlias(ctx, r.Caller, full, r.Properties.Text("Name"), aliasChange(r.Properties))
	return aliasResource(r.PhysicalID), err
}

func (s Services) readAlias(ctx context.Context, r *request) (resource, error) {
	_, _, err := s.Lambda.GetAlias(ctx, r.Caller, s.functionARN(r, r.Properties.Text("FunctionName")), r.Properties.Text("Name"))
	return found(aliasResource(r.PhysicalID), err)
}

func (s Services) deleteAlias(ctx context.Context, r *request) error {
	return deleted(s.Lambda.DeleteAlias(ctx, r.Caller, s.functionARN(r, r.Properties.Text("FunctionName")), r.Properties.Text("Name")))
}

func (s Services) createPermission(ctx context.Context, r *request) (resource, error) {
	p, id := r.Properties, r.Name(100)
	permission := lambda.Permission{
		StatementID: id, Action: p.Text("Action"), SourceARN: p.Text("SourceArn"), SourceAccount: p.Text("SourceAccount"), OrganizationID: p.Text("PrincipalOrgID"),
		EventSourceToken: p.Text("EventSourceToken"), URLAuthType: p.Text("FunctionUrlAuthType"),
	}
	if principal := p.Text("Principal"); strings.Contains(principal, ".") && !strings.HasPrefix(principal, "arn:") {
		permission.Service = principal
	} else {
		permission.AWS = principal
	}
	_, err := s.Lambda.AddPermission(ctx, r.Caller, s.functionARN(r, p.Text("FunctionName")), permission)
	if r.Retry && fault.Is(err, "ResourceConflictException") { // the id is of this operation alone
		err = nil
	}
	if err != nil {
		return resource{}, err
	}
	return permissionResource(id), nil
}

func permissionResource(id string) resource {
	return resource{PhysicalID: id, Attributes: values{"Id": id}}
}

func (s Services) readPermission(ctx context.Context, r *request) (resource, error) {
	policy, _, err := s.Lambda.GetPolicy(ctx, r.Caller, s.functionARN(r, r.Properties.Text("FunctionName")))
	if err == nil && !strings.Contains(policy, strconv.Quote(r.PhysicalID)) {
		return resource{}, cloudformation.ErrNotFound
	}
	return found(permissionResource(r.PhysicalID), err)
}

func (s Services) deletePermission(ctx context.Context, r *request) error {
	return deleted(s.Lambda.RemovePermission(ctx, r.Caller, s.functionARN(r, r.Properties.Text("FunctionName")), r.PhysicalID, ""))
}

func (s Services) createLayer(ctx context.Context, r *request) (resource, error) {
	p, name := r.Properties, named(r, "LayerName", 140)
	if r.Retry {
		all, err := s.Lambda.ListLayerVersions(ctx, r.Caller, r.Region, name)
		if err != nil && !gone(err) {
			return resource{}, err
		}
		for _, v := range all {
			if !v.Created.Before(r.Begun.Truncate(time.Second)) {
				return layerResource(v.ARN), nil
			}
		}
	}
	content := objectOf(p["Content"])
	_, v, err := s.Lambda.PublishLayerVersion(ctx, r.Caller, lambda.NewLayer{
		Name: name, Region: r.Region, Description: p.Text("Description"), License: p.Text("LicenseInfo"), Runtimes: textsOf(p["CompatibleRuntimes"]),
		Architectures: textsOf(p["CompatibleArchitectures"]),
		Content:       lambda.Code{Bucket: content.Text("S3Bucket"), Key: content.Text("S3Key"), ObjectVersion: content.Text("S3ObjectVersion")},
	})
	if err != nil {
		return resource{}, err
	}
	return layerResource(v.ARN), nil
}

func layerResource(full string) resource {
	return resource{PhysicalID: full, Attributes: values{"LayerVersionArn": full}}
}

// layerOf takes the ARN of a layer's version apart: arn:aws:lambda:region:account:layer:name:number.
func layerOf(full string) (name string, number int) {
	parts := strings.Split(full, ":")
	if len(parts) != 8 {
		return "", 0
	}
	number, _ = strconv.Atoi(parts[7]) // 0 is no version
	return parts[6], number
}

func (s Services) readLayer(ctx context.Context, r *request) (resource, error) {
	name, number := layerOf(r.PhysicalID)
	_, _, err := s.Lambda.GetLayerVersion(ctx, r.Caller, r.Region, name, number)
	return found(layerResource(r.PhysicalID), err)
}

func (s Services) deleteLayer(ctx context.Context, r *request) error {
	name, number := layerOf(r.PhysicalID)
	return deleted(s.Lambda.DeleteLayerVersion(ctx, r.Caller, r.Region, name, number))
}

// eventsOf is the function, with its qualifier, whose events a configuration is about. $LATEST is the function itself.
func (s Services) eventsOf(r *request) string {
	full, qualifier := s.functionARN(r, r.Properties.Text("FunctionName")), r.Properties.Text("Qualifier")
	if qualifier == lambda.Latest {
		return full
	}
	return full + ":" + qualifier
}

func (s Services) putEvents(ctx context.Context, r *request) (resource, error) {
	p := r.Properties
	ch := lambda.EventInvokeChange{Attempts: intPointer(p["MaximumRetryAttempts"])}
	if n := intOf(p["MaximumEventAgeInSeconds"]); n > 0 {
		age := time.Duration(n) * time.Second
		ch.Age = &age
	}
	where := objectOf(p["DestinationConfig"])
	if to := objectOf(where["OnSuccess"]).Text("Destination"); to != "" {
		ch.OnSuccess = &to
	}
	if to := objectOf(where["OnFailure"]).Text("Destination"); to != "" {
		ch.OnFailure = &to
	}
	if _, _, err := s.Lambda.PutFunctionEventInvokeConfig(ctx, r.Caller, s.eventsOf(r), ch); err != nil {
		return resource{}, err
	}
	return eventsResource(r), nil
}

func eventsResource(r *request) resource {
	return resource{PhysicalID: r.Properties.Text("FunctionName") + "|" + r.Properties.Text("Qualifier")}
}

func (s Services) readEvents(ctx context.Context, r *request) (resource, error) {
	_, _, err := s.Lambda.GetFunctionEventInvokeConfig(ctx, r.Caller, s.eventsOf(r))
	return found(eventsResource(r), err)
}

func (s Services) deleteEvents(ctx context.Context, r *request) error {
	return deleted(s.Lambda.DeleteFunctionEventInvokeConfig(ctx, r.Caller, s.eventsOf(r)))
}
