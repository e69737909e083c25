package edge

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/iam"
)

// OriginAccessControl says how requests to an S3 origin are signed: as CloudFront, for the distribution. So a private
// bucket, access point or Object Lambda access point can tell this distribution from all else, without an edge function.
// CloudFront Developer Guide, "Restrict access to an Amazon S3 origin".
type OriginAccessControl struct {
	ID     string // E and 13 of A-Z0-9
	ETag   string // names this version of Config; If-Match of the next change
	Config OriginAccessControlConfig
}

// OriginAccessControlConfig is the changeable part. CloudFront API Reference, "OriginAccessControlConfig".
type OriginAccessControlConfig struct {
	Name, Description string // at most 64 and 256 characters
	SigningProtocol   string // sigv4
	SigningBehavior   string // always, never or no-override
	OriginType        string // s3
}

// servicePrincipal is who an origin access control signs as.
const servicePrincipal = "cloudfront.amazonaws.com"

// CreateOriginAccessControl makes one. Names are unique.
func (e *Edge) CreateOriginAccessControl(ctx context.Context, c iam.Caller, cfg OriginAccessControlConfig) (OriginAccessControl, error) {
	if err := e.ask(ctx, c, "CreateOriginAccessControl", "origin-access-control/*"); err != nil {
		return OriginAccessControl{}, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	if err := e.checkAccessControl("", cfg); err != nil {
		return OriginAccessControl{}, err
	}
	o := OriginAccessControl{ID: newID("E", upperDigits), ETag: newID("E", upperDigits), Config: cfg}
	return e.accessControls.Update(ctx, o.ID, func(OriginAccessControl, bool) (OriginAccessControl, error) { return o, nil })
}

// GetOriginAccessControl returns one, or NoSuchOriginAccessControl.
func (e *Edge) GetOriginAccessControl(ctx context.Context, c iam.Caller, id string) (OriginAccessControl, error) {
	return e.accessControl(ctx, c, "GetOriginAccessControl", id)
}

// GetOriginAccessControlConfig is GetOriginAccessControl for a caller who may only read the configuration.
func (e *Edge) GetOriginAccessControlConfig(ctx context.Context, c iam.Caller, id string) (OriginAccessControl, error) {
	return e.accessControl(ctx, c, "GetOriginAccessControlConfig", id)
}

func (e *Edge) accessControl(ctx context.Context, c iam.Caller, action, id string) (OriginAccessControl, error) {
	if err := e.ask(ctx, c, action, "origin-access-control/"+id); err != nil {
		return OriginAccessControl{}, err
	}
	return e.findAccessControl(id)
}

func (e *Edge) findAccessControl(id string) (OriginAccessControl, error) {
	o, ok := e.accessControls.Get(id)
	if !ok {
		return o, fault.New("NoSuchOriginAccessControl", "The origin access control does not exist.")
	}
	return o, nil
}

// ListOriginAccessControls returns all in the order of their IDs.
func (e *Edge) ListOriginAccessControls(ctx context.Context, c iam.Caller) ([]OriginAccessControl, error) {
	if err := e.ask(ctx, c, "ListOriginAccessControls", "*"); err != nil {
		return nil, err
	}
	return e.accessControls.All(), nil
}

// UpdateOriginAccessControl replaces the configuration; ifMatch is the ETag of the one it was made from.
func (e *Edge) UpdateOriginAccessControl(ctx context.Context, c iam.Caller, id, ifMatch string, cfg OriginAccessControlConfig) (OriginAccessControl, error) {
	if err := e.ask(ctx, c, "UpdateOriginAccessControl", "origin-access-control/"+id); err != nil {
		return OriginAccessControl{}, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	if err := e.checkAccessControl(id, cfg); err != nil {
		return OriginAccessControl{}, err
	}
	o, err := e.findAccessControl(id)
	if err != nil {
		return o, err
	}
	if err := match(ifMatch, o.ETag); err != nil {
		return OriginAccessControl{}, err
	}
	o.Config, o.ETag = cfg, newID("E", upperDigits)
	if _, err := e.accessControls.Update(ctx, id, func(OriginAccessControl, bool) (OriginAccessControl, error) { return o, nil }); err != nil {
		return OriginAccessControl{}, err
	}
	return o, e.publish()
}

// DeleteOriginAccessControl removes one that no origin uses.
func (e *Edge) DeleteOriginAccessControl(ctx context.Context, c iam.Caller, id, ifMatch string) error {
	if err := e.ask(ctx, c, "DeleteOriginAccessControl", "origin-access-control/"+id); err != nil {
		return err
	}
	e.control.Lock()
	defer e.control.Unlock()
	o, err := e.findAccessControl(id)
	if err != nil {
		return err
	}
	if err := match(ifMatch, o.ETag); err != nil {
		return err
	}
	for _, d := range e.distributions {
		if slices.ContainsFunc(d.Config.Origins, func(o Origin) bool { return o.OriginAccessControlID == id }) {
			return fault.New("OriginAccessControlInUse", "Cannot delete the origin access control because it's in use by one or more distributions.")
		}
	}
	return e.accessControls.Delete(ctx, id, nil)
}

// checkAccessControl validates the configuration of the control id, "" for a new one. e.control is held.
func (e *Edge) checkAccessControl(id string, cfg OriginAccessControlConfig) error {
	switch {
	case cfg.Name == "" || len(cfg.Name) > 64:
		return invalid("The name of an origin access control has 1 to 64 characters.")
	case len(cfg.Description) > 256:
		return invalid("The description of an origin access control has at most 256 characters.")
	case cfg.SigningProtocol != "sigv4":
		return invalid("SigningProtocol %q is not sigv4.", cfg.SigningProtocol)
	case !slices.Contains([]string{"always", "never", "no-override"}, cfg.SigningBehavior):
		return invalid("SigningBehavior %q is not one of always, never, no-override.", cfg.SigningBehavior)
	case slices.Contains([]string{"mediastore", "mediapackagev2", "lambda"}, cfg.OriginType):
		return notImplemented("An origin access control of type %s", cfg.OriginType)
	case cfg.OriginType != "s3":
		return invalid("OriginAccessControlOriginType %q is not one of s3, mediastore, mediapackagev2, lambda.", cfg.OriginType)
	}
	for _, o := range e.accessControls.All() {
		if o.Config.Name == cfg.Name && o.ID != id {
			return fault.New("OriginAccessControlAlreadyExists", "An origin access control with this name already exists. You must provide a unique name.")
		}
	}
	return nil
}

// checkOriginAccess validates an origin's use of an origin access control. e.control is held.
func (e *Edge) checkOriginAccess(o *Origin) error {
	if o.OriginAccessControlID == "" {
		return nil
	}
	if _, err := e.findAccessControl(o.OriginAccessControlID); err != nil {
		return fault.New("InvalidOriginAccessControl", "The origin access control %s does not exist.", o.OriginAccessControlID)
	}
	if o.S3 == nil {
		return fault.New("InvalidOriginAccessControl", "The origin access control of type s3 goes with an S3 origin, and %s is a custom one.", o.DomainName)
	}
	return nil
}

// originSigner signs what goes to the origins of one distribution. The credentials are taken anew before they end.
type originSigner struct {
	edge     *Edge
	arn      string // of the distribution
	override bool   // replace an Authorization that the viewer sent

	mu          sync.Mutex // guards what follows
	credentials iam.Credentials
}

// signerLife is how long the credentials of a signer hold, and signerMargin how long before their end they are replaced.
const (
	signerLife   = time.Hour
	signerMargin = 10 * time.Minute
)

// signer makes the signer of an origin; nil signs nothing.
func (e *Edge) signer(d *Distribution, o *Origin) *originSigner {
	c, ok := e.accessControls.Get(o.OriginAccessControlID)
	if !ok || c.Config.SigningBehavior == "never" {
		return nil
	}
	return &originSigner{edge: e, arn: d.ARN, override: c.Config.SigningBehavior == "always"}
}

// sign signs r, which goes out as it is afterwards.
func (s *originSigner) sign(ctx context.Context, r *http.Request, region string) error {
	if r.Header.Get("Authorization") != "" && !s.override {
		return nil
	}
	r.Header.Del("Authorization")
	c, err := s.take(ctx)
	if err != nil {
		return fmt.Errorf("sign for the origin: %w", err)
	}
	hash := ""
	if r.Body != nil {
		hash = sigv4.UnsignedPayload
	}
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, region, "s3", hash, s.edge.cfg.Now())
	return nil
}

func (s *originSigner) take(ctx context.Context) (iam.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.edge.cfg.Now().Before(s.credentials.Expires.Add(-signerMargin)) {
		return s.credentials, nil
	}
	c, err := s.edge.cfg.IAM.IssueToService(ctx, servicePrincipal, s.arn, signerLife)
	if err == nil {
		s.credentials = c
	}
	return c, err
}
