package glassine

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"glassine/initscript"
)

// localStackServices are the services here by the names that LocalStack has for them.
var localStackServices = []string{"s3", "s3control", "lambda", "iam", "sts", "cloudfront", "cloudformation", "logs", "ssm", "cloudtrail"}

// localStackHabits answers the two paths by which test set-ups made for LocalStack find out whether it is up. They show that
// glassine runs, which version of what, and how far the scripts of its start are: nothing that somebody made. No bucket can be called
// _localstack, so nothing is hidden. (LocalStack, "Internal Endpoints".)
func (s *System) localStackHabits(next http.Handler) http.Handler {
	services := map[string]string{}
	for _, name := range localStackServices {
		services[name] = "running"
	}
	health := map[string]any{"services": services, "edition": "glassine", "version": Version()}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ours := strings.CutPrefix(r.URL.Path, "/_localstack/")
		if !ours || r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		answer, known := any(health), path == "health"
		if stage, ok := strings.CutPrefix(path, "init"); ok && (stage == "" || stage[0] == '/') {
			answer, known = initStages(s.cfg.InitScripts, strings.TrimPrefix(stage, "/"))
		}
		w.Header().Set("Content-Type", "application/json")
		if !known {
			w.WriteHeader(http.StatusNotFound)
			answer = map[string]any{"message": "glassine answers /_localstack/health and /_localstack/init, and no other path of LocalStack's own."}
		}
		_ = json.NewEncoder(w).Encode(answer) // a failed write is the client's leaving
	})
}

// initStages is what LocalStack tells of its initialization: of one stage, or of all when name is "". It is false of a stage that is
// none. (LocalStack documentation, "Initialization Hooks", Query the Status of the Stages.)
func initStages(scripts *initscript.Scripts, name string) (answer any, known bool) {
	if stage := initscript.Stage(strings.ToUpper(name)); slices.Contains(initscript.Stages, stage) {
		return map[string]any{"completed": scripts.Completed(stage), "scripts": scripts.Of(stage)}, true
	}
	completed, all := map[initscript.Stage]bool{}, []initscript.Script{}
	for _, stage := range initscript.Stages {
		completed[stage] = scripts.Completed(stage)
		all = append(all, scripts.Of(stage)...)
	}
	return map[string]any{"completed": completed, "scripts": all}, name == ""
}
