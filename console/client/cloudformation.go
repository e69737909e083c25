package client

import (
	"context"
	"net/url"
	"time"
)

const stackVersion = "2010-05-15"

// Stack is a stack of CloudFormation.
type Stack struct {
	StackId, StackName, StackStatus, Description string
	Reason                                       string `xml:"StackStatusReason"`
	CreationTime                                 time.Time
	Outputs                                      []StackOutput `xml:"Outputs>member"`
}

// ChangeSet is what a new template would do to a stack. (CloudFormation API Reference, DescribeChangeSet.)
type ChangeSet struct {
	ChangeSetId, ChangeSetName, StackId, StackName, Status, StatusReason, ExecutionStatus string
	Changes                                                                               []Change `xml:"Changes>member>ResourceChange"`
}

// Change is what happens to one resource: Action is Add, Modify, Remove or Import, Replacement of a Modify is True, False or
// Conditional.
type Change struct {
	Action, PolicyAction, LogicalResourceId, PhysicalResourceId, ResourceType, Replacement string
	Details                                                                                []ChangeDetail `xml:"Details>member"`
}

// ChangeDetail is a property that changes.
type ChangeDetail struct {
	Attribute   string `xml:"Target>Attribute"`
	Name        string `xml:"Target>Name"`
	Recreation  string `xml:"Target>RequiresRecreation"`
	BeforeValue string `xml:"Target>BeforeValue"`
	AfterValue  string `xml:"Target>AfterValue"`
}

// StackOutput is an output of a stack.
type StackOutput struct{ OutputKey, OutputValue, Description string }

// StackResource is a resource of a stack.
type StackResource struct {
	LogicalResourceId, PhysicalResourceId, ResourceType, ResourceStatus, ResourceStatusReason string
	Timestamp                                                                                 time.Time
}

// StackEvent is an event of a stack.
type StackEvent struct {
	EventId, StackName, LogicalResourceId, PhysicalResourceId, ResourceType, ResourceStatus, ResourceStatusReason string
	Timestamp                                                                                                     time.Time
}

// DescribeStacks returns all stacks, or the one of a name.
func (c *Client) DescribeStacks(ctx context.Context, name string) ([]Stack, error) {
	p, cli := url.Values{}, []string{"cloudformation", "describe-stacks"}
	if name != "" {
		p.Set("StackName", name)
		cli = append(cli, "--stack-name", name)
	}
	var out struct {
		List []Stack `xml:"DescribeStacksResult>Stacks>member"`
	}
	_, err := c.xml(ctx, c.query("cloudformation", "DescribeStacks", stackVersion, p, cli, true), &out)
	return out.List, err
}

// DescribeStackResources returns a stack's resources.
func (c *Client) DescribeStackResources(ctx context.Context, name string) ([]StackResource, error) {
	var out struct {
		List []StackResource `xml:"DescribeStackResourcesResult>StackResources>member"`
	}
	_, err := c.xml(ctx, c.query("cloudformation", "DescribeStackResources", stackVersion, url.Values{"StackName": {name}},
		[]string{"cloudformation", "describe-stack-resources", "--stack-name", name}, true), &out)
	return out.List, err
}

// DescribeStackEvents returns the last events of a stack, the newest first.
func (c *Client) DescribeStackEvents(ctx context.Context, name string) ([]StackEvent, error) {
	var out struct {
		List []StackEvent `xml:"DescribeStackEventsResult>StackEvents>member"`
	}
	_, err := c.xml(ctx, c.query("cloudformation", "DescribeStackEvents", stackVersion, url.Values{"StackName": {name}},
		[]string{"cloudformation", "describe-stack-events", "--stack-name", name}, true), &out)
	return out.List, err
}

// GetTemplate returns a stack's template as it was given.
func (c *Client) GetTemplate(ctx context.Context, name string) (string, error) {
	var out struct {
		Body string `xml:"GetTemplateResult>TemplateBody"`
	}
	_, err := c.xml(ctx, c.query("cloudformation", "GetTemplate", stackVersion, url.Values{"StackName": {name}},
		[]string{"cloudformation", "get-template", "--stack-name", name}, true), &out)
	return out.Body, err
}

// CreateStack begins to make a stack of a template. Whether it came about, its events say.
func (c *Client) CreateStack(ctx context.Context, name, template string) error {
	_, err := c.xml(ctx, c.query("cloudformation", "CreateStack", stackVersion,
		url.Values{"StackName": {name}, "TemplateBody": {template}, "Capabilities.member.1": {"CAPABILITY_NAMED_IAM"}},
		[]string{"cloudformation", "create-stack", "--stack-name", name, "--template-body", "file://template.yaml", "--capabilities", "CAPABILITY_NAMED_IAM"}, false), nil)
	return err
}

// DeleteStack begins to delete a stack.
func (c *Client) DeleteStack(ctx context.Context, name string) error {
	_, err := c.xml(ctx, c.query("cloudformation", "DeleteStack", stackVersion, url.Values{"StackName": {name}},
		[]string{"cloudformation", "delete-stack", "--stack-name", name}, false), nil)
	return err
}

// CreateChangeSet begins to work out what a template would do to a stack, which it makes or changes no further. create is for a
// stack that is not there yet. It returns the change set's ARN.
func (c *Client) CreateChangeSet(ctx context.Context, stack, name, template string, create bool) (string, error) {
	kind := "UPDATE"
	if create {
		kind = "CREATE"
	}
	var out struct {
		Id string `xml:"CreateChangeSetResult>Id"`
	}
	_, err := c.xml(ctx, c.query("cloudformation", "CreateChangeSet", stackVersion,
		url.Values{"StackName": {stack}, "ChangeSetName": {name}, "ChangeSetType": {kind}, "TemplateBody": {template}, "Capabilities.member.1": {"CAPABILITY_NAMED_IAM"}},
		[]string{"cloudformation", "create-change-set", "--stack-name", stack, "--change-set-name", name, "--change-set-type", kind, "--template-body", "file://template.yaml", "--capabilities", "CAPABILITY_NAMED_IAM"}, false), &out)
	return out.Id, err
}

// DescribeChangeSet returns a change set, with the values of properties before and after.
func (c *Client) DescribeChangeSet(ctx context.Context, stack, name string) (ChangeSet, error) {
	var all ChangeSet
	for token := ""; ; {
		p := url.Values{"StackName": {stack}, "ChangeSetName": {name}, "IncludePropertyValues": {"true"}}
		if token != "" {
			p.Set("NextToken", token)
		}
		var out struct {
			Result struct {
				ChangeSet
				NextToken string
			} `xml:"DescribeChangeSetResult"`
		}
		if _, err := c.xml(ctx, c.query("cloudformation", "DescribeChangeSet", stackVersion, p,
			[]string{"cloudformation", "describe-change-set", "--stack-name", stack, "--change-set-name", name, "--include-property-values"}, true), &out); err != nil {
			return all, err
		}
		changes := append(all.Changes, out.Result.Changes...)
		all = out.Result.ChangeSet
		all.Changes = changes
		if token = out.Result.NextToken; token == "" {
			return all, nil
		}
	}
}

// ExecuteChangeSet begins to do what a change set says.
func (c *Client) ExecuteChangeSet(ctx context.Context, stack, name string) error {
	_, err := c.xml(ctx, c.query("cloudformation", "ExecuteChangeSet", stackVersion, url.Values{"StackName": {stack}, "ChangeSetName": {name}},
		[]string{"cloudformation", "execute-change-set", "--stack-name", stack, "--change-set-name", name}, false), nil)
	return err
}

// DeleteChangeSet forgets a change set.
func (c *Client) DeleteChangeSet(ctx context.Context, stack, name string) error {
	_, err := c.xml(ctx, c.query("cloudformation", "DeleteChangeSet", stackVersion, url.Values{"StackName": {stack}, "ChangeSetName": {name}},
		[]string{"cloudformation", "delete-change-set", "--stack-name", stack, "--change-set-name", name}, false), nil)
	return err
}
