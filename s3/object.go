package s3

import (
	"context"
	"errors"
	"io"
	"strconv"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/store"
)

// PutObject stores body under key. body returns an error in place of io.EOF when it is not what the client signed or
// announced; nothing is then stored. Nor is it when the bucket was deleted meanwhile: NoSuchBucket.
func (s *Service) PutObject(ctx context.Context, c iam.Caller, t Target, key string, body io.Reader, opt store.PutOptions) (store.Info, error) {
	b, _, err := s.object(ctx, c, "s3:PutObject", t, key)
	if err != nil {
		return store.Info{}, err
	}
	info, err := s.cfg.Store.Put(ctx, b.Name, key, body, opt)
	if err != nil {
		return store.Info{}, s.fault(err, key)
	}
	if err := s.stillThere(context.WithoutCancel(ctx), b); err != nil {
		return store.Info{}, errors.Join(err, s.cfg.Store.Delete(context.WithoutCancel(ctx), b.Name, key))
	}
	return info, nil
}

// stillThere refuses a bucket that was deleted since b was read: what was stored in it would be in nobody's list, and in
// the next bucket of that name. A deletion under way has ended when it returns.
func (s *Service) stillThere(ctx context.Context, b Bucket) error {
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	now, ok := s.buckets.Get(b.Name)
	if !ok || !now.Created.Equal(b.Created) {
		return noSuchBucket(b.Name)
	}
	return nil
}

// GetObject opens the object, or a range of it. The caller closes its body.
func (s *Service) GetObject(ctx context.Context, c iam.Caller, t Target, key string, opt store.GetOptions) (*store.Object, error) {
	b, ap, err := s.object(ctx, c, "s3:GetObject", t, key)
	if err != nil {
		return nil, err
	}
	o, err := s.cfg.Store.Get(ctx, b.Name, key, opt)
	if err != nil {
		return nil, s.missing(ctx, c, b, ap, key, err)
	}
	return o, nil
}

// HeadObject describes the object.
func (s *Service) HeadObject(ctx context.Context, c iam.Caller, t Target, key string) (store.Info, error) {
	b, ap, err := s.object(ctx, c, "s3:GetObject", t, key)
	if err != nil {
		return store.Info{}, err
	}
	info, err := s.cfg.Store.Head(ctx, b.Name, key)
	if err != nil {
		return store.Info{}, s.missing(ctx, c, b, ap, key, err)
	}
	return info, nil
}

// DeleteObject removes the object; an absent one is no error.
func (s *Service) DeleteObject(ctx context.Context, c iam.Caller, t Target, key string) error {
	b, _, err := s.object(ctx, c, "s3:DeleteObject", t, key)
	if err != nil {
		return err
	}
	return s.fault(s.cfg.Store.Delete(ctx, b.Name, key), key)
}

// ListObjects returns a page of the bucket's objects.
func (s *Service) ListObjects(ctx context.Context, c iam.Caller, t Target, opt store.ListOptions) (Bucket, store.Page, error) {
	b, ap, err := s.resolve(c, t)
	if err != nil {
		return b, store.Page{}, err
	}
	keys := iam.Context{"s3:prefix": {opt.Prefix}}
	if opt.Delimiter != "" {
		keys["s3:delimiter"] = []string{opt.Delimiter}
	}
	if err := s.authorize(ctx, c, "s3:ListBucket", b, ap, "", keys); err != nil {
		return b, store.Page{}, err
	}
	page, err := s.cfg.Store.List(ctx, b.Name, opt)
	return b, page, s.fault(err, "")
}

// object checks the key, finds the target and decides.
func (s *Service) object(ctx context.Context, c iam.Caller, action string, t Target, key string) (Bucket, *AccessPoint, error) {
	if key == "" {
		return Bucket{}, nil, fault.New("InvalidURI", "Couldn't parse the specified URI.")
	}
	if len(key) > 1024 {
		return Bucket{}, nil, fault.New("KeyTooLongError", "Your key is too long").With("Size", strconv.Itoa(len(key))).With("MaxSizeAllowed", "1024")
	}
	b, ap, err := s.resolve(c, t)
	if err != nil {
		return b, ap, err
	}
	return b, ap, s.authorize(ctx, c, action, b, ap, key, nil)
}

// missing is the answer for an absent key: 404 to who may list the bucket, else 403, so that it does not show what exists.
// (S3 API Reference, GetObject, "Permissions".)
func (s *Service) missing(ctx context.Context, c iam.Caller, b Bucket, ap *AccessPoint, key string, err error) error {
	if !errors.Is(err, store.ErrNotFound) {
		return s.fault(err, key)
	}
	if denied := s.authorize(ctx, c, "s3:ListBucket", b, ap, "", iam.Context{"s3:prefix": {""}}); denied != nil {
		return denied
	}
	return s.fault(err, key)
}

// fault gives a store's error AWS's code.
func (s *Service) fault(err error, key string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return fault.New("NoSuchKey", "The specified key does not exist.").With("Key", key)
	case errors.Is(err, store.ErrRange):
		return fault.New("InvalidRange", "The requested range is not satisfiable")
	case errors.Is(err, store.ErrPrecondition):
		return fault.New("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	case errors.Is(err, store.ErrFull):
		return fault.New("InsufficientStorage", "There is no space left for the object.")
	}
	return err
}
