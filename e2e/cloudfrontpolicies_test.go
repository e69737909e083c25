package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cloudFront runs the AWS CLI's cloudfront commands, with its answers as JSON.
type cloudFront struct {
	t   *testing.T
	env []string
}

func (c cloudFront) run(args ...string) (map[string]any, string) {
	c.t.Helper()
	text, errOut, err := command(c.t, c.env, "aws", append([]string{"cloudfront"}, append(args, "--output", "json")...)...)
	if err != nil {
		return nil, errOut
	}
	out := map[string]any{}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			c.t.Fatalf("aws cloudfront %s: %v: %s", args[0], err, text)
		}
	}
	return out, ""
}

func (c cloudFront) ok(args ...string) map[string]any {
	c.t.Helper()
	out, errOut := c.run(args...)
	if out == nil {
		c.t.Fatalf("aws cloudfront %s: %s", strings.Join(args, " "), errOut)
	}
	return out
}

func (c cloudFront) refused(code string, args ...string) {
	c.t.Helper()
	if out, errOut := c.run(args...); out != nil || !strings.Contains(errOut, "("+code+")") {
		c.t.Errorf("aws cloudfront %s: %v %s, want %s", strings.Join(args, " "), out, errOut, code)
	}
}

// at follows keys into an answer.
func at(m any, keys ...string) any {
	for _, k := range keys {
		switch v := m.(type) {
		case map[string]any:
			m = v[k]
		case []any:
			if len(v) == 0 {
				return nil
			}
			m = v[0].(map[string]any)[k]
		default:
			return nil
		}
	}
	return m
}

// Policies, keys, functions and tags through their lives, and a distribution that uses all of them, with Debian's AWS CLI.
func TestCloudFrontPoliciesWithTheAWSCLI(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := cloudFront{t, s.environment(t)}

	for command, want := range map[string]int{"list-origin-request-policies": 7, "list-response-headers-policies": 5} {
		for _, list := range c.ok(command, "--type", "managed") {
			if n := at(list, "Quantity"); n != float64(want) {
				t.Errorf("%s: %v managed, want %d", command, n, want)
			}
		}
	}

	origin := c.ok("create-origin-request-policy", "--origin-request-policy-config",
		`{"Name":"orp","Comment":"c","HeadersConfig":{"HeaderBehavior":"whitelist","Headers":{"Quantity":2,"Items":["Referer","CloudFront-Forwarded-Proto"]}},
		"CookiesConfig":{"CookieBehavior":"none"},"QueryStringsConfig":{"QueryStringBehavior":"all"}}`)
	originID, originTag := fmt.Sprint(at(origin, "OriginRequestPolicy", "Id")), fmt.Sprint(origin["ETag"])
	const responseConfig = `{"Name":"rhp","Comment":"","CorsConfig":{"AccessControlAllowOrigins":{"Quantity":1,"Items":["https://a.example.com"]},"AccessControlAllowHeaders":{"Quantity":1,"Items":["X-A"]},
		"AccessControlAllowMethods":{"Quantity":2,"Items":["GET","HEAD"]},"AccessControlAllowCredentials":true,"AccessControlMaxAgeSec":5,"OriginOverride":true},
		"SecurityHeadersConfig":{"FrameOptions":{"Override":true,"FrameOption":"DENY"},"StrictTransportSecurity":{"Override":true,"AccessControlMaxAgeSec":60,"Preload":true},"ContentTypeOptions":{"Override":true}},
		"ServerTimingHeadersConfig":{"Enabled":true,"SamplingRate":100},"CustomHeadersConfig":{"Quantity":1,"Items":[{"Header":"X-Custom","Value":"v","Override":true}]},
		"RemoveHeadersConfig":{"Quantity":1,"Items":[{"Header":"X-Powered-By"}]}}`
	response := c.ok("create-response-headers-policy", "--response-headers-policy-config", responseConfig)
	responseID, responseTag := fmt.Sprint(at(response, "ResponseHeadersPolicy", "Id")), fmt.Sprint(response["ETag"])
	got := c.ok("get-response-headers-policy-config", "--id", responseID)
	for path, want := range map[string]any{
		"CorsConfig AccessControlMaxAgeSec": 5.0, "SecurityHeadersConfig FrameOptions FrameOption": "DENY", "ServerTimingHeadersConfig SamplingRate": 100.0,
		"SecurityHeadersConfig StrictTransportSecurity Preload": true, "CustomHeadersConfig Items Header": "X-Custom", "RemoveHeadersConfig Items Header": "X-Powered-By",
	} {
		if v := at(got, append([]string{"ResponseHeadersPolicyConfig"}, strings.Fields(path)...)...); v != want {
			t.Errorf("%s: %v, want %v", path, v, want)
		}
	}
	updated := c.ok("update-response-headers-policy", "--id", responseID, "--if-match", responseTag, "--response-headers-policy-config", strings.Replace(responseConfig, `"DENY"`, `"SAMEORIGIN"`, 1))
	c.refused("ResponseHeadersPolicyAlreadyExists", "create-response-headers-policy", "--response-headers-policy-config", responseConfig)

	keyID, keyTag, groupID, groupTag := keyGroup(t, c)

	dir := t.TempDir()
	code := filepath.Join(dir, "function.js")
	if err := os.WriteFile(code, []byte("function handler(event) { event.request.uri = '/made'; return event.request; }"), 0o600); err != nil {
		t.Fatal(err)
	}
	function := c.ok("create-function", "--name", "make", "--function-config", "Comment=c,Runtime=cloudfront-js-1.0", "--function-code", "fileb://"+code)
	functionTag := fmt.Sprint(function["ETag"])
	tested := c.ok("test-function", "--name", "make", "--if-match", functionTag, "--event-object", `fileb://`+writeTemp(t, "event.json", []byte(`{"version":"1.0","request":{"method":"GET","uri":"/a"}}`)))
	if output := fmt.Sprint(at(tested, "TestResult", "FunctionOutput")); !strings.Contains(output, `"uri":"/made"`) {
		t.Errorf("test-function: %v", tested)
	}
	published := c.ok("publish-function", "--name", "make", "--if-match", functionTag)
	if stage := at(published, "FunctionSummary", "FunctionMetadata", "Stage"); stage != "LIVE" {
		t.Errorf("publish-function: %v", published)
	}
	if list := c.ok("list-functions", "--stage", "LIVE"); at(list, "FunctionList", "Items", "Name") != "make" {
		t.Errorf("list-functions: %v", list)
	}
	c.ok("get-function", "--name", "make", filepath.Join(dir, "out.js"))
	if text, err := os.ReadFile(filepath.Join(dir, "out.js")); err != nil || !strings.Contains(string(text), "'/made'") {
		t.Errorf("get-function: %q, %v", text, err)
	}

	distribution := c.ok("create-distribution-with-tags", "--distribution-config-with-tags", `{"Tags":{"Items":[{"Key":"team","Value":"photos"}]},"DistributionConfig":`+fullDistribution(originID, responseID, groupID)+`}`)
	id, etag := fmt.Sprint(at(distribution, "Distribution", "Id")), fmt.Sprint(distribution["ETag"])
	arn := fmt.Sprint(at(distribution, "Distribution", "ARN"))
	if at(distribution, "Distribution", "ActiveTrustedKeyGroups", "Items", "KeyGroupId") != groupID {
		t.Errorf("active key groups: %v", at(distribution, "Distribution", "ActiveTrustedKeyGroups"))
	}
	c.ok("wait", "distribution-deployed", "--id", id)
	config := c.ok("get-distribution-config", "--id", id)
	for path, want := range map[string]any{
		"OriginGroups Items FailoverCriteria StatusCodes Quantity": 2.0, "DefaultCacheBehavior OriginRequestPolicyId": originID,
		"DefaultCacheBehavior ResponseHeadersPolicyId": responseID, "CacheBehaviors Items TrustedKeyGroups Enabled": true,
		"CustomErrorResponses Items ResponsePagePath": "/404.html", "Restrictions GeoRestriction RestrictionType": "none", "CacheBehaviors Items ForwardedValues QueryString": true,
		"CacheBehaviors Items DefaultTTL": 86400.0,
	} {
		if v := at(config, append([]string{"DistributionConfig"}, strings.Fields(path)...)...); v != want {
			t.Errorf("%s: %v, want %v", path, v, want)
		}
	}

	tagsOf := func() string {
		text, err := json.Marshal(at(c.ok("list-tags-for-resource", "--resource", arn), "Tags", "Items"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	c.ok("tag-resource", "--resource", arn, "--tags", "Items=[{Key=a,Value=b}]")
	if got := tagsOf(); got != `[{"Key":"a","Value":"b"},{"Key":"team","Value":"photos"}]` {
		t.Errorf("tags %s", got)
	}
	c.ok("untag-resource", "--resource", arn, "--tag-keys", "Items=[team]")
	if got := tagsOf(); got != `[{"Key":"a","Value":"b"}]` {
		t.Errorf("tags %s", got)
	}

	for _, args := range [][]string{
		{"list-distributions-by-key-group", "--key-group-id", groupID},
		{"list-distributions-by-cache-policy-id", "--cache-policy-id", "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"},
	} {
		text, err := json.Marshal(c.ok(args...))
		if err != nil || !strings.Contains(string(text), id) {
			t.Errorf("%s: %s, %v", args[0], text, err)
		}
	}
	for _, args := range [][]string{
		{"list-streaming-distributions"}, {"list-cloud-front-origin-access-identities"},
	} {
		c.ok(args...)
	}
	invalidation := c.ok("create-invalidation", "--distribution-id", id, "--paths", "/a", "#tag")
	invalidationID := fmt.Sprint(at(invalidation, "Invalidation", "Id"))
	c.ok("wait", "invalidation-completed", "--distribution-id", id, "--id", invalidationID)
	if list := c.ok("list-invalidations", "--distribution-id", id); at(list, "InvalidationList", "Items", "Id") != invalidationID {
		t.Errorf("list-invalidations: %v", list)
	}

	// What a viewer sees of it: an answer with the policy's header, and none without a signature.
	domain := fmt.Sprint(at(distribution, "Distribution", "DomainName"))
	view := func(path string) answer {
		req := request(t, http.MethodGet, s.url(path), nil)
		req.Host = domain
		return do(t, s.viewer, req)
	}
	if a := view("/private/a"); a.StatusCode != http.StatusForbidden || !strings.Contains(string(a.body), "MissingKey") {
		t.Errorf("without a signature: %s %.200s", a.Status, a.body)
	}
	if a := view("/a"); a.Header.Get("X-Custom") != "v" || a.Header.Get("X-Frame-Options") != "SAMEORIGIN" || !strings.Contains(a.Header.Get("Server-Timing"), "cdn-pop") {
		t.Errorf("header of the answer: %v", a.Header)
	}

	c.refused("OriginRequestPolicyInUse", "delete-origin-request-policy", "--id", originID, "--if-match", originTag)
	off := strings.Replace(fullDistribution(originID, responseID, groupID), `"Enabled":true,"Comment"`, `"Enabled":false,"Comment"`, 1)
	disabled := c.ok("update-distribution", "--id", id, "--if-match", etag, "--distribution-config", off)
	c.ok("delete-distribution", "--id", id, "--if-match", fmt.Sprint(disabled["ETag"]))
	c.ok("delete-origin-request-policy", "--id", originID, "--if-match", originTag)
	c.ok("delete-response-headers-policy", "--id", responseID, "--if-match", fmt.Sprint(updated["ETag"]))
	c.ok("delete-key-group", "--id", groupID, "--if-match", groupTag)
	c.ok("delete-public-key", "--id", keyID, "--if-match", keyTag)
	c.ok("delete-function", "--name", "make", "--if-match", functionTag)
	c.refused("NoSuchFunctionExists", "describe-function", "--name", "make")
}

// keyGroup makes a public key and a group of it.
func keyGroup(t *testing.T, c cloudFront) (keyID, keyTag, groupID, groupTag string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	if err != nil {
		t.Fatal(err)
	}
	made := c.ok("create-public-key", "--public-key-config", `{"CallerReference":"1","Name":"key","EncodedKey":`+string(encoded)+`}`)
	keyID = fmt.Sprint(at(made, "PublicKey", "Id"))
	group := c.ok("create-key-group", "--key-group-config", `{"Name":"group","Items":["`+keyID+`"]}`)
	groupID = fmt.Sprint(at(group, "KeyGroup", "Id"))
	if list := c.ok("list-key-groups"); at(list, "KeyGroupList", "Items", "KeyGroup", "Id") != groupID {
		t.Errorf("list-key-groups: %v", list)
	}
	if list := c.ok("list-public-keys"); at(list, "PublicKeyList", "Items", "Id") != keyID {
		t.Errorf("list-public-keys: %v", list)
	}
	return keyID, fmt.Sprint(made["ETag"]), groupID, fmt.Sprint(group["ETag"])
}

// fullDistribution is a configuration that uses the policies and the group.
func fullDistribution(originPolicy, responsePolicy, group string) string {
	return `{"CallerReference":"full","Enabled":true,"Comment":"",
		"Origins":{"Quantity":2,"Items":[
			{"Id":"a","DomainName":"a.example.com","CustomOriginConfig":{"HTTPPort":80,"HTTPSPort":443,"OriginProtocolPolicy":"https-only"}},
			{"Id":"b","DomainName":"b.s3.us-east-1.amazonaws.com","S3OriginConfig":{"OriginAccessIdentity":""}}]},
		"OriginGroups":{"Quantity":1,"Items":[{"Id":"both","FailoverCriteria":{"StatusCodes":{"Quantity":2,"Items":[500,404]}},"Members":{"Quantity":2,"Items":[{"OriginId":"b"},{"OriginId":"a"}]}}]},
		"DefaultCacheBehavior":{"TargetOriginId":"b","ViewerProtocolPolicy":"allow-all","CachePolicyId":"4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
			"OriginRequestPolicyId":"` + originPolicy + `","ResponseHeadersPolicyId":"` + responsePolicy + `"},
		"CacheBehaviors":{"Quantity":1,"Items":[{"PathPattern":"/private/*","TargetOriginId":"both","ViewerProtocolPolicy":"allow-all",
			"TrustedKeyGroups":{"Enabled":true,"Quantity":1,"Items":["` + group + `"]},"MinTTL":0,
			"ForwardedValues":{"QueryString":true,"Cookies":{"Forward":"none"},"Headers":{"Quantity":1,"Items":["Origin"]}}}]},
		"CustomErrorResponses":{"Quantity":1,"Items":[{"ErrorCode":404,"ResponsePagePath":"/404.html","ResponseCode":"404","ErrorCachingMinTTL":1}]}}`
}
