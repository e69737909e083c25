package iam

import (
	"strings"

	"glassine/aws/fault"
)

// class is a sort of thing that has a name, a path and an ARN: what users, groups, roles and managed policies differ in.
type class struct {
	noun   string // as ARNs and messages spell it
	title  string // as actions and messages spell it
	plural string // as quotas spell it
	prefix string // of unique ids
	table  string
	kind   Kind // of the principal that acts as one; Anonymous where nobody does
	name   int  // longest name
	inline int  // characters of all inline policies together
}

// The classes. They are never written to. Limits: IAM User Guide, "IAM and AWS STS quotas".
var (
	users    = &class{noun: "user", title: "User", plural: "Users", prefix: "AIDA", table: "iam/users", kind: User, name: 64, inline: 2048}
	groups   = &class{noun: "group", title: "Group", plural: "Groups", prefix: "AGPA", table: "iam/groups", name: 128, inline: 5120}
	roles    = &class{noun: "role", title: "Role", plural: "Roles", prefix: "AROA", table: "iam/roles", kind: RoleSession, name: 64, inline: 10240}
	policies = &class{noun: "policy", title: "Policy", plural: "Policies", prefix: "ANPA", table: "iam/policies", name: 128}
)

// classes are all, in the order in which they rest on each other: a user is made of its groups, and all of policies.
var classes = []*class{policies, groups, users, roles}

// action is an action on one of the class, of which verb holds the class's place as a *: Put*Policy is iam:PutRolePolicy.
func (cl *class) action(verb string) string {
	return "iam:" + strings.Replace(verb, "*", cl.title, 1)
}

// field is a parameter of the class as validation messages spell it: roleName.
func (cl *class) field() string { return cl.noun + "Name" }

func (cl *class) missing(name string) error {
	if cl == policies {
		return fault.New("NoSuchEntity", "Policy %s was not found.", name)
	}
	return fault.New("NoSuchEntity", "The %s with name %s cannot be found.", cl.noun, name)
}

func (cl *class) exists(name string) error {
	if cl == policies {
		return fault.New("EntityAlreadyExists", "A policy called %s already exists. Duplicate names are not allowed.", name)
	}
	return fault.New("EntityAlreadyExists", "%s with name %s already exists.", cl.title, name)
}

// Quotas are how many of each an account may have. Zero means AWS's default: 5,000 users, 300 groups, 1,000 roles,
// 1,500 customer managed policies. IAM User Guide, "IAM and AWS STS quotas".
type Quotas struct {
	Users, Groups, Roles, Policies int
}

func (q Quotas) of(cl *class) int {
	n, usual := q.Users, 5000
	switch cl {
	case groups:
		n, usual = q.Groups, 300
	case roles:
		n, usual = q.Roles, 1000
	case policies:
		n, usual = q.Policies, 1500
	}
	if n > 0 {
		return n
	}
	return usual
}

func overQuota(quota string, limit int) error {
	return fault.New("LimitExceeded", "Cannot exceed quota for %s: %d", quota, limit)
}
