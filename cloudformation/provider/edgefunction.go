package provider

import (
	"context"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/cloudformation"
	"glassine/edge"
)

func (s Services) edgeFunctionType() *cloudformation.Type {
	return &cloudformation.Type{
		Name: "AWS::CloudFront::Function", NameProperty: "Name", Taggable: true,
		Properties: fields{
			"Name": fixed(required(text())), "AutoPublish": boolean(), "FunctionCode": required(text()), "Tags": tagList(),
			"FunctionConfig": required(object(fields{"Comment": required(text()), "Runtime": required(text())})),
		},
		Attributes: []string{"FunctionARN", "FunctionMetadata.FunctionARN", "Stage"},
		Handler:    handler{create: s.createEdgeFunction, update: s.updateEdgeFunction, read: s.readEdgeFunction, delete: s.deleteEdgeFunction},
	}
}

func edgeFunctionConfig(r *request) (edge.FunctionConfig, []byte) {
	c := objectOf(r.Properties["FunctionConfig"])
	return edge.FunctionConfig{Comment: c.Text("Comment"), Runtime: c.Text("Runtime")}, []byte(r.Properties.Text("FunctionCode"))
}

func (s Services) createEdgeFunction(ctx context.Context, r *request) (resource, error) {
	name := r.Properties.Text("Name")
	cfg, code := edgeFunctionConfig(r)
	var tags []edge.Tag
	all := tagsOf(r.Tags, r.Properties["Tags"])
	for _, k := range sortedKeys(all) {
		tags = append(tags, edge.Tag{Key: k, Value: all[k]})
	}
	f, err := s.Edge.CreateFunction(ctx, r.Caller, name, cfg, code, tags)
	if err != nil && r.Retry && fault.Is(err, "FunctionAlreadyExists") {
		var there edge.Function
		if there, err = s.Edge.DescribeFunction(ctx, r.Caller, name, edge.StageDevelopment); err == nil && there.Created.Before(r.Begun) {
			err = fault.New("FunctionAlreadyExists", "A function with the same name already exists in this AWS account.")
		}
		f = there
	}
	if err != nil {
		return resource{}, err
	}
	if err := r.Note(ctx, f.ARN); err != nil {
		return resource{}, err
	}
	return s.publishEdge(ctx, r, f)
}

// publishEdge publishes the function when the template wants it: associations run what was published.
func (s Services) publishEdge(ctx context.Context, r *request, f edge.Function) (resource, error) {
	stage := edge.StageDevelopment
	if boolOf(r.Properties["AutoPublish"]) {
		var err error
		if f, err = s.Edge.PublishFunction(ctx, r.Caller, f.Name, f.ETag); err != nil {
			return resource{PhysicalID: f.ARN}, err
		}
		stage = edge.StageLive
	}
	return edgeFunctionResource(f.ARN, stage), nil
}

func edgeFunctionResource(full, stage string) resource {
	return resource{PhysicalID: full, Attributes: values{"FunctionARN": full, "FunctionMetadata.FunctionARN": full, "Stage": stage}}
}

func edgeFunctionName(full string) string {
	a, err := arn.Parse(full)
	if err != nil {
		return full
	}
	return a.Name("function")
}

func (s Services) updateEdgeFunction(ctx context.Context, r *request) (resource, error) {
	f, err := s.Edge.DescribeFunction(ctx, r.Caller, edgeFunctionName(r.PhysicalID), edge.StageDevelopment)
	if err != nil {
		return resource{}, err
	}
	if changed(r, "FunctionCode", "FunctionConfig") {
		cfg, code := edgeFunctionConfig(r)
		if f, err = s.Edge.UpdateFunction(ctx, r.Caller, f.Name, f.ETag, cfg, code); err != nil {
			return resource{}, err
		}
	}
	if err := s.retagEdge(ctx, r, f.ARN); err != nil {
		return resource{}, err
	}
	return s.publishEdge(ctx, r, f)
}

func (s Services) readEdgeFunction(ctx context.Context, r *request) (resource, error) {
	f, err := s.Edge.DescribeFunction(ctx, r.Caller, edgeFunctionName(r.PhysicalID), edge.StageDevelopment)
	stage := edge.StageDevelopment
	if boolOf(r.Properties["AutoPublish"]) {
		stage = edge.StageLive
	}
	return found(edgeFunctionResource(f.ARN, stage), err)
}

func (s Services) deleteEdgeFunction(ctx context.Context, r *request) error {
	f, err := s.Edge.DescribeFunction(ctx, r.Caller, edgeFunctionName(r.PhysicalID), edge.StageDevelopment)
	if err != nil {
		return deleted(err)
	}
	return deleted(s.Edge.DeleteFunction(ctx, r.Caller, f.Name, f.ETag))
}
