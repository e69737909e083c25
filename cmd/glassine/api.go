package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"glassine"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
)

// api speaks to a running glassine as any client of AWS does: at AWS's names, over TLS, signed with the root key.
type api struct {
	wire.Client
	region string
}

// client makes an api of what stands in the data directory.
func (f *dataFlags) client() (*api, error) {
	root, err := glassine.RootCredentials(f.Data)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(filepath.Join(f.Data, "ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &api{region: f.Region, Client: wire.Client{
		Credentials: sigv4.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey},
		HTTP: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", f.AWS)
			},
		}},
	}}, nil
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
