package console

import (
	"encoding/json"
	"net/url"
	"strings"

	"glassine/console/client"
)

// accessData are all identities of the account.
type accessData struct {
	Roles    []client.Role
	Users    []client.User
	Policies []client.Policy
}

func accessPage(q *request) error {
	var d accessData
	var err error
	if d.Roles, err = q.aws.ListRoles(q.ctx()); err != nil {
		return err
	}
	if d.Users, err = q.aws.ListUsers(q.ctx()); err != nil {
		return err
	}
	if d.Policies, err = q.aws.ListPolicies(q.ctx(), false); err != nil {
		return err
	}
	return q.show("access", "access", "Roles and users", d)
}

// trustOf is a trust policy for services.
func trustOf(services ...string) string {
	raw, _ := json.Marshal(services) // strings always encode
	principal := string(raw)
	if len(services) == 1 {
		principal = string(raw[1 : len(raw)-1])
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":` + principal + `},"Action":"sts:AssumeRole"}]}`
}

// trusted are the services that the form of a role offers; custom is a document.
var trusted = map[string][]string{
	"lambda":     {"lambda.amazonaws.com"},
	"edgelambda": {"lambda.amazonaws.com", "edgelambda.amazonaws.com"},
}

func createIdentity(q *request) error {
	name := strings.TrimSpace(q.form("name"))
	if q.form("do") == "user" {
		if err := q.aws.CreateUser(q.ctx(), name); err != nil {
			return q.again(err, accessPage)
		}
		return q.done("/access/users/"+url.PathEscape(name), "Made the user "+name+", who may do nothing yet.")
	}
	trust := strings.TrimSpace(q.form("document"))
	if services, ok := trusted[q.form("trust")]; ok {
		trust = trustOf(services...)
	} else if trust == "" {
		return q.again(&asked{"A trust policy of one's own is needed.", "Who may assume the role is custom, and the document is empty.", ""}, accessPage)
	}
	if err := q.aws.CreateRole(q.ctx(), name, trust, strings.TrimSpace(q.form("description"))); err != nil {
		return q.again(err, accessPage)
	}
	return q.done("/access/roles/"+url.PathEscape(name), "Made the role "+name+", which may do nothing yet.")
}

// identityData is the page of a role or a user.
type identityData struct {
	Of       client.Owner
	Name     string
	ARN      string
	Role     client.Role
	Trust    string
	Inline   []namedPolicy
	Attached []client.Attached
	Managed  []client.Policy // that may be attached
	Keys     []client.AccessKey
}

// namedPolicy is a policy with its document.
type namedPolicy struct{ Name, Document string }

func rolePage(q *request) error { return identityPage(q, client.OfRole) }
func userPage(q *request) error { return identityPage(q, client.OfUser) }

func identityPage(q *request, of client.Owner) error {
	d := identityData{Of: of, Name: q.r.PathValue("name")}
	var err error
	if of == client.OfRole {
		if d.Role, err = q.aws.GetRole(q.ctx(), d.Name); err != nil {
			return err
		}
		d.ARN, d.Trust = d.Role.Arn, indented(d.Role.Trust)
	} else {
		if d.Keys, err = q.aws.ListAccessKeys(q.ctx(), d.Name); err != nil {
			return err
		}
		d.ARN = "arn:aws:iam::" + q.c.cfg.Account + ":user/" + d.Name
	}
	names, err := q.aws.ListInline(q.ctx(), of, d.Name)
	if err != nil {
		return err
	}
	for _, name := range names {
		document, err := q.aws.GetInline(q.ctx(), of, d.Name, name)
		if err != nil {
			return err
		}
		d.Inline = append(d.Inline, namedPolicy{name, indented(document)})
	}
	if d.Attached, err = q.aws.ListAttached(q.ctx(), of, d.Name); err != nil {
		return err
	}
	d.Managed, _ = q.aws.ListPolicies(q.ctx(), false) // who may not list them writes an ARN
	return q.show("identity", "access", d.Name, d)
}

func roleAction(q *request) error { return identityAction(q, client.OfRole) }
func userAction(q *request) error { return identityAction(q, client.OfUser) }

func identityAction(q *request, of client.Owner) error {
	name := q.r.PathValue("name")
	to := "/access/" + string(of) + "s/" + url.PathEscape(name)
	var f flash
	err := error(&asked{"This form asks for nothing.", "Load the page again.", ""})
	switch q.form("do") {
	case "policy":
		f.Text = "The policy " + q.form("policy") + " of " + name + " is set."
		if strings.TrimSpace(q.form("document")) == "" {
			f.Text = "The policy " + q.form("policy") + " of " + name + " is gone."
		}
		err = q.aws.PutInline(q.ctx(), of, name, strings.TrimSpace(q.form("policy")), strings.TrimSpace(q.form("document")))
	case "attach", "detach":
		f.Text = "Done: " + q.form("do") + " " + q.form("arn") + "."
		err = q.aws.Attach(q.ctx(), of, name, strings.TrimSpace(q.form("arn")), q.form("do") == "detach")
	case "trust":
		f.Text = "Who may assume " + name + " is set."
		err = q.aws.UpdateTrust(q.ctx(), name, strings.TrimSpace(q.form("document")))
	case "key":
		var k client.AccessKey
		if k, err = q.aws.CreateAccessKey(q.ctx(), name); err == nil {
			f = flash{Text: "A key of " + name + ". Its secret is shown now and never again.", Secret: k.AccessKeyId + " " + k.SecretAccessKey}
		}
	case "delete-key":
		f.Text = "The key " + q.form("key") + " is dead."
		err = q.aws.DeleteAccessKey(q.ctx(), name, q.form("key"))
	case "delete":
		f.Text, to = "Deleted "+name+".", "/access"
		if of == client.OfUser {
			err = q.aws.DeleteUser(q.ctx(), name)
		} else {
			err = q.aws.DeleteRole(q.ctx(), name)
		}
	}
	if err != nil {
		return q.again(err, func(q *request) error { return identityPage(q, of) })
	}
	return q.doneWith(to, f)
}

// policyPage shows a managed policy's document.
func policyPage(q *request) error {
	document, err := q.aws.GetPolicyDocument(q.ctx(), q.arg("arn"))
	if err != nil {
		return err
	}
	return q.show("policy", "access", q.arg("arn"), indented(document))
}

func (c *Console) accessRoutes(show, do func(string, handler)) {
	show("/access", accessPage)
	do("/access", createIdentity)
	show("/access/roles/{name}", rolePage)
	do("/access/roles/{name}", roleAction)
	show("/access/users/{name}", userPage)
	do("/access/users/{name}", userAction)
	show("/access/policy", policyPage)
	show("/access/explain", explainPage)
}
