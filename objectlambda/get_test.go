package objectlambda

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/lambda"
	"glassine/s3"
	"glassine/store"
)

func TestAnswerReachesTheCaller(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	r.answers(t, "clean")
	var got string
	if err := r.GetObject(t.Context(), r.request(), into(&got)); err != nil || got != "clean" {
		t.Errorf("GetObject = %q, %v, want the function's answer", got, err)
	}
}

// What is asked is refused before the function runs, and in this order.
func TestRefusalsBeforeTheFunctionRuns(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*testing.T, *rig, *Request)
		want   string
	}{
		{"caller without s3-object-lambda:GetObject", func(t *testing.T, r *rig, q *Request) { q.Caller = r.role(t, "none", "") }, "AccessDenied"},
		{"the same of an access point that is not there", func(t *testing.T, r *rig, q *Request) { q.Caller, q.AccessPoint = r.role(t, "none", ""), "other" }, "AccessDenied"},
		{"a range by one who may not ask at all", func(t *testing.T, r *rig, q *Request) { q.Caller, q.Range = r.role(t, "none", ""), true }, "AccessDenied"},
		{"nobody, although the policy takes anybody from one address", func(t *testing.T, r *rig, q *Request) {
			doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3-object-lambda:GetObject","Resource":"` + olapARN + `","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}]}`
			if err := r.PutPolicy(t.Context(), r.iam.Root(), "photos", doc); err != nil {
				t.Fatal(err)
			}
			q.Caller, q.Range = iam.Caller{Context: iam.Context{"aws:sourceip": {"192.0.2.1"}}}, true
		}, "AccessDenied"},
		{"a Deny in the access point's policy", func(t *testing.T, r *rig, _ *Request) {
			if err := r.PutPolicy(t.Context(), r.iam.Root(), "photos", grant("Deny", "viewer", "s3-object-lambda:GetObject", olapARN)); err != nil {
				t.Fatal(err)
			}
		}, "AccessDenied"},
		{"no such access point", func(_ *testing.T, _ *rig, q *Request) { q.AccessPoint = "other" }, "NoSuchAccessPoint"},
		{"a range", func(_ *testing.T, _ *rig, q *Request) { q.Range = true }, "NotImplemented"},
		{"a part number", func(_ *testing.T, _ *rig, q *Request) { q.Part = true }, "NotImplemented"},
		{"supporting access point gone", func(t *testing.T, r *rig, _ *Request) {
			if err := r.s3.DeleteAccessPoint(t.Context(), r.iam.Root(), "photos-ap"); err != nil {
				t.Fatal(err)
			}
		}, "NoSuchAccessPoint"},
		{"after Close", func(_ *testing.T, r *rig, _ *Request) { r.Close() }, "ServiceUnavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			defer r.Close()
			r.function.invoke = func(context.Context, iam.Caller, string, []byte) (lambda.Result, error) {
				t.Error("the function ran")
				return lambda.Result{}, nil
			}
			q := r.request()
			c.change(t, r, &q)
			wantCode(t, "GetObject", r.GetObject(t.Context(), q, never(t)), c.want)
		})
	}
}

func TestAllowedFeaturesLetRangeAndPartThrough(t *testing.T) {
	for _, c := range []struct {
		name, feature string
		rng, part     bool
		want          string
	}{
		{"range with its feature", "GetObject-Range", true, false, ""},
		{"part with its feature", "GetObject-PartNumber", false, true, ""},
		{"range with the part's feature", "GetObject-PartNumber", true, false, "NotImplemented"},
		{"part with the range's feature", "GetObject-Range", false, true, "NotImplemented"},
		{"range with HeadObject's feature", "HeadObject-Range", true, false, "NotImplemented"},
		{"both with one feature", "GetObject-Range", true, true, "NotImplemented"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			defer r.Close()
			r.answers(t, "x")
			cfg := configuration()
			cfg.AllowedFeatures = []string{c.feature}
			if _, err := r.Create(t.Context(), r.iam.Root(), "ranged", cfg); err != nil {
				t.Fatal(err)
			}
			q := r.request()
			q.AccessPoint, q.Range, q.Part = "ranged", c.rng, c.part
			var got string
			wantCode(t, "GetObject", r.GetObject(t.Context(), q, into(&got)), c.want)
		})
	}
}

// (Amazon S3 User Guide, "Debugging and troubleshooting S3 Object Lambda".)
func TestFunctionThatEndsWithoutAnswer(t *testing.T) {
	for _, c := range []struct {
		name   string
		result lambda.Result
		err    error
		want   string
	}{
		{"returned", lambda.Result{Payload: []byte(`{"status_code":200}`)}, nil, "LambdaResponseNotReceived"},
		{"failed", lambda.Result{Failed: true, Payload: []byte(`{"errorMessage":"no such picture"}`)}, nil, "LambdaRuntimeError"},
		{"caller may not invoke", lambda.Result{}, fault.New("AccessDenied", "no"), "LambdaPermissionError"},
		{"not there", lambda.Result{}, fault.New("ResourceNotFoundException", "no"), "LambdaNotFound"},
		{"throttled", lambda.Result{}, fault.New("TooManyRequestsException", "no"), "SlowDown"},
		{"anything else that Lambda refuses", lambda.Result{}, fault.New("RequestTooLargeException", "no"), "LambdaInvocationFailed"},
		{"role that Lambda cannot assume", lambda.Result{}, fault.New("AccessDeniedException", "no"), "LambdaInvocationFailed"},
		{"failure of the machinery", lambda.Result{}, errors.New("connection to 10.0.0.7 refused"), "LambdaInvocationFailed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			defer r.Close()
			r.function.invoke = func(context.Context, iam.Caller, string, []byte) (lambda.Result, error) { return c.result, c.err }
			err := r.GetObject(t.Context(), r.request(), never(t))
			if err == nil || fault.Code(err) != c.want {
				t.Errorf("GetObject = %v, want code %q", err, c.want)
			}
			if c.result.Failed && !strings.Contains(err.Error(), "no such picture") {
				t.Errorf("GetObject = %v, want the function's own error in it", err)
			}
			if n := len(r.waiting); n != 0 {
				t.Errorf("%d requests still wait", n)
			}
		})
	}
}

func TestFunctionsErrorIsCutShort(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	err := invocationFault(lambda.Result{Failed: true, Payload: []byte("x" + long)}, nil)
	if n := len(err.Error()); n > maxDetail+100 {
		t.Errorf("error of %d bytes, want at most %d and a little", n, maxDetail)
	}
}

// The function is invoked as the caller, seen to come by way of Object Lambda, under its ARN.
func TestFunctionIsInvokedInTheCallersName(t *testing.T) {
	for _, c := range []struct{ configured, want string }{
		{function, function},
		{function + ":$LATEST", function + ":$LATEST"},
		{"clean", function},
		{"clean:7", function + ":7"},
		{account + ":function:clean", function},
	} {
		t.Run(c.configured, func(t *testing.T) {
			r := newRig(t)
			defer r.Close()
			cfg := configuration()
			cfg.Transformations[0].Function = c.configured
			if _, err := r.Create(t.Context(), r.iam.Root(), "named", cfg); err != nil {
				t.Fatal(err)
			}
			r.function.invoke = func(_ context.Context, who iam.Caller, name string, _ []byte) (lambda.Result, error) {
				if name != c.want {
					t.Errorf("invoked %s, want %s", name, c.want)
				}
				if who.Principal != r.viewer.Principal || len(who.Session.Via) != 1 || who.Session.Via[0] != "s3-object-lambda.amazonaws.com" {
					t.Errorf("invoked by %v via %v", who.Principal, who.Session.Via)
				}
				return lambda.Result{}, nil
			}
			q := r.request()
			q.AccessPoint = "named"
			wantCode(t, "GetObject", r.GetObject(t.Context(), q, never(t)), "LambdaResponseNotReceived")
		})
	}
}

func TestNoAnswerWithinTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.Close()
		var e event
		ended := make(chan time.Duration, 1)
		began := time.Now()
		r.function.invoke = func(ctx context.Context, _ iam.Caller, _ string, payload []byte) (lambda.Result, error) {
			e = parse(t, payload)
			<-ctx.Done()
			ended <- time.Since(began)
			return lambda.Result{}, ctx.Err()
		}
		wantCode(t, "GetObject", r.GetObject(t.Context(), r.request(), never(t)), "LambdaTimeout")
		if took := time.Since(began); took != Deadline {
			t.Errorf("GetObject took %s, want %s", took, Deadline)
		}
		if at := <-ended; at != Deadline {
			t.Errorf("the function was ended after %s, want %s", at, Deadline)
		}
		wantCode(t, "write after the deadline", r.WriteGetObjectResponse(t.Context(), r.writer, answerOf(e, "late")), "ValidationError")
	})
}

func TestDeadlineInTheMiddleOfTheAnswer(t *testing.T) {
	for _, c := range []struct {
		name, first string
		body        bool // the body hangs; otherwise the caller does
		want        string
		delivered   bool
	}{
		{"body hangs after its first bytes", "beginning", true, "", true},
		{"body hangs before its first byte", "", true, "LambdaTimeout", false},
		{"caller hangs", "beginning", false, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.Close()
				body := &hanging{text: c.first, aborted: make(chan struct{})}
				caller := &hanging{aborted: make(chan struct{})}
				written := make(chan error, 1)
				r.function.invoke = func(ctx context.Context, _ iam.Caller, _ string, payload []byte) (lambda.Result, error) {
					w := answerOf(parse(t, payload), "")
					w.Answer.Length, w.Answer.Body, w.Answer.Abort = -1, body, body.abort
					written <- r.WriteGetObjectResponse(ctx, r.writer, w)
					return lambda.Result{}, nil
				}
				q := r.request()
				q.Abort = caller.abort
				began, delivered := time.Now(), false
				err := r.GetObject(t.Context(), q, func(a Answer) error {
					delivered = true
					if c.body {
						var got string
						return into(&got)(a)
					}
					_, err := caller.Read(make([]byte, 1))
					return err
				})
				if err == nil || fault.Code(err) != c.want || delivered != c.delivered {
					t.Errorf("GetObject = %v (deliver called: %t), want an error of code %q (%t)", err, delivered, c.want, c.delivered)
				}
				if took := time.Since(began); took != Deadline {
					t.Errorf("GetObject took %s, want %s", took, Deadline)
				}
				wantCode(t, "WriteGetObjectResponse", <-written, "ResponseInterrupted")
				if body.aborts != 1 || caller.aborts != 1 {
					t.Errorf("Abort was called %d times for the body, %d for the caller, want once each", body.aborts, caller.aborts)
				}
			})
		})
	}
}

func TestCallerLeavesBeforeAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.Close()
		var e event
		ended := make(chan struct{})
		r.function.invoke = func(ctx context.Context, _ iam.Caller, _ string, payload []byte) (lambda.Result, error) {
			e = parse(t, payload)
			<-ctx.Done()
			close(ended)
			return lambda.Result{}, ctx.Err()
		}
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if err := r.GetObject(ctx, r.request(), never(t)); !errors.Is(err, context.Canceled) {
			t.Errorf("GetObject = %v, want context.Canceled", err)
		}
		<-ended
		wantCode(t, "write after the caller left", r.WriteGetObjectResponse(t.Context(), r.writer, answerOf(e, "late")), "ValidationError")
	})
}

// The caller has its answer when the function wrote it, whatever the function does afterwards: it may go on, and its end
// is ignored. (Amazon S3 User Guide, "Writing Lambda functions for S3 Object Lambda Access Points".)
func TestFunctionGoesOnAfterItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		body := &hanging{aborted: make(chan struct{})}
		wentOn := false
		r.function.invoke = func(ctx context.Context, _ iam.Caller, _ string, payload []byte) (lambda.Result, error) {
			w := answerOf(parse(t, payload), "clean")
			w.Answer.Abort = body.abort
			if err := r.WriteGetObjectResponse(ctx, r.writer, w); err != nil {
				t.Errorf("WriteGetObjectResponse = %v", err)
			}
			select {
			case <-time.After(2 * Deadline):
				wentOn = true
			case <-ctx.Done():
			}
			return lambda.Result{Failed: true}, nil
		}
		ctx, leave := context.WithCancel(t.Context())
		var got string
		began := time.Now()
		if err := r.GetObject(ctx, r.request(), into(&got)); err != nil || got != "clean" {
			t.Errorf("GetObject = %q, %v, want the function's answer", got, err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the caller waited %s for a function that had answered", took)
		}
		leave()
		time.Sleep(3 * Deadline)
		r.Close()
		if !wentOn {
			t.Error("the function was ended with the request")
		}
		if body.aborts != 0 {
			t.Errorf("Abort was called %d times after the answer was delivered", body.aborts)
		}
	})
}

func TestCloseEndsFunctionsAndWaitsForThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ended := false
		r.function.invoke = func(ctx context.Context, _ iam.Caller, _ string, payload []byte) (lambda.Result, error) {
			if err := r.WriteGetObjectResponse(ctx, r.writer, answerOf(parse(t, payload), "clean")); err != nil {
				t.Errorf("WriteGetObjectResponse = %v", err)
			}
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
			return lambda.Result{}, nil
		}
		var got string
		if err := r.GetObject(t.Context(), r.request(), into(&got)); err != nil {
			t.Errorf("GetObject = %v", err)
		}
		r.Close()
		if !ended {
			t.Error("Close returned while a function ran")
		}
	})
}

// The token may be used by another process, and the function may end while that one's answer is on its way.
func TestFunctionEndsWhileAnotherDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.Close()
		body := &hanging{text: "begin", aborted: make(chan struct{})}
		r.function.invoke = func(_ context.Context, _ iam.Caller, _ string, payload []byte) (lambda.Result, error) {
			e := parse(t, payload)
			go func() {
				w := answerOf(e, "")
				w.Answer.Length, w.Answer.Body = -1, body
				_ = r.WriteGetObjectResponse(context.Background(), r.writer, w)
			}()
			time.Sleep(time.Second)
			return lambda.Result{Failed: true}, nil
		}
		time.AfterFunc(10*time.Second, body.abort)
		began := time.Now()
		var got string
		err := r.GetObject(t.Context(), r.request(), into(&got))
		if err == nil || fault.Code(err) != "" || got != "begin" || time.Since(began) != 10*time.Second {
			t.Errorf("GetObject = %q, %v after %s, want the other's answer until it broke off", got, err, time.Since(began))
		}
	})
}

func TestInputURLReadsAsTheCallerAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.Close()
		var raw string
		r.function.invoke = func(_ context.Context, _ iam.Caller, _ string, payload []byte) (lambda.Result, error) {
			raw = parse(t, payload).GetObjectContext.InputS3URL
			return lambda.Result{}, nil
		}
		wantCode(t, "GetObject", r.GetObject(t.Context(), r.request(), never(t)), "LambdaResponseNotReceived")
		u := mustParseURL(t, raw)
		q := u.Query()
		if u.Scheme != "https" || u.Host != "photos-ap-"+account+".s3-accesspoint.us-west-2.amazonaws.com" || u.Path != "/a.jpg" {
			t.Errorf("inputS3Url = %s", raw)
		}
		if q.Get("X-Amz-SignedHeaders") != "host" || q.Get("X-Amz-Expires") != "61" || q.Get("X-Amz-Algorithm") != sigv4.Algorithm {
			t.Errorf("inputS3Url is signed as %v", q)
		}
		key, _, _ := strings.Cut(q.Get("X-Amz-Credential"), "/")
		_, c, err := r.iam.Lookup(t.Context(), key, q.Get("X-Amz-Security-Token"))
		if err != nil {
			t.Fatal(err)
		}
		if c.Principal != r.viewer.Principal || len(c.Session.Via) != 1 || c.Session.Via[0] != servicePrincipal {
			t.Errorf("inputS3Url acts as %v via %v", c.Principal, c.Session.Via)
		}
		point := s3.Target{AccessPoint: "photos-ap"}
		read := func(t *testing.T, target s3.Target, key, want string) {
			t.Helper()
			o, err := r.s3.GetObject(t.Context(), c, target, key, store.GetOptions{})
			wantCode(t, "GetObject "+key, err, want)
			if err == nil {
				o.Body.Close()
			}
		}
		read(t, point, "a.jpg", "")
		read(t, point, "a.jpg", "") // again
		read(t, point, "b.jpg", "AccessDenied")
		_, err = r.s3.PutObject(t.Context(), c, point, "a.jpg", strings.NewReader("x"), store.PutOptions{})
		wantCode(t, "PutObject", err, "AccessDenied")
		time.Sleep(inputLife)
		_, _, err = r.iam.Lookup(t.Context(), key, q.Get("X-Amz-Security-Token"))
		wantCode(t, "Lookup after 61 s", err, "ExpiredToken")
	})
}

// Who is deleted and made anew under the same name is another.
func TestRemadeRoleGetsNothingFromTheOldPolicy(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	r.answers(t, "clean")
	ctx, root := t.Context(), r.iam.Root()
	granted := r.role(t, "granted", `"s3:GetObject"`)
	if err := r.PutPolicy(ctx, root, "photos", grant("Allow", "granted", "s3-object-lambda:GetObject", olapARN)); err != nil {
		t.Fatal(err)
	}
	q := r.request()
	q.Caller = granted
	var got string
	wantCode(t, "GetObject as the role named", r.GetObject(ctx, q, into(&got)), "")
	if err := errors.Join(r.iam.DeleteRolePolicy(ctx, root, "granted", "p"), r.iam.DeleteRole(ctx, root, "granted")); err != nil {
		t.Fatal(err)
	}
	q.Caller = r.role(t, "granted", `"s3:GetObject"`)
	wantCode(t, "GetObject as its namesake", r.GetObject(ctx, q, never(t)), "AccessDenied")
	doc, err := r.GetPolicy(ctx, root, "photos")
	if err != nil || strings.Contains(doc, "role/granted") || !strings.Contains(doc, "AROA") {
		t.Errorf("GetPolicy = %s, %v, want the id of who is gone", doc, err)
	}
}
