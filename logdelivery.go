package glassine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/s3"
	"glassine/store"
)

// deliveryService is who puts log files into buckets. CloudWatch Logs User Guide, "Logs sent to Amazon S3".
const deliveryService = "delivery.logs.amazonaws.com"

// logDelivery implements edge.LogDelivery over S3. CloudFront is let in by the ACL of the bucket, which whoever configures logging may
// change; there are no ACLs here, so a statement of the bucket policy does it, added as AWS adds it for the logs of other services:
// docs/aws-differences.md.
type logDelivery struct {
	iam *iam.Service
	s3  *s3.Service
}

// AllowLogs implements edge.LogDelivery. A policy that names the service in an Allow is left as it is.
func (d logDelivery) AllowLogs(ctx context.Context, c iam.Caller, bucket, prefix string) error {
	old, err := d.s3.GetBucketPolicy(ctx, c, bucket)
	if err != nil && !fault.Is(err, "NoSuchBucketPolicy") {
		return err
	}
	policy, changed, err := withLogStatement(old, d.iam.Account(), bucket, prefix)
	if err != nil {
		return fmt.Errorf("read the policy of the bucket %s: %w", bucket, err)
	}
	if !changed {
		return nil
	}
	return d.s3.PutBucketPolicy(ctx, c, bucket, policy)
}

// logStatement is what lets the log files of this account's distributions in.
type logStatement struct {
	Sid       string
	Effect    string
	Principal map[string]string
	Action    string
	Resource  string
	Condition map[string]map[string]string
}

// withLogStatement returns a bucket policy with the statement for log files under prefix; unchanged when it has such a statement
// of its own. old is the policy's text, "" for none.
func withLogStatement(old, account, bucket, prefix string) (policy string, changed bool, err error) {
	document := map[string]json.RawMessage{"Version": json.RawMessage(`"2012-10-17"`)}
	var statements []json.RawMessage
	if old != "" {
		if err := json.Unmarshal([]byte(old), &document); err != nil {
			return "", false, err
		}
		if raw := bytes.TrimSpace(document["Statement"]); len(raw) > 0 && raw[0] == '{' {
			statements = []json.RawMessage{raw}
		} else if err := json.Unmarshal(raw, &statements); err != nil {
			return "", false, err
		}
	}
	resource := s3.BucketARN(bucket) + "/" + prefix + "*"
	for _, raw := range statements {
		if letsLogsIn(raw, resource) {
			return old, false, nil
		}
	}
	added, err := json.Marshal(logStatement{
		Sid: "AWSLogDeliveryWrite" + sidOf(prefix), Effect: "Allow", Principal: map[string]string{"Service": deliveryService}, Action: "s3:PutObject", Resource: resource,
		Condition: map[string]map[string]string{
			"StringEquals": {"aws:SourceAccount": account},
			"ArnLike":      {"aws:SourceArn": "arn:aws:cloudfront::" + account + ":distribution/*"},
		},
	})
	if err != nil {
		return "", false, err
	}
	if document["Statement"], err = json.Marshal(append(statements, added)); err != nil {
		return "", false, err
	}
	whole, err := json.Marshal(document)
	return string(whole), true, err
}

// sidOf makes of a prefix what a Sid may have: letters and digits.
func sidOf(prefix string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, prefix)
}

// letsLogsIn reports whether a statement is the administrator's own for log files: it allows the service something on a resource
// under which resource is. Whether that is enough shows at the first delivery.
func letsLogsIn(statement json.RawMessage, resource string) bool {
	var s struct {
		Effect              string
		Principal, Resource json.RawMessage
	}
	if json.Unmarshal(statement, &s) != nil || s.Effect != "Allow" {
		return false
	}
	var principal struct{ Service json.RawMessage }
	_ = json.Unmarshal(s.Principal, &principal) // "*" is no object, and not meant for logs
	return slices.Contains(oneOrMore(principal.Service), deliveryService) && slices.ContainsFunc(oneOrMore(s.Resource), func(r string) bool {
		beginning, _, _ := strings.Cut(r, "*")
		return strings.HasPrefix(resource, beginning) && r != beginning
	})
}

// oneOrMore reads a string, or an array of strings.
func oneOrMore(raw json.RawMessage) (list []string) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	_ = json.Unmarshal(raw, &list) // anything else has none
	return list
}

// PutLog implements edge.LogDelivery: the service asks for the distribution, and the bucket's policy decides.
func (d logDelivery) PutLog(ctx context.Context, distributionARN, bucket, key string, body []byte) error {
	creds, err := d.iam.IssueToService(ctx, deliveryService, distributionARN, 15*time.Minute)
	if err != nil {
		return err
	}
	_, c, err := d.iam.Lookup(ctx, creds.AccessKeyID, creds.SessionToken)
	if err != nil {
		return err
	}
	c.Context = iam.Context{"aws:securetransport": {"true"}} // as on the hop inside the process
	_, err = d.s3.PutObject(ctx, c, s3.Target{Bucket: bucket}, key, bytes.NewReader(body), store.PutOptions{
		Headers: store.Headers{ContentType: "application/x-gzip"}, Size: int64(len(body)),
	})
	return err
}

// lineWriter is the part of logs.Service that functionLog needs.
type lineWriter interface {
	Lines(ctx context.Context, c iam.Caller, region, group, stream string, at []time.Time, lines [][]byte) error
}

// functionLog writes what functions at the edge leave, in the order in which it came, without making a request wait.
type functionLog struct {
	to     lineWriter
	caller iam.Caller
	log    *slog.Logger

	mu      sync.RWMutex // held for writing while closed is changed, so that nothing is sent afterwards
	closed  bool
	queue   chan functionLines
	lost    atomic.Int64 // lines
	running sync.WaitGroup
}

type functionLines struct {
	group, stream string
	at            time.Time
	lines         []string
}

// functionQueue is how many invocations' lines may wait; of each there are at most some 10 KB.
const functionQueue = 1024

// newFunctionLog begins to write. AWS's edge writes to these groups by itself, whatever the account's policies say, and so the
// account does here.
func newFunctionLog(to lineWriter, account iam.Caller, log *slog.Logger) *functionLog {
	l := &functionLog{to: to, caller: account.CalledVia("cloudfront.amazonaws.com"), log: log, queue: make(chan functionLines, functionQueue)}
	l.running.Go(l.write)
	return l
}

// add implements edge.Config's FunctionLog. Lines beyond the queue's length, and after Close, are lost and counted.
func (l *functionLog) add(group, stream string, at time.Time, lines []string) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if !l.closed {
		select {
		case l.queue <- functionLines{group, stream, at, lines}:
			return
		default:
		}
	}
	l.lost.Add(int64(len(lines)))
}

func (l *functionLog) write() {
	for f := range l.queue {
		at, lines := make([]time.Time, len(f.lines)), make([][]byte, len(f.lines))
		for i, line := range f.lines {
			at[i], lines[i] = f.at, []byte(line)
		}
		// Functions at the edge log in the region of the edge that ran them; here that is this one.
		if err := l.to.Lines(context.Background(), l.caller, "us-east-1", f.group, f.stream, at, lines); err != nil {
			l.lost.Add(int64(len(f.lines)))
			l.log.Error("log of a function at the edge not written", "group", f.group, "error", err.Error())
		}
	}
}

// Close writes what waits; nothing is written afterwards.
func (l *functionLog) Close() error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.queue)
	}
	l.mu.Unlock()
	l.running.Wait()
	return nil
}
