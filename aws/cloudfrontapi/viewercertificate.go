package cloudfrontapi

import "glassine/edge"

// domain is the certificate without the old form, which counts where the new one is not given.
func (v *viewerCertificate) domain() edge.ViewerCertificate {
	out := edge.ViewerCertificate{
		CloudFrontDefault: v.CloudFrontDefaultCertificate, ACMCertificateARN: v.ACMCertificateArn, IAMCertificateID: v.IAMCertificateId,
		SSLSupportMethod: v.SSLSupportMethod, MinimumProtocolVersion: v.MinimumProtocolVersion,
	}
	if out.ACMCertificateARN == "" && out.IAMCertificateID == "" {
		switch v.CertificateSource {
		case "acm":
			out.ACMCertificateARN = v.Certificate
		case "iam":
			out.IAMCertificateID = v.Certificate
		case "cloudfront":
			out.CloudFrontDefault = true
		}
	}
	return out
}

// certificateShape is the XML of a certificate, in both forms.
func certificateShape(c edge.ViewerCertificate) *viewerCertificate {
	v := &viewerCertificate{
		CloudFrontDefaultCertificate: c.CloudFrontDefault, ACMCertificateArn: c.ACMCertificateARN, IAMCertificateId: c.IAMCertificateID,
		SSLSupportMethod: c.SSLSupportMethod, MinimumProtocolVersion: c.MinimumProtocolVersion,
	}
	switch {
	case c.ACMCertificateARN != "":
		v.Certificate, v.CertificateSource = c.ACMCertificateARN, "acm"
	case c.IAMCertificateID != "":
		v.Certificate, v.CertificateSource = c.IAMCertificateID, "iam"
	default:
		v.CloudFrontDefaultCertificate, v.CertificateSource = true, "cloudfront"
	}
	return v
}
