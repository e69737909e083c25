package iam

import (
	"strings"

	"glassine/aws/arn"
)

// principalPattern is one principal that a policy names.
// IAM User Guide, "AWS JSON policy elements: Principal".
type principalPattern struct {
	kind  principalKind
	value string // account id, ARN, unique id or service name
}

type principalKind uint8

const (
	anyone       principalKind = iota // "*"
	wholeAccount                      // 123456789012, or its :root ARN
	oneARN                            // a user or one session of a role
	oneRole                           // every session of a role
	oneID                             // AIDA... or AROA...: a user or role, whatever its ARN is now
	oneService                        // lambda.amazonaws.com
	webIdentity                       // an identity provider; no caller is one yet
	samlIdentity                      // likewise
)

// names is the set of ways in which a statement named a caller. They differ in strength: an account's name only
// delegates, a session's own ARN passes by its role's boundary.
type names uint8

const (
	byAccount names = 1 << iota
	byAnyone
	byRole   // the session's role
	byDirect // the user, the session, the service, or root itself
)

// names says how the pattern names the principal; 0 when it does not.
func (p *principalPattern) names(who *Principal) names {
	switch p.kind {
	case anyone:
		return byAnyone
	case wholeAccount:
		if who.Account == "" || who.Account != p.value {
			return 0
		}
		switch who.Kind {
		case Root:
			return byAccount | byDirect
		case User, RoleSession:
			return byAccount
		}
	case oneARN:
		if (who.Kind == User || who.Kind == RoleSession) && who.ARN == p.value {
			return byDirect
		}
	case oneRole:
		if who.Kind == RoleSession && who.RoleARN == p.value {
			return byRole
		}
	case oneID:
		if who.Kind == User && who.ID == p.value {
			return byDirect
		}
		if who.Kind == RoleSession && len(who.ID) > len(p.value) && who.ID[len(p.value)] == ':' &&
			who.ID[:len(p.value)] == p.value {
			return byRole
		}
	case oneService:
		if who.Kind == ServicePrincipal && who.Service == p.value {
			return byDirect
		}
	}
	return 0
}

// spares reports whether a NotPrincipal list with this union of names leaves the caller alone. AWS asks for the account,
// then the role, then the session, so all of a caller's names must be listed.
// IAM User Guide, "AWS JSON policy elements: NotPrincipal".
func (n names) spares(who *Principal) bool {
	if n&byAnyone != 0 {
		return true
	}
	need := byDirect
	switch who.Kind {
	case Root:
		need = byAccount
	case User:
		need = byAccount | byDirect
	case RoleSession:
		need = byAccount | byRole | byDirect
	case Anonymous:
		return false
	}
	return n&need == need
}

// compilePrincipal reads one value of a Principal element. ok is false when nobody can have that name.
func compilePrincipal(group, value string) (p principalPattern, ok bool) {
	switch group {
	case "AWS":
		return compileAWSPrincipal(value)
	case "Service":
		host := strings.TrimSuffix(value, ".cn")
		ok = strings.HasSuffix(host, ".amazonaws.com") && plainHost(value)
		return principalPattern{oneService, value}, ok
	case "Federated":
		a, err := arn.Parse(value)
		if err != nil {
			return principalPattern{webIdentity, value}, plainHost(value) && strings.Contains(value, ".")
		}
		kind := webIdentity
		if a.Name("saml-provider") != "" {
			kind = samlIdentity
		}
		ok = a.Service == "iam" && isAccount(a.Account) && !strings.ContainsAny(value, "*?$") &&
			(kind == samlIdentity || a.Name("oidc-provider") != "")
		return principalPattern{kind, value}, ok
	}
	// CanonicalUser: no account here has a canonical user id, so it names nobody, and AWS refuses a policy that names
	// nobody. A Deny of it that never acts would be worse.
	return principalPattern{}, false
}

func compileAWSPrincipal(value string) (p principalPattern, ok bool) {
	if value == "*" {
		return principalPattern{kind: anyone}, true
	}
	if isAccount(value) {
		return principalPattern{wholeAccount, value}, true
	}
	if isUniqueID(value) {
		return principalPattern{oneID, value}, true
	}
	a, err := arn.Parse(value)
	if err != nil || a.Region != "" || !isAccount(a.Account) || strings.ContainsAny(value, "*?$") {
		return p, false // no partial wildcard in a principal
	}
	switch {
	case a.Service == "iam" && a.Resource == "root":
		return principalPattern{wholeAccount, a.Account}, true
	case a.Service == "iam" && a.Name("user") != "":
		return principalPattern{oneARN, value}, true
	case a.Service == "iam" && a.Name("role") != "":
		return principalPattern{oneRole, value}, true
	case a.Service == "sts" && strings.Count(a.Name("assumed-role"), "/") == 1, a.Service == "sts" && a.Name("federated-user") != "":
		return principalPattern{oneARN, value}, true
	}
	return p, false
}

// isAccount reports whether s is an account id: 12 digits.
func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// isUniqueID reports whether s has the form of a user's or role's unique id.
func isUniqueID(s string) bool {
	return len(s) == 21 && (strings.HasPrefix(s, "AIDA") || strings.HasPrefix(s, "AROA")) && strings.Trim(s, idAlphabet) == ""
}

func plainHost(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == ""
}
