package iam

import (
	"maps"
	"strconv"
	"strings"
	"time"
)

// WithContext returns the caller with the keys added to its context, replacing keys of the same name. Names are put in
// lower case. The receiver and its map stay as they are.
func (c Caller) WithContext(kv Context) Caller {
	merged := make(Context, len(c.Context)+len(kv))
	maps.Copy(merged, c.Context)
	merged.add(kv)
	c.Context = merged
	return c
}

func (ctx Context) add(kv Context) {
	for k, v := range kv {
		ctx[strings.ToLower(k)] = v
	}
}

// principalTagPrefix begins the keys of the caller's tags, which, like globalKeys, the service alone sets.
const principalTagPrefix = "aws:principaltag/"

// addGiven adds what a front end or a question gave.
func (ctx Context) addGiven(kv Context) {
	for k, v := range kv {
		if k = strings.ToLower(k); !strings.HasPrefix(k, principalTagPrefix) {
			ctx[k] = v
		}
	}
}

func (ctx Context) principalTags(tags []Tag) {
	for _, t := range tags {
		ctx[principalTagPrefix+strings.ToLower(t.Key)] = []string{t.Value}
	}
}

// globalKeys are the keys that say who calls and when. The service alone sets them; a caller's or a front end's value is
// dropped. IAM User Guide, "AWS global condition context keys".
var globalKeys = []string{
	"aws:principalarn", "aws:principalaccount", "aws:principaltype", "aws:userid", "aws:username",
	"aws:principalisawsservice", "aws:principalservicename", "aws:principalservicenameslist",
	"aws:calledvia", "aws:calledviafirst", "aws:calledvialast", "aws:viaawsservice",
	"aws:currenttime", "aws:epochtime", "aws:tokenissuetime", "aws:multifactorauthpresent", "aws:multifactorauthage", "aws:sourceidentity",
}

// serviceKeys speak of the resource for which a service calls on its own account; nobody else has them.
var serviceKeys = []string{"aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths"}

// context assembles a request's condition keys: the caller's, the question's, and the global ones. now is the request's
// one reading of the clock.
func (s *Service) context(c *Caller, a Context, now time.Time) Context {
	ctx := make(Context, len(c.Context)+len(a)+len(globalKeys))
	ctx.addGiven(c.Context)
	ctx.addGiven(a)
	for _, k := range globalKeys {
		delete(ctx, k)
	}
	p := &c.Principal
	var via []string
	if c.Session != nil {
		via = c.Session.Via
	}
	if p.Kind != ServicePrincipal || len(via) > 0 {
		for _, k := range serviceKeys {
			delete(ctx, k)
		}
	} else if c.Session != nil && c.Session.SourceARN != "" {
		ctx["aws:sourcearn"], ctx["aws:sourceaccount"] = []string{c.Session.SourceARN}, []string{s.account}
	}
	if len(via) > 0 {
		// The peer is the service, not the caller: aws:SourceIp would be a lie.
		delete(ctx, "aws:sourceip")
		ctx["aws:calledvia"] = via
		ctx["aws:calledviafirst"] = via[:1]
		ctx["aws:calledvialast"] = via[len(via)-1:]
	}
	w := single{ctx, make([]string, 0, len(globalKeys))}
	w.set("aws:viaawsservice", strconv.FormatBool(len(via) > 0))
	w.set("aws:principalisawsservice", strconv.FormatBool(p.Kind == ServicePrincipal))
	w.set("aws:currenttime", now.UTC().Format(time.RFC3339))
	w.set("aws:epochtime", strconv.FormatInt(now.Unix(), 10))
	if _, ok := ctx["aws:resourceaccount"]; !ok {
		w.set("aws:resourceaccount", s.account)
	}
	w.principal(p)
	if c.Session != nil && !c.Session.Issued.IsZero() {
		w.set("aws:tokenissuetime", c.Session.Issued.UTC().Format(time.RFC3339))
		w.set("aws:multifactorauthpresent", "false") // there is no MFA yet
	}
	if c.Session != nil && c.Session.SourceIdentity != "" {
		w.set("aws:sourceidentity", c.Session.SourceIdentity)
	}
	return ctx
}

// single sets keys that have one value, all out of one slice, since this is done for every decision.
type single struct {
	ctx    Context
	values []string
}

func (w *single) set(key, value string) {
	w.values = append(w.values, value)
	n := len(w.values)
	w.ctx[key] = w.values[n-1 : n : n]
}

func (w *single) principal(p *Principal) {
	switch p.Kind {
	case Root:
		w.set("aws:principaltype", "Account")
		w.set("aws:principalarn", p.ARN)
	case User:
		w.set("aws:principaltype", "User")
		w.set("aws:principalarn", p.ARN)
		w.set("aws:username", p.Name)
	case RoleSession:
		w.set("aws:principaltype", "AssumedRole")
		w.set("aws:principalarn", p.RoleARN)
	case ServicePrincipal:
		w.set("aws:principalservicename", p.Service)
		w.set("aws:principalservicenameslist", p.Service)
		return
	default:
		w.set("aws:principaltype", "Anonymous")
		w.set("aws:userid", "anonymous")
		return
	}
	w.set("aws:principalaccount", p.Account)
	w.set("aws:userid", p.ID)
}
