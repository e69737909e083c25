package edge

import (
	"fmt"
	"strings"
)

// brand is the texts that name the CDN, made once.
type brand struct {
	name   string              // "cloudfront"
	server string              // "CloudFront"
	node   string              // "<32 hex>.cloudfront.net"
	via    []string            // of every answer
	pop    []string            // X-Amz-Cf-Pop
	own    []string            // Server of answers made here
	xCache map[result][]string // by result
}

// result is how a request ended: the first word of X-Cache and x-edge-result-type in the access log.
// CloudFront Developer Guide, "Configure and use standard logs (access logs)".
type result string

const (
	resultHit             result = "Hit"
	resultRefreshHit      result = "RefreshHit"
	resultMiss            result = "Miss"
	resultError           result = "Error"
	resultRedirect        result = "Redirect"
	resultLimitExceeded   result = "LimitExceeded"
	resultLambdaGenerated result = "LambdaGeneratedResponse"
	resultLambdaInvalid   result = "LambdaValidationError"
	resultLambdaFailed    result = "LambdaExecutionError"
	resultLambdaThrottled result = "LambdaLimitExceeded"

	resultFunctionGenerated result = "FunctionGeneratedResponse"
	resultFunctionFailed    result = "FunctionExecutionError"
)

func newBrand(name, location string) (*brand, error) {
	b := &brand{name: name, pop: []string{location}, xCache: map[result][]string{}}
	b.node = strings.ToLower(strings.ReplaceAll(newUUID(), "-", ""))
	switch name {
	case "", "cloudfront":
		b.name, b.server = "cloudfront", "CloudFront"
		b.node += ".cloudfront.net"
	case "glassine":
		b.server = "glassine"
		b.node += ".glassine"
	default:
		return nil, fmt.Errorf("edge: branding %q is neither cloudfront nor glassine", name)
	}
	b.own = []string{b.server}
	// The origin side is HTTP/1.1 whatever the viewer speaks, and so is the version here.
	b.via = []string{b.viaFrom("1.1")}
	for _, r := range []result{
		resultHit, resultRefreshHit, resultMiss, resultError, resultRedirect, resultLimitExceeded,
		resultLambdaGenerated, resultLambdaInvalid, resultLambdaFailed, resultLambdaThrottled, resultFunctionGenerated, resultFunctionFailed,
	} {
		b.xCache[r] = []string{string(r) + " from " + b.name}
	}
	return b, nil
}

// viaFrom is our Via entry for a message received over the HTTP version.
func (b *brand) viaFrom(version string) string {
	return version + " " + b.node + " (" + b.server + ")"
}
