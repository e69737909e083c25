package logsapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"glassine/aws/logsapi"
	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/logs"
	"glassine/state"
)

const (
	account = "123456789012"
	region  = "eu-west-1"
)

// api is the API over real services.
type api struct {
	t        *testing.T
	endpoint string
	key      iam.Credentials
	now      time.Time
}

func newAPI(t *testing.T) *api {
	t.Helper()
	ctx := context.Background()
	a := &api{t: t, now: time.Now().Truncate(time.Millisecond)}
	records := &state.Memory{}
	identities, err := iam.New(ctx, iam.Config{State: records, Account: account, Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	if a.key, _, err = identities.EnsureRoot(ctx); err != nil {
		t.Fatal(err)
	}
	service, err := logs.New(ctx, logs.Config{State: records, IAM: identities, Dir: t.TempDir(), Now: func() time.Time { return a.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := service.Close(); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(&logsapi.Handler{Logs: service, IAM: identities, Now: func() time.Time { return a.now }, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(server.Close)
	a.endpoint = server.URL
	return a
}

// call sends an operation, signed by root unless change says otherwise, and returns the answer's status and body.
func (a *api) call(operation, body string, change ...func(*http.Request)) (int, string) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), "POST", a.endpoint+"/", bytes.NewReader([]byte(body)))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "Logs_20140328."+operation)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	sigv4.Sign(req, sigv4.Credentials{AccessKeyID: a.key.AccessKeyID, SecretAccessKey: a.key.SecretAccessKey}, region, "logs", sigv4.PayloadSHA256([]byte(body)), a.now)
	for _, f := range change {
		f(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	if resp.Header.Get("X-Amzn-Requestid") == "" || resp.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		a.t.Errorf("%s: headers = %v", operation, resp.Header)
	}
	return resp.StatusCode, string(raw)
}

// run wants success, and the answer in out unless it is nil.
func (a *api) run(out any, operation, body string) {
	a.t.Helper()
	status, raw := a.call(operation, body)
	if status != 200 {
		a.t.Fatalf("%s %s = %d %s", operation, body, status, raw)
	}
	if out == nil {
		if raw != "" {
			a.t.Errorf("%s answers %s, want nothing", operation, raw)
		}
		return
	}
	d := json.NewDecoder(strings.NewReader(raw))
	d.DisallowUnknownFields() // what is not in AWS's model is a mistake
	if err := d.Decode(out); err != nil {
		a.t.Fatalf("%s: %v: %s", operation, err, raw)
	}
}

// fails wants the error.
func (a *api) fails(code, operation, body string, change ...func(*http.Request)) {
	a.t.Helper()
	status, raw := a.call(operation, body, change...)
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal([]byte(raw), &e); err != nil || status != 400 || e.Type != code || e.Message == "" {
		a.t.Errorf("%s %s = %d %s, want 400 %s", operation, body, status, raw, code)
	}
}

type event struct {
	LogStreamName, Message, EventID string
	Timestamp, IngestionTime        int64
}

func TestLogs(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	ms := a.now.UnixMilli()
	a.run(nil, "CreateLogGroup", `{"logGroupName":"/aws/lambda/f","tags":{"a":"b"}}`)
	a.fails("ResourceAlreadyExistsException", "CreateLogGroup", `{"logGroupName":"/aws/lambda/f"}`)
	a.fails("InvalidParameterException", "CreateLogGroup", `{"logGroupName":"a b"}`)
	a.fails("InvalidParameterException", "CreateLogGroup", `{"logGroupName":"k","kmsKeyId":"arn:aws:kms:x"}`)
	a.run(nil, "CreateLogStream", `{"logGroupName":"/aws/lambda/f","logStreamName":"2026/11/24/[$LATEST]01"}`)
	a.fails("InvalidParameterException", "CreateLogStream", `{"logGroupName":"/aws/lambda/f","logStreamName":"a:b"}`)
	a.fails("ResourceNotFoundException", "CreateLogStream", `{"logGroupName":"/aws/lambda/g","logStreamName":"a"}`)

	var put struct {
		NextSequenceToken     string
		RejectedLogEventsInfo *struct{ TooNewLogEventStartIndex, TooOldLogEventEndIndex *int }
	}
	stream := `"logGroupName":"/aws/lambda/f","logStreamName":"2026/11/24/[$LATEST]01"`
	a.run(&put, "PutLogEvents", fmt.Sprintf(`{%s,"sequenceToken":"ignored","logEvents":[{"timestamp":%d,"message":"one <1>"},{"timestamp":%d,"message":"two"}]}`, stream, ms-2, ms-1))
	if put.RejectedLogEventsInfo != nil || put.NextSequenceToken == "" {
		t.Errorf("PutLogEvents = %+v", put)
	}
	a.run(&put, "PutLogEvents", fmt.Sprintf(`{%s,"logEvents":[{"timestamp":%d,"message":"three"},{"timestamp":%d,"message":"too new"}]}`, stream, ms, ms+3*3600*1000))
	if r := put.RejectedLogEventsInfo; r == nil || r.TooOldLogEventEndIndex != nil || r.TooNewLogEventStartIndex == nil || *r.TooNewLogEventStartIndex != 1 {
		t.Errorf("PutLogEvents of the future = %+v", put)
	}

	var filtered struct {
		Events             []event
		SearchedLogStreams []string
		NextToken          string
	}
	a.run(&filtered, "FilterLogEvents", `{"logGroupName":"/aws/lambda/f","limit":2,"interleaved":true}`)
	if len(filtered.Events) != 2 || filtered.Events[0].Message != "one <1>" || filtered.Events[0].Timestamp != ms-2 || filtered.Events[0].IngestionTime != ms ||
		filtered.Events[0].LogStreamName != "2026/11/24/[$LATEST]01" || len(filtered.Events[0].EventID) != 56 || filtered.NextToken == "" {
		t.Errorf("FilterLogEvents = %+v", filtered)
	}
	next := filtered.NextToken
	filtered.NextToken = ""
	a.run(&filtered, "FilterLogEvents", fmt.Sprintf(`{"logGroupIdentifier":"arn:aws:logs:eu-west-1:%s:log-group:/aws/lambda/f:*","limit":2,"nextToken":%q}`, account, next))
	if len(filtered.Events) != 1 || filtered.Events[0].Message != "three" || filtered.NextToken != "" {
		t.Errorf("FilterLogEvents of the rest = %+v", filtered)
	}
	a.fails("InvalidParameterException", "FilterLogEvents", `{"logGroupName":"/aws/lambda/f","filterPattern":"\"open"}`)

	var got struct {
		Events                              []event
		NextForwardToken, NextBackwardToken string
	}
	a.run(&got, "GetLogEvents", fmt.Sprintf(`{%s,"startFromHead":true,"startTime":%d,"endTime":%d}`, stream, ms-2, ms))
	if len(got.Events) != 2 || got.Events[1].Message != "two" || !strings.HasPrefix(got.NextForwardToken, "f/") || !strings.HasPrefix(got.NextBackwardToken, "b/") {
		t.Errorf("GetLogEvents = %+v", got)
	}

	var streams struct {
		LogStreams []struct {
			LogStreamName, Arn, UploadSequenceToken                                               string
			CreationTime, FirstEventTimestamp, LastEventTimestamp, LastIngestionTime, StoredBytes int64
		}
		NextToken string
	}
	a.run(&streams, "DescribeLogStreams", `{"logGroupName":"/aws/lambda/f","orderBy":"LastEventTime","descending":true}`)
	if len(streams.LogStreams) != 1 || streams.LogStreams[0].LastEventTimestamp != ms || streams.LogStreams[0].FirstEventTimestamp != ms-2 ||
		streams.LogStreams[0].Arn != "arn:aws:logs:eu-west-1:"+account+":log-group:/aws/lambda/f:log-stream:2026/11/24/[$LATEST]01" {
		t.Errorf("DescribeLogStreams = %+v", streams)
	}

	a.fails("InvalidParameterException", "PutRetentionPolicy", `{"logGroupName":"/aws/lambda/f","retentionInDays":2}`)
	a.run(nil, "PutRetentionPolicy", `{"logGroupName":"/aws/lambda/f","retentionInDays":3}`)
	var groups struct {
		LogGroups []struct {
			LogGroupName, Arn, LogGroupArn, LogGroupClass                 string
			CreationTime, StoredBytes, RetentionInDays, MetricFilterCount int64
		}
		NextToken string
	}
	a.run(&groups, "DescribeLogGroups", `{"logGroupNamePrefix":"/aws/lambda/"}`)
	if g := groups.LogGroups; len(g) != 1 || g[0].LogGroupName != "/aws/lambda/f" || g[0].RetentionInDays != 3 || g[0].StoredBytes == 0 || g[0].CreationTime != ms ||
		g[0].Arn != "arn:aws:logs:eu-west-1:"+account+":log-group:/aws/lambda/f:*" || g[0].LogGroupArn+":*" != g[0].Arn {
		t.Errorf("DescribeLogGroups = %+v", groups)
	}
	a.run(nil, "DeleteRetentionPolicy", `{"logGroupName":"/aws/lambda/f"}`)

	var tags struct{ Tags map[string]string }
	arn := "arn:aws:logs:eu-west-1:" + account + ":log-group:/aws/lambda/f"
	a.run(nil, "TagLogGroup", `{"logGroupName":"/aws/lambda/f","tags":{"c":"d"}}`)
	a.run(nil, "TagResource", `{"resourceArn":"`+arn+`","tags":{"e":"f"}}`)
	a.run(nil, "UntagLogGroup", `{"logGroupName":"/aws/lambda/f","tags":["a"]}`)
	a.run(nil, "UntagResource", `{"resourceArn":"`+arn+`:*","tagKeys":["c"]}`)
	a.run(&tags, "ListTagsForResource", `{"resourceArn":"`+arn+`"}`)
	if len(tags.Tags) != 1 || tags.Tags["e"] != "f" {
		t.Errorf("ListTagsForResource = %v", tags.Tags)
	}
	a.run(&tags, "ListTagsLogGroup", `{"logGroupName":"/aws/lambda/f"}`)

	a.run(nil, "DeleteLogStream", "{"+stream+"}")
	a.fails("ResourceNotFoundException", "GetLogEvents", "{"+stream+"}")
	a.run(nil, "DeleteLogGroup", `{"logGroupName":"/aws/lambda/f"}`)
	a.fails("ResourceNotFoundException", "DeleteLogGroup", `{"logGroupName":"/aws/lambda/f"}`)
}

func TestListsComeInPages(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for i := range 5 {
		a.run(nil, "CreateLogGroup", fmt.Sprintf(`{"logGroupName":"g%d"}`, i))
	}
	var names []string
	token := ""
	for range 10 {
		var page struct {
			LogGroups []struct{ LogGroupName string }
			NextToken string
		}
		_, raw := a.call("DescribeLogGroups", fmt.Sprintf(`{"limit":2,"nextToken":%q}`, token))
		if err := json.Unmarshal([]byte(raw), &page); err != nil {
			t.Fatal(err)
		}
		for _, g := range page.LogGroups {
			names = append(names, g.LogGroupName)
		}
		if token = page.NextToken; token == "" {
			break
		}
	}
	if strings.Join(names, " ") != "g0 g1 g2 g3 g4" {
		t.Errorf("pages hold %q", names)
	}
	a.fails("InvalidParameterException", "DescribeLogGroups", `{"limit":51}`)
	a.fails("InvalidParameterException", "DescribeLogGroups", `{"nextToken":"no"}`)
}

func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.fails("UnknownOperationException", "StartQuery", `{}`)
	a.fails("SerializationException", "CreateLogGroup", `{"logGroupName":`)
	a.fails("SerializationException", "CreateLogGroup", `{"logGroupName":5}`)
	a.fails("InvalidSignatureException", "DescribeLogGroups", `{}`, func(r *http.Request) { r.Header.Set("X-Amz-Target", "Logs_20140328.DeleteLogGroup") })
	a.fails("MissingAuthenticationTokenException", "DescribeLogGroups", `{}`, func(r *http.Request) { r.Header.Del("Authorization") })
	a.fails("UnrecognizedClientException", "DescribeLogGroups", `{}`, func(r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), a.key.AccessKeyID, "AKIANOSUCHKEY0000000", 1))
	})
}
