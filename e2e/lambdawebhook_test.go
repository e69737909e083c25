package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"glassine/objectlambda"
)

// A handler as it was written for MinIO's Object Lambda: it knows no AWS name, no credentials and no SDK. Its URL stands where
// a function's ARN would.
func TestHandlerWrittenForAnotherServer(t *testing.T) {
	s := start(t)
	s.put(t, "a%20b.txt", []byte("a text"))
	handler := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event struct {
			GetObjectContext struct {
				InputS3URL  string `json:"inputS3Url"`
				OutputRoute string `json:"outputRoute"`
				OutputToken string `json:"outputToken"`
			} `json:"getObjectContext"`
			UserRequest struct {
				URL     string      `json:"url"`
				Headers http.Header `json:"headers"`
			} `json:"userRequest"`
		}
		if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		original, err := http.Get(event.GetObjectContext.InputS3URL)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer original.Body.Close()
		body, err := io.ReadAll(original.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("X-Amz-Request-Route", event.GetObjectContext.OutputRoute)
		w.Header().Set("X-Amz-Request-Token", event.GetObjectContext.OutputToken)
		if original.StatusCode != http.StatusOK {
			w.Header().Set("X-Amz-Fwd-Status", "Not Found")
			w.Header().Set("X-Amz-Fwd-Error-Code", "NoSuchKey")
			return
		}
		w.Header().Set("X-Amz-Fwd-Header-Content-Type", "text/x-upper")
		_, _ = io.WriteString(w, strings.ToUpper(string(body))+event.UserRequest.Headers.Get("X-Suffix"))
	}))
	defer handler.Close()
	p := point{name: "handler"}
	if _, err := s.ObjectLambda.Create(t.Context(), s.IAM.Root(), p.name, objectlambda.Configuration{
		SupportingAccessPoint: pointARN, Transformations: []objectlambda.Transformation{{Actions: []string{objectlambda.GetObject}, Function: handler.URL}},
	}); err != nil {
		t.Fatal(err)
	}
	if a := p.ask(t, s, "GET", "/a%20b.txt", map[string]string{"X-Suffix": "!"}); a.StatusCode != 200 || string(a.body) != "A TEXT!" || a.Header.Get("Content-Type") != "text/x-upper" {
		t.Errorf("%s %q %v", a.Status, a.body, a.Header)
	}
	gone := p.ask(t, s, "GET", "/absent", nil)
	if e := gone.awsError(t); gone.StatusCode != 404 || e.Code != "NoSuchKey" {
		t.Errorf("absent: %s %s", gone.Status, gone.body)
	}
	handler.Close()
	if a := p.ask(t, s, "GET", "/a%20b.txt", nil); a.awsError(t).Code != "LambdaInvocationFailed" {
		t.Errorf("a handler that is gone: %s %s", a.Status, a.body)
	}
}
