package edge

import (
	"slices"

	"glassine/aws/fault"
	"glassine/edge/signedurl"
)

// PublicKey verifies signed URLs and cookies. CloudFront API Reference, "PublicKey".
type PublicKey = Versioned[PublicKeyConfig]

// PublicKeyConfig is the key; after its creation only Comment changes. CloudFront API Reference, "PublicKeyConfig".
type PublicKeyConfig struct {
	CallerReference string
	Name, Comment   string // at most 128 characters each
	EncodedKey      string // PEM: RSA of 2048 bits or more, or ECDSA on P-256
}

// KeyGroup is public keys of which each may sign. CloudFront API Reference, "KeyGroup".
type KeyGroup = Versioned[KeyGroupConfig]

// KeyGroupConfig is the changeable part. CloudFront API Reference, "KeyGroupConfig".
type KeyGroupConfig struct {
	Name, Comment string   // at most 128 characters each
	Keys          []string // IDs of public keys, 1 to 5
}

// mostKeys and mostKeyGroups are quotas on a key group and on a distribution. CloudFront Developer Guide, "Quotas on key
// groups".
const (
	mostKeys      = 5
	mostKeyGroups = 4
)

func publicKeys() kind[PublicKeyConfig] {
	return kind[PublicKeyConfig]{
		table: "cloudfront/publickeys", noun: "PublicKey", plural: "PublicKeys", what: "public key",
		missing: "NoSuchPublicKey", used: "PublicKeyInUse", newID: func() string { return newID("K", upperDigits) },
		check: func(_ *Edge, old *PublicKey, cfg PublicKeyConfig) error { return cfg.check(old) },
		same: func(a, b PublicKeyConfig) bool {
			return a.Name == b.Name || a.CallerReference == b.CallerReference
		},
		inUse: func(e *Edge, id string) bool {
			return slices.ContainsFunc(e.KeyGroups.all(), func(g KeyGroup) bool { return slices.Contains(g.Config.Keys, id) })
		},
	}
}

func (c PublicKeyConfig) check(old *PublicKey) error {
	if err := checkPolicyName("a public key", c.Name, c.Comment); err != nil {
		return err
	}
	if c.CallerReference == "" {
		return invalid("The caller reference is missing.")
	}
	if old != nil {
		was := old.Config
		if was.Comment = c.Comment; was != c {
			return fault.New("CannotChangeImmutablePublicKeyFields", "You can't change the value of a public key.")
		}
		return nil
	}
	if _, err := signedurl.ParseKey([]byte(c.EncodedKey)); err != nil {
		return invalid("The EncodedKey is not valid: %v.", err)
	}
	return nil
}

func keyGroups() kind[KeyGroupConfig] {
	return kind[KeyGroupConfig]{
		table: "cloudfront/keygroups", noun: "KeyGroup", plural: "KeyGroups", what: "key group",
		missing: "NoSuchResource", used: "ResourceInUse", newID: newUUID,
		check: func(e *Edge, _ *KeyGroup, cfg KeyGroupConfig) error { return e.checkKeyGroup(cfg) },
		same:  func(a, b KeyGroupConfig) bool { return a.Name == b.Name },
		inUse: func(e *Edge, id string) bool {
			return e.anyBehavior(func(b *CacheBehavior) bool { return slices.Contains(b.TrustedKeyGroups, id) })
		},
	}
}

func (e *Edge) checkKeyGroup(c KeyGroupConfig) error {
	if err := checkPolicyName("a key group", c.Name, c.Comment); err != nil {
		return err
	}
	switch {
	case len(c.Keys) == 0:
		return invalid("A key group needs a public key.")
	case len(c.Keys) > mostKeys:
		return fault.New("TooManyPublicKeysInKeyGroup", "The number of public keys in this key group is more than the maximum allowed, %d.", mostKeys)
	}
	seen := map[string]bool{}
	for _, id := range c.Keys {
		if _, err := e.PublicKeys.find(id); err != nil {
			return invalid("There is no public key %s.", id)
		}
		if seen[id] {
			return invalid("The public key %s appears twice.", id)
		}
		seen[id] = true
	}
	return nil
}

// checkTrustedGroups validates a behavior's key groups. e.control is held.
func (e *Edge) checkTrustedGroups(groups []string) error {
	if len(groups) > mostKeyGroups {
		return fault.New("TooManyKeyGroupsAssociatedToDistribution", "The number of key groups referenced by this distribution is more than the maximum allowed, %d.", mostKeyGroups)
	}
	for _, id := range groups {
		if _, err := e.KeyGroups.find(id); err != nil {
			return fault.New("TrustedKeyGroupDoesNotExist", "The specified key group does not exist: %s.", id)
		}
	}
	return nil
}

// trustedKeys are the keys that may sign for a behavior with the groups, by their IDs. e.control is held.
func (e *Edge) trustedKeys(groups []string) map[string]signedurl.Key {
	if len(groups) == 0 {
		return nil
	}
	keys := map[string]signedurl.Key{}
	for id, encoded := range e.encodedKeys(groups) {
		if key, err := signedurl.ParseKey([]byte(encoded)); err == nil { // it was read when it was created
			keys[id] = key
		}
	}
	return keys
}

func (e *Edge) encodedKeys(groups []string) map[string]string {
	out := map[string]string{}
	for _, id := range groups {
		g, err := e.KeyGroups.find(id)
		if err != nil {
			continue
		}
		for _, keyID := range g.Config.Keys {
			if k, err := e.PublicKeys.find(keyID); err == nil {
				out[keyID] = k.Config.EncodedKey
			}
		}
	}
	return out
}

// ActiveKeys returns the IDs of the public keys that can sign for a distribution, by key group, for
// "ActiveTrustedKeyGroups" of the CloudFront API Reference; nil when no behavior wants signatures.
func (e *Edge) ActiveKeys(cfg *DistributionConfig) map[string][]string {
	var out map[string][]string
	for _, b := range cfg.behaviors() {
		for _, id := range b.TrustedKeyGroups {
			g, err := e.KeyGroups.find(id)
			if err != nil {
				continue
			}
			if out == nil {
				out = map[string][]string{}
			}
			out[id] = g.Config.Keys
		}
	}
	return out
}
