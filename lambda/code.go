package lambda

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/lambda/runner"
)

// Code says what a function is to run: one of a URI, an archive, and an archive in a bucket.
type Code struct {
	// URI is glassine://image, glassine://signer, the http(s) URL of a webhook, or the ARN of a function in AWS. On AWS's wire
	// it stands where the URI of a container image does.
	URI string
	Zip []byte // a zip archive of at most MaxZip bytes
	// Bucket, Key and ObjectVersion ("" is the current one) are where the archive is in S3.
	Bucket, Key, ObjectVersion string
}

// CodeSHA256 is base64 of the SHA-256 of the archive; of other code that of its URI.
func (v Version) CodeSHA256() string {
	if sum, _, ok := v.Zip(); ok {
		raw, _ := hex.DecodeString(sum) // we encoded it
		return base64.StdEncoding.EncodeToString(raw)
	}
	sum := sha256.Sum256([]byte(v.Code))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// takeCode puts the code into v, keeping it when it is an archive. What was kept stays until the caller calls release, when
// v must be in the table if it is to stay longer.
func (s *Service) takeCode(ctx context.Context, c iam.Caller, v *Version, code Code) (release func(), err error) {
	release = func() {}
	ways := 0
	for _, given := range []bool{code.URI != "", code.Zip != nil, code.Bucket != "" || code.Key != ""} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return release, invalid("Please provide one source for your function's code: ZipFile, S3Bucket with S3Key, or ImageUri.")
	}
	if code.URI != "" {
		if err := s.checkCode(code.URI); err != nil {
			return release, err
		}
		v.Code, v.Archive = code.URI, archive{}
		return release, nil
	}
	if v.Runtime == "" || v.Handler == "" {
		return release, invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.") // AWS's own words
	}
	made, release, err := s.keep(ctx, c, code)
	if err != nil {
		return func() {}, err
	}
	v.Code, v.Archive = codeZip, made
	if err := v.checkSize(); err != nil {
		release()
		return func() {}, err
	}
	return release, nil
}

// keep stores an archive from the request or from a bucket. release is as of archives.add.
func (s *Service) keep(ctx context.Context, c iam.Caller, code Code) (made archive, release func(), err error) {
	if s.archives == nil {
		return archive{}, nil, invalid("This glassine keeps no archives: it has no directory for them.")
	}
	if code.Zip != nil {
		return s.archives.add(ctx, bytes.NewReader(code.Zip), MaxZip)
	}
	if s.cfg.Objects == nil {
		return archive{}, nil, invalid("This glassine takes no code from S3.")
	}
	body, err := s.cfg.Objects.GetObject(ctx, c.CalledVia(ServicePrincipal), code.Bucket, code.Key, code.ObjectVersion)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return archive{}, nil, invalid("Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: %s", f.Code, f.Message) // AWS's own words
	}
	if err != nil {
		return archive{}, nil, err
	}
	made, release, err = s.archives.add(ctx, body, maxUnpacked)
	if closed := body.Close(); err == nil && closed != nil {
		release()
		return archive{}, nil, closed
	}
	return made, release, err
}

// checkSize refuses code and layers that are too large together. (Lambda Developer Guide, "Lambda quotas".)
func (v *Version) checkSize() error {
	total := v.Archive.Unpacked
	for _, l := range v.Layers {
		total += l.Archive.Unpacked
	}
	if total > maxUnpacked {
		return invalid("Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes.", maxUnpacked, total)
	}
	return nil
}

// CodeChange says how to change a function's code. A dry run checks all and keeps nothing.
type CodeChange struct {
	Code
	Architecture    string // "" leaves it
	RevisionID      string // refuse when the unpublished version has another
	Publish, DryRun bool
}

// UpdateFunctionCode replaces the unpublished version's code; published versions stay as they are. It returns the version
// that was made: the unpublished one, or what Publish made of it.
func (s *Service) UpdateFunctionCode(ctx context.Context, c iam.Caller, name string, ch CodeChange) (Function, Version, error) {
	r, err := s.unqualified(name)
	if err != nil {
		return Function{}, Version{}, err
	}
	if err := s.ask(ctx, c, "UpdateFunctionCode", r, nil); err != nil {
		return Function{}, Version{}, err
	}
	f, ok := s.functions.Get(r.key())
	if !ok {
		return Function{}, Version{}, notFound(s.arnOf(r))
	}
	next := f.Latest
	if ch.Architecture != "" {
		next.Architecture = ch.Architecture
	}
	if err := next.check(); err != nil {
		return Function{}, Version{}, err
	}
	release, err := s.takeCode(ctx, c, &next, ch.Code)
	if err != nil {
		return Function{}, Version{}, err
	}
	defer release()
	if ch.DryRun {
		return f, next, nil
	}
	var old, made Version
	f, err = s.update(ctx, r, func(f *Function) error {
		if ch.RevisionID != "" && ch.RevisionID != f.Latest.RevisionID {
			return errStale
		}
		old = f.Latest
		f.Latest.Code, f.Latest.Archive, f.Latest.Architecture = next.Code, next.Archive, next.Architecture
		f.Latest.Modified, f.Latest.RevisionID = s.cfg.Now().UTC(), wire.NewRequestID()
		if made = f.Latest; ch.Publish {
			made = f.publish("")
		}
		return f.Latest.checkSize()
	})
	if err != nil {
		return Function{}, Version{}, err
	}
	s.retire(f.ARN, old)
	s.warm(f, f.Latest)
	s.sweepLater()
	return f, made, nil
}

// OpenCode returns the archive of the version that name means, as it was uploaded, and its size in bytes. The caller needs
// lambda:GetFunction, and closes it.
func (s *Service) OpenCode(ctx context.Context, c iam.Caller, name string) (io.ReadCloser, int64, error) {
	_, v, err := s.GetFunction(ctx, c, name)
	if err != nil {
		return nil, 0, err
	}
	return s.openArchive(v.Archive)
}

func (s *Service) openArchive(a archive) (*os.File, int64, error) {
	if a.SHA256 == "" || s.archives == nil {
		return nil, 0, fault.New("ResourceNotFoundException", "There is no archive: the code is named by a URI.")
	}
	f, err := s.archives.open(a.SHA256)
	return f, a.Size, err
}

// runnerOf chooses where code runs that is no archive.
func (s *Service) runnerOf(code string) (runner.Runner, error) {
	if f, ok := s.cfg.Builtins[code]; ok {
		return f, nil
	}
	if strings.HasPrefix(code, "http://") || strings.HasPrefix(code, "https://") {
		return runner.Webhook{URL: code, Transport: s.cfg.Transport}, nil
	}
	if a, err := arn.Parse(code); err == nil && a.Service == "lambda" && s.cfg.AWS.Credentials != nil {
		aws := s.cfg.AWS
		aws.Function = code
		return aws, nil
	}
	return nil, errors.New("no runner for this code")
}

// checkCode refuses code that cannot run here, saying what can.
func (s *Service) checkCode(code string) error {
	if a, err := arn.Parse(code); err == nil && a.Service == "lambda" {
		if err := runner.CheckAWS(code); err != nil {
			return invalid("%s", err.Error())
		}
		if s.cfg.AWS.Credentials == nil {
			return invalid("The code %q is a function in AWS: give this glassine credentials of AWS to invoke it with.", code)
		}
		return nil
	}
	if _, err := s.runnerOf(code); err != nil {
		return invalid("The code %q cannot run: container images are not supported. Give a zip archive, glassine://image, glassine://signer, the http(s) URL of a webhook, or the ARN of a function in AWS.", code)
	}
	if strings.HasPrefix(code, "http") {
		if err := runner.CheckWebhook(code); err != nil {
			return invalid("%s", err.Error())
		}
	}
	return nil
}
