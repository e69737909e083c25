package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"glassine"
	"glassine/telemetry"
)

// otlpFrom reads where traces are exported to from OpenTelemetry's own variables, so that what sets them for other programs does
// for this one. Nothing is exported unless an endpoint is named. The errors say which variable is wrong. (OpenTelemetry
// Specification 1.50, "Environment Variable Specification" and "OpenTelemetry Protocol Exporter".)
func otlpFrom(getenv func(string) string) (telemetry.OTLP, error) {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return telemetry.OTLP{}, nil
	}
	switch exporter := getenv("OTEL_TRACES_EXPORTER"); exporter {
	case "", "otlp":
	case "none":
		return telemetry.OTLP{}, nil
	default:
		return telemetry.OTLP{}, fmt.Errorf("OTEL_TRACES_EXPORTER is %q: glassine exports traces by otlp only; set otlp, or none", exporter)
	}
	o := telemetry.OTLP{URL: getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")}
	name := "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	if o.URL == "" {
		name = "OTEL_EXPORTER_OTLP_ENDPOINT"
		base := getenv(name)
		if base == "" {
			return telemetry.OTLP{}, nil
		}
		o.URL = strings.TrimSuffix(base, "/") + "/v1/traces"
	}
	if u, err := url.Parse(o.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return telemetry.OTLP{}, fmt.Errorf("%s is no http or https URL, such as http://localhost:4318", name)
	}
	either := func(name string) (variable, value string) {
		if v := getenv("OTEL_EXPORTER_OTLP_TRACES_" + name); v != "" {
			return "OTEL_EXPORTER_OTLP_TRACES_" + name, v
		}
		return "OTEL_EXPORTER_OTLP_" + name, getenv("OTEL_EXPORTER_OTLP_" + name)
	}
	if variable, protocol := either("PROTOCOL"); protocol != "" && protocol != "http/json" {
		return telemetry.OTLP{}, fmt.Errorf("%s is %q: glassine speaks http/json only, which the OpenTelemetry Collector takes on port 4318", variable, protocol)
	}
	var errs []error
	variable, compression := either("COMPRESSION")
	switch compression {
	case "", "none":
	case "gzip":
		o.Gzip = true
	default:
		errs = append(errs, fmt.Errorf("%s is %q, not gzip or none", variable, compression))
	}
	var err error
	variable, headers := either("HEADERS")
	o.Headers, err = pairs(variable, headers)
	errs = append(errs, err)
	variable, timeout := either("TIMEOUT")
	o.Timeout, err = millis(variable, timeout)
	errs = append(errs, err)
	o.Delay, err = millis("OTEL_BSP_SCHEDULE_DELAY", getenv("OTEL_BSP_SCHEDULE_DELAY"))
	errs = append(errs, err)
	o.Ratio, err = sampler(getenv("OTEL_TRACES_SAMPLER"), getenv("OTEL_TRACES_SAMPLER_ARG"))
	errs = append(errs, err)
	o.Resource, err = pairs("OTEL_RESOURCE_ATTRIBUTES", getenv("OTEL_RESOURCE_ATTRIBUTES"))
	errs = append(errs, err)
	variable, file := either("CERTIFICATE")
	o.Transport, err = trusting(variable, file)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return telemetry.OTLP{}, err
	}
	if o.Resource == nil {
		o.Resource = map[string]string{}
	}
	o.Resource["service.name"] = cmp.Or(getenv("OTEL_SERVICE_NAME"), o.Resource["service.name"], "glassine")
	o.Resource["service.version"] = cmp.Or(o.Resource["service.version"], glassine.Version())
	return o, nil
}

// pairs reads "name=value,name=value"; values are percent-encoded (W3C Baggage, section 3.3). An error does not show the values.
func pairs(variable, text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	out := map[string]string{}
	for i, pair := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || name == "" || err != nil {
			return nil, fmt.Errorf("%s is not name=value,name=value: see its part %d", variable, i+1)
		}
		out[name] = value
	}
	return out, nil
}

// millis reads a number of milliseconds; "" is 0.
func millis(variable, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%s is %q, not a number of milliseconds", variable, text)
	}
	return time.Duration(n) * time.Millisecond, nil
}

// sampler reads which part of the traces is exported, as OTLP.Ratio has it. What has a parent somewhere else there is not.
func sampler(name, argument string) (float64, error) {
	switch strings.TrimPrefix(name, "parentbased_") {
	case "", "always_on":
		return 1, nil
	case "always_off":
		return -1, nil
	case "traceidratio":
		ratio, err := strconv.ParseFloat(cmp.Or(argument, "1"), 64)
		if err != nil || !(ratio >= 0 && ratio <= 1) {
			return 0, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG is %q, not a number from 0 to 1", argument)
		}
		if ratio == 0 {
			return -1, nil
		}
		return ratio, nil
	}
	return 0, fmt.Errorf("OTEL_TRACES_SAMPLER is %q: glassine knows always_on, always_off, traceidratio and parentbased_ before each", name)
}

// trusting is a transport that trusts the certificates in file alone; nil for "".
func trusting(variable, file string) (http.RoundTripper, error) {
	if file == "" {
		return nil, nil
	}
	roots, err := readRoots(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // net/http says so
	t.TLSClientConfig = &tls.Config{RootCAs: roots}
	return t, nil
}
