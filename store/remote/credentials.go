package remote

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Credentials gives the key that a request is signed with; it is asked for each request. Safe for many goroutines.
type Credentials interface {
	Key() (Key, error)
}

// Key is an access key of the service's. SessionToken is "" for a long-lived one.
type Key struct{ ID, Secret, SessionToken string }

// String keeps the secret out of logs.
func (k Key) String() string { return "access key " + k.ID }

// GoString keeps the secret out of logs.
func (k Key) GoString() string { return k.String() }

// Static is a key that does not change.
type Static Key

// Key implements Credentials.
func (s Static) Key() (Key, error) { return Key(s), nil }

// String keeps the secret out of logs.
func (s Static) String() string { return Key(s).String() }

// GoString keeps the secret out of logs.
func (s Static) GoString() string { return Key(s).String() }

// File reads the key from a file in the form of AWS's shared credentials file, and anew whenever the file changed: keys can
// be replaced without a restart. Of a profile only aws_access_key_id, aws_secret_access_key and aws_session_token are read.
// (AWS SDKs and Tools Reference Guide, "Shared config and credentials files".)
type File struct {
	Name    string
	Profile string // "" means default

	mu   sync.Mutex // guards what follows
	key  Key
	read fileState
}

// fileState is what changes when a file does.
type fileState struct {
	size     int64
	modified time.Time
}

// maxCredentials is the most bytes of a credentials file.
const maxCredentials = 1 << 20

// Key implements Credentials.
func (f *File) Key() (Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st, err := os.Stat(f.Name)
	if err != nil {
		return Key{}, fmt.Errorf("credentials of the remote store: %w", err)
	}
	now := fileState{st.Size(), st.ModTime()}
	if now == f.read && f.key.ID != "" {
		return f.key, nil
	}
	if st.Size() > maxCredentials {
		return Key{}, fmt.Errorf("credentials of the remote store: %s is no credentials file: it has %d bytes", f.Name, st.Size())
	}
	raw, err := os.ReadFile(f.Name)
	if err != nil {
		return Key{}, fmt.Errorf("credentials of the remote store: %w", err)
	}
	profile := f.Profile
	if profile == "" {
		profile = "default"
	}
	key, err := parseCredentials(raw, profile)
	if err != nil {
		return Key{}, fmt.Errorf("credentials of the remote store in %s: %w", f.Name, err)
	}
	f.key, f.read = key, now
	return key, nil
}

// String keeps the secret out of logs.
func (f *File) String() string { return "credentials file " + f.Name }

// GoString keeps the secret out of logs.
func (f *File) GoString() string { return f.String() }

// parseCredentials finds a profile's key. Its errors show nothing of the file but the profile's name.
func parseCredentials(raw []byte, profile string) (Key, error) {
	var key Key
	found, inside := false, false
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, maxCredentials)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			name, ok := strings.CutSuffix(line[1:], "]")
			inside = ok && strings.TrimSpace(name) == profile
			found = found || inside
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !inside || !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "aws_access_key_id":
			key.ID = value
		case "aws_secret_access_key":
			key.Secret = value
		case "aws_session_token":
			key.SessionToken = value
		}
	}
	switch {
	case lines.Err() != nil:
		return Key{}, errors.New("a line is too long")
	case !found:
		return Key{}, fmt.Errorf("there is no profile [%s]", profile)
	case key.ID == "" || key.Secret == "":
		return Key{}, fmt.Errorf("profile [%s] lacks aws_access_key_id or aws_secret_access_key", profile)
	}
	return key, nil
}

// provider is Credentials as the SDK asks for them.
type provider struct{ Credentials }

// Retrieve implements aws.CredentialsProvider.
func (p provider) Retrieve(context.Context) (aws.Credentials, error) {
	k, err := p.Key()
	if err != nil {
		return aws.Credentials{}, err
	}
	return aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret, SessionToken: k.SessionToken, Source: "glassine"}, nil
}
