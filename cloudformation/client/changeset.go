package client

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Change is what a change set does to one resource. CloudFormation API Reference, "ResourceChange".
type Change struct {
	// Action is Add, Modify, Remove, Import or Dynamic.
	Action     string `json:"Action"`
	LogicalID  string `xml:"LogicalResourceId" json:"LogicalResourceId"`
	PhysicalID string `xml:"PhysicalResourceId" json:"PhysicalResourceId,omitempty"`
	Type       string `xml:"ResourceType" json:"ResourceType"`
	// Replacement is True, False or Conditional for Modify.
	Replacement string   `json:"Replacement,omitempty"`
	Policy      string   `xml:"PolicyAction" json:"PolicyAction,omitempty"`
	Scope       []string `xml:"Scope>member" json:"Scope,omitempty"`
	Details     []Detail `xml:"Details>member" json:"Details,omitempty"`
}

// Detail is why a resource changes. CloudFormation API Reference, "ResourceChangeDetail".
type Detail struct {
	// Attribute is Properties, Metadata, Tags and others; Name is the property when it is Properties.
	Attribute string `xml:"Target>Attribute" json:"Attribute"`
	Name      string `xml:"Target>Name" json:"Name,omitempty"`
	Path      string `xml:"Target>Path" json:"Path,omitempty"`
	// Recreation is Never, Conditionally or Always.
	Recreation string `xml:"Target>RequiresRecreation" json:"RequiresRecreation,omitempty"`
	Before     string `xml:"Target>BeforeValue" json:"BeforeValue,omitempty"`
	After      string `xml:"Target>AfterValue" json:"AfterValue,omitempty"`
	Source     string `xml:"ChangeSource" json:"ChangeSource,omitempty"`
	Cause      string `xml:"CausingEntity" json:"CausingEntity,omitempty"`
}

// Replaces reports whether the change makes a new resource and deletes the old one, or may.
func (c *Change) Replaces() bool {
	return c.Action == "Modify" && (c.Replacement == "True" || c.Replacement == "Conditional")
}

// Destroys reports whether something that is there goes away: the resource is removed or replaced, and no policy keeps it.
func (c *Change) Destroys() bool {
	return (c.Action == "Remove" || c.Replaces()) && !strings.HasPrefix(c.Policy, "Retain") && c.Policy != "ReplaceAndRetain"
}

// Plan is what a deploy is about to do.
type Plan struct {
	Stack string `json:"StackName"`
	// New says that the stack is not there yet.
	New     bool     `json:"New"`
	Changes []Change `json:"Changes"`
	// Differences are those between the stack's template and the new one; nil for a new stack.
	Differences []Difference `json:"Differences,omitempty"`
}

// Identities are the changes to what may do something: roles, users, groups, policies and keys of IAM.
func (p *Plan) Identities() []Change {
	return slices.DeleteFunc(slices.Clone(p.Changes), func(c Change) bool { return !strings.HasPrefix(c.Type, "AWS::IAM::") || c.Action == "Remove" })
}

// Destroys are the changes after which something that is there now is gone.
func (p *Plan) Destroys() []Change {
	return slices.DeleteFunc(slices.Clone(p.Changes), func(c Change) bool { return !c.Destroys() })
}

// capabilities are what a deploy from here grants: the caller asked for the template as it is.
var capabilities = []string{"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"}

type changeSet struct {
	ChangeSetID string `xml:"ChangeSetId"`
	StackID     string `xml:"StackId"`
	Status      string
	Reason      string `xml:"StatusReason"`
	Changes     []struct {
		ResourceChange Change
	} `xml:"Changes>member"`
	NextToken string
}

// unchanged reports whether a change set failed because there is nothing to change. The CDK's command line knows these texts.
func (s *changeSet) unchanged() bool {
	return s.Status == "FAILED" && (strings.HasPrefix(s.Reason, "The submitted information didn't contain changes.") || strings.Contains(s.Reason, "No updates are to be performed."))
}

// createChangeSet makes a change set and returns its ARN and its stack's.
func (c *Client) createChangeSet(ctx context.Context, j *Job, name, kind string, previous []string) (id, stack string, err error) {
	form := url.Values{
		"StackName": {j.Stack}, "ChangeSetName": {name}, "ChangeSetType": {kind}, "Description": {"glassine deploy"}, "ClientToken": {name}, "IncludeNestedStacks": {"true"},
	}
	if j.url != "" {
		form.Set("TemplateURL", j.url)
	} else {
		form.Set("TemplateBody", j.body)
	}
	if j.Role != "" {
		form.Set("RoleARN", j.Role)
	}
	for i, capability := range capabilities {
		member(form, "Capabilities", i+1, "", capability)
	}
	n := 0
	for _, key := range slices.Sorted(keys(j.Parameters)) {
		n++
		member(form, "Parameters", n, "ParameterKey", key)
		member(form, "Parameters", n, "ParameterValue", j.Parameters[key])
	}
	for _, key := range previous {
		n++
		member(form, "Parameters", n, "ParameterKey", key)
		member(form, "Parameters", n, "UsePreviousValue", "true")
	}
	for i, key := range slices.Sorted(keys(j.Tags)) {
		member(form, "Tags", i+1, "Key", key)
		member(form, "Tags", i+1, "Value", j.Tags[key])
	}
	out, err := cloudformation[struct {
		ID      string `xml:"Id"`
		StackID string `xml:"StackId"`
	}](ctx, c, "CreateChangeSet", form)
	return out.ID, out.StackID, err
}

// changeSetMade waits until a change set is ready or refused and returns it with all its changes.
func (c *Client) changeSetMade(ctx context.Context, id, stack string) (*changeSet, error) {
	w := &wait{5e6, 1e9}
	for {
		s, err := c.describeChangeSet(ctx, id, stack)
		if err != nil {
			return nil, err
		}
		if s.Status == "CREATE_COMPLETE" || s.Status == "FAILED" {
			return s, nil
		}
		if err := w.pause(ctx); err != nil {
			return nil, err
		}
	}
}

func (c *Client) describeChangeSet(ctx context.Context, id, stack string) (*changeSet, error) {
	var all *changeSet
	for token := ""; ; {
		form := url.Values{"ChangeSetName": {id}, "StackName": {stack}, "IncludePropertyValues": {"true"}}
		if token != "" {
			form.Set("NextToken", token)
		}
		page, err := cloudformation[changeSet](ctx, c, "DescribeChangeSet", form)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = &page
		} else {
			all.Changes = append(all.Changes, page.Changes...)
		}
		if page.NextToken == "" || page.NextToken == token {
			return all, nil
		}
		token = page.NextToken
	}
}

func (c *Client) executeChangeSet(ctx context.Context, id, stack, token string, keep bool) error {
	form := url.Values{"ChangeSetName": {id}, "StackName": {stack}, "ClientRequestToken": {token}, "DisableRollback": {strconv.FormatBool(keep)}}
	_, err := cloudformation[nothing](ctx, c, "ExecuteChangeSet", form)
	return err
}

func (c *Client) deleteChangeSet(ctx context.Context, id, stack string) error {
	_, err := cloudformation[nothing](ctx, c, "DeleteChangeSet", url.Values{"ChangeSetName": {id}, "StackName": {stack}})
	return err
}
