// Package lambda holds functions and their versions and invokes them: it decides whether the caller may, gives the code
// the execution role's credentials, bounds how many run at once, and ends what runs too long. Where the code runs is
// lambda/runner's; nothing here knows what a function does.
//
// Start at Service.Invoke.
package lambda

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
	"glassine/lambda/runner"
	"glassine/state"
)

// Principals that assume an execution role. An edge function's role must trust both.
// (CloudFront Developer Guide, "Function execution role".)
const (
	ServicePrincipal     = "lambda.amazonaws.com"
	EdgeServicePrincipal = "edgelambda.amazonaws.com"
)

// Latest is the version name of what is not published.
const Latest = "$LATEST"

// Config is what a Service stands on.
type Config struct {
	State  state.Store
	IAM    *iam.Service
	Region string // of functions whose creator names none; "" means us-east-1
	// Builtins are functions that are part of the program, by the URI that names them as code: "glassine://image".
	Builtins map[string]runner.Func
	// Concurrency bounds the invocations under way, all functions together. One more is refused, none waits. Zero means
	// 1000, the account limit of AWS (Lambda Developer Guide, "Lambda quotas").
	Concurrency int
	// Transport carries webhook calls; nil means http.DefaultTransport.
	Transport http.RoundTripper
	Now       func() time.Time // nil means time.Now
	Log       *slog.Logger     // nil means slog.Default
}

// Service holds the account's functions. Safe for many goroutines.
type Service struct {
	cfg       Config
	functions *state.Table[Function]
	slots     chan struct{} // one token for each invocation under way
}

// New reads the functions from cfg.State.
func New(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = 1000
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	functions, err := state.OpenTable[Function](ctx, cfg.State, "lambda/functions")
	if err != nil {
		return nil, err
	}
	return &Service{cfg: cfg, functions: functions, slots: make(chan struct{}, cfg.Concurrency)}, nil
}

// ref names a version of a function.
type ref struct{ region, name, qualifier string }

// parseRef reads a name, a partial ARN (account:function:name) or a full ARN, each with or without :qualifier. Another
// account's functions are not found. (Lambda API Reference, Invoke, FunctionName and Qualifier.)
func (s *Service) parseRef(name string) (ref, error) {
	account, rest := s.cfg.IAM.Account(), name
	r := ref{region: s.cfg.Region}
	if a, err := arn.Parse(name); err == nil {
		function, ok := strings.CutPrefix(a.Resource, "function:")
		if a.Service != "lambda" || !ok {
			return ref{}, badRef(name)
		}
		r.region, account, rest = a.Region, a.Account, function
	} else if before, after, ok := strings.Cut(name, ":function:"); ok {
		account, rest = before, after
	}
	var qualified bool
	r.name, r.qualifier, qualified = strings.Cut(rest, ":")
	if !validName(r.name, 64) || !validName(r.region, 63) || qualified && r.qualifier != Latest && !validName(r.qualifier, 128) {
		return ref{}, badRef(name)
	}
	if account != s.cfg.IAM.Account() {
		return ref{}, notFound(name)
	}
	return r, nil
}

// unpublished refuses a qualifier where what is meant can only be the function itself.
func (s *Service) unpublished(name string) (ref, error) {
	r, err := s.parseRef(name)
	if err == nil && r.qualifier != "" && r.qualifier != Latest {
		return r, fault.New("InvalidParameterValueException", "A published version cannot change: name the function of %q without a version.", name)
	}
	return r, err
}

func (r ref) key() string { return r.region + "/" + r.name }

// validName takes 1 to most letters, digits, hyphens and underscores.
func validName(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

func badRef(name string) *fault.Error {
	return fault.New("InvalidParameterValueException", "%q is not a function's name or ARN.", name)
}

func notFound(name string) *fault.Error {
	return fault.New("ResourceNotFoundException", "Function not found: %s", name)
}

// arnOf is the function's ARN without a qualifier.
func (s *Service) arnOf(r ref) string {
	return arn.New("lambda", r.region, s.cfg.IAM.Account(), "function:"+r.name).String()
}

// runnerOf chooses where a version's code runs.
func (s *Service) runnerOf(code string) (runner.Runner, error) {
	if f, ok := s.cfg.Builtins[code]; ok {
		return f, nil
	}
	if strings.HasPrefix(code, "http://") || strings.HasPrefix(code, "https://") {
		return runner.Webhook{URL: code, Transport: s.cfg.Transport}, nil
	}
	return nil, fmt.Errorf("no runner for code %q", code)
}

// checkCode refuses code that cannot run here, saying what can.
func (s *Service) checkCode(code string) error {
	if _, err := s.runnerOf(code); err != nil {
		return fault.New("InvalidParameterValueException",
			"The code %q cannot run: give glassine://image, glassine://signer, or the http(s) URL of a webhook. Zip archives are not supported yet.", code)
	}
	if strings.HasPrefix(code, "http") {
		if err := runner.CheckWebhook(code); err != nil {
			return fault.New("InvalidParameterValueException", "%s", err.Error())
		}
	}
	return nil
}
