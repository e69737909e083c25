package glassine

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"glassine/aws/sigv4"
	"glassine/console"
	"glassine/transform/sample"
)

// openConsole makes the web console. It gets nothing that a client could not have: the AWS endpoint, the viewers' listener, and
// the metrics that the admin port shows anyway.
func (s *System) openConsole(aws, https net.Listener) error {
	viewers := dialable(https.Addr())
	viewer := &http.Transport{
		// Whatever host a request names, it goes to our own listener: the console reaches no other machine. HTTP/2 keeps one
		// connection, so a measured request makes none. The certificate may be for any name, and is not what is looked at.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, viewers)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // our own listener, by its address; see above
		Proxy:           nil, ForceAttemptHTTP2: true, DisableCompression: true, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: 2 * time.Minute,
	}
	s.onClose(func() error { viewer.CloseIdleConnections(); return nil })
	_, viewerPort, _ := net.SplitHostPort(viewers) // an address of our own listener
	var err error
	s.console, err = console.New(console.Config{
		Transport: s.local, Viewer: viewer, Inspect: lookInto, Metrics: s.metrics.Handler(), Sample: sample.JPEG, SampleName: sample.Name,
		Account: s.cfg.Account, Region: s.cfg.Region, CAFile: s.CAFile(), Endpoint: "http://" + dialable(aws.Addr()), ViewerURL: "https://localhost:" + viewerPort,
		Facts: s.consoleFacts, Hosts: s.cfg.ConsoleHosts, Isolation: s.Isolation, Version: Version(), Log: s.cfg.Log, Now: s.cfg.Now,
	})
	if err != nil {
		return err
	}
	s.onClose(s.console.Close)
	return nil
}

// dialable is an address at which a listener answers on this machine: loopback where it listens everywhere.
func dialable(a net.Addr) string {
	host, p, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, p)
}

// ConsoleLink is a URL that logs in to the web console as the root user: once, within console.LinkLife.
func (s *System) ConsoleLink() (string, error) {
	s = s.now()
	root, err := RootCredentials(s.cfg.Data)
	if err != nil {
		return "", err
	}
	return s.console.LoginLink("http://"+dialable(s.servers[3].listener.Addr()), sigv4.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey}), nil
}

// consoleFacts are what the settings page says.
func (s *System) consoleFacts() []console.Fact {
	at := s.Addresses()
	level, _ := s.Isolation()
	return []console.Fact{
		{Group: "Listeners", Name: "AWS APIs", Value: at.AWS},
		{Group: "Listeners", Name: "Viewers, plaintext", Value: at.HTTP},
		{Group: "Listeners", Name: "Viewers, TLS", Value: at.HTTPS},
		{Group: "Listeners", Name: "Console, health, metrics", Value: at.Admin},
		{Group: "Identity", Name: "Account", Value: s.cfg.Account},
		{Group: "Identity", Name: "Region", Value: s.cfg.Region},
		{Group: "Identity", Name: "Certificate authority", Value: s.CAFile()},
		{Group: "Storage", Name: "Data directory", Value: s.cfg.Data},
		{Group: "Functions", Name: "Isolation", Value: level},
		{Group: "Program", Name: "Version", Value: Version()},
	}
}
