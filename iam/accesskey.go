package iam

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/state"
)

const (
	keyTable       = "iam/keys"
	maxKeysPerUser = 2 // IAM User Guide, "IAM and AWS STS quotas"
	rootOwner      = "root"
)

// keyRecord is a long-term access key as kept in the table iam/keys, in JSON, by its id.
type keyRecord struct {
	Owner    string // a user's unique id, or rootOwner
	Secret   []byte // sealed
	Created  time.Time
	Inactive bool `json:",omitempty"`
}

// accessKey is a long-term key ready for use. It is immutable.
type accessKey struct {
	id, secret, owner string
	created           time.Time
	inactive          bool
}

// active reports whether there is such a key and it may be used.
func (k *accessKey) active() bool { return k != nil && !k.inactive }

func (k *accessKey) credentials() Credentials {
	return Credentials{AccessKeyID: k.id, SecretAccessKey: k.secret}
}

// keysOf returns an owner's keys, oldest first.
func (x *index) keysOf(owner string) []*accessKey {
	var out []*accessKey
	for _, k := range x.keys {
		if k.owner == owner {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b *accessKey) int {
		if c := a.created.Compare(b.created); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	return out
}

func (s *Service) loadKeys(ctx context.Context, x *index) error {
	list, err := s.state.List(ctx, keyTable, "")
	if err != nil {
		return err
	}
	for _, rec := range list {
		k, err := s.openKey(rec)
		if err != nil {
			return fmt.Errorf("access key %s: %w", rec.Key, err)
		}
		x.keys[k.id] = k
	}
	return nil
}

func (s *Service) openKey(rec state.Record) (*accessKey, error) {
	var r keyRecord
	if err := json.Unmarshal(rec.Value, &r); err != nil {
		return nil, err
	}
	secret, err := unseal(s.seal, keyTable+"/"+rec.Key, r.Secret)
	if err != nil {
		return nil, err
	}
	return &accessKey{id: rec.Key, secret: string(secret), owner: r.Owner, created: r.Created, inactive: r.Inactive}, nil
}

// newKey makes a key and the change that stores it.
func (s *Service) newKey(owner string) (*accessKey, state.Change, error) {
	k := &accessKey{id: newID("AKIA", 16), secret: newSecret(), owner: owner, created: s.now().UTC()}
	change, err := s.keyChange(k)
	change.If = state.Revision(0)
	return k, change, err
}

// keyChange is the change that stores k.
func (s *Service) keyChange(k *accessKey) (state.Change, error) {
	value, err := json.Marshal(keyRecord{Owner: k.owner, Created: k.created, Inactive: k.inactive, Secret: seal(s.seal, keyTable+"/"+k.id, []byte(k.secret))})
	return state.Change{Table: keyTable, Key: k.id, Value: value}, err
}

// changeKeys commits and then changes the index alike: put is added or replaced. The caller has the turn.
func (s *Service) changeKeys(ctx context.Context, put *accessKey, remove []*accessKey, changes ...state.Change) error {
	touched := remove
	if put != nil {
		touched = append(touched[:len(touched):len(touched)], put)
	}
	for _, k := range remove {
		changes = append(changes, state.Change{Table: keyTable, Key: k.id})
	}
	commitErr := s.state.Commit(ctx, changes...)
	x := s.index.Load().clone()
	for _, k := range touched { // even if the commit failed: it may have been done all the same, and reading decides
		delete(x.keys, k.id)
	}
	if commitErr == nil {
		if put != nil {
			x.keys[put.id] = put
		}
		s.index.Store(x)
		return nil
	}
	for _, k := range touched {
		rec, err := s.state.Get(context.WithoutCancel(ctx), keyTable, k.id)
		if err == nil {
			if old, err := s.openKey(rec); err == nil {
				x.keys[old.id] = old
			}
		}
	}
	s.index.Store(x)
	return fmt.Errorf("write access keys: %w", commitErr)
}

// AccessKey is a long-term key without its secret.
type AccessKey struct {
	ID      string
	User    string // the user's name; "" for the root user
	Active  bool
	Created time.Time
}

// keyOwner authorises action on the user whose keys they are, and returns that user's unique id and name. No name means
// the caller's own keys, the root user's too.
func (s *Service) keyOwner(ctx context.Context, c Caller, action, user string) (owner, name string, err error) {
	if user == "" && c.Principal.Kind == Root {
		return rootOwner, "", s.Authorize(ctx, c, Ask{Action: action, Resources: []string{s.rootPrincipal().ARN}})
	}
	if user, err = self(c, user); err != nil {
		return "", "", err
	}
	e, err := s.ask(ctx, c, action, users, user, nil)
	if err != nil {
		return "", "", err
	}
	return e.ID, e.Name, nil
}

// CreateAccessKey makes a key for the user. Its secret is not shown again. More than two give LimitExceeded.
// IAM API Reference, CreateAccessKey.
func (s *Service) CreateAccessKey(ctx context.Context, c Caller, user string) (Credentials, AccessKey, error) {
	owner, name, err := s.keyOwner(ctx, c, "iam:CreateAccessKey", user)
	if err != nil {
		return Credentials{}, AccessKey{}, err
	}
	release, err := s.take(ctx)
	if err != nil {
		return Credentials{}, AccessKey{}, err
	}
	defer release()
	x := s.index.Load()
	if owner != rootOwner && x.byID[owner] == nil {
		return Credentials{}, AccessKey{}, users.missing(name)
	}
	if len(x.keysOf(owner)) >= maxKeysPerUser {
		return Credentials{}, AccessKey{}, overQuota("AccessKeysPerUser", maxKeysPerUser)
	}
	k, change, err := s.newKey(owner)
	if err == nil {
		err = s.changeKeys(ctx, k, nil, change)
	}
	if err != nil {
		return Credentials{}, AccessKey{}, err
	}
	return k.credentials(), k.shown(name), nil
}

func (k *accessKey) shown(user string) AccessKey {
	return AccessKey{ID: k.id, User: user, Active: !k.inactive, Created: k.created}
}

// ListAccessKeys returns the user's keys, oldest first. IAM API Reference, ListAccessKeys.
func (s *Service) ListAccessKeys(ctx context.Context, c Caller, user string) ([]AccessKey, error) {
	owner, name, err := s.keyOwner(ctx, c, "iam:ListAccessKeys", user)
	if err != nil {
		return nil, err
	}
	var out []AccessKey
	for _, k := range s.index.Load().keysOf(owner) {
		out = append(out, k.shown(name))
	}
	return out, nil
}

// AccessKeyUser returns whose key it is. When it was last used is not kept. IAM API Reference, GetAccessKeyLastUsed.
func (s *Service) AccessKeyUser(ctx context.Context, c Caller, accessKeyID string) (AccessKey, error) {
	x := s.index.Load()
	arn, name := "*", ""
	k := x.keys[accessKeyID]
	if k != nil && k.owner == rootOwner {
		arn = s.rootPrincipal().ARN
	} else if k != nil && x.byID[k.owner] != nil {
		arn, name = x.byID[k.owner].arn, x.byID[k.owner].Name
	}
	if err := s.Authorize(ctx, c, Ask{Action: "iam:GetAccessKeyLastUsed", Resources: []string{arn}}); err != nil {
		return AccessKey{}, err
	}
	if k == nil {
		return AccessKey{}, noSuchKey(accessKeyID)
	}
	return k.shown(name), nil
}

func noSuchKey(accessKeyID string) error {
	return fault.New("NoSuchEntity", "The Access Key with id %s cannot be found.", accessKeyID)
}

// UpdateAccessKey makes the user's key active or inactive. An inactive key is refused like one that does not exist, and so
// is all that was minted from it. IAM API Reference, UpdateAccessKey.
func (s *Service) UpdateAccessKey(ctx context.Context, c Caller, user, accessKeyID string, active bool) error {
	return s.changeKey(ctx, c, "iam:UpdateAccessKey", user, accessKeyID, func(k *accessKey) error {
		next := *k
		next.inactive = !active
		change, err := s.keyChange(&next)
		if err != nil {
			return err
		}
		return s.changeKeys(ctx, &next, nil, change)
	})
}

// DeleteAccessKey removes the user's key. Whatever was minted from it dies with it. IAM API Reference, DeleteAccessKey.
func (s *Service) DeleteAccessKey(ctx context.Context, c Caller, user, accessKeyID string) error {
	return s.changeKey(ctx, c, "iam:DeleteAccessKey", user, accessKeyID, func(k *accessKey) error {
		return s.changeKeys(ctx, nil, []*accessKey{k})
	})
}

// changeKey authorises action and, with the turn, does f to the user's key.
func (s *Service) changeKey(ctx context.Context, c Caller, action, user, accessKeyID string, f func(*accessKey) error) error {
	owner, _, err := s.keyOwner(ctx, c, action, user)
	if err != nil {
		return err
	}
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	k := s.index.Load().keys[accessKeyID]
	if k == nil || k.owner != owner {
		return noSuchKey(accessKeyID)
	}
	return f(k)
}
