package lambda

import (
	"strings"

	"glassine/aws/arn"
	"glassine/aws/fault"
)

// ref names a version of a function.
type ref struct{ region, name, qualifier string }

// parseRef reads a name, a partial ARN (account:function:name) or a full ARN, each with or without :qualifier. Another
// account's functions are not found. (Lambda API Reference, Invoke, FunctionName and Qualifier.)
func (s *Service) parseRef(name string) (ref, error) {
	account, rest := s.cfg.IAM.Account(), name
	r := ref{region: s.cfg.Region}
	if a, err := arn.Parse(name); err == nil {
		function, ok := strings.CutPrefix(a.Resource, "function:")
		if a.Service != "lambda" || !ok {
			return ref{}, badRef(name)
		}
		r.region, account, rest = a.Region, a.Account, function
	} else if before, after, ok := strings.Cut(name, ":function:"); ok {
		account, rest = before, after
	}
	var qualified bool
	r.name, r.qualifier, qualified = strings.Cut(rest, ":")
	if !validName(r.name, 64) || !validName(r.region, 63) || qualified && r.qualifier != Latest && !validName(r.qualifier, 128) {
		return ref{}, badRef(name)
	}
	if account != s.cfg.IAM.Account() {
		return ref{}, notFound(name)
	}
	return r, nil
}

// unqualified refuses a qualifier other than $LATEST, where what is meant can only be the function itself.
func (s *Service) unqualified(name string) (ref, error) {
	r, err := s.parseRef(name)
	if err == nil && r.qualifier != "" && r.qualifier != Latest {
		return r, fault.New("InvalidParameterValueException", "A published version cannot change: name the function of %q without a version.", name)
	}
	r.qualifier = ""
	return r, err
}

func (r ref) key() string { return r.region + "/" + r.name }

// arnOf is the function's ARN without a qualifier.
func (s *Service) arnOf(r ref) string {
	return arn.New("lambda", r.region, s.cfg.IAM.Account(), "function:"+r.name).String()
}

// qualifiedARN is the ARN as it was named: with the qualifier, when there was one.
func (s *Service) qualifiedARN(r ref) string {
	if r.qualifier == "" {
		return s.arnOf(r)
	}
	return s.arnOf(r) + ":" + r.qualifier
}

// validName takes 1 to most letters, digits, hyphens and underscores.
func validName(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// number reports whether a qualifier is a version's number, and so no alias's name.
func number(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func badRef(name string) *fault.Error {
	return fault.New("InvalidParameterValueException", "%q is not a function's name or ARN.", name)
}

func notFound(name string) *fault.Error {
	return fault.New("ResourceNotFoundException", "Function not found: %s", name)
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New("InvalidParameterValueException", format, args...)
}

// errStale is the fault of a change that names another revision than there is.
var errStale = fault.New("PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
