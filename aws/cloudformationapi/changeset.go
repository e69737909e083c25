package cloudformationapi

import (
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/cloudformation"
)

func createChangeSet(c *call) (any, error) {
	in, err := c.input()
	if err != nil {
		return nil, err
	}
	// The stack of cdk bootstrap says so too: what it finds of itself its resource types take over.
	if existing, err := c.form.Bool("ImportExistingResources"); err != nil || existing && !strings.Contains(in.Template, "/cdk-bootstrap/") {
		return nil, firstOf(err, fault.New("ValidationError", "glassine does not import existing resources into stacks."))
	}
	if c.get("OnStackFailure") != "" {
		in.OnFailure = c.get("OnStackFailure")
	}
	set, err := c.Stacks.CreateChangeSet(c.ctx, c.caller, c.get("ChangeSetName"), c.get("ChangeSetType"), c.get("Description"), in)
	if err != nil {
		return nil, err
	}
	return struct{ Id, StackId string }{set.ID, set.StackID}, nil
}

func firstOf(errs ...error) error {
	for _, e := range errs {
		if e != nil {
			return e
		}
	}
	return nil
}

type changeTarget struct {
	Attribute           string
	Name                string `xml:",omitempty"`
	RequiresRecreation  string
	Path                string `xml:",omitempty"`
	BeforeValue         string `xml:",omitempty"`
	AfterValue          string `xml:",omitempty"`
	AttributeChangeType string `xml:",omitempty"`
}

type changeDetail struct {
	Target        changeTarget
	Evaluation    string
	ChangeSource  string
	CausingEntity string `xml:",omitempty"`
}

type resourceChange struct {
	PolicyAction       string `xml:",omitempty"`
	Action             string
	LogicalResourceId  string
	PhysicalResourceId string `xml:",omitempty"`
	ResourceType       string
	Replacement        string `xml:",omitempty"`
	Scope              wire.Members[string]
	Details            wire.Members[changeDetail]
	BeforeContext      string `xml:",omitempty"`
	AfterContext       string `xml:",omitempty"`
}

type change struct {
	Type           string
	ResourceChange resourceChange
}

// shapeChange leaves values out unless they are asked for: IncludePropertyValues.
func shapeChange(x cloudformation.Change, values bool) change {
	r := resourceChange{
		PolicyAction: x.PolicyAction, Action: x.Action, LogicalResourceId: x.LogicalID, PhysicalResourceId: x.PhysicalID, ResourceType: x.Type, Replacement: x.Replacement, Scope: wire.Members[string]{Member: x.Scope},
	}
	for _, d := range x.Details {
		t := changeTarget{Attribute: d.Attribute, Name: d.Name, RequiresRecreation: d.Recreation}
		if values {
			t.BeforeValue, t.AfterValue, t.AttributeChangeType = d.Before, d.After, d.ChangeType
			t.Path = "/" + d.Attribute
			if d.Name != "" {
				t.Path += "/" + d.Name
			}
		}
		r.Details.Member = append(r.Details.Member, changeDetail{t, d.Evaluation, d.Source, d.Cause})
	}
	if values {
		r.BeforeContext, r.AfterContext = x.Before, x.After
	}
	return change{"Resource", r}
}

func describeChangeSet(c *call) (any, error) {
	values, err := c.form.Bool("IncludePropertyValues")
	if err != nil {
		return nil, err
	}
	x, err := c.Stacks.DescribeChangeSet(c.ctx, c.caller, c.region, c.get("ChangeSetName"), c.get("StackName"))
	if err != nil {
		return nil, err
	}
	part, next, err := page(x.Changes, c.get("NextToken"), pageSize, func(x cloudformation.Change) string { return x.LogicalID })
	if err != nil {
		return nil, err
	}
	d := x.Definition
	return struct {
		ChangeSetName, ChangeSetId, StackId, StackName string
		Description                                    string `xml:",omitempty"`
		Parameters                                     wire.Members[parameter]
		CreationTime, ExecutionStatus, Status          string
		StatusReason                                   string `xml:",omitempty"`
		NotificationARNs                               wire.Members[string]
		RollbackConfiguration                          struct{}
		Capabilities                                   wire.Members[string]
		Tags                                           wire.Members[tag]
		Changes                                        wire.Members[change]
		NextToken                                      string `xml:",omitempty"`
		IncludeNestedStacks                            bool
		OnStackFailure                                 string `xml:",omitempty"`
	}{
		x.Name, x.ID, x.StackID, x.StackName, x.Description, wire.MembersOf(d.Parameters, parameterShape), date(x.Created), x.Execution, x.Status, x.Reason,
		wire.Members[string]{Member: d.NotificationARN},
		struct{}{},
		wire.Members[string]{Member: d.Capabilities},
		wire.MembersOf(d.Tags, tagShape), wire.MembersOf(part, func(x cloudformation.Change) change { return shapeChange(x, values) }), next, false, x.OnFailure,
	}, nil
}

func executeChangeSet(c *call) (any, error) {
	keep, err := c.form.Bool("DisableRollback")
	if err != nil {
		return nil, err
	}
	id, err := c.Stacks.ExecuteChangeSet(c.ctx, c.caller, c.region, c.get("ChangeSetName"), c.get("StackName"),
		cloudformation.Execution{DisableRollback: keep, Token: c.get("ClientRequestToken")})
	return struct{}{}, c.begun(id, err)
}

func deleteChangeSet(c *call) (any, error) {
	return struct{}{}, c.Stacks.DeleteChangeSet(c.ctx, c.caller, c.region, c.get("ChangeSetName"), c.get("StackName"))
}

func listChangeSets(c *call) (any, error) {
	all, err := c.Stacks.ListChangeSets(c.ctx, c.caller, c.region, c.get("StackName"))
	if err != nil {
		return nil, err
	}
	type summary struct {
		StackId, StackName, ChangeSetId, ChangeSetName, ExecutionStatus, Status string
		StatusReason                                                            string `xml:",omitempty"`
		CreationTime                                                            string
		Description                                                             string `xml:",omitempty"`
		IncludeNestedStacks                                                     bool
	}
	part, next, err := page(all, c.get("NextToken"), pageSize, func(x *cloudformation.ChangeSet) string { return x.ID })
	return struct {
		Summaries wire.Members[summary]
		NextToken string `xml:",omitempty"`
	}{wire.MembersOf(part, func(x *cloudformation.ChangeSet) summary {
		return summary{x.StackID, x.StackName, x.ID, x.Name, x.Execution, x.Status, x.Reason, date(x.Created), x.Description, false}
	}), next}, err
}
