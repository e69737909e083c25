package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"glassine/telemetry"
)

func TestOTLPFromTheStandardVariables(t *testing.T) {
	const at = "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318"
	for _, c := range []struct {
		name, env string // the variables, one a line
		want      string // url timeout delay gzip ratio headers resource
		err       string
	}{
		{"nothing is exported unless an endpoint is named", "", " 0s 0s false 0 [] []", ""},
		{"an endpoint gets the path of traces", at + "/", "http://c:4318/v1/traces 0s 0s false 1 [] [service.name=glassine service.version=unreleased]", ""},
		{"the endpoint of traces is taken as it is and goes first", at + "\nOTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://t/x", "https://t/x 0s 0s false 1 [] [service.name=glassine service.version=unreleased]", ""},
		{"all of it", at + "\nOTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20t,x=1\nOTEL_EXPORTER_OTLP_TIMEOUT=1500\nOTEL_EXPORTER_OTLP_COMPRESSION=gzip\nOTEL_EXPORTER_OTLP_PROTOCOL=http/json\nOTEL_BSP_SCHEDULE_DELAY=200\nOTEL_SERVICE_NAME=edge\nOTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test,service.version=7\nOTEL_TRACES_SAMPLER=parentbased_traceidratio\nOTEL_TRACES_SAMPLER_ARG=0.25", "http://c:4318/v1/traces 1.5s 200ms true 0.25 [authorization=Bearer t x=1] [deployment.environment.name=test service.name=edge service.version=7]", ""},
		{"what is for traces goes before what is for all", at + "\nOTEL_EXPORTER_OTLP_TIMEOUT=1\nOTEL_EXPORTER_OTLP_TRACES_TIMEOUT=2", "http://c:4318/v1/traces 2ms 0s false 1 [] [service.name=glassine service.version=unreleased]", ""},
		{"disabled", at + "\nOTEL_SDK_DISABLED=true", " 0s 0s false 0 [] []", ""},
		{"no exporter", at + "\nOTEL_TRACES_EXPORTER=none", " 0s 0s false 0 [] []", ""},
		{"never sampled", at + "\nOTEL_TRACES_SAMPLER=always_off", "http://c:4318/v1/traces 0s 0s false -1 [] [service.name=glassine service.version=unreleased]", ""},
		{"another exporter", "OTEL_TRACES_EXPORTER=zipkin", "", "OTEL_TRACES_EXPORTER"},
		{"another protocol", at + "\nOTEL_EXPORTER_OTLP_PROTOCOL=grpc", "", "http/json only"},
		{"an endpoint that is no URL", "OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318", "", "OTEL_EXPORTER_OTLP_ENDPOINT is no http"},
		{"headers that are none, whose values the error does not show", at + "\nOTEL_EXPORTER_OTLP_HEADERS=a=1,secret", "", "see its part 2"},
		{"a time that is none", at + "\nOTEL_EXPORTER_OTLP_TIMEOUT=1s", "", "milliseconds"},
		{"a ratio that is none", at + "\nOTEL_TRACES_SAMPLER=traceidratio\nOTEL_TRACES_SAMPLER_ARG=2", "", "from 0 to 1"},
		{"a sampler that nobody knows", at + "\nOTEL_TRACES_SAMPLER=jaeger_remote", "", "OTEL_TRACES_SAMPLER"},
		{"a certificate that is not there", at + "\nOTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere.pem", "", "OTEL_EXPORTER_OTLP_CERTIFICATE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := map[string]string{}
			for line := range strings.SplitSeq(c.env, "\n") {
				name, value, _ := strings.Cut(line, "=")
				env[name] = value
			}
			got, err := otlpFrom(func(name string) string { return env[name] })
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "secret") {
					t.Errorf("error = %v, want one with %q", err, c.err)
				}
				return
			}
			if text := otlpText(got); err != nil || text != c.want {
				t.Errorf("got  %s, %v\nwant %s", text, err, c.want)
			}
		})
	}
}

func otlpText(o telemetry.OTLP) string {
	list := func(m map[string]string) (out []string) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			out = append(out, name+"="+m[name])
		}
		return out
	}
	return fmt.Sprint(o.URL, " ", o.Timeout, " ", o.Delay, " ", o.Gzip, " ", o.Ratio, " ", list(o.Headers), " ", list(o.Resource))
}

func FuzzPairs(f *testing.F) {
	f.Add("a=1,b=%20")
	f.Add("=")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := pairs("V", text)
		if err == nil && text != "" && len(got) == 0 {
			t.Errorf("pairs(%q) is nothing, and no error", text)
		}
	})
}
