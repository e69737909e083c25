package s3

import (
	"context"
	"errors"
	"fmt"

	"glassine/aws/fault"
	"glassine/store"
)

// The places of buckets whose objects are not in the data directory.
const (
	PlaceRemote    = "remote"    // another S3 service
	PlaceDirectory = "directory" // a directory of files
)

// Placement is a bucket whose objects are kept elsewhere, as it is declared at a start.
type Placement struct {
	Name  string
	Place string // PlaceRemote or PlaceDirectory
	// Versioning is the state there: VersioningEnabled, VersioningSuspended, or "" for none. nil keeps what was known last,
	// for a place that does not answer now.
	Versioning *string
}

// DeclareBucket makes the bucket of p, or takes it up again. It is like any other bucket then, with all of Block Public
// Access on at first; only its objects are elsewhere. It asks nobody: it is for the program at its start, before the first
// request. A bucket whose objects are in the data directory is refused.
func (s *Service) DeclareBucket(ctx context.Context, p Placement) error {
	if !validBucketName(p.Name) {
		return fmt.Errorf("%q is no name for a bucket", p.Name)
	}
	_, err := s.buckets.Update(ctx, p.Name, func(b Bucket, exists bool) (Bucket, error) {
		if exists && b.Place == "" {
			return b, fmt.Errorf("the bucket %s exists, and its objects are in the data directory: choose another name", p.Name)
		}
		if !exists {
			block := BlockAll
			b = Bucket{Name: p.Name, Region: s.cfg.Region, Created: s.cfg.Now().UTC(), Block: &block}
		}
		b.Place = p.Place
		if p.Versioning != nil {
			b.Versioning = *p.Versioning
		}
		return b, nil
	})
	if err == nil {
		s.declared[p.Name] = true
	}
	return err
}

// Undeclared are the buckets that an earlier start declared and this one did not, by name. Nobody knows where their objects
// are.
func (s *Service) Undeclared() []string {
	var names []string
	for _, b := range s.buckets.All() {
		if b.Place != "" && !s.declared[b.Name] {
			names = append(names, b.Name)
		}
	}
	return names
}

// removable refuses the deletion of a bucket that is declared. One that no longer is, is forgotten: what is kept elsewhere
// stays there.
func (s *Service) removable(b Bucket) error {
	if !s.declared[b.Name] {
		return nil
	}
	return fault.New("InvalidBucketState", "The bucket's objects are kept elsewhere (--%s). Start without it, and then delete the bucket: the objects stay where they are.", b.Place).
		WithStatus(409).With("BucketName", b.Name)
}

// placeFault gives a store's error about where objects are kept AWS's code; nil if it is none.
func placeFault(err error) error {
	switch {
	case errors.Is(err, store.ErrReadOnly):
		return fault.New("AccessDenied", "The bucket is a directory that is served for reading alone.")
	case errors.Is(err, store.ErrUndeclared):
		return fault.New("InvalidBucketState", "The bucket's objects are kept elsewhere, and glassine was started without saying where (--remote, --directory).").WithStatus(409)
	case errors.Is(err, store.ErrVersioning):
		return errors.Join(fault.New("InvalidBucketState", "Where the bucket's objects are kept its versioning is another than here. PutBucketVersioning sets both; a new start takes up what is there.").WithStatus(409), err)
	case errors.Is(err, store.ErrUnavailable):
		return errors.Join(fault.New("ServiceUnavailable", "What keeps the bucket's objects does not answer, or not now. Please try again."), err)
	}
	return nil
}

// setVersioning tells the bucket's place, if it has a setting of its own, before the bucket's record is changed.
func (s *Service) setVersioning(ctx context.Context, b Bucket, status string) error {
	setter, ok := s.cfg.Store.(store.VersioningSetter)
	if b.Place == "" || !ok {
		return nil
	}
	b.Versioning = status
	if err := setter.SetVersioning(ctx, b.Name, b.versioning()); err != nil {
		return storeFault(err, "", "")
	}
	return nil
}
