package cloudformationapi

import (
	"glassine/cloudformation"
)

type stackID struct{ StackId string }

// input reads what CreateStack, UpdateStack and CreateChangeSet have in common.
func (c *call) input() (in cloudformation.StackInput, err error) {
	f := c.form
	in = cloudformation.StackInput{
		Region: c.region, Name: f.Get("StackName"), Role: f.Get("RoleARN"), OnFailure: f.Get("OnFailure"), Token: f.Get("ClientRequestToken"), DuringUpdate: f.Get("StackPolicyDuringUpdateBody"),
	}
	if in.Token == "" {
		in.Token = f.Get("ClientToken") // CreateChangeSet's name for it
	}
	if in.UsePrevious, err = f.Bool("UsePreviousTemplate"); err != nil {
		return in, err
	}
	if !in.UsePrevious {
		if in.Template, in.URL, err = c.template(); err != nil {
			return in, err
		}
	}
	given, err := f.List("Parameters")
	if err != nil {
		return in, err
	}
	for _, p := range given {
		previous, err := p.Bool("UsePreviousValue")
		if err != nil {
			return in, err
		}
		in.Parameters = append(in.Parameters, cloudformation.Parameter{Key: p.Get("ParameterKey"), Value: p.Get("ParameterValue"), UsePrevious: previous})
	}
	if f.Has("Tags") {
		tags, err := f.List("Tags")
		if err != nil {
			return in, err
		}
		in.Tags = []cloudformation.Tag{}
		for _, t := range tags {
			in.Tags = append(in.Tags, cloudformation.Tag{Key: t.Get("Key"), Value: t.Get("Value")})
		}
	}
	for name, to := range map[string]*[]string{"Capabilities": &in.Capabilities, "NotificationARNs": &in.Notifications, "ResourceTypes": &in.ResourceTypes} {
		if *to, err = f.Strings(name); err != nil {
			return in, err
		}
	}
	if !f.Has("NotificationARNs") {
		in.Notifications = nil
	}
	for name, to := range map[string]*bool{"DisableRollback": &in.DisableRollback, "EnableTerminationProtection": &in.Protected} {
		if *to, err = f.Bool(name); err != nil {
			return in, err
		}
	}
	if f.Has("StackPolicyBody") {
		policy := f.Get("StackPolicyBody")
		in.Policy = &policy
	}
	in.TimeoutMinutes, err = f.Int("TimeoutInMinutes", 0)
	return in, err
}

func createStack(c *call) (any, error) {
	in, err := c.input()
	if err != nil {
		return nil, err
	}
	id, err := c.Stacks.CreateStack(c.ctx, c.caller, in)
	return stackID{id}, c.begun(id, err)
}

func updateStack(c *call) (any, error) {
	in, err := c.input()
	if err != nil {
		return nil, err
	}
	id, err := c.Stacks.UpdateStack(c.ctx, c.caller, in)
	return stackID{id}, c.begun(id, err)
}

func deleteStack(c *call) (any, error) {
	in := cloudformation.DeleteInput{
		Region: c.region, Name: c.get("StackName"), Role: c.get("RoleARN"), Token: c.get("ClientRequestToken"), Force: c.get("DeletionMode") == "FORCE_DELETE_STACK",
	}
	var err error
	if in.Retain, err = c.form.Strings("RetainResources"); err != nil {
		return nil, err
	}
	id := c.Stacks.ID(in.Region, in.Name) // afterwards its name is nobody's
	return nil, c.begun(id, c.Stacks.DeleteStack(c.ctx, c.caller, in))
}

func cancelUpdateStack(c *call) (any, error) {
	return nil, c.Stacks.CancelUpdateStack(c.ctx, c.caller, c.region, c.get("StackName"))
}

func continueUpdateRollback(c *call) (any, error) {
	skip, err := c.form.Strings("ResourcesToSkip")
	if err != nil {
		return nil, err
	}
	return struct{}{}, c.Stacks.ContinueUpdateRollback(c.ctx, c.caller, c.region, c.get("StackName"), c.get("RoleARN"), skip, c.get("ClientRequestToken"))
}

func rollbackStack(c *call) (any, error) {
	id, err := c.Stacks.RollbackStack(c.ctx, c.caller, c.region, c.get("StackName"), c.get("RoleARN"), c.get("ClientRequestToken"))
	return stackID{id}, err
}

func updateTerminationProtection(c *call) (any, error) {
	on, err := c.form.Bool("EnableTerminationProtection")
	if err != nil {
		return nil, err
	}
	id, err := c.Stacks.UpdateTerminationProtection(c.ctx, c.caller, c.region, c.get("StackName"), on)
	return stackID{id}, err
}

func setStackPolicy(c *call) (any, error) {
	policy := c.get("StackPolicyBody")
	if url := c.get("StackPolicyURL"); url != "" {
		var err error
		if policy, err = c.fetch(url, maxPolicy); err != nil {
			return nil, err
		}
	}
	return nil, c.Stacks.SetStackPolicy(c.ctx, c.caller, c.region, c.get("StackName"), policy)
}

// maxPolicy bounds a stack policy in a bucket, in bytes. CloudFormation API Reference, SetStackPolicy: 16 KB.
const maxPolicy = 16 << 10

func getStackPolicy(c *call) (any, error) {
	policy, err := c.Stacks.GetStackPolicy(c.ctx, c.caller, c.region, c.get("StackName"))
	return struct {
		StackPolicyBody string `xml:",omitempty"`
	}{policy}, err
}
