package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"glassine"
	"glassine/store/remote"
)

func TestParseRemote(t *testing.T) {
	dir := t.TempDir()
	credentials, none := filepath.Join(dir, "credentials"), filepath.Join(dir, "none")
	if err := os.WriteFile(credentials, []byte("[default]\naws_access_key_id = FILEKEY\naws_secret_access_key = s\n[other]\naws_access_key_id=OTHER\naws_secret_access_key=s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys := t.TempDir()
	for name, text := range map[string]string{"remote-access-key-id": "UNITKEY\n", "remote-secret-access-key": "hush\n"} {
		if err := os.WriteFile(filepath.Join(keys, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"GLASSINE_REMOTE_ACCESS_KEY_ID": "ENVKEY", "GLASSINE_REMOTE_SECRET_ACCESS_KEY": "hush"}
	for _, tt := range []struct {
		name, text string
		env        map[string]string
		want       glassine.Remote
		key        string // of the credentials
		fails      string // what the error says
	}{
		{name: "all that must be", text: "photos=https://s3.example/originals", env: env, key: "ENVKEY", want: glassine.Remote{
			Name: "photos", Bucket: "originals", Service: remote.Config{Endpoint: "https://s3.example"},
		}},
		{name: "all that may be", text: "p=http://10.0.0.1:9000/b/?region=eu-west-1&style=virtual&profile=other&credentials=" + credentials, key: "OTHER", want: glassine.Remote{
			Name: "p", Bucket: "b", Service: remote.Config{Endpoint: "http://10.0.0.1:9000", Region: "eu-west-1", VirtualHosts: true},
		}},
		{name: "a file is before the environment", text: "p=https://h/b?credentials=" + credentials, env: env, key: "FILEKEY", want: glassine.Remote{
			Name: "p", Bucket: "b", Service: remote.Config{Endpoint: "https://h"},
		}},
		{name: "a file of the service manager's credentials", text: "p=https://h/b?credentials=credentials", env: map[string]string{"CREDENTIALS_DIRECTORY": dir}, key: "FILEKEY", want: glassine.Remote{
			Name: "p", Bucket: "b", Service: remote.Config{Endpoint: "https://h"},
		}},
		{name: "keys of the service manager's", text: "p=https://h/b", env: map[string]string{"CREDENTIALS_DIRECTORY": keys}, key: "UNITKEY", want: glassine.Remote{
			Name: "p", Bucket: "b", Service: remote.Config{Endpoint: "https://h"},
		}},
		{name: "the environment is before the service manager's keys", text: "p=https://h/b", env: map[string]string{
			"CREDENTIALS_DIRECTORY": keys, "GLASSINE_REMOTE_ACCESS_KEY_ID": "ENVKEY", "GLASSINE_REMOTE_SECRET_ACCESS_KEY": "hush",
		}, key: "ENVKEY", want: glassine.Remote{
			Name: "p", Bucket: "b", Service: remote.Config{Endpoint: "https://h"},
		}},
		{name: "a service manager without keys", text: "p=https://h/b", env: map[string]string{"CREDENTIALS_DIRECTORY": dir}, fails: "no credentials"},
		{name: "glassine's own key is not taken", text: "p=https://h/b", env: map[string]string{"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}, fails: "no credentials"},
		{name: "no bucket", text: "p=https://h", env: env, fails: "not of the form"},
		{name: "a path below the bucket", text: "p=https://h/b/c", env: env, fails: "not of the form"},
		{name: "no name", text: "https://h/b", env: env, fails: "not of the form"},
		{name: "a secret in the URL", text: "p=https://key:hush@h/b", env: env, fails: "not of the form"},
		{name: "another protocol", text: "p=ftp://h/b", env: env, fails: "not of the form"},
		{name: "an unknown option", text: "p=https://h/b?secret=hush", env: env, fails: "no option secret="},
		{name: "an option twice", text: "p=https://h/b?region=a&region=b", env: env, fails: "one value"},
		{name: "a style of its own", text: "p=https://h/b?style=x", env: env, fails: "neither"},
		{name: "a profile of nothing", text: "p=https://h/b?profile=x", env: env, fails: "goes with"},
		{name: "a file that is not there", text: "p=https://h/b?credentials=" + none, env: env, fails: "no such file"},
		{name: "certificates that are none", text: "p=https://h/b?ca=" + credentials, env: env, fails: "no certificate"},
	} {
		f := elsewhereFlags{Remote: []string{tt.text}}
		got, err := f.remotes(func(name string) string { return tt.env[name] })
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "hush") {
				t.Errorf("%s: error %v, want one that says %q, and no secret", tt.name, err, tt.fails)
			}
			continue
		}
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
			continue
		}
		key, err := got[0].Service.Credentials.Key()
		if err != nil || key.ID != tt.key {
			t.Errorf("%s: credentials %v, %v; want %s", tt.name, key, err, tt.key)
		}
		if diff := cmp.Diff(tt.want, got[0], cmpopts.IgnoreFields(remote.Config{}, "Credentials", "Bucket")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
