package edge

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
	"glassine/state"
)

// The tables of the control plane's records. Every value is JSON of the type named.
const (
	distributionTable = "cloudfront/distributions" // Distribution by ID
	policyTable       = "cloudfront/cachepolicies" // CachePolicy by ID
	invalidationTable = "cloudfront/invalidations" // Invalidation by <distribution ID>/<sequence>
)

// load reads all records and publishes the routes made of them.
func (e *Edge) load(ctx context.Context) error {
	for i := range managedPolicies {
		e.policies[managedPolicies[i].ID] = &managedPolicies[i]
	}
	err := each(ctx, e.cfg.State, policyTable, func(_ string, p *CachePolicy) { e.policies[p.ID] = p })
	if err != nil {
		return err
	}
	err = each(ctx, e.cfg.State, distributionTable, func(_ string, d *Distribution) { e.distributions[d.ID] = d })
	if err != nil {
		return err
	}
	err = each(ctx, e.cfg.State, invalidationTable, func(key string, i *Invalidation) {
		id, _, _ := strings.Cut(key, "/")
		e.invalidations[id] = append(e.invalidations[id], *i)
	})
	if err != nil {
		return err
	}
	return e.publish()
}

func each[T any](ctx context.Context, s state.Store, table string, f func(key string, v *T)) error {
	records, err := s.List(ctx, table, "")
	if err != nil {
		return fmt.Errorf("list %s: %w", table, err)
	}
	for _, r := range records {
		v := new(T)
		if err := json.Unmarshal(r.Value, v); err != nil {
			return fmt.Errorf("read record %s of %s: %w", r.Key, table, err)
		}
		f(r.Key, v)
	}
	return nil
}

// openCollections reads the tables that keep themselves.
func (e *Edge) openCollections(ctx context.Context) error {
	var err error
	if e.functions, err = state.OpenTable[functionRecord](ctx, e.cfg.State, "cloudfront/functions"); err != nil {
		return err
	}
	if e.tags, err = state.OpenTable[[]Tag](ctx, e.cfg.State, "cloudfront/tags"); err != nil {
		return err
	}
	if e.OriginRequestPolicies, err = openCollection(ctx, e, originRequestPolicies()); err != nil {
		return err
	}
	if e.ResponseHeadersPolicies, err = openCollection(ctx, e, responseHeadersPolicies()); err != nil {
		return err
	}
	if e.PublicKeys, err = openCollection(ctx, e, publicKeys()); err != nil {
		return err
	}
	e.KeyGroups, err = openCollection(ctx, e, keyGroups())
	return err
}

// put writes v under key of the table; a nil v deletes it.
func (e *Edge) put(ctx context.Context, table, key string, v any) error {
	c := state.Change{Table: table, Key: key}
	if v != nil {
		value, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("encode record %s of %s: %w", key, table, err)
		}
		c.Value = value
	}
	if err := e.cfg.State.Commit(ctx, c); err != nil {
		return fmt.Errorf("write record %s of %s: %w", key, table, err)
	}
	return nil
}

// ask has IAM decide whether c may do the CloudFront action on a resource such as distribution/E1.
// Service Authorization Reference, "Actions, resources, and condition keys for Amazon CloudFront".
func (e *Edge) ask(ctx context.Context, c iam.Caller, action, resource string) error {
	if resource != "*" {
		resource = e.arn(resource)
	}
	return e.authorize(ctx, c, iam.Ask{Action: "cloudfront:" + action, Resources: []string{resource}})
}

func (e *Edge) arn(resource string) string {
	return arn.New("cloudfront", "", e.cfg.Account, resource).String()
}

// CreateDistribution makes a distribution that serves from now on. The same CallerReference with the same configuration
// returns what it made before; with another it is DistributionAlreadyExists.
func (e *Edge) CreateDistribution(ctx context.Context, c iam.Caller, cfg DistributionConfig) (Distribution, error) {
	return e.CreateDistributionWithTags(ctx, c, cfg, nil)
}

// CreateDistributionWithTags is CreateDistribution for a distribution that has tags from its beginning; with tags the caller
// needs the right to tag too.
func (e *Edge) CreateDistributionWithTags(ctx context.Context, c iam.Caller, cfg DistributionConfig, tags []Tag) (Distribution, error) {
	if err := e.ask(ctx, c, "CreateDistribution", "distribution/*"); err != nil {
		return Distribution{}, err
	}
	if len(tags) > 0 {
		if err := e.ask(ctx, c, "TagResource", "distribution/*"); err != nil {
			return Distribution{}, err
		}
	}
	tags, err := checkTags(tags)
	if err != nil {
		return Distribution{}, err
	}
	cfg = cfg.withDefaults()
	if err := e.checkFunctions(ctx, c, cfg); err != nil {
		return Distribution{}, err
	}
	if err := e.allowLogs(ctx, c, "", cfg); err != nil {
		return Distribution{}, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	for _, d := range e.distributions {
		if d.Config.CallerReference != cfg.CallerReference {
			continue
		}
		if !reflect.DeepEqual(d.Config, cfg) {
			return Distribution{}, fault.New("DistributionAlreadyExists",
				"The caller reference that you are using to create a distribution is associated with another distribution. Already exists: %s", d.ID)
		}
		return *d, nil
	}
	if err := e.check("", cfg); err != nil {
		return Distribution{}, err
	}
	id := newID("E", upperDigits)
	d := &Distribution{
		ID: id, ARN: e.arn("distribution/" + id), DomainName: newID("d", lowerDigits) + ".cloudfront.net",
		Status: "Deployed", ETag: newID("E", upperDigits), LastModified: e.cfg.Now().UTC(), Config: cfg,
	}
	if len(tags) > 0 {
		if _, err := e.tags.Update(ctx, d.ARN, func([]Tag, bool) ([]Tag, error) { return tags, nil }); err != nil {
			return Distribution{}, err
		}
	}
	return e.replace(ctx, d)
}

// replace stores d and serves it. e.control is held.
func (e *Edge) replace(ctx context.Context, d *Distribution) (Distribution, error) {
	if err := e.put(ctx, distributionTable, d.ID, d); err != nil {
		return Distribution{}, err
	}
	e.distributions[d.ID] = d
	return *d, e.publish()
}

// GetDistribution returns a distribution, or NoSuchDistribution.
func (e *Edge) GetDistribution(ctx context.Context, c iam.Caller, id string) (Distribution, error) {
	return e.distribution(ctx, c, "GetDistribution", id)
}

// GetDistributionConfig is GetDistribution for a caller who may only read the configuration.
func (e *Edge) GetDistributionConfig(ctx context.Context, c iam.Caller, id string) (Distribution, error) {
	return e.distribution(ctx, c, "GetDistributionConfig", id)
}

func (e *Edge) distribution(ctx context.Context, c iam.Caller, action, id string) (Distribution, error) {
	if err := e.ask(ctx, c, action, "distribution/"+id); err != nil {
		return Distribution{}, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	d, err := e.find(id)
	if err != nil {
		return Distribution{}, err
	}
	return *d, nil
}

// find returns a distribution. e.control is held.
func (e *Edge) find(id string) (*Distribution, error) {
	if d := e.distributions[id]; d != nil {
		return d, nil
	}
	return nil, fault.New("NoSuchDistribution", "The specified distribution does not exist.")
}

// match checks the If-Match of a change against the ETag of what is there.
func match(ifMatch, etag string) error {
	switch ifMatch {
	case "":
		return fault.New("InvalidIfMatchVersion", "The If-Match version is missing or not valid for the resource.")
	case etag:
		return nil
	}
	return fault.New("PreconditionFailed", "The request failed because it didn't meet the preconditions in one or more request-header fields.")
}

// UpdateDistribution replaces the configuration; ifMatch is the ETag of the one it was made from. What is cached stays,
// as long as its cache key does.
func (e *Edge) UpdateDistribution(ctx context.Context, c iam.Caller, id, ifMatch string, cfg DistributionConfig) (Distribution, error) {
	if err := e.ask(ctx, c, "UpdateDistribution", "distribution/"+id); err != nil {
		return Distribution{}, err
	}
	cfg = cfg.withDefaults()
	if err := e.checkFunctions(ctx, c, cfg); err != nil {
		return Distribution{}, err
	}
	if err := e.allowLogs(ctx, c, id, cfg); err != nil {
		return Distribution{}, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	old, err := e.find(id)
	if err != nil {
		return Distribution{}, err
	}
	if err := match(ifMatch, old.ETag); err != nil {
		return Distribution{}, err
	}
	if cfg.CallerReference != old.Config.CallerReference {
		return Distribution{}, fault.New("IllegalUpdate", "The update contains modifications that are not allowed: CallerReference cannot be changed.")
	}
	if err := e.check(id, cfg); err != nil {
		return Distribution{}, err
	}
	d := *old
	d.Config, d.ETag, d.LastModified = cfg, newID("E", upperDigits), e.cfg.Now().UTC()
	return e.replace(ctx, &d)
}

// DeleteDistribution removes a disabled distribution and all that is cached for it.
func (e *Edge) DeleteDistribution(ctx context.Context, c iam.Caller, id, ifMatch string) error {
	if err := e.ask(ctx, c, "DeleteDistribution", "distribution/"+id); err != nil {
		return err
	}
	e.control.Lock()
	defer e.control.Unlock()
	d, err := e.find(id)
	if err != nil {
		return err
	}
	if err := match(ifMatch, d.ETag); err != nil {
		return err
	}
	if d.Config.Enabled {
		return fault.New("DistributionNotDisabled", "The distribution you are trying to delete has not been disabled.")
	}
	changes := []state.Change{{Table: distributionTable, Key: id}}
	for i := range e.invalidations[id] {
		changes = append(changes, state.Change{Table: invalidationTable, Key: invalidationKey(id, i)})
	}
	if err := e.cfg.State.Commit(ctx, changes...); err != nil {
		return fmt.Errorf("delete distribution %s: %w", id, err)
	}
	if err := e.tags.Delete(ctx, d.ARN, nil); err != nil {
		return err
	}
	delete(e.distributions, id)
	delete(e.invalidations, id)
	e.cache.PurgePrefix(d.DomainName + "/")
	_ = e.cache.SyncPurges() // see Invalidate
	return e.publish()
}

// ListDistributions returns all distributions in the order of their IDs.
func (e *Edge) ListDistributions(ctx context.Context, c iam.Caller) ([]Distribution, error) {
	if err := e.ask(ctx, c, "ListDistributions", "*"); err != nil {
		return nil, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	var all []Distribution
	for _, id := range slices.Sorted(maps.Keys(e.distributions)) {
		all = append(all, *e.distributions[id])
	}
	return all, nil
}
