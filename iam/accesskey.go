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
	Owner   string // a user's unique id, or rootOwner
	Secret  []byte // sealed
	Created time.Time
}

// accessKey is a long-term key ready for use. It is immutable.
type accessKey struct {
	id, secret, owner string
	created           time.Time
}

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
	return &accessKey{id: rec.Key, secret: string(secret), owner: r.Owner, created: r.Created}, nil
}

// newKey makes a key and the change that stores it.
func (s *Service) newKey(owner string) (*accessKey, state.Change, error) {
	k := &accessKey{id: newID("AKIA", 16), secret: newSecret(), owner: owner, created: s.now().UTC()}
	value, err := json.Marshal(keyRecord{Owner: owner, Created: k.created, Secret: seal(s.seal, keyTable+"/"+k.id, []byte(k.secret))})
	return k, state.Change{Table: keyTable, Key: k.id, Value: value, If: state.Revision(0)}, err
}

// changeKeys commits and then changes the index alike. The caller has the turn.
func (s *Service) changeKeys(ctx context.Context, add *accessKey, remove []*accessKey, changes ...state.Change) error {
	for _, k := range remove {
		changes = append(changes, state.Change{Table: keyTable, Key: k.id})
	}
	commitErr := s.state.Commit(ctx, changes...)
	x := s.index.Load().clone()
	for _, k := range remove { // even if the commit failed: it may have been done all the same, and reading decides
		delete(x.keys, k.id)
	}
	if commitErr == nil {
		if add != nil {
			x.keys[add.id] = add
		}
		s.index.Store(x)
		return nil
	}
	for _, k := range remove {
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

// CreateAccessKey makes a key for the user. Its secret is not shown again. More than two give LimitExceeded.
// IAM API Reference, CreateAccessKey.
func (s *Service) CreateAccessKey(ctx context.Context, c Caller, user string) (Credentials, error) {
	e, err := s.ask(ctx, c, "iam:CreateAccessKey", User, user, nil)
	if err != nil {
		return Credentials{}, err
	}
	release, err := s.take(ctx)
	if err != nil {
		return Credentials{}, err
	}
	defer release()
	x := s.index.Load()
	if x.byID[e.ID] == nil {
		return Credentials{}, noSuchEntity(User, user)
	}
	if len(x.keysOf(e.ID)) >= maxKeysPerUser {
		return Credentials{}, fault.New("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: %d", maxKeysPerUser)
	}
	k, change, err := s.newKey(e.ID)
	if err != nil {
		return Credentials{}, err
	}
	if err := s.changeKeys(ctx, k, nil, change); err != nil {
		return Credentials{}, err
	}
	return k.credentials(), nil
}

// DeleteAccessKey removes the user's key. Whatever was minted from it dies with it. IAM API Reference, DeleteAccessKey.
func (s *Service) DeleteAccessKey(ctx context.Context, c Caller, user, accessKeyID string) error {
	e, err := s.ask(ctx, c, "iam:DeleteAccessKey", User, user, nil)
	if err != nil {
		return err
	}
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	k := s.index.Load().keys[accessKeyID]
	if k == nil || k.owner != e.ID {
		return fault.New("NoSuchEntity", "The Access Key with id %s cannot be found.", accessKeyID)
	}
	return s.changeKeys(ctx, nil, []*accessKey{k})
}

// rootKeys returns the keys of the account's root, which are one or none.
func (s *Service) rootKeys() []*accessKey { return s.index.Load().keysOf(rootOwner) }

// Root returns the account's root user, for set-up inside the process. It goes through Authorize like any caller. Its
// AccessKeyID is that of the root key, or "" before EnsureRoot has made one.
func (s *Service) Root() Caller {
	c := Caller{Principal: s.rootPrincipal()}
	if k := s.rootKeys(); len(k) > 0 {
		c.AccessKeyID = k[0].id
	}
	return c
}

func (s *Service) rootPrincipal() Principal {
	return Principal{Kind: Root, Account: s.account, ARN: "arn:aws:iam::" + s.account + ":root", ID: s.account}
}

// EnsureRoot returns the root user's long-term key, and makes one when there is none. made says that it did: show the key
// once then, and keep it in a file that only its owner can read.
func (s *Service) EnsureRoot(ctx context.Context) (c Credentials, made bool, err error) {
	release, err := s.take(ctx)
	if err != nil {
		return Credentials{}, false, err
	}
	defer release()
	if k := s.rootKeys(); len(k) > 0 {
		return k[0].credentials(), false, nil
	}
	c, err = s.replaceRoot(ctx)
	return c, err == nil, err
}

// ReplaceRoot makes the root user's key anew. The old one, and all that was minted from it, is refused from then on.
func (s *Service) ReplaceRoot(ctx context.Context) (Credentials, error) {
	release, err := s.take(ctx)
	if err != nil {
		return Credentials{}, err
	}
	defer release()
	return s.replaceRoot(ctx)
}

func (s *Service) replaceRoot(ctx context.Context) (Credentials, error) {
	k, change, err := s.newKey(rootOwner)
	if err != nil {
		return Credentials{}, err
	}
	if err := s.changeKeys(ctx, k, s.rootKeys(), change); err != nil {
		return Credentials{}, err
	}
	return k.credentials(), nil
}
