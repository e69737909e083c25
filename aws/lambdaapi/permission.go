package lambdaapi

import (
	"strings"

	"glassine/lambda"
)

type permissionInput struct {
	named
	StatementId, Action, Principal, SourceArn, SourceAccount          string
	PrincipalOrgID, EventSourceToken, FunctionUrlAuthType, RevisionId string
}

type statementOutput struct{ Statement string }

// addPermission takes a principal that is a service's name, an account, an ARN or "*".
func addPermission(c *call, in *permissionInput) (statementOutput, error) {
	full, err := in.arn(c)
	if err != nil {
		return statementOutput{}, err
	}
	p := lambda.Permission{
		StatementID: in.StatementId, Action: in.Action, SourceARN: in.SourceArn, SourceAccount: in.SourceAccount, OrganizationID: in.PrincipalOrgID,
		EventSourceToken: in.EventSourceToken, URLAuthType: in.FunctionUrlAuthType, RevisionID: in.RevisionId,
	}
	if strings.Contains(in.Principal, ".") && !strings.HasPrefix(in.Principal, "arn:") {
		p.Service = in.Principal
	} else {
		p.AWS = in.Principal
	}
	statement, err := c.lambda.AddPermission(c.ctx, c.caller, full, p)
	return statementOutput{statement}, err
}

type policyOutput struct{ Policy, RevisionId string }

func getPolicy(c *call, in *named) (policyOutput, error) {
	full, err := in.arn(c)
	if err != nil {
		return policyOutput{}, err
	}
	text, revision, err := c.lambda.GetPolicy(c.ctx, c.caller, full)
	return policyOutput{text, revision}, err
}

type removePermissionInput struct {
	named
	StatementId string `path:"StatementId" json:"-"`
	RevisionId  string `query:"RevisionId" json:"-"`
}

func removePermission(c *call, in *removePermissionInput) error {
	full, err := in.arn(c)
	if err != nil {
		return err
	}
	return c.lambda.RemovePermission(c.ctx, c.caller, full, in.StatementId, in.RevisionId)
}

type tagInput struct {
	ARN     string   `path:"ARN" json:"-"`
	TagKeys []string `query:"tagKeys" json:"-"`
	Tags    map[string]string
}

func tagResource(c *call, in *tagInput) error {
	return c.lambda.TagResource(c.ctx, c.caller, in.ARN, in.Tags)
}

func untagResource(c *call, in *tagInput) error {
	return c.lambda.UntagResource(c.ctx, c.caller, in.ARN, in.TagKeys)
}

type tagsOutput struct{ Tags map[string]string }

func listTags(c *call, in *tagInput) (tagsOutput, error) {
	list, err := c.lambda.ListTags(c.ctx, c.caller, in.ARN)
	if list == nil {
		list = map[string]string{}
	}
	return tagsOutput{list}, err
}
