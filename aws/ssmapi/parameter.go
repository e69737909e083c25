package ssmapi

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/ssm"
)

// epoch is a time in seconds since 1970, with a fraction, as JSON 1.1 writes it.
type epoch float64

func seconds(t time.Time) epoch { return epoch(float64(t.UnixMilli()) / 1000) }

// MarshalJSON writes no exponent: clients of JSON 1.1 read numbers such as 1764144000.123.
func (e epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(e), 'f', -1, 64), nil
}

type tag struct{ Key, Value string }

func tagsOf(list []tag) map[string]string {
	out := map[string]string{}
	for _, t := range list {
		out[t.Key] = t.Value
	}
	return out
}

type putInput struct {
	Name, Value, Type, DataType, Description, AllowedPattern, KeyID, Tier, Policies string
	Overwrite                                                                       bool
	Tags                                                                            []tag
}

type putOutput struct {
	Version int64
	Tier    string
}

func putParameter(c *call, in *putInput) (out putOutput, err error) {
	if in.Policies != "" && in.Policies != "[]" && in.Policies != "{}" {
		return out, fault.New("InvalidPolicyTypeException", "Parameter policies are not supported by glassine.")
	}
	out.Version, out.Tier, err = c.ssm.PutParameter(c.ctx, c.caller, c.region, ssm.Put{
		Name: in.Name, Value: in.Value, Type: in.Type, DataType: in.DataType, Description: in.Description, AllowedPattern: in.AllowedPattern, KeyID: in.KeyID,
		Tier: in.Tier, Overwrite: in.Overwrite, Tags: tagsOf(in.Tags),
	})
	return out, err
}

// parameter is the model's Parameter.
type parameter struct {
	Name, Type, Value string
	Version           int64
	Selector          string `json:",omitempty"`
	LastModifiedDate  epoch
	ARN, DataType     string
}

func parameterShape(p ssm.Parameter) parameter {
	return parameter{
		Name: p.Name, Type: p.Type, Value: p.Value, Version: p.Version, Selector: p.Selector, LastModifiedDate: seconds(p.Modified), ARN: p.ARN, DataType: p.DataType,
	}
}

func parameterShapes(all []ssm.Parameter) []parameter {
	out := []parameter{}
	for _, p := range all {
		out = append(out, parameterShape(p))
	}
	return out
}

type getInput struct {
	Name           string
	WithDecryption bool
}

type getOutput struct{ Parameter parameter }

func getParameter(c *call, in *getInput) (getOutput, error) {
	p, err := c.ssm.GetParameter(c.ctx, c.caller, c.region, in.Name, in.WithDecryption)
	return getOutput{parameterShape(p)}, err
}

type getManyInput struct {
	Names          []string
	WithDecryption bool
}

type getManyOutput struct {
	Parameters        []parameter
	InvalidParameters []string
}

func getParameters(c *call, in *getManyInput) (getManyOutput, error) {
	found, missing, err := c.ssm.GetParameters(c.ctx, c.caller, c.region, in.Names, in.WithDecryption)
	return getManyOutput{parameterShapes(found), append([]string{}, missing...)}, err
}

type filterShape struct {
	Key, Option string
	Values      []string
}

func filtersOf(list []filterShape) []ssm.Filter {
	var out []ssm.Filter
	for _, f := range list {
		out = append(out, ssm.Filter{Key: f.Key, Option: f.Option, Values: f.Values})
	}
	return out
}

type byPathInput struct {
	paging
	Path                      string
	Recursive, WithDecryption bool
	ParameterFilters          []filterShape
}

type byPathOutput struct {
	Parameters []parameter
	NextToken  string `json:",omitempty"`
}

func getParametersByPath(c *call, in *byPathInput) (out byPathOutput, err error) {
	all, err := c.ssm.GetParametersByPath(c.ctx, c.caller, c.region, in.Path, in.Recursive, in.WithDecryption, filtersOf(in.ParameterFilters))
	if err != nil {
		return out, err
	}
	part, next, err := page(all, in.paging, 10, func(p ssm.Parameter) string { return p.Name })
	return byPathOutput{parameterShapes(part), next}, err
}

// metadata is the model's ParameterMetadata, and with Value and Labels its ParameterHistory.
type metadata struct {
	Name             string
	ARN              string `json:",omitempty"` // of metadata
	Type             string
	KeyId            string `json:",omitempty"`
	LastModifiedDate epoch
	LastModifiedUser string
	Description      string    `json:",omitempty"`
	Value            *string   `json:",omitempty"` // of history
	AllowedPattern   string    `json:",omitempty"`
	Labels           *[]string `json:",omitempty"` // of history
	Version          int64
	Tier             string
	Policies         []struct{}
	DataType         string
}

func metadataShape(p ssm.Parameter) metadata {
	return metadata{
		Name: p.Name, ARN: p.ARN, Type: p.Type, KeyId: p.KeyID, LastModifiedDate: seconds(p.Modified), LastModifiedUser: p.ModifiedBy, Description: p.Description,
		AllowedPattern: p.AllowedPattern, Version: p.Version, Tier: p.Tier, Policies: []struct{}{}, DataType: p.DataType,
	}
}

type describeInput struct {
	paging
	ParameterFilters []filterShape
	Filters          []filterShape // the older form, without an option: a name's beginning
}

type metadataOutput struct {
	Parameters []metadata
	NextToken  string `json:",omitempty"`
}

func describeParameters(c *call, in *describeInput) (out metadataOutput, err error) {
	filters := filtersOf(in.ParameterFilters)
	for _, f := range filtersOf(in.Filters) {
		if f.Key == "Name" {
			f.Option = "BeginsWith"
		}
		filters = append(filters, f)
	}
	all, err := c.ssm.DescribeParameters(c.ctx, c.caller, c.region, filters)
	if err != nil {
		return out, err
	}
	part, next, err := page(all, in.paging, 50, func(p ssm.Parameter) string { return p.Name })
	out = metadataOutput{[]metadata{}, next}
	for _, p := range part {
		out.Parameters = append(out.Parameters, metadataShape(p))
	}
	return out, err
}

type historyInput struct {
	paging
	getInput
}

func getParameterHistory(c *call, in *historyInput) (out metadataOutput, err error) {
	all, err := c.ssm.GetParameterHistory(c.ctx, c.caller, c.region, in.Name, in.WithDecryption)
	if err != nil {
		return out, err
	}
	part, next, err := page(all, in.paging, 50, func(p ssm.Parameter) string { return strconv.FormatInt(p.Version, 10) })
	out = metadataOutput{[]metadata{}, next}
	for _, p := range part {
		m := metadataShape(p)
		labels := append([]string{}, p.Labels...)
		m.ARN, m.Value, m.Labels = "", &p.Value, &labels
		out.Parameters = append(out.Parameters, m)
	}
	return out, err
}

type nothing struct{}

func deleteParameter(c *call, in *getInput) (nothing, error) {
	return nothing{}, c.ssm.DeleteParameter(c.ctx, c.caller, c.region, in.Name)
}

type deleteManyOutput struct{ DeletedParameters, InvalidParameters []string }

func deleteParameters(c *call, in *getManyInput) (deleteManyOutput, error) {
	deleted, missing, err := c.ssm.DeleteParameters(c.ctx, c.caller, c.region, in.Names)
	return deleteManyOutput{append([]string{}, deleted...), append([]string{}, missing...)}, err
}

type labelInput struct {
	Name             string
	ParameterVersion int64
	Labels           []string
}

type labelOutput struct {
	InvalidLabels    []string
	ParameterVersion int64
}

func labelParameterVersion(c *call, in *labelInput) (labelOutput, error) {
	bad, number, err := c.ssm.LabelParameterVersion(c.ctx, c.caller, c.region, in.Name, in.ParameterVersion, in.Labels)
	return labelOutput{append([]string{}, bad...), number}, err
}

type unlabelOutput struct{ RemovedLabels, InvalidLabels []string }

func unlabelParameterVersion(c *call, in *labelInput) (unlabelOutput, error) {
	removed, bad, err := c.ssm.UnlabelParameterVersion(c.ctx, c.caller, c.region, in.Name, in.ParameterVersion, in.Labels)
	return unlabelOutput{append([]string{}, removed...), append([]string{}, bad...)}, err
}

type resourceInput struct {
	ResourceType, ResourceID string
	Tags                     []tag
	TagKeys                  []string
}

// check refuses the tags of anything but parameters.
func (in *resourceInput) check() error {
	if in.ResourceType != "Parameter" {
		return fault.New("InvalidResourceType", "The resource type %q is not valid: glassine has parameters alone.", in.ResourceType)
	}
	return nil
}

func addTags(c *call, in *resourceInput) (nothing, error) {
	if err := in.check(); err != nil {
		return nothing{}, err
	}
	return nothing{}, c.ssm.AddTagsToResource(c.ctx, c.caller, c.region, in.ResourceID, tagsOf(in.Tags))
}

func removeTags(c *call, in *resourceInput) (nothing, error) {
	if err := in.check(); err != nil {
		return nothing{}, err
	}
	return nothing{}, c.ssm.RemoveTagsFromResource(c.ctx, c.caller, c.region, in.ResourceID, slices.Clone(in.TagKeys))
}

type tagsOutput struct{ TagList []tag }

func listTags(c *call, in *resourceInput) (out tagsOutput, err error) {
	if err := in.check(); err != nil {
		return out, err
	}
	tags, err := c.ssm.ListTagsForResource(c.ctx, c.caller, c.region, in.ResourceID)
	out.TagList = []tag{}
	for k, v := range tags {
		out.TagList = append(out.TagList, tag{k, v})
	}
	slices.SortFunc(out.TagList, func(a, b tag) int { return strings.Compare(a.Key, b.Key) })
	return out, err
}
