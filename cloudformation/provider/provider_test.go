package provider

import (
	"slices"
	"strings"
	"testing"

	"glassine/cloudformation"
	"glassine/edge"
)

// every is the types, of services that are not asked for anything.
func every() []*cloudformation.Type { return Types(Services{Edge: &edge.Edge{}}) }

func TestTypesThatTemplatesOfTheArchitectureUse(t *testing.T) {
	types := cloudformation.NewTypes(every()...)
	for _, name := range []string{
		"AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::S3::AccessPoint", "AWS::S3ObjectLambda::AccessPoint", "AWS::S3ObjectLambda::AccessPointPolicy",
		"AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::User", "AWS::IAM::AccessKey", "AWS::IAM::Group",
		"AWS::Lambda::Function", "AWS::Lambda::Version", "AWS::Lambda::Alias", "AWS::Lambda::Permission", "AWS::Lambda::LayerVersion", "AWS::Lambda::EventInvokeConfig",
		"AWS::Logs::LogGroup", "AWS::SSM::Parameter", "AWS::CloudFront::Distribution", "AWS::CloudFront::CachePolicy", "AWS::CloudFront::OriginRequestPolicy",
		"AWS::CloudFront::ResponseHeadersPolicy", "AWS::CloudFront::OriginAccessControl", "AWS::CloudFront::Function", "AWS::CloudFront::PublicKey", "AWS::CloudFront::KeyGroup",
		"AWS::CDK::Metadata", "AWS::CloudFormation::WaitConditionHandle", "AWS::KMS::Key", "AWS::KMS::Alias", "AWS::ECR::Repository",
		"Custom::S3AutoDeleteObjects", "Custom::LogRetention", "Custom::AWS",
	} {
		if types.Find(name) == nil {
			t.Errorf("there is no type %s", name)
		}
	}
}

// A type says of itself what the engine goes by.
func TestTypesAreWhole(t *testing.T) {
	for _, x := range every() {
		h, ok := x.Handler.(handler)
		if !ok || h.create == nil || h.read == nil || h.delete == nil {
			t.Errorf("%s cannot be created, read and deleted", x.Name)
		}
		changeable := false
		for name, p := range x.Properties {
			changeable = changeable || !p.Replace
			checkProperty(t, x.Name+" "+name, p)
		}
		if changeable && h.update == nil && !x.AnyProperty && len(x.Properties) > 0 {
			t.Errorf("%s has properties that do not replace it, and no update", x.Name)
		}
		if x.NameProperty != "" && !x.Properties[x.NameProperty].Replace {
			t.Errorf("%s: another %s does not replace it", x.Name, x.NameProperty)
		}
		if strings.HasPrefix(x.Name, "AWS::IAM::") != x.Capability {
			t.Errorf("%s: capability %v", x.Name, x.Capability)
		}
		if x.Taggable && x.Properties["Tags"] == nil {
			t.Errorf("%s takes tags of stacks, and none of its own", x.Name)
		}
		if all := slices.Sorted(slices.Values(x.Attributes)); len(slices.Compact(all)) != len(x.Attributes) {
			t.Errorf("%s has an attribute twice: %v", x.Name, x.Attributes)
		}
	}
}

func checkProperty(t *testing.T, name string, p *property) {
	t.Helper()
	if (p.Kind == cloudformation.Object) != (p.Fields != nil) {
		t.Errorf("%s: kind %v with %d fields", name, p.Kind, len(p.Fields))
	}
	for k, f := range p.Fields {
		checkProperty(t, name+"."+k, f)
	}
	if p.Items != nil {
		checkProperty(t, name+"[]", p.Items)
	}
}

// Names are CloudFormation's: what policies of the architecture rest on.
func TestGeneratedNames(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		typeName, logical, prefix string
		most                      int
	}{
		{"AWS::Lambda::Function", "lambdaexiffnB71C4E52", "anon-s3-ol-storage-lambdaexiffnB71C4E52-", 64},
		{"AWS::Logs::LogGroup", "G", "anon-s3-ol-storage-G-", 512},
	} {
		q := r.request(c.typeName, values{"Role": "arn:aws:iam::" + account + ":role/r", "Code": "glassine://image"})
		q.StackName, q.LogicalID = "anon-s3-ol-storage", c.logical
		if name := named(q, "Name", c.most); !strings.HasPrefix(name, c.prefix) || len(name) > c.most || name != named(q, "Name", c.most) {
			t.Errorf("%s is named %q, want %s<random>, always the same", c.typeName, name, c.prefix)
		}
		other := *q
		other.Token = "token-2"
		if named(q, "Name", c.most) == named(&other, "Name", c.most) {
			t.Errorf("%s: two operations make the same name", c.typeName)
		}
	}
	q := r.request("AWS::S3::Bucket", values{})
	q.StackName, q.LogicalID = strings.Repeat("Long", 20), strings.Repeat("Bucket", 20)
	if name := lowerNamed(q, "BucketName", 63); len(name) > 63 || name != strings.ToLower(name) || !strings.Contains(name, "longlong") || !strings.Contains(name, "bucketbucket") {
		t.Errorf("bucket is named %q", name)
	}
}
