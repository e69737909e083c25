package console

import (
	"encoding/json"
	"strings"

	"glassine/console/client"
)

// explainData asks whether a principal may do something, and why.
type explainData struct {
	Principals                  []string // ARNs
	Actions                     []string
	Principal, Action, Resource string
	ResourcePolicy              string
	Answers                     []explained
	Denials                     []client.Event // the last ones, of the audit log
	NoDenials                   string         // why they cannot be shown
}

// explained is an answer with the statements that decided, and a draft of the one that is missing.
type explained struct {
	client.Evaluation
	Statements []deciding
	Draft      string
}

// deciding is a policy with the lines of the statement that decided.
type deciding struct {
	Policy, Kind          string
	Before, Inside, After string // of its document
}

// commonActions are what the form offers; any other can be written.
var commonActions = []string{
	"s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3-object-lambda:GetObject", "s3-object-lambda:WriteGetObjectResponse", "lambda:InvokeFunction",
	"cloudfront:CreateInvalidation", "iam:PassRole", "logs:FilterLogEvents", "glassine:TraceRequest",
}

func explainPage(q *request) error {
	d := explainData{Principal: q.arg("principal"), Action: strings.TrimSpace(q.arg("action")), Resource: strings.TrimSpace(q.arg("resource")), ResourcePolicy: strings.TrimSpace(q.arg("resource-policy")), Actions: commonActions}
	if roles, err := q.aws.ListRoles(q.ctx()); err == nil { // who may not list them writes an ARN
		for _, r := range roles {
			d.Principals = append(d.Principals, r.Arn)
		}
	}
	if users, err := q.aws.ListUsers(q.ctx()); err == nil {
		for _, u := range users {
			d.Principals = append(d.Principals, u.Arn)
		}
	}
	if d.Principal != "" && d.Action != "" {
		if d.Resource == "" {
			d.Resource = "*"
		}
		answers, err := q.aws.Simulate(q.ctx(), d.Principal, d.Action, d.Resource, d.ResourcePolicy, nil)
		if err != nil {
			q.problem = problemOf(err)
		}
		for _, a := range answers {
			d.Answers = append(d.Answers, q.explain(d, a))
		}
	}
	var err error
	if d.Denials, err = q.aws.LookupEvents(q.ctx(), true, 40); err != nil {
		d.NoDenials = problemOf(err).Why
	}
	return q.show("explain", "check", "Why allowed, why denied", d)
}

// explain finds the statements of an answer in their policies.
func (q *request) explain(d explainData, a client.Evaluation) explained {
	out := explained{Evaluation: a}
	for _, m := range a.Matches {
		s := deciding{Policy: m.Policy, Kind: m.Kind}
		document := d.ResourcePolicy
		if m.Kind != "Resource Policy" {
			document = q.documentOf(d.Principal, m.Policy)
		}
		s.Before, s.Inside, s.After = cutAt(document, m.Start, m.End)
		out.Statements = append(out.Statements, s)
	}
	if a.Decision == "implicitDeny" {
		out.Draft = draft(d.Action, d.Resource)
	}
	return out
}

// documentOf reads a policy of a principal by the name that a simulation gives it, "" when it is not found.
func (q *request) documentOf(principal, policy string) string {
	of, name := client.OfRole, principal[strings.LastIndexByte(principal, '/')+1:]
	if strings.Contains(principal, ":user/") {
		of = client.OfUser
	}
	// A simulation may write role_NAME_POLICY for inline ones, as AWS does.
	short := strings.TrimPrefix(policy, string(of)+"_"+name+"_")
	if document, err := q.aws.GetInline(q.ctx(), of, name, short); err == nil {
		return document
	}
	attached, err := q.aws.ListAttached(q.ctx(), of, name)
	if err != nil {
		return ""
	}
	for _, p := range attached {
		if p.PolicyName == policy || p.PolicyArn == policy {
			document, err := q.aws.GetPolicyDocument(q.ctx(), p.PolicyArn)
			if err != nil {
				return ""
			}
			return document
		}
	}
	return ""
}

// cutAt cuts a text at two positions. What is not in it is nowhere.
func cutAt(text string, start, end client.Position) (before, inside, after string) {
	at := func(p client.Position) int {
		rest, line := 0, 1
		for line < p.Line {
			i := strings.IndexByte(text[rest:], '\n')
			if i < 0 {
				return len(text)
			}
			rest += i + 1
			line++
		}
		return min(len(text), rest+max(0, p.Column-1))
	}
	from, to := at(start), at(end)
	if to < from {
		to = from
	}
	return text[:from], text[from:to], text[to:]
}

// draft is a policy that would allow an action. It is shown, and applied by nobody but its reader.
func draft(action, resource string) string {
	type statement struct{ Effect, Action, Resource string }
	raw, _ := json.MarshalIndent(struct { // strings always encode
		Version   string
		Statement []statement
	}{"2012-10-17", []statement{{"Allow", action, resource}}}, "", "  ")
	return string(raw)
}
