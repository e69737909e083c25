package s3api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/store"
)

// Bounds of a form. (S3 API Reference, "POST Object": the form's fields may have 20 KB without the file.)
const (
	maxFormFields = 20 << 10
	maxFormParts  = 1000
)

// form is the fields of an upload form that stand before the file, by name in lower case, and the file.
type form struct {
	fields map[string]string
	order  []string // names as they came
	file   io.Reader
	name   string // of the file, as the browser says
}

func (f *form) get(name string) string { return f.fields[strings.ToLower(name)] }

// postObject answers POST Object: an upload from a browser's form, signed by a policy in it. (S3 API Reference, "POST
// Object" and "Browser-Based Uploads Using POST".)
func (h *Handler) postObject(req *request) error {
	if req.sig != nil {
		return methodNotAllowed(req.Method, "BUCKET") // a form is signed in its fields
	}
	f, err := readForm(req)
	if err != nil {
		return err
	}
	// The request's own headers count for nothing: nobody signed them. The fields stand for them.
	hd := http.Header{}
	for name, v := range f.fields {
		hd.Set(name, v)
	}
	if v := f.get("acl"); v != "" {
		hd.Set("X-Amz-Acl", v)
	}
	keys := iam.Context{}
	transportKeys(keys, req.Request, false)
	headerContext(keys, hd)
	limits := lengths{0, maxPut}
	var caller iam.Caller
	if f.signed() {
		if caller, err = h.signedForm(req, f, keys); err != nil {
			return err
		}
		if limits, err = checkPolicy(f, req.target.name, h.now()); err != nil {
			return err
		}
	} else {
		maps.Copy(keys, wire.Context(req.Request, nil))
	}
	req.caller = caller.WithContext(keys)
	key := f.get("key")
	opt, err := putOptions(hd)
	if err != nil {
		return err
	}
	if opt.Tags, err = taggingField(f.get("tagging")); err != nil {
		return err
	}
	hd.Del("X-Amz-Sdk-Checksum-Algorithm")
	d, err := digest(hd, nil)
	if err != nil {
		return err
	}
	opt.ChecksumAlgorithm = d.Algorithm
	opt.Accept = func(info store.Info) error {
		if info.Size < limits.least {
			return fault.New("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size").
				With("ProposedSize", strconv.FormatInt(info.Size, 10)).With("MinSizeAllowed", strconv.FormatInt(limits.least, 10))
		}
		return d.Check(info.ETag, info.Checksum)
	}
	info, err := h.S3.PutObject(req.Context(), req.caller, req.target.s3(), key, &bounded{r: f.file, most: limits.most}, opt)
	if err != nil {
		return err
	}
	return posted(req, f, key, info)
}

// signatureFields are what a signed form has, all of them.
var signatureFields = []string{"policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"}

// signed reports whether the form means to be signed; else it is anonymous.
func (f *form) signed() bool {
	return slices.ContainsFunc(signatureFields, func(name string) bool { _, ok := f.fields[name]; return ok })
}

// readForm reads the fields up to the file, and makes the key.
func readForm(req *request) (*form, error) {
	malformed := fault.New("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
	req.Body = io.NopCloser(shortBody{req.Body})
	parts, err := req.MultipartReader()
	if errors.Is(err, http.ErrNotMultipart) {
		return nil, fault.New("PreconditionFailed", "At least one of the pre-conditions you specified did not hold").With("Condition", "Bucket POST must be of the enclosure-type multipart/form-data")
	}
	if err != nil {
		return nil, malformed
	}
	f := &form{fields: map[string]string{}}
	size := 0
	for range maxFormParts {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil, fault.New("InvalidArgument", "POST requires exactly one file upload per request.").With("ArgumentName", "file").With("ArgumentValue", "0")
		}
		if err != nil {
			return nil, malformed
		}
		name := part.FormName()
		if strings.EqualFold(name, "file") {
			f.file, f.name = formFile{part}, part.FileName()
			if _, ok := f.fields["key"]; !ok {
				return nil, missingField("key")
			}
			f.fields["key"] = strings.ReplaceAll(f.fields["key"], "${filename}", f.name)
			return f, nil
		}
		v, err := io.ReadAll(io.LimitReader(part, maxFormFields+1)) // maxFormFields
		if err != nil || name == "" || !validField(name) {
			return nil, malformed
		}
		if size += len(name) + len(v); size > maxFormFields {
			return nil, fault.New("MaxPostPreDataLengthExceeded", "Your POST request fields preceding the upload file were too large.")
		}
		lower := strings.ToLower(name)
		if _, twice := f.fields[lower]; twice {
			return nil, fault.New("InvalidArgument", "The field %s is given twice.", name).With("ArgumentName", name)
		}
		f.fields[lower] = string(v)
		f.order = append(f.order, name)
	}
	return nil, malformed
}

// validField takes the tokens that header names are, since fields stand for headers.
func validField(name string) bool {
	return textproto.TrimString(name) == name && !strings.ContainsAny(name, " \t\r\n:\x00")
}

func missingField(name string) error {
	return fault.New("InvalidArgument", "Bucket POST must contain a field named '%s'.  If it is specified, please check the order of the fields.", name).
		With("ArgumentName", name).With("ArgumentValue", "")
}

// formFile is the file of a form; a body that ends before the form does is an error.
type formFile struct{ part *multipart.Part }

func (f formFile) Read(p []byte) (int, error) {
	n, err := f.part.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fault.New("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
	}
	return n, err
}

// bounded is a reader of at most so many bytes; more are EntityTooLarge.
type bounded struct {
	r       io.Reader
	n, most int64 // read, and allowed
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.n += int64(n); b.n <= b.most {
		return n, err
	}
	f := fault.New("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	const look = 1 << 20 // how much of the rest is read to say how long the file is
	if rest, err := io.CopyN(io.Discard, b.r, look); errors.Is(err, io.EOF) {
		f = f.With("ProposedSize", strconv.FormatInt(b.n+rest, 10))
	}
	return 0, f.With("MaxSizeAllowed", strconv.FormatInt(b.most, 10))
}

// signedForm authenticates a form by the signature of its policy, and adds to keys what that says.
func (h *Handler) signedForm(req *request, f *form, keys iam.Context) (iam.Caller, error) {
	var nobody iam.Caller
	for _, name := range signatureFields {
		if _, ok := f.fields[name]; !ok || f.fields[name] == "" && name != "policy" {
			return nobody, missingField(name)
		}
	}
	if v := f.get("x-amz-algorithm"); v != sigv4.Algorithm {
		return nobody, fault.New("InvalidArgument", "Only AWS4-HMAC-SHA256 is supported").With("ArgumentName", "X-Amz-Algorithm").With("ArgumentValue", v)
	}
	credential := f.get("x-amz-credential")
	bad := func(format string, args ...any) error {
		return fault.New("InvalidArgument", format, args...).With("ArgumentName", "x-amz-credential").With("ArgumentValue", credential)
	}
	scope := strings.Split(credential, "/")
	if len(scope) != 5 {
		return nobody, bad("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
	}
	if scope[3] != "s3" {
		return nobody, bad("incorrect service %q. This endpoint belongs to \"s3\".", scope[3])
	}
	if scope[4] != "aws4_request" {
		return nobody, bad("incorrect terminal %q. This endpoint uses \"aws4_request\".", scope[4])
	}
	signed, err := time.Parse("20060102T150405Z", f.get("x-amz-date"))
	if err != nil {
		return nobody, fault.New("InvalidArgument", "X-Amz-Date must be formated via ISO8601 Long format").With("ArgumentName", "X-Amz-Date").With("ArgumentValue", f.get("x-amz-date"))
	}
	if signed.Format("20060102") != scope[1] {
		return nobody, bad("incorrect date format %q. This date in the credential must be in the format \"yyyyMMdd\".", scope[1])
	}
	key, err := h.lookup(req.Context(), scope[0], f.get("x-amz-security-token"))
	got, _ := hex.DecodeString(f.get("x-amz-signature"))
	// The same work for a key that is not known, so that time does not tell which keys exist.
	same := hmac.Equal(got, policySignature(key.Secret, scope, f.get("policy")))
	if err != nil {
		return nobody, err
	}
	if !same || key.Internal { // keys of URLs that glassine makes are for those URLs
		return nobody, sigv4.MismatchOf(scope[0], f.get("x-amz-signature"), f.get("policy"), "")
	}
	maps.Copy(keys, wire.Context(req.Request, &sigv4.Signature{Region: scope[2]}))
	signatureKeys(keys, false, authPost, signed, h.now())
	return key.Caller, nil
}

// policySignature is the signature of a policy in base64. (S3 API Reference, "Authenticating Requests in Browser-Based
// Uploads Using POST (AWS Signature Version 4)".)
func policySignature(secret string, scope []string, policy string) []byte {
	sum := []byte("AWS4" + secret)
	for _, text := range []string{scope[1], scope[2], scope[3], scope[4], policy} {
		m := hmac.New(sha256.New, sum)
		m.Write([]byte(text))
		sum = m.Sum(nil)
	}
	return sum
}

// posted answers an upload as the form wishes. (S3 API Reference, "POST Object", success_action_redirect and
// success_action_status.)
func posted(req *request, f *form, key string, info store.Info) error {
	hd := req.w.Header()
	madeHeaders(hd, info)
	where := formLocation(req, key)
	hd.Set("Location", where)
	redirect := f.get("success_action_redirect")
	if redirect == "" {
		redirect = f.get("redirect")
	}
	if u, err := url.Parse(redirect); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		q := u.Query()
		q.Set("bucket", req.target.name)
		q.Set("key", key)
		q.Set("etag", quoted(info.ETag))
		u.RawQuery = q.Encode()
		hd.Set("Location", u.String())
		req.w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	switch f.get("success_action_status") {
	case "200":
		hd.Set("Content-Length", "0")
		req.w.WriteHeader(http.StatusOK)
	case "201":
		wire.WriteXML(req.w, http.StatusCreated, postResponse{Location: where, Bucket: req.target.name, Key: key, ETag: quoted(info.ETag)})
	default:
		req.w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

// formLocation is the new object's URL.
func formLocation(req *request, key string) string {
	base := strings.TrimSuffix(location(req), "/")
	return base + "/" + (&url.URL{Path: key}).EscapedPath()
}
