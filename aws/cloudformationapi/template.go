package cloudformationapi

import (
	"io"
	"net/url"
	"slices"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/cloudformation"
)

// template returns the text of TemplateBody or of what TemplateURL leads to, and the URL; "" when neither is given.
func (c *call) template() (text, from string, err error) {
	body, from := c.get("TemplateBody"), c.get("TemplateURL")
	switch {
	case body != "" && from != "":
		return "", "", fault.New("ValidationError", "Template URL and Template Body cannot both be specified.")
	case from != "":
		text, err = c.fetch(from, cloudformation.MaxTemplateURL)
		return text, from, err
	case len(body) > cloudformation.MaxTemplateBody:
		return "", "", fault.New("ValidationError", "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to %d", cloudformation.MaxTemplateBody)
	}
	return body, "", nil
}

// fetch reads an object of at most most bytes, as the caller.
func (c *call) fetch(from string, most int64) (string, error) {
	bucket, key, version, ok := c.object(from)
	if !ok {
		return "", fault.New("ValidationError", "TemplateURL must be a supported URL.")
	}
	if c.Objects == nil {
		return "", fault.New("ValidationError", "S3 error: there is no S3 here")
	}
	r, err := c.Objects.GetObject(c.ctx, c.caller, bucket, key, version)
	if err != nil {
		if code := fault.Code(err); code != "" {
			return "", fault.New("ValidationError", "S3 error: %s\nFor more information check http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html", s3Text(code))
		}
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, most+1)) // most
	if err != nil {
		return "", err
	}
	if int64(len(b)) > most {
		return "", fault.New("ValidationError", "Template may not exceed %d bytes in size.", most)
	}
	return string(b), nil
}

func s3Text(code string) string {
	switch code {
	case "AccessDenied":
		return "Access Denied"
	case "NoSuchKey":
		return "The specified key does not exist."
	case "NoSuchBucket":
		return "The specified bucket does not exist"
	}
	return code
}

// object finds the bucket and key that a URL names: s3://bucket/key, and http or https with the bucket in the path or before
// the host's name, at AWS's names or our own.
func (h *Handler) object(from string) (bucket, key, version string, ok bool) {
	u, err := url.Parse(from)
	if err != nil {
		return "", "", "", false
	}
	path := strings.TrimPrefix(u.Path, "/")
	version = u.Query().Get("versionId")
	if u.Scheme == "s3" {
		return u.Host, path, version, u.Host != "" && path != ""
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", "", "", false
	}
	host := wire.Hostname(u.Host)
	if labels, aws := wire.AWSLabels(host); aws {
		i := slices.IndexFunc(labels, func(l string) bool { return l == "s3" || strings.HasPrefix(l, "s3-") })
		if i < 0 {
			return "", "", "", false
		}
		bucket = strings.Join(labels[:i], ".")
	} else {
		for _, e := range h.Endpoints {
			if before, under := strings.CutSuffix(host, "."+e); under && host != e {
				bucket = before
			}
		}
	}
	if bucket == "" {
		bucket, path, _ = strings.Cut(path, "/")
	}
	return bucket, path, version, bucket != "" && path != ""
}

func getTemplate(c *call) (any, error) {
	if c.get("StackName") == "" && c.get("ChangeSetName") == "" {
		return nil, fault.New("ValidationError", "Either StackName or ChangeSetName must be specified.")
	}
	text, err := c.Stacks.GetTemplate(c.ctx, c.caller, c.region, c.get("StackName"), c.get("ChangeSetName"))
	return struct {
		TemplateBody    string
		StagesAvailable wire.Members[string]
	}{text, wire.Members[string]{Member: []string{"Original", "Processed"}}}, err
}

type constraints struct{ AllowedValues wire.Members[string] }

type declaration struct {
	ParameterKey         string
	DefaultValue         *string
	ParameterType        string
	NoEcho               bool
	Description          string `xml:",omitempty"`
	ParameterConstraints constraints
}

type resourceIdentifiers struct {
	ResourceType        string
	LogicalResourceIds  wire.Members[string]
	ResourceIdentifiers wire.Members[string]
}

func getTemplateSummary(c *call) (any, error) {
	text, _, err := c.template()
	if err != nil {
		return nil, err
	}
	if text == "" && c.get("StackName") == "" {
		return nil, fault.New("ValidationError", "Either Template URL or Template Body must be specified.")
	}
	s, err := c.Stacks.Summarize(c.ctx, c.caller, c.region, "GetTemplateSummary", text, c.get("StackName"))
	if err != nil {
		return nil, err
	}
	var identifiers []resourceIdentifiers
	seen := map[string]bool{}
	for _, t := range s.Types {
		if !seen[t] {
			seen[t] = true
			identifiers = append(identifiers, resourceIdentifiers{ResourceType: t, LogicalResourceIds: wire.Members[string]{Member: s.Identifiers[t]}})
		}
	}
	return struct {
		Parameters                  wire.Members[declaration]
		Description                 string `xml:",omitempty"`
		Capabilities                wire.Members[string]
		CapabilitiesReason          string `xml:",omitempty"`
		ResourceTypes               wire.Members[string]
		Version                     string
		Metadata                    string `xml:",omitempty"`
		DeclaredTransforms          wire.Members[string]
		ResourceIdentifierSummaries wire.Members[resourceIdentifiers]
	}{
		wire.MembersOf(s.Template.Parameters, func(p *cloudformation.ParameterDefinition) declaration {
			return declaration{p.Key, p.Default, p.Type, p.NoEcho, p.Description, constraints{wire.Members[string]{Member: p.AllowedValues}}}
		}), s.Template.Description,
		wire.Members[string]{Member: s.Capabilities},
		s.Reason,
		wire.Members[string]{Member: s.Types},
		"2010-09-09", s.Metadata,
		wire.Members[string]{Member: s.Template.Transforms},
		wire.Members[resourceIdentifiers]{Member: identifiers},
	}, nil
}

func validateTemplate(c *call) (any, error) {
	text, _, err := c.template()
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, fault.New("ValidationError", "Either Template URL or Template Body must be specified.")
	}
	s, err := c.Stacks.Summarize(c.ctx, c.caller, c.region, "ValidateTemplate", text, "")
	if err != nil {
		return nil, err
	}
	type brief struct {
		ParameterKey string
		DefaultValue *string
		NoEcho       bool
		Description  string `xml:",omitempty"`
	}
	return struct {
		Parameters         wire.Members[brief]
		Description        string `xml:",omitempty"`
		Capabilities       wire.Members[string]
		CapabilitiesReason string `xml:",omitempty"`
		DeclaredTransforms wire.Members[string]
	}{
		wire.MembersOf(s.Template.Parameters, func(p *cloudformation.ParameterDefinition) brief {
			return brief{p.Key, p.Default, p.NoEcho, p.Description}
		}),
		s.Template.Description,
		wire.Members[string]{Member: s.Capabilities},
		s.Reason,
		wire.Members[string]{Member: s.Template.Transforms},
	}, nil
}
