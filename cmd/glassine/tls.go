package main

import "glassine"

// tlsFlags say which certificates viewers get, and over what.
type tlsFlags struct {
	CertDir       string   `name:"cert-dir" help:"Directory of certificates with their private keys, in PEM; files that change are read again." type:"existingdir" live:"" env:"GLASSINE_CERT_DIR"`
	ACMEDomain    []string `name:"acme-domain" help:"Public name to get a certificate for. Port 443 or 80 of it must lead here." example:"photos.example.com" env:"GLASSINE_ACME_DOMAIN"`
	ACMEEmail     string   `name:"acme-email" help:"Where the certificate authority writes when something is wrong." example:"ops@example.com" env:"GLASSINE_ACME_EMAIL"`
	ACMEDirectory string   `name:"acme-directory" help:"URL of another certificate authority than Let's Encrypt, whose terms of service are agreed to." env:"GLASSINE_ACME_DIRECTORY"`
	ACMERoots     string   `name:"acme-roots" help:"File of the roots that the authority's own certificate is signed by, in place of the system's." type:"existingfile" env:"GLASSINE_ACME_ROOTS"`
}

// apply puts the flags into cfg.
func (f *tlsFlags) apply(cfg *glassine.Config) {
	cfg.CertificateDir = f.CertDir
	cfg.ACME = glassine.ACME{Domains: f.ACMEDomain, Email: f.ACMEEmail, Directory: f.ACMEDirectory, Roots: f.ACMERoots}
}
