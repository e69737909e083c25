package cloudformationapi

import (
	"slices"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/cloudformation"
)

// pageSize is how many items an answer has. CloudFormation API Reference: 100 in all lists but that of stacks, which ends at
// 1 MB.
const pageSize = 100

func describeStacks(c *call) (any, error) {
	all, err := c.Stacks.DescribeStacks(c.ctx, c.caller, c.region, c.get("StackName"))
	if err != nil {
		return nil, err
	}
	part, next, err := page(all, c.get("NextToken"), pageSize, func(s cloudformation.Stack) string { return s.ID })
	return struct {
		Stacks    wire.Members[stackShape]
		NextToken string `xml:",omitempty"`
	}{wire.MembersOf(part, shapeStack), next}, err
}

type stackSummary struct {
	StackId, StackName  string
	TemplateDescription string `xml:",omitempty"`
	CreationTime        string
	LastUpdatedTime     string `xml:",omitempty"`
	DeletionTime        string `xml:",omitempty"`
	StackStatus         string
	StackStatusReason   string `xml:",omitempty"`
	DriftInformation    drift
}

func listStacks(c *call) (any, error) {
	filter, err := c.form.Strings("StackStatusFilter")
	if err != nil {
		return nil, err
	}
	var statuses []cloudformation.Status
	for _, f := range filter {
		statuses = append(statuses, cloudformation.Status(f))
	}
	all, err := c.Stacks.ListStacks(c.ctx, c.caller, c.region, statuses)
	if err != nil {
		return nil, err
	}
	part, next, err := page(all, c.get("NextToken"), pageSize, func(s cloudformation.Stack) string { return s.ID })
	return struct {
		StackSummaries wire.Members[stackSummary]
		NextToken      string `xml:",omitempty"`
	}{wire.MembersOf(part, func(s cloudformation.Stack) stackSummary {
		return stackSummary{s.ID, s.Name, s.Description, date(s.Created), date(s.Updated), date(s.Deleted), string(s.Status), s.Reason, drift{"NOT_CHECKED"}}
	}), next}, err
}

type eventShape struct {
	StackId, EventId, StackName          string
	OperationId                          string `xml:",omitempty"`
	LogicalResourceId                    string
	PhysicalResourceId                   string
	ResourceType, Timestamp              string
	ResourceStatus, ResourceStatusReason string
	ResourceProperties                   string `xml:",omitempty"`
	ClientRequestToken                   string `xml:",omitempty"`
}

func describeStackEvents(c *call) (any, error) {
	after, err := tokenKey(c.get("NextToken"))
	if err != nil {
		return nil, err
	}
	events, more, err := c.Stacks.Events(c.ctx, c.caller, c.region, c.get("StackName"), after, pageSize)
	if err != nil {
		return nil, err
	}
	return struct {
		StackEvents wire.Members[eventShape]
		NextToken   string `xml:",omitempty"`
	}{wire.MembersOf(events, func(e cloudformation.Event) eventShape {
		return eventShape{
			e.StackID, e.ID, e.StackName, e.Operation, e.LogicalID, e.PhysicalID, e.Type, date(e.Time), string(e.Status), e.Reason, e.Properties, e.Token,
		}
	}), nextEvent(events, more)}, nil
}

func nextEvent(events []cloudformation.Event, more bool) string {
	if !more {
		return ""
	}
	return keyToken(events[len(events)-1].ID)
}

type operationEvent struct {
	EventId, StackId     string
	OperationId          string `xml:",omitempty"`
	EventType            string
	LogicalResourceId    string
	PhysicalResourceId   string `xml:",omitempty"`
	ResourceType         string
	Timestamp            string
	ResourceStatus       string
	ResourceStatusReason string `xml:",omitempty"`
	ResourceProperties   string `xml:",omitempty"`
	ClientRequestToken   string `xml:",omitempty"`
}

func describeEvents(c *call) (any, error) {
	stack := c.get("StackName")
	if set := c.get("ChangeSetName"); set != "" {
		x, err := c.Stacks.DescribeChangeSet(c.ctx, c.caller, c.region, set, stack)
		if err != nil {
			return nil, err
		}
		stack = x.StackID
	}
	if stack == "" {
		return nil, fault.New("ValidationError", "glassine needs StackName or ChangeSetName in DescribeEvents, also with OperationId.")
	}
	after, err := tokenKey(c.get("NextToken"))
	if err != nil {
		return nil, err
	}
	failed := c.form.At("Filters").Get("FailedEvents") == "true"
	events, more, err := c.Stacks.OperationEvents(c.ctx, c.caller, c.region, stack, c.get("OperationId"), after, failed, pageSize)
	if err != nil {
		return nil, err
	}
	return struct {
		OperationEvents wire.Members[operationEvent]
		NextToken       string `xml:",omitempty"`
	}{wire.MembersOf(events, func(e cloudformation.Event) operationEvent {
		kind := "STACK_EVENT"
		if strings.HasSuffix(string(e.Status), "_FAILED") && e.LogicalID != e.StackName {
			kind = "PROVISIONING_ERROR"
		}
		return operationEvent{e.ID, e.StackID, e.Operation, kind, e.LogicalID, e.PhysicalID, e.Type, date(e.Time), string(e.Status), e.Reason, e.Properties, e.Token}
	}), nextEvent(events, more)}, nil
}

type resourceShape struct {
	StackId, StackName   string `xml:",omitempty"`
	LogicalResourceId    string
	PhysicalResourceId   string `xml:",omitempty"`
	ResourceType         string
	Timestamp            string `xml:",omitempty"`
	LastUpdatedTimestamp string `xml:",omitempty"`
	ResourceStatus       string
	ResourceStatusReason string `xml:",omitempty"`
	Metadata             string `xml:",omitempty"`
	DriftInformation     resourceDrift
}

func shapeResource(s cloudformation.Stack, r cloudformation.StackResource) resourceShape {
	return resourceShape{
		StackId: s.ID, StackName: s.Name, LogicalResourceId: r.LogicalID, PhysicalResourceId: r.PhysicalID, ResourceType: r.Type, Timestamp: date(r.Updated), ResourceStatus: string(r.Status),
		ResourceStatusReason: r.Reason, DriftInformation: resourceDrift{"NOT_CHECKED"},
	}
}

func describeStackResource(c *call) (any, error) {
	s, r, err := c.Stacks.Resource(c.ctx, c.caller, c.region, c.get("StackName"), c.get("LogicalResourceId"))
	if err != nil {
		return nil, err
	}
	x := shapeResource(s, r)
	x.LastUpdatedTimestamp, x.Timestamp, x.Metadata = x.Timestamp, "", r.Metadata
	return struct{ StackResourceDetail resourceShape }{x}, nil
}

func describeStackResources(c *call) (any, error) {
	stack, physical := c.get("StackName"), c.get("PhysicalResourceId")
	switch {
	case stack == "" && physical == "":
		return nil, fault.New("ValidationError", "Either StackName or PhysicalResourceId must be specified")
	case stack == "":
		var err error
		if stack, err = c.Stacks.StackOf(c.ctx, c.caller, c.region, physical); err != nil {
			return nil, err
		}
	}
	s, all, err := c.Stacks.Resources(c.ctx, c.caller, c.region, stack, "DescribeStackResources")
	if err != nil {
		return nil, err
	}
	if id := c.get("LogicalResourceId"); id != "" {
		all = slices.DeleteFunc(all, func(r cloudformation.StackResource) bool { return r.LogicalID != id })
	}
	if len(all) > pageSize {
		all = all[:pageSize] // CloudFormation API Reference, DescribeStackResources: the first 100
	}
	return struct{ StackResources wire.Members[resourceShape] }{wire.MembersOf(all, func(r cloudformation.StackResource) resourceShape { return shapeResource(s, r) })}, nil
}

func listStackResources(c *call) (any, error) {
	s, all, err := c.Stacks.Resources(c.ctx, c.caller, c.region, c.get("StackName"), "ListStackResources")
	if err != nil {
		return nil, err
	}
	part, next, err := page(all, c.get("NextToken"), pageSize, func(r cloudformation.StackResource) string { return r.LogicalID })
	return struct {
		StackResourceSummaries wire.Members[resourceShape]
		NextToken              string `xml:",omitempty"`
	}{wire.MembersOf(part, func(r cloudformation.StackResource) resourceShape {
		x := shapeResource(s, r)
		x.StackId, x.StackName, x.LastUpdatedTimestamp, x.Timestamp = "", "", x.Timestamp, ""
		return x
	}), next}, err
}

func listExports(c *call) (any, error) {
	all, err := c.Stacks.Exports(c.ctx, c.caller, c.region)
	if err != nil {
		return nil, err
	}
	type export struct{ ExportingStackId, Name, Value string }
	part, next, err := page(all, c.get("NextToken"), pageSize, func(x cloudformation.Export) string { return x.Name })
	return struct {
		Exports   wire.Members[export]
		NextToken string `xml:",omitempty"`
	}{wire.MembersOf(part, func(x cloudformation.Export) export { return export{x.StackID, x.Name, x.Value} }), next}, err
}

func listImports(c *call) (any, error) {
	all, err := c.Stacks.Imports(c.ctx, c.caller, c.region, c.get("ExportName"))
	if err != nil {
		return nil, err
	}
	part, next, err := page(all, c.get("NextToken"), pageSize, func(s string) string { return s })
	return struct {
		Imports   wire.Members[string]
		NextToken string `xml:",omitempty"`
	}{wire.Members[string]{Member: part}, next}, err
}
