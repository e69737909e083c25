package client

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"glassine/aws/fault"
)

// Proof is what the services' own list calls say of resources that a stack had.
type Proof struct {
	// Asked are the calls, such as s3:ListAllMyBuckets, sorted.
	Asked []string
	// Left are the resources that are still listed.
	Left []Resource `json:",omitempty"`
	// Unlisted are the types that no call lists: such a resource is part of another one, or has no existence of its own. So that
	// the rest means something, a type is among them too when its list did not name what was still there.
	Unlisted []string `json:",omitempty"`
}

// lister says which call lists the resources of a type. list returns the physical ids of those that are there; it gets the one
// that is looked for, since some lists are of one function alone.
type lister struct {
	call string
	list func(ctx context.Context, c *Client, id string) ([]string, error)
	// of makes of a physical id what the call depends on; nil where it depends on nothing.
	of func(id string) string
}

var listers = map[string]lister{
	"AWS::S3::Bucket":                  {"s3:ListAllMyBuckets", listBuckets, nil},
	"AWS::S3::AccessPoint":             {"s3:ListAccessPoints", s3control("accesspoint", "AccessPoint>Name"), nil},
	"AWS::S3ObjectLambda::AccessPoint": {"s3:ListAccessPointsForObjectLambda", s3control("accesspointforobjectlambda", "ObjectLambdaAccessPoint>Name"), nil},
	"AWS::IAM::Role":                   {"iam:ListRoles", iamList("ListRoles", "member>RoleName"), nil},
	"AWS::IAM::User":                   {"iam:ListUsers", iamList("ListUsers", "member>UserName"), nil},
	"AWS::IAM::Group":                  {"iam:ListGroups", iamList("ListGroups", "member>GroupName"), nil},
	"AWS::IAM::ManagedPolicy":          {"iam:ListPolicies", iamList("ListPolicies", "member>Arn"), nil},
	"AWS::IAM::InstanceProfile":        {"iam:ListInstanceProfiles", iamList("ListInstanceProfiles", "member>InstanceProfileName"), nil},
	"AWS::Lambda::Function":            {"lambda:ListFunctions", lambdaList("2015-03-31/functions", "Functions", "FunctionName"), nil},
	"AWS::Lambda::Version":             {"lambda:ListVersionsByFunction", lambdaOf("versions", "Versions", "FunctionArn"), functionOf},
	"AWS::Lambda::Alias":               {"lambda:ListAliases", lambdaOf("aliases", "Aliases", "AliasArn"), functionOf},
	"AWS::Lambda::LayerVersion":        {"lambda:ListLayerVersions", listLayerVersions, functionOf},
	"AWS::CloudFront::Distribution":    {"cloudfront:ListDistributions", cloudfrontList("distribution", "DistributionSummary>Id"), nil},
	"AWS::CloudFront::CachePolicy":     {"cloudfront:ListCachePolicies", cloudfrontList("cache-policy?Type=custom", "CachePolicy>Id"), nil},
	"AWS::CloudFront::OriginRequestPolicy": {
		"cloudfront:ListOriginRequestPolicies", cloudfrontList("origin-request-policy?Type=custom", "OriginRequestPolicy>Id"), nil,
	},
	"AWS::CloudFront::ResponseHeadersPolicy": {
		"cloudfront:ListResponseHeadersPolicies", cloudfrontList("response-headers-policy?Type=custom", "ResponseHeadersPolicy>Id"), nil,
	},
	"AWS::CloudFront::OriginAccessControl": {
		"cloudfront:ListOriginAccessControls", cloudfrontList("origin-access-control", "OriginAccessControlSummary>Id"), nil,
	},
	"AWS::CloudFront::Function":  {"cloudfront:ListFunctions", cloudfrontList("function", "FunctionMetadata>FunctionARN"), nil},
	"AWS::CloudFront::PublicKey": {"cloudfront:ListPublicKeys", cloudfrontList("public-key", "PublicKeySummary>Id"), nil},
	"AWS::CloudFront::KeyGroup":  {"cloudfront:ListKeyGroups", cloudfrontList("key-group", "KeyGroup>Id"), nil},
	"AWS::Logs::LogGroup":        {"logs:DescribeLogGroups", listLogGroups, func(id string) string { return id }},
	"AWS::SSM::Parameter":        {"ssm:DescribeParameters", listParameters, nil},
}

// Prove asks the services which of the resources they still list.
func (c *Client) Prove(ctx context.Context, resources []Resource) (Proof, error) {
	p := Proof{Asked: []string{}}
	asked, unlisted, answers := map[string]bool{}, map[string]bool{}, map[string][]string{}
	for _, x := range resources {
		l, ok := listers[x.Type]
		if !ok {
			unlisted[x.Type] = true
			continue
		}
		of := ""
		if l.of != nil {
			of = l.of(x.PhysicalID)
		}
		ids, ok := answers[l.call+" "+of]
		if !ok {
			var err error
			if ids, err = l.list(ctx, c, x.PhysicalID); err != nil {
				return p, fmt.Errorf("%s: %w", l.call, err)
			}
			answers[l.call+" "+of], asked[l.call] = ids, true
		}
		if slices.Contains(ids, x.PhysicalID) {
			p.Left = append(p.Left, x)
		}
	}
	p.Asked, p.Unlisted = slices.AppendSeq(p.Asked, maps.Keys(asked)), slices.Sorted(maps.Keys(unlisted))
	slices.Sort(p.Asked)
	return p, nil
}

// doubt puts among the unlisted what the lists did not name before it was deleted, when it was there.
func (p *Proof) doubt(resources []Resource, before Proof) {
	for _, x := range resources {
		there := strings.HasSuffix(x.Status, "_COMPLETE") && x.Status != "DELETE_COMPLETE"
		named := slices.ContainsFunc(before.Left, func(y Resource) bool { return y.PhysicalID == x.PhysicalID })
		if there && !named && !slices.Contains(p.Unlisted, x.Type) {
			p.Unlisted = append(p.Unlisted, x.Type)
		}
	}
	slices.Sort(p.Unlisted)
}

func listBuckets(_ context.Context, c *Client, _ string) ([]string, error) {
	raw, err := c.Send("s3", c.Region, http.MethodGet, "https://s3."+c.Region+".amazonaws.com/", nil, nil)
	if err != nil {
		return nil, err
	}
	return texts(raw, "Bucket>Name")
}

// s3control lists access points. S3 API Reference, "ListAccessPoints".
func s3control(path, element string) func(context.Context, *Client, string) ([]string, error) {
	return func(ctx context.Context, c *Client, _ string) ([]string, error) {
		account, err := c.Account(ctx)
		if err != nil {
			return nil, err
		}
		return pages(func(token string) ([]string, string, error) {
			at := "https://" + account + ".s3-control." + c.Region + ".amazonaws.com/v20180820/" + path
			if token != "" {
				at += "?nextToken=" + url.QueryEscape(token)
			}
			raw, err := c.Send("s3", c.Region, http.MethodGet, at, http.Header{"X-Amz-Account-Id": {account}}, nil)
			return page(raw, err, element, "NextToken")
		})
	}
}

func iamList(action, element string) func(context.Context, *Client, string) ([]string, error) {
	return func(ctx context.Context, c *Client, _ string) ([]string, error) {
		return pages(func(token string) ([]string, string, error) {
			if err := ctx.Err(); err != nil {
				return nil, "", err
			}
			form := url.Values{"Action": {action}, "Version": {"2010-05-08"}}
			if action == "ListPolicies" {
				form.Set("Scope", "Local")
			}
			if token != "" {
				form.Set("Marker", token)
			}
			raw, err := c.Send("iam", "us-east-1", http.MethodPost, "https://iam.amazonaws.com/", http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}, []byte(form.Encode()))
			return page(raw, err, element, "Marker")
		})
	}
}

func cloudfrontList(path, element string) func(context.Context, *Client, string) ([]string, error) {
	return func(ctx context.Context, c *Client, _ string) ([]string, error) {
		return pages(func(token string) ([]string, string, error) {
			if err := ctx.Err(); err != nil {
				return nil, "", err
			}
			at, separator := "https://cloudfront.amazonaws.com/2020-05-31/"+path, "?"
			if strings.Contains(path, "?") {
				separator = "&"
			}
			if token != "" {
				at += separator + "Marker=" + url.QueryEscape(token)
			}
			raw, err := c.Send("cloudfront", "us-east-1", http.MethodGet, at, nil, nil)
			return page(raw, err, element, "NextMarker")
		})
	}
}

// page reads one page of a list in XML.
func page(raw []byte, err error, element, next string) ([]string, string, error) {
	if err != nil {
		return nil, "", err
	}
	items, err := texts(raw, element)
	if err != nil {
		return nil, "", err
	}
	token, err := texts(raw, next)
	if err != nil || len(token) == 0 {
		return items, "", err
	}
	return items, token[0], nil
}

// texts returns the text of each element Parent>Name, or Name, of a document.
func texts(raw []byte, path string) ([]string, error) {
	parent, name, ok := strings.Cut(path, ">")
	if !ok {
		parent, name = "", path
	}
	var out, above []string
	text := ""
	for d := xml.NewDecoder(bytes.NewReader(raw)); ; {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			above, text = append(above, t.Name.Local), ""
		case xml.CharData:
			text += string(t)
		case xml.EndElement:
			n := len(above)
			if t.Name.Local == name && (parent == "" || n > 1 && above[n-2] == parent) && text != "" {
				out = append(out, text)
			}
			above, text = above[:n-1], ""
		}
	}
}

// lambdaList lists in Lambda's protocol: an array under list, of objects with the member item.
func lambdaList(path, list, item string) func(context.Context, *Client, string) ([]string, error) {
	return func(ctx context.Context, c *Client, _ string) ([]string, error) {
		return pages(func(token string) ([]string, string, error) {
			if err := ctx.Err(); err != nil {
				return nil, "", err
			}
			at := "https://lambda." + c.Region + ".amazonaws.com/" + path
			if token != "" {
				at += "?Marker=" + url.QueryEscape(token)
			}
			raw, err := c.Send("lambda", c.Region, http.MethodGet, at, nil, nil)
			if fault.Is(err, "ResourceNotFoundException") {
				return nil, "", nil
			}
			if err != nil {
				return nil, "", err
			}
			return jsonPage(raw, list, item, "NextMarker")
		})
	}
}

func lambdaOf(what, list, item string) func(context.Context, *Client, string) ([]string, error) {
	return func(ctx context.Context, c *Client, id string) ([]string, error) {
		return lambdaList("2015-03-31/functions/"+url.PathEscape(functionOf(id))+"/"+what, list, item)(ctx, c, id)
	}
}

func listLayerVersions(ctx context.Context, c *Client, id string) ([]string, error) {
	return lambdaList("2018-10-31/layers/"+url.PathEscape(functionOf(id))+"/versions", "LayerVersions", "LayerVersionArn")(ctx, c, id)
}

func jsonPage(raw []byte, list, item, next string) ([]string, string, error) {
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, "", fmt.Errorf("read answer: %w", err)
	}
	var items []map[string]any
	token := ""
	if body := answer[list]; body != nil {
		if err := json.Unmarshal(body, &items); err != nil {
			return nil, "", fmt.Errorf("read answer: %w", err)
		}
	}
	if body := answer[next]; body != nil {
		_ = json.Unmarshal(body, &token) // null is no token
	}
	var out []string
	for _, x := range items {
		if s, ok := x[item].(string); ok {
			out = append(out, s)
		}
	}
	return out, token, nil
}

// json calls an operation in the JSON 1.1 protocol.
func (c *Client) json(ctx context.Context, service, target string, in map[string]any, out *[]byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	raw, err := c.Send(service, c.Region, http.MethodPost, "https://"+service+"."+c.Region+".amazonaws.com/", http.Header{
		"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {target},
	}, body)
	if out != nil {
		*out = raw
	}
	return err
}

// listLogGroups returns the log groups whose names begin with prefix.
func listLogGroups(ctx context.Context, c *Client, prefix string) ([]string, error) {
	return pages(func(token string) ([]string, string, error) {
		in := map[string]any{"logGroupNamePrefix": prefix}
		if token != "" {
			in["nextToken"] = token
		}
		var raw []byte
		if err := c.json(ctx, "logs", "Logs_20140328.DescribeLogGroups", in, &raw); err != nil {
			return nil, "", err
		}
		return jsonPage(raw, "logGroups", "logGroupName", "nextToken")
	})
}

func listParameters(ctx context.Context, c *Client, _ string) ([]string, error) {
	return pages(func(token string) ([]string, string, error) {
		in := map[string]any{}
		if token != "" {
			in["NextToken"] = token
		}
		var raw []byte
		if err := c.json(ctx, "ssm", "AmazonSSM.DescribeParameters", in, &raw); err != nil {
			return nil, "", err
		}
		return jsonPage(raw, "Parameters", "Name", "NextToken")
	})
}
