package telemetry

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Other stands in a label for what has no place of its own there.
const Other = "other"

// mostNames is how many values a label takes whose values come from the code and not from a list: more would be a mistake that
// must not become a leak.
const mostNames = 512

// names lets the first mostNames values through, and calls all others Other. Safe for many goroutines.
type names struct {
	mu   sync.Mutex // guards seen
	seen map[string]bool
}

func (n *names) name(s string) string {
	if s == "" {
		return Other
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen[s] {
		return s
	}
	if len(n.seen) == mostNames {
		return Other
	}
	if n.seen == nil {
		n.seen = map[string]bool{}
	}
	n.seen[s] = true
	return s
}

// callMetrics count calls of AWS's APIs.
type callMetrics struct {
	s3, denials       *prometheus.CounterVec
	operations, codes *names
	actions, reasons  *names
}

func newCallMetrics(r *prometheus.Registry) callMetrics {
	m := callMetrics{
		s3: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "glassine_s3_requests_total", Help: "Requests on buckets, objects and access points, by S3's name of the operation and the code that the caller read: OK, or that of the error.",
		}, []string{"operation", "code"}),
		denials: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "glassine_iam_denials_total", Help: "Questions to IAM that were answered with no, by the action and what decided.",
		}, []string{"action", "reason"}),
		operations: &names{}, codes: &names{}, actions: &names{}, reasons: &names{},
	}
	r.MustRegister(m.s3, m.denials)
	return m
}

// S3 counts a request on a bucket, an object or an access point. operation is S3's name, "" for one that S3 does not have; code that
// of the error that the caller read, or "".
func (m *Metrics) S3(operation, code string) {
	if code == "" {
		code = "OK"
	}
	m.calls.s3.WithLabelValues(m.calls.operations.name(operation), m.calls.codes.name(code)).Inc()
}

// Denied counts a question to IAM that was answered with no. reason is the kind of policy that said so, or the rule.
func (m *Metrics) Denied(action, reason string) {
	m.calls.denials.WithLabelValues(m.calls.actions.name(action), m.calls.reasons.name(reason)).Inc()
}
