package cloudformationapi

import (
	"io"
	"log/slog"
	"net/http"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/cloudformation"
)

// maxAnswer bounds the body of a custom resource's answer, in bytes: more than CloudFormation takes, so that it can be
// told that it was too long.
const maxAnswer = 64 << 10

// IsResponse reports whether a request is the answer of a custom resource's function: by its host.
func IsResponse(r *http.Request) bool {
	return strings.HasPrefix(wire.Hostname(r.Host), cloudformation.ResponseHost)
}

// ServeResponse takes a PUT to a custom resource's response URL. It looks like one of S3's presigned URLs, and answers as S3.
// Who knows the URL may use it: its signature is a random token. Handlers send no content type, or an empty one.
func (h *Handler) ServeResponse(w http.ResponseWriter, r *http.Request) {
	log := h.Log
	if log == nil {
		log = slog.Default()
	}
	id := wire.NewS3RequestID()
	w.Header().Set("X-Amz-Request-Id", id)
	if r.Method != http.MethodPut {
		wire.WriteError(w, r, wire.S3, id, fault.New("MethodNotAllowed", "The specified method is not allowed against this resource."), log)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer)) // maxAnswer
	if err == nil {
		err = h.Stacks.Respond(r.URL.Query().Get("X-Amz-Signature"), body)
	}
	if err != nil {
		wire.WriteError(w, r, wire.S3, id, err, log)
		return
	}
	w.WriteHeader(http.StatusOK)
}
