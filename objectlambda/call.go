package objectlambda

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/s3"
)

// Header is one header line of the caller's request, in the case in which it should reach the function.
type Header struct{ Name, Value string }

// Request is a request on an Object Lambda access point.
type Request struct {
	ID          string // a UUID: x-amz-request-id, and xAmzRequestId of the event
	Caller      iam.Caller
	AccessPoint string // name
	Operation   string // AWS's name, such as GetObject or PutObject; "" is one that S3 does not have
	Key         string // "" for the operations on a bucket
	VersionID   string
	Query       string // raw, as received
	// Signed are headers of the caller that change what is read, for the function's URL to carry as parameters: those whose
	// names begin with x-amz-, in lower case.
	Signed      []Header
	URL         string // absolute, as received
	Headers     []Header
	Range, Part bool // whether a Range or a partNumber was asked for, in a header or in the query
	// Abort makes a write to the caller that hangs return an error; called at the deadline while an answer is delivered,
	// and never after that returned. May be nil.
	Abort func()
}

// Call is a request on its way. It is made by Begin, asked with Authorize, and then answered by a function (GetObject,
// HeadObject, List, as Operation says) or, when Proxied, by the supporting access point. End it always.
type Call struct {
	Request
	s          *Service
	point      AccessPoint
	exists     bool
	supporting s3.AccessPoint
	transform  *Transformation // nil: proxied
	event      Event
	began      time.Time
	secrets    []string // what was minted for the function: access keys and tokens
}

// Begin makes a Call of a request. Nothing is decided yet.
func (s *Service) Begin(req Request) *Call {
	c := &Call{Request: req, s: s, began: s.cfg.Now()}
	if c.point, c.exists = s.points.Get(req.AccessPoint); !c.exists {
		c.point = AccessPoint{Name: req.AccessPoint, Region: s.cfg.Region, Account: s.cfg.IAM.Account()}
	}
	return c
}

// Authorize decides whether the caller may do the operation on the access point, and finds out who answers it.
//
// Errors: AccessDenied, NoSuchAccessPoint for the access point or its supporting one, NotImplemented for what an Object
// Lambda access point does not do, and for a range or a part number that the configuration does not allow,
// NoTransformationDefined where a function should answer and the configuration names none at all.
func (c *Call) Authorize(ctx context.Context) error {
	name, known := action(c.Operation, c.VersionID != "")
	if err := c.Also(ctx, name); err != nil {
		return err
	}
	if !c.exists {
		return s3.NoSuchAccessPoint(c.AccessPoint)
	}
	if !known {
		return notImplemented()
	}
	cfg := c.point.Configuration
	if transformable(c.Operation) {
		if len(cfg.Transformations) == 0 {
			return fault.New("NoTransformationDefined", "No transformation found for this Object Lambda Access Point")
		}
		if t, ok := c.point.function(c.Operation); ok {
			c.transform = &t
		}
	}
	allowed := func(feature string) bool { return slices.Contains(cfg.AllowedFeatures, c.Operation+feature) }
	if c.transform != nil && (c.Range && !allowed("-Range") || c.Part && !allowed("-PartNumber")) {
		return notImplemented()
	}
	var ok bool
	if c.supporting, ok = c.s.cfg.S3.Supporting(cfg.SupportingAccessPoint); !ok {
		return s3.NoSuchAccessPoint(cfg.SupportingAccessPoint)
	}
	return nil
}

// Also asks for a further action of the operation, which shows itself later, such as DeleteObjectVersion for one of the
// versions that DeleteObjects names.
func (c *Call) Also(ctx context.Context, action string) error {
	return c.s.decide(ctx, c.Caller, action, c.point)
}

func notImplemented() error { return fault.New("NotImplemented", "Operation Not Implemented.") }

// Proxied returns the supporting access point and the caller as it is asked in its name, when no function answers the
// operation. The access point and the bucket decide about it as about any request.
func (c *Call) Proxied() (accessPoint string, caller iam.Caller, ok bool) {
	return c.supporting.Name, c.Caller.CalledVia(servicePrincipal), c.transform == nil
}

// decide asks about the access point itself: the caller's policies, or the access point's own. An action is without the
// service's prefix; "" asks nothing of whoever has a name. Nobody gets in without one, whatever a policy says. (Amazon S3
// User Guide, "Configuring IAM policies for Object Lambda Access Points".)
func (s *Service) decide(ctx context.Context, c iam.Caller, action string, ap AccessPoint) error {
	if c.Principal.Kind == iam.Anonymous {
		return fault.New("AccessDenied", "Access Denied")
	}
	if action == "" {
		return nil
	}
	ask := iam.Ask{Action: "s3-object-lambda:" + action, Resources: []string{ap.ARN()}}
	if ap.Policy != "" {
		p, err := s.policies.Read(ap.Policy, ap.PolicyIDs)
		if err != nil {
			return fmt.Errorf("read the policy of %s: %w", ap.ARN(), err) // fail closed: what does not parse might deny
		}
		ask.Policies = p.Policies
	}
	return s.cfg.IAM.Authorize(ctx, c, ask)
}

// inputLife is how long inputS3Url holds: the function must begin its fetch within a minute, and may fetch again.
const inputLife = 61 * time.Second

// inputURL presigns for the function what the caller asks for: through the supporting access point, as the caller, bound to
// this one object or listing. Only the host is signed, where AWS also signs x-amz-checksum-mode when the caller sent it:
// see docs/aws-differences.md. Range and partNumber are never in it.
func (c *Call) inputURL(ctx context.Context) (string, error) {
	ap, bucket := c.supporting, s3.BucketARN(c.supporting.Bucket)
	// ListBucket decides between 404 and 403 for an absent key.
	bound := iam.Bound{Actions: []string{"s3:ListBucket"}, Resources: []string{ap.ARN(), bucket}}
	method, query := "GET", ""
	if c.Key != "" {
		read := "s3:GetObject"
		if c.VersionID != "" {
			read, query = "s3:GetObjectVersion", "versionId="+url.QueryEscape(c.VersionID)
		}
		bound.Actions = append(bound.Actions, read)
		bound.Resources = append(bound.Resources, ap.ARN()+"/object/"+c.Key, bucket+"/"+c.Key)
	} else {
		query = withoutSignature(c.Query)
	}
	if c.Operation == HeadObject {
		method = "HEAD"
	}
	for _, h := range c.Signed {
		if query != "" {
			query += "&"
		}
		query += h.Name + "=" + url.QueryEscape(h.Value)
	}
	creds, err := c.s.cfg.IAM.Forward(ctx, c.Caller, servicePrincipal, bound, inputLife)
	if err != nil {
		return "", err
	}
	c.secrets = append(c.secrets, creds.AccessKeyID)
	u := &url.URL{
		Scheme:   "https",
		Host:     ap.Name + "-" + ap.Account + ".s3-accesspoint." + ap.Region + ".amazonaws.com",
		Path:     "/" + c.Key,
		RawPath:  "/" + escapeKey(c.Key),
		RawQuery: query,
	}
	if c.webhook() {
		u.Scheme, u.Host = c.s.cfg.Endpoint.Scheme, c.s.cfg.Endpoint.Host
		u.Path, u.RawPath = "/"+ap.Alias+u.Path, "/"+ap.Alias+u.RawPath
	}
	signed := sigv4.Presign(method, u, sigv4.Credentials{AccessKeyID: creds.AccessKeyID, SecretAccessKey: creds.SecretAccessKey, SessionToken: creds.SessionToken},
		ap.Region, "s3", c.s.cfg.Now(), inputLife)
	return signed.String(), nil
}

// escapeKey encodes a key as S3's clients do: everything but unreserved characters and the slash.
func escapeKey(key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(url.QueryEscape(p), "+", "%20")
	}
	return strings.Join(parts, "/")
}
