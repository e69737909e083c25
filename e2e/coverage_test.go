package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"glassine"
	"glassine/cloudformation"
	"glassine/cloudformation/provider"
	"glassine/edge"
	"glassine/iam"
)

var update = flag.Bool("update", false, "write docs/guide/coverage.md anew")

const coveragePage = "../docs/guide/coverage.md"

// TestCoverage asks for every operation that AWS has, of each service here, and compares what comes with the page that says what is built:
// what is not built says so, by a code that means it and with its name, and what is built does not.
func TestCoverage(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *glassine.Config) { c.Demo = false })
	p := &prober{s: s, root: s.root(t)}
	want := coverageHead
	summary, lists := "", ""
	for _, c := range coverageServices {
		built, empty, missing := []string{}, []string{}, []string{}
		for _, o := range operationsOf(t, c.name) {
			a := p.ask(t, c, o)
			switch {
			case c.notBuilt(a):
				if !c.names(a, o) {
					t.Errorf("%s %s is not built, and the answer does not say what is not: %s %s", c.name, o.name, a.Status, a.body)
				}
				missing = append(missing, o.name)
			case slices.Contains(c.empty, o.name):
				empty = append(empty, o.name)
			default:
				built = append(built, o.name)
			}
		}
		for _, name := range c.empty {
			if !slices.Contains(empty, name) {
				t.Errorf("%s %s is on the list of what is always empty, and is not built or not AWS's", c.name, name)
			}
		}
		summary += fmt.Sprintf("| [%s](#%s) | %d | %d | %d |\n", c.title, anchor(c.title), len(built), len(empty), len(missing))
		lists += "\n## " + c.title + "\n\n" + c.note + strings.TrimSuffix(list("Built", built)+list("Answered, and always empty", empty)+list("Not built", missing), "\n")
	}
	want += summary + lists + typesCoverage(t)
	if *update {
		if err := os.WriteFile(coveragePage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	page, err := os.ReadFile(coveragePage)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != want {
		t.Errorf("%s is not what the program does: run go test ./e2e -run '^TestCoverage$' -update and read the difference", coveragePage)
	}
}

const coverageHead = "# What is built of AWS's APIs\n\n" +
	"This page is made by a test that asks a running glassine for every operation of AWS's own models; nobody edits it. What is not built\n" +
	"answers with an error that names it: `NotImplemented` with status 501, or the code by which the service says that it does not know\n" +
	"the operation. Where what is built differs from AWS, [aws-differences.md](../aws-differences.md) says how. \"Always empty\" are\n" +
	"operations that tools call to see whether something is set which cannot be set here: they answer that nothing is.\n\n" +
	"| service | built | always empty | not built |\n|---|---|---|---|\n"

// coverageService is a service and how it is spoken to.
type coverageService struct {
	name, title, note string
	host              string
	signing           string
	version           string   // of the query protocol
	target            string   // of JSON 1.1
	empty             []string // what is answered without being built
}

var coverageServices = []*coverageService{
	{
		name: "s3", title: "S3", host: "s3.us-east-1.amazonaws.com", signing: "s3",
		note: "WriteGetObjectResponse is Object Lambda's. Buckets, access points and Object Lambda access points take the operations on objects, the latter\nthose that [AWS lists](https://docs.aws.amazon.com/AmazonS3/latest/userguide/olap-use.html).\n\n",
		empty: []string{
			"GetBucketAccelerateConfiguration", "GetBucketLogging", "GetBucketNotification", "GetBucketNotificationConfiguration", "GetBucketReplication", "GetBucketRequestPayment",
			"GetBucketWebsite", "GetObjectLegalHold", "GetObjectLockConfiguration", "GetObjectRetention",
		},
	},
	{name: "s3control", title: "S3 Control", note: "Access points and Object Lambda access points.\n\n", host: account + ".s3-control.us-east-1.amazonaws.com", signing: "s3"},
	{name: "lambda", title: "Lambda", host: "lambda.us-east-1.amazonaws.com", signing: "lambda"},
	{
		name: "iam", title: "IAM", host: "iam.amazonaws.com", signing: "iam", version: "2010-05-08",
		empty: []string{
			"ListAccountAliases", "ListInstanceProfiles", "ListInstanceProfilesForRole", "ListMFADevices", "ListOpenIDConnectProviders", "ListSAMLProviders",
			"ListSSHPublicKeys", "ListServerCertificates", "ListServiceSpecificCredentials", "ListSigningCertificates", "ListVirtualMFADevices",
		},
	},
	{name: "sts", title: "STS", host: "sts.us-east-1.amazonaws.com", signing: "sts", version: "2011-06-15"},
	{
		name: "cloudfront", title: "CloudFront", host: "cloudfront.amazonaws.com", signing: "cloudfront",
		empty: []string{
			"ListCloudFrontOriginAccessIdentities", "ListContinuousDeploymentPolicies", "ListFieldLevelEncryptionConfigs", "ListFieldLevelEncryptionProfiles",
			"ListKeyValueStores", "ListRealtimeLogConfigs", "ListStreamingDistributions",
		},
	},
	{name: "cloudformation", title: "CloudFormation", host: "cloudformation.us-east-1.amazonaws.com", signing: "cloudformation", version: "2010-05-15"},
	{
		name: "logs", title: "CloudWatch Logs", host: "logs.us-east-1.amazonaws.com", signing: "logs", target: "Logs_20140328",
		empty: []string{"DescribeMetricFilters", "DescribeResourcePolicies", "DescribeSubscriptionFilters"},
	},
	{name: "ssm", title: "Systems Manager", note: "The Parameter Store.\n\n", host: "ssm.us-east-1.amazonaws.com", signing: "ssm", target: "AmazonSSM"},
	{
		name: "cloudtrail", title: "CloudTrail", note: "A look back at the audit log.\n\n", host: "cloudtrail.us-east-1.amazonaws.com", signing: "cloudtrail",
		target: "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
	},
}

// refusals are the codes that say that there is no such operation.
var refusals = regexp.MustCompile(`\b(NotImplemented|UnknownOperationException|InvalidAction)\b`)

func (c *coverageService) notBuilt(a answer) bool {
	return refusals.Match(a.body) || refusals.MatchString(a.Header.Get("X-Amzn-Errortype")) || a.StatusCode == http.StatusNotImplemented
}

// names reports whether a refusal says what it refuses: the operation, or where REST tells operations by path and query, those.
func (c *coverageService) names(a answer, o operation) bool {
	path, query, _ := strings.Cut(o.uri, "?")
	query, _, _ = strings.Cut(query, "&")
	query, _, _ = strings.Cut(query, "=")
	words := slices.DeleteFunc(strings.Split(path, "/"), func(w string) bool { return w == "" || strings.HasPrefix(w, "{") })
	last := o.name
	if len(words) > 0 {
		last = words[len(words)-1]
	}
	if o.name == "ListDirectoryBuckets" {
		last = "s3express-control" // is not served at all
	}
	return bytes.Contains(a.body, []byte(o.name)) || query != "" && bytes.Contains(a.body, []byte(query)) || bytes.Contains(a.body, []byte(last))
}

// operation is one of AWS's.
type operation struct{ name, method, uri string }

func operationsOf(t *testing.T, service string) (all []operation) {
	t.Helper()
	for _, f := range coverageLines(t, "operations.txt") {
		if f[0] == service {
			all = append(all, operation{f[1], f[2], f[3]})
		}
	}
	if len(all) == 0 {
		t.Fatalf("AWS has no operations of %s", service)
	}
	return all
}

func coverageLines(t *testing.T, name string) (lines [][]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/coverage/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.Fields(line))
		}
	}
	return lines
}

// prober asks for operations.
type prober struct {
	s    *system
	root iam.Credentials
}

// ask sends the least of a request that names the operation. What else is wrong with it, the answer may say.
func (p *prober) ask(t *testing.T, c *coverageService, o operation) answer {
	t.Helper()
	if c.name == "s3" {
		p.bucket(t)
	}
	values := strings.NewReplacer("{Bucket}", "probed", "{Key+}", "key", "{FunctionName}", "f", "{AccountId}", account)
	uri := regexp.MustCompile(`\{\w+\+?\}`).ReplaceAllString(values.Replace(o.uri), "x")
	header, body := http.Header{}, []byte(nil)
	switch {
	case c.version != "":
		body = []byte(url.Values{"Action": {o.name}, "Version": {c.version}}.Encode())
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	case c.target != "":
		body = []byte("{}")
		header.Set("Content-Type", "application/x-amz-json-1.1")
		header.Set("X-Amz-Target", c.target+"."+o.name)
	case c.name == "s3control":
		header.Set("X-Amz-Account-Id", account)
	}
	host := c.host
	switch o.name { // those that S3 tells by a header, a parameter or a host
	case "CopyObject", "UploadPartCopy":
		header.Set("X-Amz-Copy-Source", "probed/key")
	case "ListObjectsV2":
		uri += "?list-type=2"
	case "ListDirectoryBuckets":
		host = "s3express-control.us-east-1.amazonaws.com"
	case "UploadPart", "AbortMultipartUpload", "CompleteMultipartUpload", "ListParts":
		uri += "?uploadId=x&partNumber=1"
	case "WriteGetObjectResponse":
		host, c = writeHost, &coverageService{signing: "s3-object-lambda"}
		header.Set("X-Amz-Request-Route", "r")
		header.Set("X-Amz-Request-Token", "t")
	}
	req := request(t, o.method, "https://"+host+uri, body)
	maps.Copy(req.Header, header)
	sign(req, p.root, c.signing, body)
	return do(t, p.s.aws, req)
}

// bucket sees to a bucket with an object, which no operation that S3 was asked for can have removed.
func (p *prober) bucket(t *testing.T) {
	t.Helper()
	for _, path := range []string{"/probed", "/probed/key", "/probed/other"} {
		if a := p.s.signed(t, p.root, "s3", http.MethodPut, "https://s3.us-east-1.amazonaws.com"+path, nil, nil); a.StatusCode != http.StatusOK && a.StatusCode != http.StatusConflict {
			t.Fatalf("PUT %s: %s %s", path, a.Status, a.body)
		}
	}
}

// typesCoverage is the page's part on CloudFormation's resource types.
func typesCoverage(t *testing.T) string {
	t.Helper()
	ours := map[string]*cloudformation.Type{}
	for _, x := range provider.Types(provider.Services{Edge: &edge.Edge{}}) {
		ours[x.Name] = x
	}
	text := "\n## Resource types of CloudFormation\n\nA property that is not built is refused when a template is planned. Properties within properties are not listed.\n\n" +
		"| type | properties | not built |\n|---|---|---|\n"
	var missing []string
	for _, f := range coverageLines(t, "types.txt") {
		x := ours[f[0]]
		if x == nil {
			missing = append(missing, f[0])
			continue
		}
		delete(ours, f[0])
		var built, not []string
		for _, property := range f[1:] {
			if x.Properties[property] != nil {
				built = append(built, property)
			} else {
				not = append(not, property)
			}
		}
		for property := range x.Properties {
			if !slices.Contains(f[1:], property) {
				t.Errorf("%s has the property %s, which AWS has not", x.Name, property)
			}
		}
		text += fmt.Sprintf("| %s | %s | %s |\n", f[0], strings.Join(built, ", "), strings.Join(not, ", "))
	}
	return text + "\n" + list("Besides", slices.Sorted(maps.Keys(ours))) + strings.TrimSuffix(list("Not built, of these services", missing), "\n")
}

func list(title string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	text, line := "**"+title+"** ("+fmt.Sprint(len(names))+"):", ""
	for i, name := range names {
		word := "`" + name + "`"
		if i < len(names)-1 {
			word += ","
		}
		if len(line)+len(word) > 130 {
			text, line = text+line+"\n", word
			continue
		}
		line += " " + word
	}
	return text + line + "\n\n"
}

// anchor is how a heading is linked to.
func anchor(title string) string { return strings.ToLower(strings.ReplaceAll(title, " ", "-")) }
