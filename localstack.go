package glassine

import (
	"encoding/json"
	"net/http"
	"strings"
)

// localStackServices are the services here by the names that LocalStack has for them.
var localStackServices = []string{"s3", "s3control", "lambda", "iam", "sts", "cloudfront", "cloudformation", "logs", "ssm", "cloudtrail"}

// localStackHabits answers the two paths by which test set-ups made for LocalStack find out whether it is up. They show that
// glassine runs, and which version of what: nothing that somebody made. No bucket can be called _localstack, so nothing is
// hidden. (LocalStack, "Internal Endpoints".)
func (s *System) localStackHabits(next http.Handler) http.Handler {
	services := map[string]string{}
	for _, name := range localStackServices {
		services[name] = "running"
	}
	health := map[string]any{"services": services, "edition": "glassine", "version": Version()}
	ready := map[string]any{"completed": map[string]bool{"BOOT": true, "START": true, "READY": true, "SHUTDOWN": false}, "scripts": []any{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ours := strings.CutPrefix(r.URL.Path, "/_localstack/")
		if !ours || r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		var answer map[string]any
		switch path {
		case "health":
			answer = health
		case "init", "init/ready":
			answer = ready
		default:
			w.WriteHeader(http.StatusNotFound)
			answer = map[string]any{"message": "glassine answers /_localstack/health and /_localstack/init, and no other path of LocalStack's own."}
		}
		_ = json.NewEncoder(w).Encode(answer) // a failed write is the client's leaving
	})
}
