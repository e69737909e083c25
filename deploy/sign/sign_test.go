package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// cheap is the least that libsodium takes, so that a test need not wait.
var cheap = cost{operations: 32768, memory: 16 << 20}

// command runs one of ours.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var out bytes.Buffer
	err = run(args, in, &out)
	return out.String(), err
}

// minisign runs Debian's, which must be there: e2e/deps.sh installs it.
func minisign(t *testing.T, input string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("minisign")
	if err != nil {
		t.Fatal("minisign is missing: make deps")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func put(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// release is a folder with a file to sign.
func release(t *testing.T) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	return dir, put(t, filepath.Join(dir, "checksums.txt"), "0123  glassine.deb\n")
}

func TestMinisignReadsWhatWeWrite(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	dir, file := release(t)
	secret, public := filepath.Join(dir, "key"), filepath.Join(dir, "key.pub")
	if out, err := command(t, "keygen", "-W", "-secret", secret, "-public", public); err != nil {
		t.Fatal(out, err)
	}
	if info, err := os.Stat(secret); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret key is %v, %v", info, err)
	}
	if _, err := command(t, "keygen", "-W", "-secret", secret, "-public", public+"2"); err == nil {
		t.Error("a secret key that was there is written over")
	}
	if _, err := command(t, "keygen", "-W", "-secret", secret+"2", "-public", public); err == nil {
		t.Error("a public key that was there is written over")
	}
	if _, err := os.Stat(secret + "2"); err == nil {
		t.Error("there is a secret key whose public one is nowhere")
	}
	if out, err := command(t, "sign", "-secret", secret, "-version", "v1.2.3", file); err != nil {
		t.Fatal(out, err)
	}
	const comment = "timestamp:1700000000\tfile:checksums.txt\thashed\tversion:v1.2.3"
	out, err := minisign(t, "", "-V", "-H", "-p", public, "-m", file)
	if err != nil || !strings.Contains(out, "Signature and comment signature verified\nTrusted comment: "+comment+"\n") {
		t.Errorf("minisign -V: %v %s", err, out)
	}
	raw, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	word := strings.Fields(string(raw))
	if out, err := minisign(t, "", "-V", "-P", word[len(word)-1], "-m", file); err != nil {
		t.Errorf("minisign -V -P: %v %s", err, out)
	}
	if out, err := minisign(t, "", "-S", "-s", secret, "-m", file, "-x", file+".theirs"); err != nil {
		t.Errorf("minisign -S with our key: %v %s", err, out)
	}
	put(t, file, "0124  glassine.deb\n")
	if out, err := minisign(t, "", "-V", "-p", public, "-m", file); err == nil {
		t.Errorf("minisign took a changed file: %s", out)
	}
}

func TestMinisignReadsOurEncryptedKey(t *testing.T) {
	dir, file := release(t)
	k, err := NewSecretKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.Encrypted([]byte("correct horse"), cheap)
	if err != nil {
		t.Fatal(err)
	}
	secret, public := put(t, filepath.Join(dir, "key"), text), put(t, filepath.Join(dir, "key.pub"), k.Public().String())
	if out, err := minisign(t, "correct horse\n", "-S", "-s", secret, "-m", file); err != nil {
		t.Fatalf("minisign -S: %v %s", err, out)
	}
	if out, err := command(t, "verify", "-public", public, file); err != nil || !strings.Contains(out, "signed by the key "+k.ID.String()) {
		t.Errorf("verify: %v %s", err, out)
	}
	pass := put(t, filepath.Join(dir, "pass"), "correct horse\n")
	if out, err := command(t, "sign", "-secret", secret, "-passphrase-file", pass, file); err != nil {
		t.Errorf("sign with a file of the passphrase: %v %s", err, out)
	}
	put(t, pass, "battery staple\n")
	if _, err := command(t, "sign", "-secret", secret, "-passphrase-file", pass, file); err == nil || !strings.Contains(err.Error(), "the passphrase is another") {
		t.Errorf("sign with another passphrase: %v", err)
	}
	if _, err := command(t, "sign", "-secret", secret, file); err == nil || !strings.Contains(err.Error(), "there is no passphrase") {
		t.Errorf("sign without a passphrase: %v", err)
	}
}

func TestWeReadWhatMinisignWrites(t *testing.T) {
	dir, file := release(t)
	secret, public := filepath.Join(dir, "key"), filepath.Join(dir, "key.pub")
	if out, err := minisign(t, "", "-G", "-W", "-s", secret, "-p", public); err != nil {
		t.Fatalf("minisign -G: %v %s", err, out)
	}
	if out, err := minisign(t, "", "-S", "-s", secret, "-m", file, "-t", "made by minisign"); err != nil {
		t.Fatalf("minisign -S: %v %s", err, out)
	}
	if out, err := command(t, "verify", "-public", public, file); err != nil || !strings.HasSuffix(out, ": made by minisign\n") {
		t.Errorf("verify: %v %s", err, out)
	}
	if out, err := command(t, "sign", "-secret", secret, file); err != nil {
		t.Fatalf("sign with minisign's key: %v %s", err, out)
	}
	if out, err := minisign(t, "", "-V", "-p", public, "-m", file); err != nil {
		t.Errorf("minisign -V: %v %s", err, out)
	}
	if out, err := minisign(t, "", "-S", "-l", "-s", secret, "-m", file); err != nil {
		t.Fatalf("minisign -S -l: %v %s", err, out)
	}
	if _, err := command(t, "verify", "-public", public, file); err == nil || !strings.Contains(err.Error(), `its algorithm is "Ed"`) {
		t.Errorf("verify of the older kind: %v", err)
	}
}

func TestWhatIsNotSignedIsRefused(t *testing.T) {
	k, err := NewSecretKey()
	if err != nil {
		t.Fatal(err)
	}
	good, err := k.Sign(strings.NewReader("text"), "comment")
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewSecretKey()
	if err != nil {
		t.Fatal(err)
	}
	forged := other.Public()
	forged.ID = k.ID
	changed := func(f func(*Signature)) Signature { s := good; f(&s); return s }
	for _, c := range []struct {
		name string
		key  PublicKey
		text string
		s    Signature
		want string
	}{
		{"as it is", k.Public(), "text", good, ""},
		{"another file", k.Public(), "texts", good, "it is not what was signed"},
		{"another key", other.Public(), "text", good, "it is signed by another key"},
		{"another key under the same number", forged, "text", good, "it is not what was signed"},
		{"another comment", k.Public(), "text", changed(func(s *Signature) { s.Trusted = "other" }), "the signature's comment is not what was signed"},
		{"another signature of both", k.Public(), "text", changed(func(s *Signature) { s.All[0] ^= 1 }), "the signature's comment is not what was signed"},
	} {
		if err := c.key.Verify(strings.NewReader(c.text), c.s); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	for _, comment := range []string{"two\nlines", "bell \a", "not UTF-8 \xff", strings.Repeat("long ", 2000)} {
		if _, err := k.Sign(strings.NewReader(""), comment); err == nil {
			t.Errorf("the comment %.20q is signed", comment)
		}
	}
}

func TestFilesThatAreNoKeysAndNoSignatures(t *testing.T) {
	k, err := NewSecretKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := k.Sign(strings.NewReader(""), "")
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]func(string) error{
		"public key": func(s string) error { _, err := ParsePublicKey(s); return err },
		"secret key": func(s string) error { _, err := ParseSecretKey(s); return err },
		"signature":  func(s string) error { _, err := ParseSignature(s); return err },
	}
	for _, c := range []struct{ what, name, text, old, new string }{
		{"public key", "without its comment's mark", k.Public().String(), "untrusted", "trusted"},
		{"public key", "of another algorithm", k.Public().String(), "\nRW", "\nRX"},
		{"public key", "with a line more", k.Public().String(), "\nRW", "\nmore\nRW"},
		{"public key", "cut short", k.Public().String(), "\nRW", "\n"},
		{"secret key", "of another algorithm", k.Plain(), "\nRW", "\nRX"},
		{"secret key", "under another function", k.Plain(), "\nRWQAAEIy", "\nRWRiAEIy"},
		{"secret key", "with another checksum", k.Plain(), "\nRWQAAEIy", "\nRWQAAEIz"},
		{"signature", "of another algorithm", s.String(), "\nRU", "\nRX"},
		{"signature", "without a trusted comment", s.String(), "\ntrusted", "\nuntrusted"},
		{"signature", "with a line more", s.String(), "\ntrusted", "\nmore\ntrusted"},
	} {
		if err := read[c.what](c.text); err != nil {
			t.Errorf("%s as it is: %v", c.what, err)
		}
		changed := strings.Replace(c.text, c.old, c.new, 1)
		if changed == c.text {
			t.Fatalf("%s %s: there is no %q in %q", c.what, c.name, c.old, c.text)
		}
		if err := read[c.what](changed); err == nil {
			t.Errorf("a %s %s is taken", c.what, c.name)
		}
	}
	for _, c := range []cost{{1 << 26, 1 << 30}, {1 << 25, 1 << 31}} {
		if _, err := ParseSecretKey(k.file("", LockedKey{kdf: kdfScrypt, cost: c}, k.checksum())); err == nil || !strings.Contains(err.Error(), "more than minisign's") {
			t.Errorf("a secret key that takes %+v: %v", c, err)
		}
	}
	damaged, err := ParseSecretKey(SecretKey{k.ID, append(append([]byte(nil), k.Key[:63]...), k.Key[63]^1)}.Plain())
	if err == nil {
		_, err = damaged.Unlock(nil)
	}
	if err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged secret key: %v", err)
	}
}

// libsodium's limits become scrypt's parameters as libsodium has it.
func TestParametersAreLibsodiums(t *testing.T) {
	for _, c := range []struct {
		cost    cost
		n, r, p int
	}{
		{sensitive, 1 << 20, 8, 1},
		{cost{524288, 16 << 20}, 1 << 14, 8, 1}, // INTERACTIVE
		{cheap, 1 << 10, 8, 1},
		{cost{0, 0}, 2, 8, 512},
		{cost{1 << 20, 1 << 20}, 1 << 10, 8, 32},
	} {
		if n, r, p := c.cost.parameters(); n != c.n || r != c.r || p != c.p {
			t.Errorf("%+v is N %d, r %d, p %d, want %d, %d, %d", c.cost, n, r, p, c.n, c.r, c.p)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range []string{"", "keygen", "keygen -secret a -public b more", "sign a", "sign -secret a", "verify a", "verify -public a -key b c", "sign -nonsense", "other"} {
		if _, err := command(t, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), "usage") {
			t.Errorf("sign %s: %v", args, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	k, err := NewSecretKey()
	if err != nil {
		f.Fatal(err)
	}
	s, err := k.Sign(strings.NewReader("text"), "comment")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(k.Public().String())
	f.Add(k.Public().Base64())
	f.Add(k.Plain())
	f.Add(s.String())
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := ParsePublicKey(text); err == nil {
			if again, err := ParsePublicKey(p.String()); err != nil || again.ID != p.ID || !again.Key.Equal(p.Key) {
				t.Errorf("%q becomes %q: %v", text, p, err)
			}
		}
		if s, err := ParseSignature(text); err == nil {
			if again, err := ParseSignature(s.String()); err != nil || again != s {
				t.Errorf("%q becomes %q: %v", text, s, err)
			}
			_ = k.Public().Verify(io.LimitReader(strings.NewReader(text), 9), s)
		}
		if l, err := ParseSecretKey(text); err == nil && !l.NeedsPassphrase() {
			if k, err := l.Unlock(nil); err == nil && len(k.Key) != 64 {
				t.Errorf("%q is a key of %d bytes", text, len(k.Key))
			}
		}
	})
}
