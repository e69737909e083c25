package iam

import (
	"context"
	"encoding/json"
	"fmt"

	"glassine/state"
)

// rootKeys returns the keys of the account's root, oldest first.
func (s *Service) rootKeys() []*accessKey { return s.index.Load().keysOf(rootOwner) }

// Root returns the account's root user, for set-up inside the process. It goes through Authorize like any caller. Its
// AccessKeyID is that of the root key, or "" before EnsureRoot has made one.
func (s *Service) Root() Caller {
	c := Caller{Principal: s.rootPrincipal()}
	for _, k := range s.rootKeys() {
		if k.active() {
			c.AccessKeyID = k.id
			break
		}
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

// CopyRoot copies the root user's keys, and nothing else, from one store of records to another that has the same sealing key. What
// was minted from them stays behind: no temporary credentials of from are good for anything in to.
func CopyRoot(ctx context.Context, from, to state.Store) error {
	list, err := from.List(ctx, keyTable, "")
	if err != nil {
		return fmt.Errorf("copy the root keys: %w", err)
	}
	var changes []state.Change
	for _, rec := range list {
		var r keyRecord
		if err := json.Unmarshal(rec.Value, &r); err != nil {
			return fmt.Errorf("copy the root keys: access key %s: %w", rec.Key, err)
		}
		if r.Owner == rootOwner {
			changes = append(changes, state.Change{Table: keyTable, Key: rec.Key, Value: rec.Value})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return to.Commit(ctx, changes...)
}
