package logsapi

import (
	"maps"
	"slices"

	"glassine/aws/fault"
	"glassine/logs"
)

// groupInput names a group, and is all that operations on one take.
type groupInput struct {
	LogGroupName    string            `json:"logGroupName"`
	KmsKeyID        string            `json:"kmsKeyId"`
	LogGroupClass   string            `json:"logGroupClass"`
	RetentionInDays int               `json:"retentionInDays"`
	Tags            map[string]string `json:"tags"`
}

func createGroup(c *call, in *groupInput) error {
	if in.KmsKeyID != "" {
		return fault.New("InvalidParameterException", "kmsKeyId is not supported by glassine: it has no KMS.")
	}
	return c.logs.CreateLogGroup(c.ctx, c.caller, c.region, in.LogGroupName, in.Tags)
}

func deleteGroup(c *call, in *groupInput) error {
	return c.logs.DeleteLogGroup(c.ctx, c.caller, c.region, in.LogGroupName)
}

func putRetention(c *call, in *groupInput) error {
	return c.logs.PutRetentionPolicy(c.ctx, c.caller, c.region, in.LogGroupName, in.RetentionInDays)
}

func deleteRetention(c *call, in *groupInput) error {
	return c.logs.DeleteRetentionPolicy(c.ctx, c.caller, c.region, in.LogGroupName)
}

type describeGroupsInput struct {
	paging
	Prefix  string `json:"logGroupNamePrefix"`
	Pattern string `json:"logGroupNamePattern"`
}

type groupShape struct {
	LogGroupName      string `json:"logGroupName"`
	CreationTime      int64  `json:"creationTime"` // ms since 1970, as all times here
	RetentionInDays   int    `json:"retentionInDays,omitempty"`
	MetricFilterCount int    `json:"metricFilterCount"`
	Arn               string `json:"arn"`
	LogGroupArn       string `json:"logGroupArn"`
	LogGroupClass     string `json:"logGroupClass"`
	StoredBytes       int64  `json:"storedBytes"`
}

type describeGroupsOutput struct {
	LogGroups []groupShape `json:"logGroups"`
	NextToken string       `json:"nextToken,omitempty"`
}

func describeGroups(c *call, in *describeGroupsInput) (out describeGroupsOutput, err error) {
	all, err := c.logs.DescribeLogGroups(c.ctx, c.caller, c.region, in.Prefix, in.Pattern)
	if err != nil {
		return out, err
	}
	part, next, err := page(all, in.paging, func(g logs.Described) string { return g.Name })
	out.NextToken, out.LogGroups = next, []groupShape{}
	for _, g := range part {
		out.LogGroups = append(out.LogGroups, groupShape{
			LogGroupName: g.Name, CreationTime: g.Created.UnixMilli(), RetentionInDays: g.Retention, Arn: g.ARN + ":*", LogGroupArn: g.ARN,
			LogGroupClass: "STANDARD", StoredBytes: g.StoredBytes,
		})
	}
	return out, err
}

type tagsOutput struct {
	Tags map[string]string `json:"tags"`
}

func tagGroup(c *call, in *groupInput) error {
	return c.logs.TagLogGroup(c.ctx, c.caller, "TagLogGroup", c.region, in.LogGroupName, in.Tags)
}

type untagInput struct {
	LogGroupName string   `json:"logGroupName"`
	Tags         []string `json:"tags"`
}

func untagGroup(c *call, in *untagInput) error {
	return c.logs.UntagLogGroup(c.ctx, c.caller, "UntagLogGroup", c.region, in.LogGroupName, in.Tags)
}

func listGroupTags(c *call, in *groupInput) (tagsOutput, error) {
	tags, err := c.logs.ListTags(c.ctx, c.caller, "ListTagsLogGroup", c.region, in.LogGroupName)
	return tagsOutput{orEmpty(tags)}, err
}

type resourceInput struct {
	ResourceArn string            `json:"resourceArn"`
	Tags        map[string]string `json:"tags"`
	TagKeys     []string          `json:"tagKeys"`
}

func tagResource(c *call, in *resourceInput) error {
	region, group, err := c.groupOf("", in.ResourceArn)
	if err != nil {
		return err
	}
	return c.logs.TagLogGroup(c.ctx, c.caller, "TagResource", region, group, in.Tags)
}

func untagResource(c *call, in *resourceInput) error {
	region, group, err := c.groupOf("", in.ResourceArn)
	if err != nil {
		return err
	}
	return c.logs.UntagLogGroup(c.ctx, c.caller, "UntagResource", region, group, slices.Clone(in.TagKeys))
}

func listResourceTags(c *call, in *resourceInput) (tagsOutput, error) {
	region, group, err := c.groupOf("", in.ResourceArn)
	if err != nil {
		return tagsOutput{}, err
	}
	tags, err := c.logs.ListTags(c.ctx, c.caller, "ListTagsForResource", region, group)
	return tagsOutput{orEmpty(tags)}, err
}

func orEmpty(tags map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, tags)
	return out
}
