// Package ssm keeps parameters as Systems Manager's Parameter Store does: by name and region, with their versions, labels
// and tags. A SecureString is encrypted where it is stored; there is no KMS, so that its key is the installation's own.
//
// Start at Service.PutParameter and Service.GetParameter.
package ssm

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
	"glassine/state"
)

// Config is what a Service stands on.
type Config struct {
	State state.Store // its tables ssm/... are this service's alone
	IAM   *iam.Service
	// Key is the installation's sealing key: what encrypts SecureString values comes from it.
	Key [32]byte
	// Provisioned are String parameters, by name, that every region has from the start. One that somebody puts, even without
	// Overwrite, or deletes, is from then on as any other.
	Provisioned map[string]string
	Now         func() time.Time // nil means time.Now
	Log         *slog.Logger     // nil means slog.Default
}

// Service holds the account's parameters. Safe for many goroutines.
type Service struct {
	cfg     Config
	records *state.Table[record]
	seal    cipher.AEAD
	begun   time.Time // when provisioned parameters were made
}

// record is a parameter with all the versions that are kept, oldest first. A record without versions is a provisioned
// parameter that was deleted.
type record struct {
	Name, Region string
	Tags         map[string]string
	Versions     []version
}

// version is one value of a parameter.
type version struct {
	Number         int64
	Type           string
	DataType       string
	Value          string // of a String and a StringList
	Sealed         []byte // of a SecureString
	Description    string
	AllowedPattern string
	Tier           string
	Labels         []string
	Modified       time.Time
	ModifiedBy     string // ARN
}

// New reads the parameters from cfg.State.
func New(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	key, err := hkdf.Key(sha256.New, cfg.Key[:], nil, "glassine parameters 1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, begun: cfg.Now().UTC()}
	if s.seal, err = cipher.NewGCM(block); err != nil {
		return nil, err
	}
	s.records, err = state.OpenTable[record](ctx, cfg.State, "ssm/parameters")
	return s, err
}

func key(region, name string) string { return region + "/" + name }

// find returns the parameter, which may be a provisioned one that nobody touched.
func (s *Service) find(region, name string) (record, bool) {
	r, ok := s.records.Get(key(region, name))
	if !ok {
		return s.provisioned(region, name)
	}
	return r, len(r.Versions) > 0
}

func (s *Service) provisioned(region, name string) (record, bool) {
	value, ok := s.cfg.Provisioned[name]
	if !ok {
		return record{}, false
	}
	return record{Name: name, Region: region, Versions: []version{{
		Number: 1, Type: String, DataType: text, Value: value, Tier: Standard, Modified: s.begun, ModifiedBy: s.cfg.IAM.Root().Principal.ARN,
	}}}, true
}

// all returns the region's parameters by name.
func (s *Service) all(region string) []record {
	var out []record
	seen := map[string]bool{}
	for _, r := range s.records.All() {
		if r.Region != region {
			continue
		}
		seen[r.Name] = true
		if len(r.Versions) > 0 {
			out = append(out, r)
		}
	}
	for name := range s.cfg.Provisioned {
		if r, ok := s.provisioned(region, name); ok && !seen[name] {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b record) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// change writes what edit makes of a parameter's record, provisioned ones included. edit gets a record whose slices it may
// replace and must not write to.
func (s *Service) change(ctx context.Context, region, name string, edit func(r *record, exists bool) error) (record, error) {
	return s.records.Update(ctx, key(region, name), func(r record, stored bool) (record, error) {
		exists := len(r.Versions) > 0
		if !stored {
			r, exists = s.provisioned(region, name)
		}
		r.Name, r.Region, r.Tags = name, region, maps.Clone(r.Tags)
		err := edit(&r, exists)
		return r, err
	})
}

// ask asks IAM for an action on a parameter.
// (Service Authorization Reference, "Actions, resources, and condition keys for AWS Systems Manager".)
func (s *Service) ask(ctx context.Context, c iam.Caller, action, region, name string, keys iam.Context) error {
	if keys == nil {
		keys = iam.Context{}
	}
	if r, ok := s.find(region, name); ok {
		for k, v := range r.Tags {
			keys["aws:resourcetag/"+k] = []string{v}
			keys["ssm:resourcetag/"+k] = []string{v}
		}
	}
	return s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "ssm:" + action, Resources: []string{s.ARN(region, name)}, Context: keys})
}

// ARN names a parameter: what follows parameter is its name, with one slash before it.
func (s *Service) ARN(region, name string) string {
	return arn.New("ssm", region, s.cfg.IAM.Account(), "parameter/"+strings.TrimPrefix(name, "/")).String()
}

// encrypt seals a value for one version of a parameter, so that it cannot be moved to another.
func (s *Service) encrypt(region, name string, number int64, value string) []byte {
	nonce := make([]byte, s.seal.NonceSize())
	rand.Read(nonce)
	return s.seal.Seal(nonce, nonce, []byte(value), about(region, name, number))
}

var errSealed = errors.New("sealed under another key, or damaged")

func (s *Service) decrypt(region, name string, number int64, sealed []byte) (string, error) {
	n := s.seal.NonceSize()
	if len(sealed) < n {
		return "", fmt.Errorf("read parameter %s: %w", name, errSealed)
	}
	plain, err := s.seal.Open(nil, sealed[:n], sealed[n:], about(region, name, number))
	if err != nil {
		return "", fmt.Errorf("read parameter %s: %w", name, errSealed)
	}
	return string(plain), nil
}

func about(region, name string, number int64) []byte {
	return fmt.Appendf(nil, "parameter %s %s %d", region, name, number)
}

func invalid(format string, args ...any) error {
	return fault.New("ValidationException", format, args...)
}

func notFound(name string) error {
	return fault.New("ParameterNotFound", "Parameter %s not found.", name)
}
