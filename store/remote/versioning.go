package remote

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"glassine/store"
)

// versioningKept is for how long the service's word about a bucket's versioning is believed.
const versioningKept = time.Minute

type versioningState struct {
	state store.Versioning
	until time.Time
}

// Versioning returns whether the service keeps versions in the bucket. It implements store.VersioningSetter.
func (s *Store) Versioning(ctx context.Context, bucket string) (store.Versioning, error) {
	remote, err := s.begin(ctx, bucket, anyKey)
	if err == nil {
		var state store.Versioning
		if state, err = s.versioningOf(ctx, remote); err == nil {
			return state, nil
		}
	}
	return 0, fmt.Errorf("versioning of bucket %s: %w", bucket, err)
}

// SetVersioning turns versions on at the service, or suspends them. It implements store.VersioningSetter.
func (s *Store) SetVersioning(ctx context.Context, bucket string, v store.Versioning) error {
	remote, err := s.begin(ctx, bucket, anyKey)
	if err == nil {
		err = s.setVersioning(ctx, remote, v)
	}
	if err != nil {
		return fmt.Errorf("set versioning of bucket %s: %w", bucket, err)
	}
	return nil
}

func (s *Store) setVersioning(ctx context.Context, remote string, v store.Versioning) error {
	status := types.BucketVersioningStatusEnabled
	if v != store.Versioned {
		status, v = types.BucketVersioningStatusSuspended, store.Suspended
	}
	_, err := s.client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &remote, VersioningConfiguration: &types.VersioningConfiguration{Status: status}})
	if err != nil {
		return fault(ctx, err, "")
	}
	s.keepVersioning(remote, v)
	return nil
}

func (s *Store) versioningOf(ctx context.Context, remote string) (store.Versioning, error) {
	s.mu.Lock()
	kept, ok := s.versioning[remote]
	s.mu.Unlock()
	if ok && time.Now().Before(kept.until) {
		return kept.state, nil
	}
	out, err := s.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &remote})
	if err != nil {
		if code := codeOf(err); code != "NotImplemented" && code != "VersioningNotConfigured" { // versitygw says so without a directory for versions
			return 0, fault(ctx, err, "")
		}
		out = &s3.GetBucketVersioningOutput{}
	}
	state := store.Unversioned
	switch out.Status {
	case types.BucketVersioningStatusEnabled:
		state = store.Versioned
	case types.BucketVersioningStatusSuspended:
		state = store.Suspended
	}
	s.keepVersioning(remote, state)
	return state, nil
}

func (s *Store) keepVersioning(remote string, v store.Versioning) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.versioning[remote] = versioningState{v, time.Now().Add(versioningKept)}
}

func (s *Store) forgetVersioning(remote string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.versioning, remote)
}

// ensureVersioning makes sure that a change will do to versions what want says. A bucket whose versions are suspended is as
// good as one without: a put replaces the null version in both.
func (s *Store) ensureVersioning(ctx context.Context, remote string, want store.Versioning) error {
	is, err := s.versioningOf(ctx, remote)
	if err != nil {
		return err
	}
	if is == want || is == store.Suspended && want == store.Unversioned {
		return nil
	}
	if s.cfg.ManageVersioning {
		return s.setVersioning(ctx, remote, want)
	}
	s.forgetVersioning(remote) // the next call looks again
	return fmt.Errorf("%w: bucket %s at the service has %s, here it has %s", store.ErrVersioning, remote, inWords(is), inWords(want))
}

func inWords(v store.Versioning) string {
	switch v {
	case store.Versioned:
		return "versions"
	case store.Suspended:
		return "versions suspended"
	}
	return "no versions"
}
