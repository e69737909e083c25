package cloudfrontapi

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"glassine/aws/sigv4"
	"glassine/edge"
	"glassine/iam"
	"glassine/state"
)

// Every operation that clients of the reference set-up need is here: whatever it says to these requests, it is not that there
// is no such operation. What is not here is refused by its path.
func TestOperationsAreServed(t *testing.T) {
	ctx := context.Background()
	records := &state.Memory{}
	identities, err := iam.New(ctx, iam.Config{State: records, Account: "123456789012", Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := identities.EnsureRoot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	front, err := edge.New(ctx, edge.Config{State: records, IAM: identities, Origin: http.DefaultTransport, Account: "123456789012", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { front.Close() })
	handler := &Handler{IAM: identities, Edge: front, Log: log}
	ask := func(line string) *httptest.ResponseRecorder {
		method, target, _ := strings.Cut(line, " ")
		r := httptest.NewRequest(method, "http://cloudfront.amazonaws.com/2020-05-31/"+target, bytes.NewReader(nil))
		r.RequestURI = r.URL.RequestURI()
		sigv4.Sign(r, sigv4.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}, "us-east-1", "cloudfront", sigv4.PayloadSHA256(nil), time.Now())
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	const arn = "arn%3Aaws%3Acloudfront%3A%3A123456789012%3Adistribution%2FX"
	all := []string{
		"POST distribution", "POST distribution?WithTags", "GET distribution", "GET distribution/X", "GET distribution/X/config", "PUT distribution/X/config", "DELETE distribution/X",
		"GET distributionsByCachePolicyId/X", "POST distribution/X/invalidation", "GET distribution/X/invalidation", "GET distribution/X/invalidation/Y",
		"POST function", "GET function", "GET function/X", "GET function/X/describe", "PUT function/X", "POST function/X/publish", "POST function/X/test", "DELETE function/X",
		"GET tagging?Resource=" + arn, "POST tagging?Operation=Tag&Resource=" + arn, "POST tagging?Operation=Untag&Resource=" + arn,
	}
	for _, kind := range []string{"cache-policy", "origin-request-policy", "response-headers-policy"} {
		all = append(all, "POST "+kind, "GET "+kind, "GET "+kind+"/X", "GET "+kind+"/X/config", "PUT "+kind+"/X", "DELETE "+kind+"/X")
	}
	for _, kind := range []string{"origin-access-control", "public-key"} {
		all = append(all, "POST "+kind, "GET "+kind, "GET "+kind+"/X", "GET "+kind+"/X/config", "PUT "+kind+"/X/config", "DELETE "+kind+"/X")
	}
	all = append(all, "POST key-group", "GET key-group", "GET key-group/X", "GET key-group/X/config", "PUT key-group/X", "DELETE key-group/X")
	for _, line := range all {
		if w := ask(line); w.Code == http.StatusNotImplemented || strings.Contains(w.Body.String(), "<Code>InvalidAction") {
			t.Errorf("%s = %d %s", line, w.Code, w.Body)
		}
	}
	for _, line := range []string{"POST streaming-distribution", "POST origin-access-identity/cloudfront", "POST realtime-log-config", "GET vpc-origin"} {
		if w := ask(line); w.Code != http.StatusNotImplemented || !strings.Contains(w.Body.String(), strings.Fields(line)[1]) {
			t.Errorf("%s = %d %s, want 501 that names it", line, w.Code, w.Body)
		}
	}
}
