package edge

import (
	"context"
	"maps"
	"slices"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
)

// CreateCachePolicy makes a cache policy; its name must be new.
func (e *Edge) CreateCachePolicy(ctx context.Context, c iam.Caller, cfg CachePolicyConfig) (CachePolicy, error) {
	if err := e.ask(ctx, c, "CreateCachePolicy", "cache-policy/*"); err != nil {
		return CachePolicy{}, err
	}
	cfg = cfg.withDefaults()
	e.control.Lock()
	defer e.control.Unlock()
	if err := e.checkPolicy("", cfg); err != nil {
		return CachePolicy{}, err
	}
	p := &CachePolicy{ID: newUUID(), ETag: newID("E", upperDigits), LastModified: e.cfg.Now().UTC(), Config: cfg}
	if err := e.put(ctx, policyTable, p.ID, p); err != nil {
		return CachePolicy{}, err
	}
	e.policies[p.ID] = p
	return *p, nil
}

// GetCachePolicy returns a cache policy, managed ones included, or NoSuchCachePolicy.
func (e *Edge) GetCachePolicy(ctx context.Context, c iam.Caller, id string) (CachePolicy, error) {
	return e.policy(ctx, c, "GetCachePolicy", id)
}

// GetCachePolicyConfig is GetCachePolicy for a caller who may only read the configuration.
func (e *Edge) GetCachePolicyConfig(ctx context.Context, c iam.Caller, id string) (CachePolicy, error) {
	return e.policy(ctx, c, "GetCachePolicyConfig", id)
}

func (e *Edge) policy(ctx context.Context, c iam.Caller, action, id string) (CachePolicy, error) {
	if err := e.ask(ctx, c, action, "cache-policy/"+id); err != nil {
		return CachePolicy{}, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	p, err := e.findPolicy(id)
	if err != nil {
		return CachePolicy{}, err
	}
	return *p, nil
}

// findPolicy returns a cache policy. e.control is held.
func (e *Edge) findPolicy(id string) (*CachePolicy, error) {
	if p := e.policies[id]; p != nil {
		return p, nil
	}
	return nil, fault.New("NoSuchCachePolicy", "The specified cache policy does not exist.")
}

// UpdateCachePolicy replaces the configuration; ifMatch is the ETag of the one it was made from.
func (e *Edge) UpdateCachePolicy(ctx context.Context, c iam.Caller, id, ifMatch string, cfg CachePolicyConfig) (CachePolicy, error) {
	if err := e.ask(ctx, c, "UpdateCachePolicy", "cache-policy/"+id); err != nil {
		return CachePolicy{}, err
	}
	cfg = cfg.withDefaults()
	e.control.Lock()
	defer e.control.Unlock()
	old, err := e.findPolicy(id)
	if err != nil {
		return CachePolicy{}, err
	}
	if old.Managed {
		return CachePolicy{}, fault.New("IllegalUpdate", "The update contains modifications that are not allowed: a managed policy cannot be changed.")
	}
	if err := match(ifMatch, old.ETag); err != nil {
		return CachePolicy{}, err
	}
	if err := e.checkPolicy(id, cfg); err != nil {
		return CachePolicy{}, err
	}
	p := *old
	p.Config, p.ETag, p.LastModified = cfg, newID("E", upperDigits), e.cfg.Now().UTC()
	if err := e.put(ctx, policyTable, id, &p); err != nil {
		return CachePolicy{}, err
	}
	e.policies[id] = &p
	return p, e.publish()
}

// DeleteCachePolicy removes a cache policy that no behavior uses.
func (e *Edge) DeleteCachePolicy(ctx context.Context, c iam.Caller, id, ifMatch string) error {
	if err := e.ask(ctx, c, "DeleteCachePolicy", "cache-policy/"+id); err != nil {
		return err
	}
	e.control.Lock()
	defer e.control.Unlock()
	p, err := e.findPolicy(id)
	if err != nil {
		return err
	}
	if p.Managed {
		return fault.New("IllegalDelete", "You cannot delete a managed policy.")
	}
	if err := match(ifMatch, p.ETag); err != nil {
		return err
	}
	for _, d := range e.distributions {
		for _, b := range d.Config.behaviors() {
			if b.CachePolicyID == id {
				return fault.New("CachePolicyInUse", "Cannot delete the cache policy because it is attached to one or more cache behaviors.")
			}
		}
	}
	if err := e.put(ctx, policyTable, id, nil); err != nil {
		return err
	}
	delete(e.policies, id)
	return nil
}

// ListCachePolicies returns the managed and the custom policies in the order of their IDs.
func (e *Edge) ListCachePolicies(ctx context.Context, c iam.Caller) ([]CachePolicy, error) {
	if err := e.ask(ctx, c, "ListCachePolicies", "*"); err != nil {
		return nil, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	var all []CachePolicy
	for _, id := range slices.Sorted(maps.Keys(e.policies)) {
		all = append(all, *e.policies[id])
	}
	return all, nil
}

// checkPolicy validates the configuration of the policy id, "" for a new one. e.control is held.
func (e *Edge) checkPolicy(id string, cfg CachePolicyConfig) error {
	switch {
	case cfg.Name == "" || len(cfg.Name) > 128:
		return invalid("The name of a cache policy has 1 to 128 characters.")
	case len(cfg.Comment) > 128:
		return invalid("The comment of a cache policy has at most 128 characters.")
	}
	if err := cfg.checkTTL(); err != nil {
		return err
	}
	for _, part := range []struct {
		what    string
		choice  Selection
		allowed []string
	}{
		{"HeadersConfig", cfg.Headers, []string{"none", "whitelist"}},
		{"CookiesConfig", cfg.Cookies, []string{"none", "whitelist", "allExcept", "all"}},
		{"QueryStringsConfig", cfg.QueryStrings, []string{"none", "whitelist", "allExcept", "all"}},
	} {
		if err := part.choice.check(part.what, part.allowed); err != nil {
			return err
		}
	}
	for _, name := range cfg.Headers.Names {
		switch {
		case !validToken(name):
			return invalid("%q is no header name.", name)
		case unmade[strings.ToLower(name)]:
			return notImplemented("The header %s", name)
		case strings.HasPrefix(strings.ToLower(name), "cloudfront-") && !keyable(name):
			return invalid("The header %s cannot be in a cache policy.", name)
		case (cfg.AcceptEncodingGzip || cfg.AcceptEncodingBrotli) && strings.EqualFold(name, "Accept-Encoding"):
			return invalid("Accept-Encoding cannot be listed while EnableAcceptEncodingGzip or EnableAcceptEncodingBrotli is true.")
		}
	}
	for _, p := range e.policies {
		if p.Config.Name == cfg.Name && p.ID != id {
			return fault.New("CachePolicyAlreadyExists", "A cache policy with this name already exists. You must provide a unique name.")
		}
	}
	return nil
}

// checkTTL validates the TTLs of a configuration whose defaults are filled in.
func (c CachePolicyConfig) checkTTL() error {
	switch {
	case c.MinTTL < 0:
		return invalid("MinTTL is negative.")
	case c.MinTTL > *c.DefaultTTL || *c.DefaultTTL > *c.MaxTTL:
		// The code's name is CloudFront's: cloudfront API model, InvalidTTLOrder.
		return fault.New("InvalidTTLOrder", "The order of TTLs is not valid: MinTTL <= DefaultTTL <= MaxTTL is needed, and %d, %d, %d was given.",
			c.MinTTL, *c.DefaultTTL, *c.MaxTTL)
	case *c.MaxTTL > maxSeconds:
		return invalid("A TTL is longer than 100 years.")
	}
	return nil
}

// maxSeconds is 100 years: the longest TTL CloudFront takes.
const maxSeconds = 3155760000

func (s Selection) check(what string, allowed []string) error {
	switch {
	case !slices.Contains(allowed, s.Behavior):
		return invalid("%s: behavior %q is not one of %s.", what, s.Behavior, strings.Join(allowed, ", "))
	case (s.Behavior == "none" || s.Behavior == "all" || s.Behavior == "allViewer") && len(s.Names) > 0:
		return invalid("%s: behavior %s takes no names.", what, s.Behavior)
	case (s.Behavior == "whitelist" || s.Behavior == "allExcept" || s.Behavior == "allViewerAndWhitelistCloudFront") && len(s.Names) == 0:
		return invalid("%s: behavior %s needs names.", what, s.Behavior)
	case len(strings.Join(s.Names, "")) > 1024:
		return invalid("%s: the names have more than 1024 characters in total.", what)
	}
	return nil
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New("InvalidArgument", format, args...)
}

// notImplemented refuses what CloudFront has and this edge has not, rather than ignoring it: docs/aws-differences.md.
func notImplemented(format string, args ...any) *fault.Error {
	e := fault.New("NotImplemented", format, args...)
	e.Message += " is not supported yet."
	return e.WithStatus(501)
}
