package cloudfrontapi

import (
	"encoding/xml"
	"testing"

	"glassine/edge"
)

func TestViewerCertificateInBothForms(t *testing.T) {
	const arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
	acm := edge.ViewerCertificate{ACMCertificateARN: arn, SSLSupportMethod: "sni-only", MinimumProtocolVersion: "TLSv1.2_2021"}
	iam := edge.ViewerCertificate{IAMCertificateID: "ASCAEXAMPLE123EXAMPLE", SSLSupportMethod: "vip", MinimumProtocolVersion: "SSLv3"}
	plain := edge.ViewerCertificate{CloudFrontDefault: true, SSLSupportMethod: "vip", MinimumProtocolVersion: "TLSv1"}
	for _, row := range []struct {
		name, body string
		want       edge.ViewerCertificate
		source     string // of the echo
	}{
		{"of ACM", `<ACMCertificateArn>` + arn + `</ACMCertificateArn><SSLSupportMethod>sni-only</SSLSupportMethod><MinimumProtocolVersion>TLSv1.2_2021</MinimumProtocolVersion>`, acm, "acm"},
		{"of ACM, in the old form", `<Certificate>` + arn + `</Certificate><CertificateSource>acm</CertificateSource><SSLSupportMethod>sni-only</SSLSupportMethod><MinimumProtocolVersion>TLSv1.2_2021</MinimumProtocolVersion>`, acm, "acm"},
		{"of IAM", `<IAMCertificateId>ASCAEXAMPLE123EXAMPLE</IAMCertificateId><SSLSupportMethod>vip</SSLSupportMethod><MinimumProtocolVersion>SSLv3</MinimumProtocolVersion>`, iam, "iam"},
		{"the default, as it is echoed", `<CloudFrontDefaultCertificate>true</CloudFrontDefaultCertificate><SSLSupportMethod>vip</SSLSupportMethod><MinimumProtocolVersion>TLSv1</MinimumProtocolVersion><CertificateSource>cloudfront</CertificateSource>`, plain, "cloudfront"},
	} {
		var in viewerCertificate
		if err := xml.Unmarshal([]byte("<ViewerCertificate>"+row.body+"</ViewerCertificate>"), &in); err != nil {
			t.Fatal(err)
		}
		if got := in.domain(); got != row.want {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.want)
		}
		echo := certificateShape(row.want)
		if again := echo.domain(); again != row.want || echo.CertificateSource != row.source {
			t.Errorf("%s: echoed as %+v, which is %+v", row.name, echo, again)
		}
	}
}
