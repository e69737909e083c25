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

// StackOutput is an output of a stack.
type StackOutput struct{ OutputKey, OutputValue, Description string }

// StackResource is a resource of a stack.
type StackResource struct {
	LogicalResourceId, PhysicalResourceId, ResourceType, ResourceStatus, ResourceStatusReason string
	Timestamp                                                                                 time.Time
}

// StackEvent is an event of a stack.
type StackEvent struct {
	LogicalResourceId, ResourceType, ResourceStatus, ResourceStatusReason string
	Timestamp                                                             time.Time
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
