package wire

import (
	"net"
	"net/http"
	"strings"

	"glassine/aws/sigv4"
)

// Service names, as they stand in credential scopes.
const (
	ServiceS3         = "s3"
	ServiceS3Control  = "s3-control" // signed as s3
	ServiceCloudFront = "cloudfront"
)

// ServiceOf says which service a request on the AWS endpoint is for: by its host where that is one of AWS's names, else by
// its path where no other service has such a one, else by the scope of its signature. What cannot be told is S3's. The
// scope decides only where the request goes; each service then verifies it.
func ServiceOf(r *http.Request) string {
	path, _ := sigv4.Target(r)
	if path == "/WriteGetObjectResponse" && r.Header.Get("X-Amz-Request-Token") != "" {
		return ServiceS3
	}
	if labels, ok := AWSLabels(r.Host); ok {
		for i := len(labels) - 1; i >= 0; i-- {
			l := strings.TrimSuffix(labels[i], "-fips")
			switch {
			case l == "s3-control":
				return ServiceS3Control
			case l == "s3", l == "s3-accesspoint", l == "s3-object-lambda", strings.HasPrefix(l, "s3-"):
				return ServiceS3
			}
		}
		return labels[0] // iam, sts, lambda, cloudfront, logs, ...
	}
	if strings.HasPrefix(path, "/v20180820/") && r.Header.Get("X-Amz-Account-Id") != "" {
		return ServiceS3Control
	}
	if sig, err := sigv4.Parse(r); err == nil && sig != nil && sig.Service != "s3-object-lambda" {
		return sig.Service
	}
	return ServiceS3
}

// AWSLabels returns the labels of an AWS host name without amazonaws.com (or .com.cn), and false for any other host.
func AWSLabels(host string) ([]string, bool) {
	h := Hostname(host)
	for _, suffix := range []string{".amazonaws.com", ".amazonaws.com.cn"} {
		if rest, ok := strings.CutSuffix(h, suffix); ok && rest != "" {
			return strings.Split(rest, "."), true
		}
	}
	return nil, false
}

// Hostname is a Host header's name in lower case, without its port.
func Hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
