package client

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"glassine/aws/fault"
)

// Stack is a stack as DescribeStacks tells of it. CloudFormation API Reference, "Stack".
type Stack struct {
	StackID         string      `xml:"StackId" json:"StackId"`
	Name            string      `xml:"StackName" json:"StackName"`
	Status          string      `xml:"StackStatus" json:"StackStatus"`
	Reason          string      `xml:"StackStatusReason" json:"StackStatusReason,omitempty"`
	Description     string      `json:"Description,omitempty"`
	Created         time.Time   `xml:"CreationTime" json:"CreationTime"`
	Updated         *time.Time  `xml:"LastUpdatedTime" json:"LastUpdatedTime,omitempty"`
	Protected       bool        `xml:"EnableTerminationProtection" json:"EnableTerminationProtection"`
	Parameters      []Parameter `xml:"Parameters>member" json:"Parameters,omitempty"`
	Outputs         []Output    `xml:"Outputs>member" json:"Outputs,omitempty"`
	Tags            []Tag       `xml:"Tags>member" json:"Tags,omitempty"`
	ParentID        string      `xml:"ParentId" json:"ParentId,omitempty"`
	RollbackDisable bool        `xml:"DisableRollback" json:"DisableRollback"`
}

// Parameter is a parameter and its value.
type Parameter struct {
	Key   string `xml:"ParameterKey" json:"ParameterKey"`
	Value string `xml:"ParameterValue" json:"ParameterValue"`
}

// Output is what a stack tells of itself when it is done.
type Output struct {
	Key         string `xml:"OutputKey" json:"OutputKey"`
	Value       string `xml:"OutputValue" json:"OutputValue"`
	Description string `json:"Description,omitempty"`
	Export      string `xml:"ExportName" json:"ExportName,omitempty"`
}

// Tag is a tag of a stack.
type Tag struct{ Key, Value string }

// Resource is a resource of a stack, as ListStackResources tells of it.
type Resource struct {
	LogicalID  string    `xml:"LogicalResourceId" json:"LogicalResourceId"`
	PhysicalID string    `xml:"PhysicalResourceId" json:"PhysicalResourceId"`
	Type       string    `xml:"ResourceType" json:"ResourceType"`
	Status     string    `xml:"ResourceStatus" json:"ResourceStatus"`
	Reason     string    `xml:"ResourceStatusReason" json:"ResourceStatusReason,omitempty"`
	Updated    time.Time `xml:"LastUpdatedTimestamp" json:"LastUpdatedTimestamp"`
}

// ErrNoStack is returned for a stack that does not exist.
var ErrNoStack = errors.New("there is no such stack")

// Stack returns a stack by its name, or by its ARN also a deleted one; ErrNoStack when there is none.
func (c *Client) Stack(ctx context.Context, name string) (*Stack, error) {
	out, err := cloudformation[struct {
		Stacks []Stack `xml:"Stacks>member"`
	}](ctx, c, "DescribeStacks", url.Values{"StackName": {name}})
	if noStack(err) || err == nil && len(out.Stacks) == 0 {
		return nil, ErrNoStack
	}
	if err != nil {
		return nil, err
	}
	return &out.Stacks[0], nil
}

// Stacks returns all stacks that are not deleted.
func (c *Client) Stacks(ctx context.Context) ([]Stack, error) {
	return pages(func(token string) ([]Stack, string, error) {
		form := url.Values{}
		if token != "" {
			form.Set("NextToken", token)
		}
		out, err := cloudformation[struct {
			Stacks    []Stack `xml:"Stacks>member"`
			NextToken string
		}](ctx, c, "DescribeStacks", form)
		return out.Stacks, out.NextToken, err
	})
}

// Resources returns the resources of a stack.
func (c *Client) Resources(ctx context.Context, stack string) ([]Resource, error) {
	return pages(func(token string) ([]Resource, string, error) {
		form := url.Values{"StackName": {stack}}
		if token != "" {
			form.Set("NextToken", token)
		}
		out, err := cloudformation[struct {
			Resources []Resource `xml:"StackResourceSummaries>member"`
			NextToken string
		}](ctx, c, "ListStackResources", form)
		return out.Resources, out.NextToken, missing(err)
	})
}

// Template returns the template of a stack as it was given, stage "Original", or with its transforms carried out, "Processed".
func (c *Client) Template(ctx context.Context, stack, stage string) (string, error) {
	out, err := cloudformation[struct{ TemplateBody string }](ctx, c, "GetTemplate", url.Values{"StackName": {stack}, "TemplateStage": {stage}})
	return out.TemplateBody, missing(err)
}

// pages collects the items of all pages.
func pages[T any](page func(token string) (items []T, next string, err error)) ([]T, error) {
	var all []T
	for token := ""; ; {
		items, next, err := page(token)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if next == "" || next == token {
			return all, nil
		}
		token = next
	}
}

// missing is ErrNoStack where err says that.
func missing(err error) error {
	if noStack(err) {
		return ErrNoStack
	}
	return err
}

func messageOf(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Message
	}
	return ""
}

// isGone knows the texts for what is not there: "Stack with id X does not exist", "Stack [X] does not exist".
func isGone(text string) bool { return strings.Contains(text, "does not exist") }
