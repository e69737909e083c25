package client

import (
	"context"
	"net/url"
	"strconv"
	"time"
)

const iamVersion = "2010-05-08"

// Role is an IAM role. Trust is the document of who may assume it.
type Role struct {
	RoleName, Arn, Description, Trust string
	CreateDate                        time.Time
}

// User is an IAM user.
type User struct {
	UserName, Arn string
	CreateDate    time.Time
}

// AccessKey is a key of a user. Secret is known only to the one that made it.
type AccessKey struct {
	AccessKeyId, Status string
	SecretAccessKey     string
	CreateDate          time.Time
}

// Policy is a managed policy.
type Policy struct {
	PolicyName, Arn, DefaultVersionId, Description string
	AttachmentCount                                int
}

// Attached is a managed policy that is attached to a role or user.
type Attached struct{ PolicyName, PolicyArn string }

// Owner is what policies belong to: "role" or "user".
type Owner string

// Owners of policies.
const (
	OfRole Owner = "role"
	OfUser Owner = "user"
)

// word is the owner as names of operations have it.
func (o Owner) word() string {
	if o == OfUser {
		return "User"
	}
	return "Role"
}

// pages makes calls until an answer is the last; take reads one and says whether it is.
func (c *Client) pages(ctx context.Context, action string, parameters url.Values, cli []string, answer func() (out any, marker func() string)) error {
	for {
		out, marker := answer()
		if _, err := c.xml(ctx, c.query("iam", action, iamVersion, parameters, cli, true), out); err != nil {
			return err
		}
		m := marker()
		if m == "" {
			return nil
		}
		if parameters == nil {
			parameters = url.Values{}
		}
		parameters.Set("Marker", m)
	}
}

type rawRole struct {
	RoleName, Arn, Description, AssumeRolePolicyDocument string
	CreateDate                                           time.Time
}

func (r rawRole) role() Role {
	return Role{r.RoleName, r.Arn, r.Description, unescaped(r.AssumeRolePolicyDocument), r.CreateDate}
}

// unescaped is a policy document as answers hold it. IAM API Reference, GetRolePolicy: "compliant with RFC 3986".
func unescaped(s string) string {
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}

// ListRoles returns all roles.
func (c *Client) ListRoles(ctx context.Context) (all []Role, err error) {
	err = c.pages(ctx, "ListRoles", nil, []string{"iam", "list-roles"}, func() (any, func() string) {
		var out struct {
			List   []rawRole `xml:"ListRolesResult>Roles>member"`
			Marker string    `xml:"ListRolesResult>Marker"`
		}
		return &out, func() string {
			for _, r := range out.List {
				all = append(all, r.role())
			}
			return out.Marker
		}
	})
	return all, err
}

// ListUsers returns all users.
func (c *Client) ListUsers(ctx context.Context) (all []User, err error) {
	err = c.pages(ctx, "ListUsers", nil, []string{"iam", "list-users"}, func() (any, func() string) {
		var out struct {
			List   []User `xml:"ListUsersResult>Users>member"`
			Marker string `xml:"ListUsersResult>Marker"`
		}
		return &out, func() string { all = append(all, out.List...); return out.Marker }
	})
	return all, err
}

// ListPolicies returns the account's own managed policies, or with aws AWS's.
func (c *Client) ListPolicies(ctx context.Context, aws bool) (all []Policy, err error) {
	scope := "Local"
	if aws {
		scope = "AWS"
	}
	err = c.pages(ctx, "ListPolicies", url.Values{"Scope": {scope}}, []string{"iam", "list-policies", "--scope", scope}, func() (any, func() string) {
		var out struct {
			List   []Policy `xml:"ListPoliciesResult>Policies>member"`
			Marker string   `xml:"ListPoliciesResult>Marker"`
		}
		return &out, func() string { all = append(all, out.List...); return out.Marker }
	})
	return all, err
}

// GetPolicyDocument returns the default version of a managed policy.
func (c *Client) GetPolicyDocument(ctx context.Context, arn string) (string, error) {
	var p struct {
		Version string `xml:"GetPolicyResult>Policy>DefaultVersionId"`
	}
	if _, err := c.xml(ctx, c.query("iam", "GetPolicy", iamVersion, url.Values{"PolicyArn": {arn}}, []string{"iam", "get-policy", "--policy-arn", arn}, true), &p); err != nil {
		return "", err
	}
	var v struct {
		Document string `xml:"GetPolicyVersionResult>PolicyVersion>Document"`
	}
	_, err := c.xml(ctx, c.query("iam", "GetPolicyVersion", iamVersion, url.Values{"PolicyArn": {arn}, "VersionId": {p.Version}},
		[]string{"iam", "get-policy-version", "--policy-arn", arn, "--version-id", p.Version}, true), &v)
	return unescaped(v.Document), err
}

// GetRole returns a role.
func (c *Client) GetRole(ctx context.Context, name string) (Role, error) {
	var out struct {
		Role rawRole `xml:"GetRoleResult>Role"`
	}
	_, err := c.xml(ctx, c.query("iam", "GetRole", iamVersion, url.Values{"RoleName": {name}}, []string{"iam", "get-role", "--role-name", name}, true), &out)
	return out.Role.role(), err
}

// CreateRole makes a role that trust lets assume.
func (c *Client) CreateRole(ctx context.Context, name, trust, description string) error {
	p := url.Values{"RoleName": {name}, "AssumeRolePolicyDocument": {trust}}
	cli := []string{"iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust}
	if description != "" {
		p.Set("Description", description)
		cli = append(cli, "--description", description)
	}
	_, err := c.xml(ctx, c.query("iam", "CreateRole", iamVersion, p, cli, false), nil)
	return err
}

// UpdateTrust sets who may assume a role.
func (c *Client) UpdateTrust(ctx context.Context, role, trust string) error {
	return c.change(ctx, "UpdateAssumeRolePolicy", url.Values{"RoleName": {role}, "PolicyDocument": {trust}},
		"update-assume-role-policy", "--role-name", role, "--policy-document", trust)
}

// DeleteRole deletes a role that has no policies.
func (c *Client) DeleteRole(ctx context.Context, name string) error {
	return c.change(ctx, "DeleteRole", url.Values{"RoleName": {name}}, "delete-role", "--role-name", name)
}

// CreateUser makes a user without any right.
func (c *Client) CreateUser(ctx context.Context, name string) error {
	return c.change(ctx, "CreateUser", url.Values{"UserName": {name}}, "create-user", "--user-name", name)
}

// DeleteUser deletes a user that has neither keys nor policies.
func (c *Client) DeleteUser(ctx context.Context, name string) error {
	return c.change(ctx, "DeleteUser", url.Values{"UserName": {name}}, "delete-user", "--user-name", name)
}

// change is a call of IAM whose answer says nothing.
func (c *Client) change(ctx context.Context, action string, p url.Values, cli ...string) error {
	_, err := c.xml(ctx, c.query("iam", action, iamVersion, p, append([]string{"iam"}, cli...), false), nil)
	return err
}

// ListAccessKeys returns a user's keys.
func (c *Client) ListAccessKeys(ctx context.Context, user string) ([]AccessKey, error) {
	var out struct {
		List []AccessKey `xml:"ListAccessKeysResult>AccessKeyMetadata>member"`
	}
	_, err := c.xml(ctx, c.query("iam", "ListAccessKeys", iamVersion, url.Values{"UserName": {user}}, []string{"iam", "list-access-keys", "--user-name", user}, true), &out)
	return out.List, err
}

// CreateAccessKey makes a key of a user; its secret is in the answer and nowhere else.
func (c *Client) CreateAccessKey(ctx context.Context, user string) (AccessKey, error) {
	var out struct {
		Key AccessKey `xml:"CreateAccessKeyResult>AccessKey"`
	}
	_, err := c.xml(ctx, c.query("iam", "CreateAccessKey", iamVersion, url.Values{"UserName": {user}}, []string{"iam", "create-access-key", "--user-name", user}, false), &out)
	return out.Key, err
}

// DeleteAccessKey deletes a user's key.
func (c *Client) DeleteAccessKey(ctx context.Context, user, id string) error {
	return c.change(ctx, "DeleteAccessKey", url.Values{"UserName": {user}, "AccessKeyId": {id}}, "delete-access-key", "--user-name", user, "--access-key-id", id)
}

// ListInline returns the names of the policies that are part of a role or user.
func (c *Client) ListInline(ctx context.Context, of Owner, name string) ([]string, error) {
	action := "List" + of.word() + "Policies"
	raw := struct {
		Result struct {
			Names []string `xml:"PolicyNames>member"`
		} `xml:",any"`
	}{}
	_, err := c.xml(ctx, c.query("iam", action, iamVersion, url.Values{of.word() + "Name": {name}},
		[]string{"iam", "list-" + string(of) + "-policies", "--" + string(of) + "-name", name}, true), &raw)
	return raw.Result.Names, err
}

// GetInline returns the document of a policy that is part of a role or user.
func (c *Client) GetInline(ctx context.Context, of Owner, name, policy string) (string, error) {
	raw := struct {
		Result struct{ PolicyDocument string } `xml:",any"`
	}{}
	_, err := c.xml(ctx, c.query("iam", "Get"+of.word()+"Policy", iamVersion, url.Values{of.word() + "Name": {name}, "PolicyName": {policy}},
		[]string{"iam", "get-" + string(of) + "-policy", "--" + string(of) + "-name", name, "--policy-name", policy}, true), &raw)
	return unescaped(raw.Result.PolicyDocument), err
}

// PutInline sets a policy that is part of a role or user; an empty document takes it away.
func (c *Client) PutInline(ctx context.Context, of Owner, name, policy, document string) error {
	p := url.Values{of.word() + "Name": {name}, "PolicyName": {policy}}
	flag := "--" + string(of) + "-name"
	if document == "" {
		return c.change(ctx, "Delete"+of.word()+"Policy", p, "delete-"+string(of)+"-policy", flag, name, "--policy-name", policy)
	}
	p.Set("PolicyDocument", document)
	return c.change(ctx, "Put"+of.word()+"Policy", p, "put-"+string(of)+"-policy", flag, name, "--policy-name", policy, "--policy-document", document)
}

// ListAttached returns the managed policies of a role or user.
func (c *Client) ListAttached(ctx context.Context, of Owner, name string) ([]Attached, error) {
	raw := struct {
		Result struct {
			List []Attached `xml:"AttachedPolicies>member"`
		} `xml:",any"`
	}{}
	_, err := c.xml(ctx, c.query("iam", "ListAttached"+of.word()+"Policies", iamVersion, url.Values{of.word() + "Name": {name}},
		[]string{"iam", "list-attached-" + string(of) + "-policies", "--" + string(of) + "-name", name}, true), &raw)
	return raw.Result.List, err
}

// Attach attaches a managed policy, or with off detaches it.
func (c *Client) Attach(ctx context.Context, of Owner, name, arn string, off bool) error {
	verb, word := "Attach", "attach-"
	if off {
		verb, word = "Detach", "detach-"
	}
	return c.change(ctx, verb+of.word()+"Policy", url.Values{of.word() + "Name": {name}, "PolicyArn": {arn}}, word+string(of)+"-policy", "--"+string(of)+"-name", name, "--policy-arn", arn)
}

// Evaluation is what a simulation says about one action on one resource. Decision is allowed, explicitDeny or implicitDeny.
// (IAM API Reference, SimulatePrincipalPolicy.)
type Evaluation struct {
	Action   string                                       `xml:"EvalActionName"`
	Resource string                                       `xml:"EvalResourceName"`
	Decision string                                       `xml:"EvalDecision"`
	Matches  []Matched                                    `xml:"MatchedStatements>member"`
	Missing  []string                                     `xml:"MissingContextValues>member"`
	Boundary *struct{ AllowedByPermissionsBoundary bool } `xml:"PermissionsBoundaryDecisionDetail"`
}

// Matched is a statement that decided: where it stands in which policy.
type Matched struct {
	Policy string   `xml:"SourcePolicyId"`
	Kind   string   `xml:"SourcePolicyType"`
	Start  Position `xml:"StartPosition"`
	End    Position `xml:"EndPosition"`
}

// Position is a place in a policy's text, from 1.
type Position struct{ Line, Column int }

// Simulate asks how a principal's policies, and a resource's if its document is not "", decide an action.
func (c *Client) Simulate(ctx context.Context, principal, action, resource, resourcePolicy string, contextKeys map[string]string) ([]Evaluation, error) {
	p := url.Values{"PolicySourceArn": {principal}, "ActionNames.member.1": {action}, "ResourceArns.member.1": {resource}}
	cli := []string{"iam", "simulate-principal-policy", "--policy-source-arn", principal, "--action-names", action, "--resource-arns", resource}
	if resourcePolicy != "" {
		p.Set("ResourcePolicy", resourcePolicy)
		p.Set("CallerArn", principal)
		cli = append(cli, "--resource-policy", resourcePolicy, "--caller-arn", principal)
	}
	n := 0
	for key, value := range contextKeys {
		n++
		at := "ContextEntries.member." + strconv.Itoa(n)
		p.Set(at+".ContextKeyName", key)
		p.Set(at+".ContextKeyType", "string")
		p.Set(at+".ContextKeyValues.member.1", value)
		cli = append(cli, "--context-entries", "ContextKeyName="+key+",ContextKeyType=string,ContextKeyValues="+value)
	}
	var out struct {
		List []Evaluation `xml:"SimulatePrincipalPolicyResult>EvaluationResults>member"`
	}
	_, err := c.xml(ctx, c.query("iam", "SimulatePrincipalPolicy", iamVersion, p, cli, true), &out)
	return out.List, err
}
