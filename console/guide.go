package console

import (
	"maps"
	"strings"

	"glassine/console/client"
)

// guideStep is one of the set-up's seven steps, and of what comes before them: the reference solution, section by section.
// (AWS Storage Blog, "Modify images cached in Amazon CloudFront using Amazon S3 Object Lambda".)
type guideStep struct {
	Id, Title, Why string
	Fields         []guideField
	// state says what of the step is there, asked of AWS's APIs: a step that was done elsewhere counts as well.
	state func(q *request, n guideNames) bool
	// do takes the step with the values of its form.
	do       func(q *request, n guideNames) error
	commands func(n guideNames) []string
	template func(n guideNames) string
	Manual   string // what cannot be done here, and where it can
}

// guideField is a field of a step's form.
type guideField struct{ Name, Label, Help string }

// guideNames are the names of everything in the set-up, as the forms have them.
type guideNames struct {
	Bucket, Point, Lambda, Function, Signer, Policy string
	Account, Region                                 string
}

func (n guideNames) functionRole() string { return n.Function + "-role" }
func (n guideNames) signerRole() string   { return n.Signer + "-role" }
func (n guideNames) pointARN() string {
	return "arn:aws:s3:" + n.Region + ":" + n.Account + ":accesspoint/" + n.Point
}

func (n guideNames) lambdaARN() string {
	return "arn:aws:s3-object-lambda:" + n.Region + ":" + n.Account + ":accesspoint/" + n.Lambda
}

func (n guideNames) functionARN() string {
	return "arn:aws:lambda:" + n.Region + ":" + n.Account + ":function:" + n.Function
}

func (n guideNames) signerARN() string {
	return "arn:aws:lambda:us-east-1:" + n.Account + ":function:" + n.Signer
}

func (n guideNames) role(name string) string { return "arn:aws:iam::" + n.Account + ":role/" + name }

func (n guideNames) originDomain() string {
	return n.Lambda + "-" + n.Account + ".s3-object-lambda." + n.Region + ".amazonaws.com"
}

// defaults are names to begin with.
func (q *request) guideNames() guideNames {
	given := map[string]string{
		"bucket": "my-photos-" + q.c.cfg.Account, "point": "my-photos-ap", "lambda": "my-photos-clean", "function": "clean-photos", "signer": "edge-signer", "policy": "photos-query-string",
	}
	q.s.mu.Lock()
	maps.Copy(given, q.s.guide)
	q.s.mu.Unlock()
	return guideNames{
		Bucket: given["bucket"], Point: given["point"], Lambda: given["lambda"], Function: given["function"], Signer: given["signer"], Policy: given["policy"],
		Account: q.c.cfg.Account, Region: q.c.cfg.Region,
	}
}

func (n guideNames) value(field string) string {
	return map[string]string{"bucket": n.Bucket, "point": n.Point, "lambda": n.Lambda, "function": n.Function, "signer": n.Signer, "policy": n.Policy}[field]
}

// guideData is the guided set-up.
type guideData struct {
	Steps []guideView
	Done  int
	Next  string // id of the first step that is not done, or ""
	Chain *chain // what stands when all are
}

// guideView is a step as it stands.
type guideView struct {
	guideStep
	Number   int
	Done     bool
	Values   map[string]string
	Commands string
	Template string
}

func guidePage(q *request) error {
	n := q.guideNames()
	var d guideData
	for i, s := range guideSteps {
		v := guideView{guideStep: s, Number: i, Done: s.state(q, n), Values: map[string]string{}, Commands: strings.Join(s.commands(n), "\n"), Template: s.template(n)}
		for _, f := range s.Fields {
			v.Values[f.Name] = n.value(f.Name)
		}
		if v.Done {
			d.Done++
		} else if d.Next == "" {
			d.Next = s.Id
		}
		d.Steps = append(d.Steps, v)
	}
	if d.Next == "" {
		if all, err := chains(q.ctx(), q.aws); err == nil {
			for _, c := range all {
				if c.ObjectLambda == n.Lambda && d.Chain == nil {
					d.Chain = c
				}
			}
		}
	}
	return q.show("guide", "guide", "Set-up", d)
}

func guideAction(q *request) error {
	for _, s := range guideSteps {
		if s.Id != q.r.PathValue("step") {
			continue
		}
		q.s.mu.Lock()
		for _, f := range s.Fields {
			if v := strings.TrimSpace(q.form(f.Name)); v != "" {
				q.s.guide[f.Name] = v
			}
		}
		q.s.mu.Unlock()
		if q.form("do") != "names" {
			if err := s.do(q, q.guideNames()); err != nil {
				return q.again(err, guidePage)
			}
			return q.done("/guide#"+s.Id, "Done: "+s.Title+".")
		}
		return q.done("/guide#"+s.Id, "The names are set; the commands below have them.")
	}
	return &asked{"There is no such step.", "Load the page again.", ""}
}

// there reports whether a call found what it asked for.
func there(err error) bool { return err == nil }

// made passes over what is there already: a step that was interrupted goes on.
func made(err error) error {
	switch client.Code(err) {
	case "BucketAlreadyOwnedByYou", "EntityAlreadyExists", "ResourceConflictException", "AccessPointAlreadyOwnedByYou", "ObjectLambdaAccessPointAlreadyOwnedByYou",
		"CachePolicyAlreadyExists", "DistributionAlreadyExists":
		return nil
	}
	return err
}

// first runs calls in order until one fails.
func first(calls ...func() error) error {
	for _, call := range calls {
		if err := made(call()); err != nil {
			return err
		}
	}
	return nil
}

func (c *Console) guideRoutes(show, do func(string, handler)) {
	show("/guide", guidePage)
	do("/guide/{step}", guideAction)
}
