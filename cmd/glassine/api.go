package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"glassine"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/console/client"
	"glassine/telemetry"
)

// api speaks to a running glassine as any client of AWS does: at AWS's names, over TLS, signed.
type api struct {
	wire.Client
	region string
}

// reachable is f: what main finds in a command to ask about an error of it.
func (f *dataFlags) reachable() *dataFlags { return f }

// client makes an api that acts as credentials says.
func (f *dataFlags) client() (*api, error) {
	key, own, err := f.credentials(os.Getenv)
	if err != nil {
		return nil, err
	}
	files := []string{filepath.Join(f.Data, "ca.pem")}
	if bundle := os.Getenv("AWS_CA_BUNDLE"); own && bundle != "" {
		files = append(files, bundle)
	}
	return f.clientOf(key, files...)
}

// credentials are the key of this shell's AWS clients where these speak to this endpoint, as they do after glassine env or by an
// administrator's choice: then own is true. Otherwise they are the root key of the data directory.
func (f *dataFlags) credentials(getenv func(string) string) (key sigv4.Credentials, own bool, err error) {
	key = sigv4.Credentials{AccessKeyID: getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: getenv("AWS_SESSION_TOKEN")}
	u, err := url.Parse(getenv("AWS_ENDPOINT_URL"))
	if err == nil && u.Host != "" && u.Port() == portOf(f.AWS) && key.AccessKeyID != "" && key.SecretAccessKey != "" {
		return key, true, nil
	}
	root, err := glassine.RootCredentials(f.Data)
	if err != nil {
		if _, missing := os.Stat(filepath.Join(f.Data, "state.db")); errors.Is(missing, fs.ErrNotExist) {
			err = &card{notReady{fmt.Errorf("there is no glassine in %s", f.Data)}, "the directory holds no root key, and this shell has no key for " + f.AWS, "glassine up, or --data with another directory"}
		}
		return sigv4.Credentials{}, false, err
	}
	return sigv4.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey}, false, nil
}

// clientOf makes an api that signs with a key and trusts the certificates of files, of which one has to be there.
func (f *dataFlags) clientOf(key sigv4.Credentials, files ...string) (*api, error) {
	pool := x509.NewCertPool()
	trusted := false
	var missing error
	for _, file := range files {
		pem, err := os.ReadFile(file)
		if err != nil {
			missing = errors.Join(missing, fmt.Errorf("read certificate: %w", err))
			continue
		}
		trusted = pool.AppendCertsFromPEM(pem) || trusted
	}
	if !trusted {
		return nil, errors.Join(errors.New("there is no certificate to know glassine by"), missing)
	}
	return &api{region: f.Region, Client: wire.Client{
		Credentials: key,
		HTTP: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: false, MaxIdleConnsPerHost: 16,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", f.AWS)
			},
		}},
	}}, nil
}

// caller makes a client of all services, as the same caller.
func (f *dataFlags) caller() (*client.Client, error) {
	reach, err := f.client()
	if err != nil {
		return nil, err
	}
	return &client.Client{Transport: reach.HTTP.Transport, Credentials: reach.Credentials, Account: f.Account, Region: f.Region}, nil
}

// recorded returns the record of a request in the audit log, nil when there is none.
func (f *dataFlags) recorded(ctx context.Context, requestID string) (*telemetry.Record, error) {
	caller, err := f.caller()
	if err != nil {
		return nil, err
	}
	return caller.LookupEvent(ctx, requestID)
}

// iam calls an operation of IAM.
func (a *api) iam(action string, parameters url.Values) error {
	parameters.Set("Action", action)
	parameters.Set("Version", "2010-05-08")
	_, err := a.Send("iam", "us-east-1", http.MethodPost, "https://iam.amazonaws.com/", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(parameters.Encode()))
	return err
}

// lambda calls an operation of Lambda by its method and path.
func (a *api) lambda(method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	raw, err := a.Send("lambda", a.region, method, "https://lambda."+a.region+".amazonaws.com/2015-03-31/functions"+path, http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(raw, out)
}

// logs calls an operation of CloudWatch Logs.
func (a *api) logs(operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	raw, err := a.Send("logs", a.region, http.MethodPost, "https://logs."+a.region+".amazonaws.com/", http.Header{
		"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"Logs_20140328." + operation},
	}, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, out)
}
