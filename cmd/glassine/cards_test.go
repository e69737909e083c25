package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"glassine/aws/fault"
	"glassine/console/client"
	"glassine/telemetry"
)

func TestStatusOfErrors(t *testing.T) {
	refused := &url.Error{Op: "Post", URL: "https://internal/", Err: &net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4566}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}}
	for _, row := range []struct {
		name string
		err  error
		want int
		card []string
	}{
		{"an error", errors.New("x"), 1, []string{"glassine: x\n"}},
		{"wrong usage", fmt.Errorf("deploy: %w", usageError{errors.New("x")}), 2, nil},
		{"not ready", notReady{errors.New("x")}, 3, nil},
		{"nothing listens", fmt.Errorf("is glassine running? %w", refused), 3, []string{"connection refused\n", "  why: nothing listens on 127.0.0.1:4566\n", "  try: glassine up"}},
		{"another certificate", &url.Error{Op: "Get", URL: "https://internal/", Err: x509.UnknownAuthorityError{}}, 1, []string{"  why: what listens there", "  try: glassine doctor"}},
		{"denied over XML", fault.New("AccessDenied", "no"), 4, []string{"AccessDenied: no"}},
		{"denied over JSON", &client.Error{Operation: "logs:DescribeLogGroups", Code: "AccessDeniedException", Status: 400, Message: "no"}, 4, nil},
		{"denied to HEAD", &client.Error{Operation: "s3:HeadObject", Code: "Error", Status: 403}, 4, nil},
		{"a key that is not known", &client.Error{Code: "InvalidClientTokenId", Status: 403}, 4, []string{"does not know the key", "  try: glassine doctor"}},
		{"a bucket that is not there", &client.Error{Operation: "s3:ListObjectsV2", Code: "NoSuchBucket", Status: 404}, 1, []string{"  try: aws s3 ls"}},
		{"a file that may not be read", &fs.PathError{Op: "open", Path: "/x/root-credentials.json", Err: fs.ErrPermission}, 1, []string{"may not read or write /x/root-credentials.json", "  try: run it as the user"}},
		{"a card", &card{errors.New("a"), "b", "c"}, 1, []string{"glassine: a\n  why: b\n  try: c\n"}},
		{"text of a stranger", errors.New("key \x1b]0;x\x07\x1b[2J"), 1, []string{"glassine: key \uFFFD]0;x\uFFFD\uFFFD[2J\n"}},
	} {
		explained := explain(row.err, nil)
		if got := exitStatus(explained); got != row.want {
			t.Errorf("%s: status %d, want %d", row.name, got, row.want)
		}
		text := shownError(explained)
		for _, want := range row.card {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q lacks %q", row.name, text, want)
			}
		}
		if strings.Contains(text, "internal") {
			t.Errorf("%s: %q has an address that nobody asked for", row.name, text)
		}
	}
}

func TestDenialsNameWhatDecided(t *testing.T) {
	r := &telemetry.Record{Principal: "arn:aws:iam::123456789012:user/ann"}
	for _, row := range []struct {
		d    telemetry.Decision
		want string
	}{
		{telemetry.Decision{Action: "s3:GetObject", Resources: []string{"arn:aws:s3:::b/k"}}, "no policy lets arn:aws:iam::123456789012:user/ann do s3:GetObject on arn:aws:s3:::b/k"},
		{
			telemetry.Decision{Action: "s3:GetObject", Resources: []string{"arn:aws:s3:::b/k"}, By: "resource-based policy", Policy: "b", Statement: "NoAnn"},
			"arn:aws:iam::123456789012:user/ann may not do s3:GetObject on arn:aws:s3:::b/k (decided by: resource-based policy, b, statement NoAnn)",
		},
	} {
		if got := deciding(r, row.d); got != row.want {
			t.Errorf("got  %s\nwant %s", got, row.want)
		}
	}
}

// FuzzPainless: whatever an error says, a terminal obeys nothing in it but colours.
func FuzzPainless(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m")
	f.Add("\x1b[\x1b[2J\x9b\x07")
	f.Fuzz(func(t *testing.T, line string) {
		out := painless(line)
		for {
			_, rest, found := strings.Cut(out, "\x1b")
			if !found {
				break
			}
			end := strings.TrimLeft(strings.TrimPrefix(rest, "["), "0123456789;")
			if !strings.HasPrefix(rest, "[") || !strings.HasPrefix(end, "m") {
				t.Fatalf("%q is shown as %q", line, painless(line))
			}
			out = rest
		}
	})
}
