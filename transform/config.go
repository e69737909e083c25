package transform

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// config is what the operator of an Object Lambda access point decides: the function payload of its configuration, as JSON.
// Without a payload all is as the zero value says. docs/pictures.md, "What the operator decides".
type config struct {
	// Presets are queries by name, for the parameter preset.
	Presets map[string]string `json:"presets"`
	// PresetsOnly refuses every parameter but preset and showExif.
	PresetsOnly bool `json:"presetsOnly"`
	// SigningKeys, when there are any, make that whoever asks for more than a preset or showExif must have signed it with one
	// of them. See Sign. Several are for changing them.
	SigningKeys []string `json:"signingKeys"`
	// Watermarks are keys by name, for the parameter wm. They are read through the supporting access point with the rights of
	// the function's role.
	Watermarks map[string]string `json:"watermarks"`
	// Fallback is the key of the picture for onerror=fallback, read in the same way.
	Fallback string `json:"fallback"`
	// Formats are those that format=auto may choose; nil means avif and webp.
	Formats []string `json:"formats"`
}

// minKey is the least length of a signing key in bytes, as RFC 2104, section 3 advises at least a good part of the hash's.
const minKey = 16

// parseConfig reads a payload. An error is a *refused: the operator's fault, so its text tells no secret.
func parseConfig(payload string) (*config, error) {
	c := new(config)
	if strings.TrimSpace(payload) == "" {
		return c, nil
	}
	fault := func(text string) error { return &refused{message: "The function payload of the access point " + text} }
	d := json.NewDecoder(bytes.NewReader([]byte(payload)))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, fault("is not the image function's JSON: " + err.Error())
	}
	for name, query := range c.Presets {
		w, err := readWish(query)
		if err != nil {
			return nil, fault("has the preset " + name + ": " + err.Error())
		}
		if w.preset != "" || w.signature != "" {
			return nil, fault("has the preset " + name + " with a preset or a signature in it")
		}
	}
	for _, k := range c.SigningKeys {
		if len(k) < minKey {
			return nil, fault("has a signing key of less than 16 bytes")
		}
	}
	for _, f := range c.Formats {
		if f != "avif" && f != "webp" {
			return nil, fault("has formats other than avif and webp")
		}
	}
	return c, nil
}

// admit refuses what a stranger may not ask for.
func (c *config) admit(w *wish, path string) error {
	if !c.PresetsOnly && len(c.SigningKeys) == 0 {
		return nil
	}
	asked := slices.DeleteFunc(strings.Split(w.canonical, "&"), func(p string) bool { return p == "" || strings.HasPrefix(p, "preset=") })
	switch {
	case len(asked) == 0:
		return nil
	case c.PresetsOnly:
		return bad("only preset and showExif can be asked for here")
	case w.signature == "":
		return &refused{message: "this needs a signature (sig)", status: http.StatusForbidden, code: "AccessDenied"}
	}
	for _, key := range c.SigningKeys {
		if hmac.Equal([]byte(w.signature), []byte(signature(key, path, w.canonical))) {
			return nil
		}
	}
	return &refused{message: "the signature (sig) does not match", status: http.StatusForbidden, code: "AccessDenied"}
}

// Sign returns the query that asks for what query asks, with its signature, for the path of an object such as
// "/photos/a.jpg", percent-encoded or not. An error is a query that the function would refuse.
//
// The signature is the HMAC-SHA256 (RFC 2104) of the decoded path, a question mark and the canonical query, in base64url
// without padding (RFC 4648, section 5).
func Sign(key, path, query string) (string, error) {
	w, err := readWish(query)
	if err != nil {
		return "", err
	}
	sig := "sig=" + signature(key, path, w.canonical)
	if w.canonical == "" {
		return sig, nil
	}
	return w.canonical + "&" + sig, nil
}

func signature(key, path, canonical string) string {
	// A caller's URL begins with a scheme and a host.
	if _, rest, ok := strings.Cut(path, "://"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			path = rest[i:]
		}
	}
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(path + "?" + canonical))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
