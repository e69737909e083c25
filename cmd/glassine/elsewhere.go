package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"glassine"
	"glassine/store/remote"
)

// elsewhereFlags are the buckets whose objects are not in the data directory.
type elsewhereFlags struct {
	Remote []string `sep:"none" placeholder:"NAME=URL/BUCKET" env:"GLASSINE_REMOTE" example:"photos=https://s3.eu-west-1.amazonaws.com/my-photos?region=eu-west-1" help:"Serve a bucket of another S3 service, such as photos=https://s3.eu-west-1.amazonaws.com/my-photos?region=eu-west-1. Behind the question mark, joined by &: region=, style=virtual, credentials=FILE, profile=, ca=FILE. Without credentials= the key is GLASSINE_REMOTE_ACCESS_KEY_ID and GLASSINE_REMOTE_SECRET_ACCESS_KEY, and GLASSINE_REMOTE_SESSION_TOKEN."`

	Directory []string `sep:"none" placeholder:"NAME=PATH" is:"pair" example:"scans=/srv/scans" env:"GLASSINE_DIRECTORY" help:"Serve a directory of files as a bucket for reading alone."`
}

// remotes reads the --remote flags.
func (f *elsewhereFlags) remotes(getenv func(string) string) ([]glassine.Remote, error) {
	var out []glassine.Remote
	for _, text := range f.Remote {
		r, err := parseRemote(text, getenv)
		if err != nil {
			name, _, _ := strings.Cut(text, "=")
			return nil, fmt.Errorf("--remote %s: %w", name, err) // not all of the text: somebody may have put a secret into it
		}
		out = append(out, r)
	}
	return out, nil
}

// directories reads the --directory flags.
func (f *elsewhereFlags) directories() ([]glassine.Directory, error) {
	var out []glassine.Directory
	for _, text := range f.Directory {
		name, path, ok := strings.Cut(text, "=")
		if !ok || name == "" || path == "" {
			return nil, fmt.Errorf("--directory %s: it is not of the form NAME=PATH", text)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("--directory %s: %w", text, err)
		}
		out = append(out, glassine.Directory{Name: name, Path: path})
	}
	return out, nil
}

var errRemoteForm = errors.New("it is not of the form NAME=https://HOST/BUCKET, with ?region= and others behind it")

// parseRemote reads NAME=URL/BUCKET?OPTIONS. Files that it names are read when a request needs them, but for ca=.
func parseRemote(text string, getenv func(string) string) (glassine.Remote, error) {
	r := glassine.Remote{}
	name, where, _ := strings.Cut(text, "=")
	u, err := url.Parse(where)
	if err != nil || name == "" || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Fragment != "" {
		return r, errRemoteForm
	}
	r.Name, r.Bucket = name, strings.Trim(u.Path, "/")
	if r.Bucket == "" || strings.Contains(r.Bucket, "/") {
		return r, errRemoteForm
	}
	options, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return r, errRemoteForm
	}
	r.Service.Endpoint = u.Scheme + "://" + u.Host
	file, profile := "", ""
	for option, values := range options {
		if len(values) != 1 || values[0] == "" {
			return r, fmt.Errorf("the option %s= needs one value", option)
		}
		switch v := values[0]; option {
		case "region":
			r.Service.Region = v
		case "style":
			if v != "virtual" && v != "path" {
				return r, fmt.Errorf("style=%s is neither path nor virtual", v)
			}
			r.Service.VirtualHosts = v == "virtual"
		case "credentials":
			file = v
		case "profile":
			profile = v
		case "ca":
			if r.Service.Roots, err = readRoots(v); err != nil {
				return r, err
			}
		default:
			return r, fmt.Errorf("there is no option %s=", option)
		}
	}
	r.Service.Credentials, err = remoteCredentials(file, profile, getenv)
	return r, err
}

// remoteCredentials finds the service's key. AWS_ACCESS_KEY_ID and its kin are not looked at: glassine env sets them to
// glassine's own key, which is the last thing to send to another service.
func remoteCredentials(file, profile string, getenv func(string) string) (remote.Credentials, error) {
	dir := getenv("CREDENTIALS_DIRECTORY") // systemd.exec(5), "Credentials"
	if file != "" {
		if dir != "" && !strings.Contains(file, "/") {
			file = filepath.Join(dir, file)
		}
		f := &remote.File{Name: file, Profile: profile}
		_, err := f.Key()
		return f, err
	}
	if profile != "" {
		return nil, errors.New("profile= goes with credentials=FILE")
	}
	var secrets [3]string
	for i, name := range []string{"GLASSINE_REMOTE_ACCESS_KEY_ID", "GLASSINE_REMOTE_SECRET_ACCESS_KEY", "GLASSINE_REMOTE_SESSION_TOKEN"} {
		var err error
		if secrets[i], err = secret(name, dir, getenv); err != nil {
			return nil, err
		}
	}
	key := remote.Static{ID: secrets[0], Secret: secrets[1], SessionToken: secrets[2]}
	if key.ID == "" || key.Secret == "" {
		return nil, errors.New("there are no credentials: give ?credentials=FILE, or GLASSINE_REMOTE_ACCESS_KEY_ID and GLASSINE_REMOTE_SECRET_ACCESS_KEY")
	}
	return key, nil
}

// secret is the variable of that name or else, in the directory of systemd's credentials, the file remote-access-key-id for
// GLASSINE_REMOTE_ACCESS_KEY_ID; "" when there is neither.
func secret(name, dir string, getenv func(string) string) (string, error) {
	if value := getenv(name); value != "" || dir == "" {
		return value, nil
	}
	text, err := os.ReadFile(filepath.Join(dir, strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, envPrefix), "_", "-"))))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

// readRoots reads certificates to trust.
func readRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return roots, nil
}
