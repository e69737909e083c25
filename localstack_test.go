package glassine

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestToolsForLocalStackFindItUp(t *testing.T) {
	s := &System{}
	passed := 0
	h := s.localStackHabits(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed++ }))
	ask := func(method, path string) (int, map[string]any) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "http://localhost:4566"+path, nil))
		var body map[string]any
		if w.Body.Len() > 0 {
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
		}
		return w.Code, body
	}
	status, health := ask("GET", "/_localstack/health")
	if services, _ := health["services"].(map[string]any); status != http.StatusOK || services["s3"] != "running" {
		t.Errorf("health: %d %v, want S3 running", status, health)
	}
	status, begun := ask("GET", "/_localstack/init")
	if completed, _ := begun["completed"].(map[string]any); status != http.StatusOK || completed["READY"] != true {
		t.Errorf("init: %d %v, want READY", status, begun)
	}
	if status, ready := ask("GET", "/_localstack/init/ready"); status != http.StatusOK || ready["completed"] != true {
		t.Errorf("init/ready: %d %v, want a stage that is completed", status, ready)
	}
	for _, path := range []string{"/_localstack/init/nothing", "/_localstack/initial"} {
		if status, _ := ask("GET", path); status != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, status)
		}
	}
	if status, _ := ask("GET", "/_localstack/state/save"); status != http.StatusNotFound {
		t.Errorf("a path of LocalStack's that is not here: %d, want 404", status)
	}
	for _, r := range [][2]string{{"GET", "/bucket/_localstack/health"}, {"PUT", "/_localstack/health"}, {"GET", "/"}} {
		before := passed
		if ask(r[0], r[1]); passed != before+1 {
			t.Errorf("%s %s did not go to AWS's services", r[0], r[1])
		}
	}
}
