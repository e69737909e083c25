package lambdaapi

import (
	"glassine/aws/fault"
	"glassine/lambda"
)

type publishInput struct {
	named
	CodeSha256, Description, RevisionId string
}

func publishVersion(c *call, in *publishInput) (configuration, error) {
	full, err := in.arn(c)
	if err != nil {
		return configuration{}, err
	}
	f, v, err := c.lambda.PublishVersion(c.ctx, c.caller, full, lambda.Publish{Description: in.Description, CodeSHA256: in.CodeSha256, RevisionID: in.RevisionId})
	return configured(f, v, f.ARN+":"+v.Number), err
}

type namedList struct {
	named
	paging
	FunctionVersion string `query:"FunctionVersion" json:"-"`
}

type versionsOutput struct {
	NextMarker string `json:",omitempty"`
	Versions   []configuration
}

func listVersions(c *call, in *namedList) (out versionsOutput, err error) {
	full, err := in.arn(c)
	if err != nil {
		return out, err
	}
	f, versions, err := c.lambda.ListVersions(c.ctx, c.caller, full)
	if err != nil {
		return out, err
	}
	part, next, err := page(versions, in.paging, 50, func(v lambda.Version) string { return v.Number })
	out.NextMarker = next
	out.Versions = listed(part, func(v lambda.Version) configuration { return configured(f, v, f.ARN+":"+v.Number) })
	return out, err
}

type aliasInput struct {
	named
	Alias           string `path:"Name" json:"-"` // of all operations but CreateAlias
	Name            string
	FunctionVersion *string
	Description     *string
	RoutingConfig   *routing
	RevisionId      string
}

type routing struct{ AdditionalVersionWeights map[string]float64 }

type aliasOutput struct {
	AliasArn, Name, FunctionVersion, Description string
	RoutingConfig                                *routing `json:",omitempty"`
	RevisionId                                   string
}

func aliasShape(f lambda.Function, a lambda.Alias) aliasOutput {
	out := aliasOutput{AliasArn: f.ARN + ":" + a.Name, Name: a.Name, FunctionVersion: a.Version, Description: a.Description, RevisionId: a.RevisionID}
	if len(a.Weights) > 0 {
		out.RoutingConfig = &routing{a.Weights}
	}
	return out
}

func (in aliasInput) change() lambda.AliasChange {
	ch := lambda.AliasChange{Version: in.FunctionVersion, Description: in.Description, RevisionID: in.RevisionId}
	if in.RoutingConfig != nil {
		ch.Weights = &in.RoutingConfig.AdditionalVersionWeights
	}
	return ch
}

func createAlias(c *call, in *aliasInput) (aliasOutput, error) {
	full, err := in.arn(c)
	if err != nil {
		return aliasOutput{}, err
	}
	if in.FunctionVersion == nil {
		return aliasOutput{}, fault.New("InvalidParameterValueException", "An alias names a version.")
	}
	f, a, err := c.lambda.CreateAlias(c.ctx, c.caller, full, in.Name, in.change())
	return aliasShape(f, a), err
}

func updateAlias(c *call, in *aliasInput) (aliasOutput, error) {
	full, err := in.arn(c)
	if err != nil {
		return aliasOutput{}, err
	}
	f, a, err := c.lambda.UpdateAlias(c.ctx, c.caller, full, in.Alias, in.change())
	return aliasShape(f, a), err
}

func getAlias(c *call, in *aliasInput) (aliasOutput, error) {
	full, err := in.arn(c)
	if err != nil {
		return aliasOutput{}, err
	}
	f, a, err := c.lambda.GetAlias(c.ctx, c.caller, full, in.Alias)
	return aliasShape(f, a), err
}

func deleteAlias(c *call, in *aliasInput) error {
	full, err := in.arn(c)
	if err != nil {
		return err
	}
	return c.lambda.DeleteAlias(c.ctx, c.caller, full, in.Alias)
}

type aliasesOutput struct {
	NextMarker string `json:",omitempty"`
	Aliases    []aliasOutput
}

func listAliases(c *call, in *namedList) (out aliasesOutput, err error) {
	full, err := in.arn(c)
	if err != nil {
		return out, err
	}
	f, aliases, err := c.lambda.ListAliases(c.ctx, c.caller, full, in.FunctionVersion)
	if err != nil {
		return out, err
	}
	part, next, err := page(aliases, in.paging, 50, func(a lambda.Alias) string { return a.Name })
	out.NextMarker = next
	out.Aliases = listed(part, func(a lambda.Alias) aliasOutput { return aliasShape(f, a) })
	return out, err
}
