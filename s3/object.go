package s3

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/store"
)

// PutObject stores body under key. body returns an error in place of io.EOF when it is not what the client signed or
// announced; nothing is then stored. Nor is it when the bucket was deleted meanwhile: NoSuchBucket. opt.Version is the
// bucket's matter and is ignored; opt.Encrypt asks for what the bucket may do by itself.
func (s *Service) PutObject(ctx context.Context, c iam.Caller, t Target, key string, body io.Reader, opt store.PutOptions) (store.Info, error) {
	w := write{Tags: opt.Tags, Encrypt: opt.Encrypt, IfMatch: opt.IfMatch, IfNoneMatch: opt.IfNoneMatch}
	b, err := s.writable(ctx, c, t, key, &w, nil)
	if err != nil {
		return store.Info{}, err
	}
	opt.Version, opt.Encrypt = b.versioning(), w.Encrypt
	info, err := s.cfg.Store.Put(ctx, b.Name, key, body, opt)
	return s.published(ctx, b, key, opt.IfMatch, info, err)
}

// write is what decides about the making of an object, whatever its bytes are.
type write struct {
	Tags                 map[string]string
	Encrypt              bool // set to what will be
	IfMatch, IfNoneMatch string
}

// writable checks the key and what is asked, finds the bucket, and decides. More condition keys may come in extra.
func (s *Service) writable(ctx context.Context, c iam.Caller, t Target, key string, w *write, extra iam.Context) (Bucket, error) {
	b, ap, err := s.locate(c, t, key)
	if err != nil {
		return b, err
	}
	keys := requestTags(w.Tags)
	for name, values := range extra {
		keys[name] = values
	}
	if w.Encrypt {
		keys["s3:x-amz-server-side-encryption"] = []string{AES256}
	}
	if w.IfMatch != "" {
		keys["s3:if-match"] = []string{w.IfMatch}
	}
	if w.IfNoneMatch != "" {
		keys["s3:if-none-match"] = []string{w.IfNoneMatch}
	}
	actions := []string{"s3:PutObject"}
	if len(w.Tags) > 0 {
		actions = append(actions, "s3:PutObjectTagging")
	}
	if len(c.Context[keyACL]) > 0 {
		actions = append(actions, "s3:PutObjectAcl")
	}
	for _, action := range actions {
		if err := s.authorize(ctx, c, action, b, ap, key, keys); err != nil {
			return b, err
		}
	}
	if err := CheckTags(w.Tags, MaxObjectTags); err != nil {
		return b, err
	}
	w.Encrypt, err = s.encrypts(b, w.Encrypt)
	return b, err
}

// keyACL is the condition key of the x-amz-acl header, which the front end puts into the caller's context: a request that
// has it does PutObjectAcl too. (S3 API Reference, PutObject, "Permissions".)
const keyACL = "s3:x-amz-acl"

// published ends the making of an object: err is the store's. It returns the object as its maker sees it.
func (s *Service) published(ctx context.Context, b Bucket, key, ifMatch string, info store.Info, err error) (store.Info, error) {
	if errors.Is(err, store.ErrPrecondition) && ifMatch != "" {
		// S3 User Guide, "How to prevent object overwrites with conditional writes": 404 when there is no object.
		if _, missing := s.cfg.Store.Head(ctx, b.Name, key); errors.Is(missing, store.ErrNotFound) {
			return store.Info{}, storeFault(missing, key, "")
		}
	}
	if err != nil {
		return store.Info{}, storeFault(err, key, "")
	}
	whole := context.WithoutCancel(ctx)
	if err := s.stillThere(whole, b); err != nil {
		_, undo := s.cfg.Store.DeleteVersion(whole, b.Name, key, store.DeleteOptions{VersionID: info.VersionID})
		return store.Info{}, errors.Join(err, undo)
	}
	if b.Versioning == VersioningSuspended {
		info.VersionID = "" // as versitygw 1.8 expects of S3; no page says so
	}
	return b.shown(info), nil
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

// GetObject opens a version of the object, or a range of it. The caller closes its body. Info.VersionID is "" where the
// bucket never had versions. An error over a delete marker is a *store.MarkerError as well.
func (s *Service) GetObject(ctx context.Context, c iam.Caller, t Target, key string, opt store.GetOptions) (*store.Object, error) {
	b, ap, err := s.locateVersion(c, t, key, opt.VersionID)
	if err != nil {
		return nil, err
	}
	// Opened first and decided then, by the tags of the very version that is open.
	o, failed := s.cfg.Store.Get(ctx, b.Name, key, opt)
	var info store.Info
	switch {
	case failed == nil:
		info = o.Info
	case errors.Is(failed, store.ErrRange):
		info, _ = s.cfg.Store.HeadVersion(ctx, b.Name, key, opt.VersionID) // gone meanwhile: decided as an absent one
		if AllOfNothing(opt.Range, info.Size) && info.ETag != "" {
			opt.Range = nil
			return s.GetObject(ctx, c, t, key, opt)
		}
	}
	err = s.mayRead(ctx, c, []string{"s3:GetObject"}, b, ap, key, opt.VersionID, info, failed)
	if err == nil {
		o.Info = b.shown(o.Info)
		return o, nil
	}
	if o != nil {
		_ = o.Body.Close() // it was not read
	}
	return nil, err
}

// AllOfNothing reports whether the range is the last bytes of an empty object, which S3 answers as if it were not asked.
// (As versitygw 1.8 expects of S3; no page says so.)
func AllOfNothing(r *store.Range, size int64) bool {
	return r != nil && r.Start == -1 && r.End > 0 && size == 0
}

// GetObjectPart opens one part of a multipart object, by its number; part 1 of another object is all of it.
// InvalidPartNumber when there is no such part. Otherwise it is GetObject.
func (s *Service) GetObjectPart(ctx context.Context, c iam.Caller, t Target, key, versionID string, part int) (*store.Object, error) {
	for range 3 {
		info, err := s.HeadObject(ctx, c, t, key, versionID)
		if err != nil {
			return nil, err
		}
		rng, err := PartRange(info, part)
		if err != nil {
			return nil, err
		}
		o, err := s.GetObject(ctx, c, t, key, store.GetOptions{VersionID: versionID, Range: rng})
		if err != nil {
			return nil, err
		}
		if o.Info.ETag == info.ETag && o.Info.VersionID == info.VersionID {
			return o, nil
		}
		_ = o.Body.Close() // overwritten between the two looks: its parts are others
	}
	return nil, fault.New("OperationAborted", "A conflicting conditional operation is currently in progress against this resource. Please try again.")
}

// PartRange returns where a part of the object lies; nil is all of it. InvalidPartNumber when there is no such part.
func PartRange(info store.Info, part int) (*store.Range, error) {
	if part == 1 && info.PartCount == 0 {
		return nil, nil
	}
	// Numbers may have gaps, but a reader counts 1 to PartCount. (S3 API Reference, GetObject, partNumber.)
	if part < 1 || part > len(info.Parts) {
		return nil, fault.New("InvalidPartNumber", "The requested partnumber is not satisfiable").WithStatus(416).
			With("ActualPartCount", strconv.Itoa(max(info.PartCount, 1))).With("PartNumberRequested", strconv.Itoa(part))
	}
	start := int64(0)
	for _, p := range info.Parts[:part-1] {
		start += p.Size
	}
	if info.Parts[part-1].Size == 0 {
		return nil, nil // only an empty object has an empty part
	}
	return &store.Range{Start: start, End: start + info.Parts[part-1].Size - 1}, nil
}

// HeadObject describes a version of the object, as GetObject does; versionID "" is the current one.
func (s *Service) HeadObject(ctx context.Context, c iam.Caller, t Target, key, versionID string) (store.Info, error) {
	return s.describe(ctx, c, []string{"s3:GetObject"}, t, key, versionID)
}

// ObjectAttributes is HeadObject for whoever may also ask for the attributes. (S3 API Reference, GetObjectAttributes.)
func (s *Service) ObjectAttributes(ctx context.Context, c iam.Caller, t Target, key, versionID string) (store.Info, error) {
	return s.describe(ctx, c, []string{"s3:GetObject", "s3:GetObjectAttributes"}, t, key, versionID)
}

// ObjectACL is HeadObject for whoever may ask for the ACL, which is the owner's full control, always.
func (s *Service) ObjectACL(ctx context.Context, c iam.Caller, t Target, key, versionID string) (store.Info, error) {
	return s.describe(ctx, c, []string{"s3:GetObjectAcl"}, t, key, versionID)
}

func (s *Service) describe(ctx context.Context, c iam.Caller, actions []string, t Target, key, versionID string) (store.Info, error) {
	b, ap, err := s.locateVersion(c, t, key, versionID)
	if err != nil {
		return store.Info{}, err
	}
	info, failed := s.cfg.Store.HeadVersion(ctx, b.Name, key, versionID)
	if err := s.mayRead(ctx, c, actions, b, ap, key, versionID, info, failed); err != nil {
		return store.Info{}, err
	}
	return b.shown(info), nil
}

// mayRead decides about reading a version whose store's answer was info and failed, and says how failed is answered.
func (s *Service) mayRead(ctx context.Context, c iam.Caller, actions []string, b Bucket, ap *AccessPoint, key, versionID string, info store.Info, failed error) error {
	keys := versionKeys(versionID, info.Tags)
	for _, action := range actions {
		if err := s.authorize(ctx, c, versioned(action, versionID), b, ap, key, keys); err != nil {
			return err
		}
	}
	if failed != nil {
		return s.missing(ctx, c, b, ap, key, versionID, failed)
	}
	return nil
}

// versioned is the action on a version that its request names: s3:GetObjectVersionTagging for s3:GetObjectTagging.
func versioned(action, versionID string) string {
	if versionID == "" {
		return action
	}
	return strings.Replace(action, "Object", "ObjectVersion", 1)
}

// versionKeys are the condition keys of a request about an existing version with its tags.
func versionKeys(versionID string, tags map[string]string) iam.Context {
	keys := iam.Context{}
	if versionID != "" {
		keys["s3:versionid"] = []string{versionID}
	}
	for k, v := range tags {
		keys["s3:existingobjecttag/"+strings.ToLower(k)] = []string{v}
	}
	return keys
}

// DeleteObject removes the object, or puts a delete marker over it, or removes the version that opt names: what the
// bucket's versioning says. An absent one is no error. Deleted.VersionID is "" where the bucket never had versions.
func (s *Service) DeleteObject(ctx context.Context, c iam.Caller, t Target, key string, opt store.DeleteOptions) (store.Deleted, error) {
	b, ap, err := s.locateVersion(c, t, key, opt.VersionID)
	if err != nil {
		return store.Deleted{}, err
	}
	return s.deleteIn(ctx, c, b, ap, key, opt)
}

func (s *Service) deleteIn(ctx context.Context, c iam.Caller, b Bucket, ap *AccessPoint, key string, opt store.DeleteOptions) (store.Deleted, error) {
	keys := versionKeys(opt.VersionID, nil)
	if opt.IfMatch != "" {
		keys["s3:if-match"] = []string{opt.IfMatch}
	}
	if err := s.authorize(ctx, c, versioned("s3:DeleteObject", opt.VersionID), b, ap, key, keys); err != nil {
		return store.Deleted{}, err
	}
	opt.Version = b.versioning()
	d, err := s.cfg.Store.DeleteVersion(ctx, b.Name, key, opt)
	if err != nil {
		return d, storeFault(err, key, opt.VersionID)
	}
	if opt.VersionID != "" {
		d.VersionID = opt.VersionID
	} else if b.Versioning == "" || !d.Marker {
		d.VersionID = ""
	}
	return d, nil
}

// locate checks the key and finds the target.
func (s *Service) locate(c iam.Caller, t Target, key string) (Bucket, *AccessPoint, error) {
	if err := checkKey(key); err != nil {
		return Bucket{}, nil, err
	}
	return s.resolve(c, t)
}

func checkKey(key string) error {
	if key == "" {
		return fault.New("InvalidURI", "Couldn't parse the specified URI.")
	}
	if len(key) > 1024 {
		return fault.New("KeyTooLongError", "Your key is too long").With("Size", strconv.Itoa(len(key))).With("MaxSizeAllowed", "1024")
	}
	if Climbs(key) {
		return fault.New("400", "Bad Request") // the code as versitygw 1.8 expects it of S3
	}
	return nil
}

// Climbs reports whether a key names, read as a path, something above its bucket: S3 takes no such key. (S3 User Guide,
// "Naming Amazon S3 objects": of elements from the left, never more relative ones than others.)
func Climbs(key string) bool {
	if !strings.Contains(key, "..") {
		return false
	}
	depth := 0
	for element := range strings.SplitSeq(key, "/") {
		switch element {
		case "", ".":
		case "..":
			depth--
		default:
			depth++
		}
		if depth < 0 {
			return true
		}
	}
	return false
}

func (s *Service) locateVersion(c iam.Caller, t Target, key, versionID string) (Bucket, *AccessPoint, error) {
	b, ap, err := s.locate(c, t, key)
	if err != nil {
		return b, ap, err
	}
	if !VersionID(versionID) {
		return b, ap, fault.New("InvalidArgument", "Invalid version id specified").With("ArgumentName", "versionId").With("ArgumentValue", versionID)
	}
	return b, ap, nil
}

// VersionID takes what may be a version id, ours or another S3's, and "": NoSuchVersion is for those, InvalidArgument for
// the rest.
func VersionID(id string) bool {
	if id == "" || id == store.NullVersion {
		return true
	}
	if len(id) < 26 || len(id) > 1024 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte("+/=._-", c) < 0 {
			return false
		}
	}
	return true
}

// missing is the answer for an absent key: 404 to who may list the bucket, else 403, so that it does not show what exists.
// (S3 API Reference, GetObject, "Permissions".)
func (s *Service) missing(ctx context.Context, c iam.Caller, b Bucket, ap *AccessPoint, key, versionID string, err error) error {
	marker, isMarker := errors.AsType[*store.MarkerError](err)
	if !isMarker && !errors.Is(err, store.ErrNotFound) {
		return storeFault(err, key, versionID)
	}
	if denied := s.authorize(ctx, c, "s3:ListBucket", b, ap, "", iam.Context{"s3:prefix": {""}}); denied != nil {
		return denied
	}
	f := storeFault(err, key, versionID)
	if isMarker {
		return errors.Join(f, marker)
	}
	return f
}

// storeFault gives a store's error AWS's code.
func storeFault(err error, key, versionID string) error {
	if marker, ok := errors.AsType[*store.MarkerError](err); ok && marker.Named {
		// S3 User Guide, "Working with delete markers": GET of a marker by its id is 405.
		return fault.New("MethodNotAllowed", "The specified method is not allowed against this resource.").With("ResourceType", "DeleteMarker")
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNoVersion):
		return fault.New("NoSuchVersion", "The specified version does not exist.").With("Key", key).With("VersionId", versionID)
	case errors.Is(err, store.ErrNotFound):
		return fault.New("NoSuchKey", "The specified key does not exist.").With("Key", key)
	case errors.Is(err, store.ErrRange):
		return fault.New("InvalidRange", "The requested range is not satisfiable")
	case errors.Is(err, store.ErrPrecondition):
		return fault.New("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	case errors.Is(err, store.ErrFull):
		return fault.New("InsufficientStorage", "There is no space left for the object.")
	}
	if f := placeFault(err); f != nil {
		return f
	}
	return uploadFault(err)
}
