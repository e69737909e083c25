package provider

import (
	"context"
	"slices"
	"strings"
	"time"

	"glassine/cloudformation"
	"glassine/logs"
	"glassine/ssm"
)

// records are the types of CloudWatch Logs and Systems Manager.
func (s Services) records() []*cloudformation.Type {
	return []*cloudformation.Type{
		{
			Name: "AWS::Logs::LogGroup", NameProperty: "LogGroupName", Taggable: true,
			Properties: fields{
				"LogGroupName": fixed(text()), "RetentionInDays": integer(), "LogGroupClass": enum("STANDARD"), "Tags": tagList(),
			},
			Attributes: []string{"Arn"},
			Handler:    handler{create: s.createGroupOfLogs, update: s.updateGroupOfLogs, read: s.readGroupOfLogs, delete: s.deleteGroupOfLogs},
		},
		{
			Name:       "AWS::Logs::LogStream",
			Properties: fields{"LogGroupName": fixed(required(text())), "LogStreamName": fixed(text())},
			Handler:    handler{create: s.createStream, read: s.readStream, delete: s.deleteStream},
		},
		{
			Name: "AWS::SSM::Parameter", NameProperty: "Name", Taggable: true,
			Properties: fields{
				"Name": fixed(text()), "Type": required(enum(ssm.String, ssm.StringList)), "Value": required(text()), "Description": text(), "AllowedPattern": text(),
				"DataType": enum("text"), "Tier": enum(ssm.Standard, ssm.Advanced, ssm.IntelligentTiering), "Tags": mapOf(text()),
			},
			Attributes: []string{"Type", "Value", "Arn"},
			Handler:    handler{create: s.createParameter, update: s.updateParameter, read: s.readParameter, delete: s.deleteParameter},
		},
	}
}

func (s Services) createGroupOfLogs(ctx context.Context, r *request) (resource, error) {
	name := named(r, "LogGroupName", 512)
	err := s.Logs.CreateLogGroup(ctx, r.Caller, r.Region, name, tagsOf(r.Tags, r.Properties["Tags"]))
	if retake(r, err, []string{"ResourceAlreadyExistsException"}, func() (time.Time, error) {
		g, err := s.group(ctx, r, name)
		return g.Created, err
	}) {
		err = nil
	}
	if err != nil {
		return resource{}, err
	}
	if err := each(func() error { return r.Note(ctx, name) }, func() error { return s.retain(ctx, r, name) }); err != nil {
		return resource{PhysicalID: name}, err
	}
	r2 := *r
	r2.PhysicalID = name
	return s.readGroupOfLogs(ctx, &r2)
}

// group is the group of exactly that name.
func (s Services) group(ctx context.Context, r *request, name string) (logs.Described, error) {
	all, err := s.Logs.DescribeLogGroups(ctx, r.Caller, r.Region, name, "")
	if err != nil {
		return logs.Described{}, err
	}
	i := slices.IndexFunc(all, func(g logs.Described) bool { return g.Name == name })
	if i < 0 {
		return logs.Described{}, cloudformation.ErrNotFound
	}
	return all[i], nil
}

func (s Services) retain(ctx context.Context, r *request, name string) error {
	if !changed(r, "RetentionInDays") {
		return nil
	}
	if days := intOf(r.Properties["RetentionInDays"]); days > 0 {
		return s.Logs.PutRetentionPolicy(ctx, r.Caller, r.Region, name, days)
	}
	return s.Logs.DeleteRetentionPolicy(ctx, r.Caller, r.Region, name)
}

func (s Services) updateGroupOfLogs(ctx context.Context, r *request) (resource, error) {
	err := each(
		func() error { return s.retain(ctx, r, r.PhysicalID) },
		func() error {
			set, removed := retagged(r)
			if len(set) > 0 {
				if err := s.Logs.TagLogGroup(ctx, r.Caller, "TagResource", r.Region, r.PhysicalID, set); err != nil {
					return err
				}
			}
			if len(removed) > 0 {
				return s.Logs.UntagLogGroup(ctx, r.Caller, "UntagResource", r.Region, r.PhysicalID, removed)
			}
			return nil
		},
	)
	if err != nil {
		return resource{}, err
	}
	return s.readGroupOfLogs(ctx, r)
}

// readGroupOfLogs: templates get the ARN with :* behind it. (CloudFormation Template Reference, AWS::Logs::LogGroup.)
func (s Services) readGroupOfLogs(ctx context.Context, r *request) (resource, error) {
	g, err := s.group(ctx, r, r.PhysicalID)
	if err != nil {
		return resource{}, err
	}
	return resource{PhysicalID: g.Name, Attributes: values{"Arn": g.ARN + ":*"}}, nil
}

func (s Services) deleteGroupOfLogs(ctx context.Context, r *request) error {
	return deleted(s.Logs.DeleteLogGroup(ctx, r.Caller, r.Region, r.PhysicalID))
}

func (s Services) createStream(ctx context.Context, r *request) (resource, error) {
	name := named(r, "LogStreamName", 512)
	group := r.Properties.Text("LogGroupName")
	err := s.Logs.CreateLogStream(ctx, r.Caller, r.Region, group, name)
	if retake(r, err, []string{"ResourceAlreadyExistsException"}, func() (time.Time, error) {
		st, err := s.stream(ctx, r, name)
		return time.UnixMilli(st.Created), err
	}) {
		err = nil
	}
	if err != nil {
		return resource{}, err
	}
	return resource{PhysicalID: name}, nil
}

func (s Services) stream(ctx context.Context, r *request, name string) (logs.Stream, error) {
	all, err := s.Logs.DescribeLogStreams(ctx, r.Caller, r.Region, r.Properties.Text("LogGroupName"), name, false, false)
	if err != nil {
		return logs.Stream{}, err
	}
	i := slices.IndexFunc(all, func(st logs.Stream) bool { return st.Name == name })
	if i < 0 {
		return logs.Stream{}, cloudformation.ErrNotFound
	}
	return all[i], nil
}

func (s Services) readStream(ctx context.Context, r *request) (resource, error) {
	_, err := s.stream(ctx, r, r.PhysicalID)
	return found(resource{PhysicalID: r.PhysicalID}, err)
}

func (s Services) deleteStream(ctx context.Context, r *request) error {
	return deleted(s.Logs.DeleteLogStream(ctx, r.Caller, r.Region, r.Properties.Text("LogGroupName"), r.PhysicalID))
}

func parameterOf(r *request, name string) ssm.Put {
	p := r.Properties
	return ssm.Put{
		Name: name, Value: p.Text("Value"), Type: p.Text("Type"), DataType: p.Text("DataType"), Description: p.Text("Description"), AllowedPattern: p.Text("AllowedPattern"),
		Tier: p.Text("Tier"),
	}
}

// createParameter names a parameter without a name as CloudFormation does: CFN, the logical id, and an end of its own.
func (s Services) createParameter(ctx context.Context, r *request) (resource, error) {
	name := r.Properties.Text("Name")
	if name == "" {
		generated := r.Name(255)
		name = "CFN-" + r.LogicalID + generated[strings.LastIndexByte(generated, '-'):]
	}
	put := parameterOf(r, name)
	put.Tags = tagsOf(r.Tags, r.Properties["Tags"])
	_, _, err := s.SSM.PutParameter(ctx, r.Caller, r.Region, put)
	if retake(r, err, []string{"ParameterAlreadyExists"}, func() (time.Time, error) {
		p, err := s.SSM.GetParameter(ctx, r.Caller, r.Region, name, false)
		return p.Modified, err
	}) {
		err = nil
	}
	if err != nil {
		return resource{}, err
	}
	return s.parameterResource(r, name), nil
}

func (s Services) parameterResource(r *request, name string) resource {
	return resource{PhysicalID: name, Attributes: values{"Type": r.Properties.Text("Type"), "Value": r.Properties.Text("Value"), "Arn": s.SSM.ARN(r.Region, name)}}
}

func (s Services) updateParameter(ctx context.Context, r *request) (resource, error) {
	name := r.PhysicalID
	err := each(
		func() error {
			if !changed(r, "Value", "Type", "Description", "AllowedPattern", "Tier", "DataType") {
				return nil
			}
			put := parameterOf(r, name)
			put.Overwrite = true
			_, _, err := s.SSM.PutParameter(ctx, r.Caller, r.Region, put)
			return err
		},
		func() error {
			set, removed := retagged(r)
			if len(set) > 0 {
				if err := s.SSM.AddTagsToResource(ctx, r.Caller, r.Region, name, set); err != nil {
					return err
				}
			}
			if len(removed) > 0 {
				return s.SSM.RemoveTagsFromResource(ctx, r.Caller, r.Region, name, removed)
			}
			return nil
		},
	)
	if err != nil {
		return resource{}, err
	}
	return s.parameterResource(r, name), nil
}

func (s Services) readParameter(ctx context.Context, r *request) (resource, error) {
	p, err := s.SSM.GetParameter(ctx, r.Caller, r.Region, r.PhysicalID, false)
	return found(resource{PhysicalID: p.Name, Attributes: values{"Type": p.Type, "Value": p.Value, "Arn": p.ARN}}, err)
}

func (s Services) deleteParameter(ctx context.Context, r *request) error {
	return deleted(s.SSM.DeleteParameter(ctx, r.Caller, r.Region, r.PhysicalID))
}
