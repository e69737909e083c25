package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"glassine/aws/fault"
	stacks "glassine/cloudformation/client"
	"glassine/console/client"
	"glassine/telemetry"
)

// card is an error as people read it: what failed, which fact decided it, and a command that helps. Why and try may be "".
type card struct {
	error
	why, try string
}

// Unwrap makes errors.Is find what failed.
func (c *card) Unwrap() error { return c.error }

// Error is all of the card, as lines.
func (c *card) Error() string {
	text := c.error.Error()
	if c.why != "" {
		text += "\n  why: " + c.why
	}
	if c.try != "" {
		text += "\n  try: " + c.try
	}
	return text
}

// usageError is something wrong with the command line, found after it was parsed.
type usageError struct{ error }

// Unwrap makes errors.Is find what is inside.
func (e usageError) Unwrap() error { return e.error }

// The statuses that the program ends with.
const (
	statusFailed = 1
	statusUsage  = 2
	// statusNotReady is of a server that does not run, or does not answer yet.
	statusNotReady = 3
	statusDenied   = 4
)

// exitStatus is the status for an error.
func exitStatus(err error) int {
	_, usage := errors.AsType[usageError](err)
	switch {
	case usage:
		return statusUsage
	case isNotReady(err), isRefused(err):
		return statusNotReady
	case isDenied(err):
		return statusDenied
	}
	return statusFailed
}

// isRefused reports whether nothing listens where a command tried to connect.
func isRefused(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// deniedCodes are AWS's codes for who may not, unknownKeyCodes for who is not known.
var deniedCodes = []string{
	"AccessDenied", "AccessDeniedException", "AccessDeniedFault", "UnauthorizedOperation", "UnauthorizedAccess", "NotAuthorized", "Forbidden",
}

var unknownKeyCodes = []string{
	"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException", "InvalidToken",
	"ExpiredToken", "ExpiredTokenException", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature", "AuthFailure",
}

// isDenied reports whether a service refused for want of rights.
func isDenied(err error) bool {
	code, status, _ := refusal(err)
	return slices.Contains(deniedCodes, code) || slices.Contains(unknownKeyCodes, code) || status == 403 || status == 401
}

// refusal is what AWS's wire said about an error: "" and 0 when it said nothing.
func refusal(err error) (code string, status int, requestID string) {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return e.Code, e.Status, e.RequestID
	}
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return "", 0, ""
	}
	for _, f := range e.Fields {
		if f.Name == "RequestId" {
			requestID = f.Value
		}
	}
	return e.Code, e.Status, requestID
}

// misused makes a usage error of kong's.
func misused(err error) error {
	parse, ok := errors.AsType[*kong.ParseError](err)
	if !ok {
		return usageError{err}
	}
	try := "glassine --help"
	if parse.Context != nil {
		if n := parse.Context.Selected(); n != nil {
			try = "glassine help " + n.Path()
		}
	}
	return usageError{&card{error: parse.Unwrap(), try: try}}
}

// helps are commands that list what there is, by the code of what there is not.
var helps = map[string]string{
	"NoSuchBucket": "aws s3 ls", "NoSuchDistribution": "aws cloudfront list-distributions", "NoSuchEntity": "glassine user list",
	"NoSuchResource": "glassine trace --last",
}

// explain makes a card of an error, unless it has all that can be said. at may be nil; it is asked which statement refused, with
// the caller's own rights.
func explain(err error, at *dataFlags) error {
	if _, ok := errors.AsType[*card](err); ok || strings.Contains(err.Error(), "\n  try: ") {
		return err
	}
	code, _, id := refusal(err)
	_, isUnknown := errors.AsType[x509.UnknownAuthorityError](err)
	missing, isMissing := errors.AsType[*fs.PathError](err)
	switch {
	case slices.Contains(unknownKeyCodes, code):
		return &card{err, "this glassine does not know the key that the call was signed with, or not any more", "glassine doctor"}
	case isDenied(err):
		return denial(err, id, at)
	case isRefused(err):
		op, _ := errors.AsType[*net.OpError](err)
		return &card{fmt.Errorf("glassine does not answer: %w", withoutURL(err)), fmt.Sprintf("nothing listens on %v", op.Addr), "glassine up, or --aws and --admin with where it listens"}
	case isUnknown:
		return &card{withoutURL(err), "what listens there has a certificate of another glassine, or of another program", "glassine doctor"}
	case helps[code] != "":
		return &card{error: err, try: helps[code]}
	case errors.Is(err, stacks.ErrNoStack):
		return &card{error: err, try: "glassine stacks"}
	case isMissing && errors.Is(err, fs.ErrPermission):
		return &card{err, "the user who runs this may not read or write " + missing.Path, "run it as the user that runs glassine"}
	}
	return err
}

// withoutURL leaves an internal URL out of an error that net/http made.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// denial tells which statement refused, as the audit log has it.
func denial(err error, requestID string, at *dataFlags) error {
	out := &card{error: err, why: "no more is known: the answer carries no request id"}
	if at == nil || requestID == "" {
		return out
	}
	lookUp := "aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventId,AttributeValue=" + requestID
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	record, asked := at.recorded(ctx, requestID)
	if asked != nil {
		out.why, out.try = "the statement is for those to see who may cloudtrail:LookupEvents, and this caller may not", lookUp+"   (as an administrator)"
		return out
	}
	if record != nil {
		for _, d := range record.Decisions {
			if !d.Allowed {
				out.why = deciding(record, d)
				out.try = "aws iam simulate-principal-policy --policy-source-arn " + quote(record.Principal) + " --action-names " + d.Action + " --resource-arns " + quotedAll(d.Resources)
				if record.Type == "Root" { // it has no policies that could be simulated
					out.try = lookUp
				}
				return out
			}
		}
	}
	out.try = lookUp
	return out
}

// deciding is a denial in words.
func deciding(r *telemetry.Record, d telemetry.Decision) string {
	text := "no policy lets " + r.Principal + " do " + d.Action
	if d.Policy != "" || d.Statement != "" {
		text = r.Principal + " may not do " + d.Action
	}
	text += " on " + strings.Join(d.Resources, ", ")
	var by []string
	if d.By != "" {
		by = append(by, d.By)
	}
	if d.Policy != "" {
		by = append(by, d.Policy)
	}
	if d.Statement != "" {
		by = append(by, "statement "+d.Statement)
	}
	if len(by) > 0 {
		text += " (decided by: " + strings.Join(by, ", ") + ")"
	}
	return text
}

func quotedAll(words []string) string {
	var out []string
	for _, w := range words {
		out = append(out, quote(w))
	}
	return strings.Join(out, " ")
}

// shownError is an error for standard error, its labels coloured on a terminal. What strangers can put into it, names and keys, does
// not speak to the terminal.
func shownError(err error) string {
	var b strings.Builder
	for i, line := range strings.Split(err.Error(), "\n") {
		line = painless(line)
		switch label, rest, _ := strings.Cut(strings.TrimPrefix(line, "  "), ": "); {
		case i == 0:
			line = painted(os.Stderr, red, "glassine:") + " " + line
		case strings.HasPrefix(line, "  why: "):
			line = "  " + painted(os.Stderr, yellow, label+":") + " " + rest
		case strings.HasPrefix(line, "  try: "):
			line = "  " + painted(os.Stderr, green, label+":") + " " + rest
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// painless is a line without what a terminal obeys, but for colours: what is left of another sequence does nothing.
func painless(line string) string {
	const escape = "\x1b["
	var out strings.Builder
	for i, part := range strings.Split(line, escape) {
		switch {
		case i == 0:
		case strings.HasPrefix(strings.TrimLeft(part, "0123456789;"), "m"):
			out.WriteString(escape)
		default:
			out.WriteString("\uFFFD[")
		}
		out.WriteString(printable(part))
	}
	return out.String()
}
