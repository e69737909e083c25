package client

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"glassine/aws/fault"
)

// elsewhere is a template of another account, with things that are not here.
const elsewhere = `
Parameters: {Zone: {Type: String, Default: z}}
Resources:
  Bucket: {Type: AWS::S3::Bucket, DeletionPolicy: Retain, Properties: {BucketName: photos-999988887777, AccelerateConfiguration: {AccelerationStatus: Enabled}}}
  Certificate: {Type: AWS::CertificateManager::Certificate, Properties: {DomainName: example.com}}
  Firewall: {Type: AWS::WAFv2::WebACL}
  Fn:
    Type: AWS::Lambda::Function
    DependsOn: [Firewall, Role]
    Properties:
      Code: {S3Bucket: their-code, S3Key: fn.zip}
      Role: arn:aws:iam::999988887777:role/r
      Layers: ["arn:aws:lambda:us-east-1:580247275435:layer:LambdaInsights:14"]
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: p
          PolicyDocument: {Statement: [{Effect: Allow, Action: a, Resource: !GetAtt Firewall.Arn}, {Effect: Allow, Action: b, Resource: "*"}]}
  Cdn:
    Type: AWS::CloudFront::Distribution
    Properties:
      DistributionConfig:
        WebACLId: !GetAtt Firewall.Arn
        Comment: "not 19999888877770"
        ViewerCertificate: {AcmCertificateArn: !Ref Certificate, SslSupportMethod: sni-only}
Outputs:
  Acl: {Value: !Sub "${Firewall}"}
  Name: {Value: !Ref Bucket}
`

func TestAdapt(t *testing.T) {
	a := Adapt(template(t, elsewhere), testAccount, "")
	for _, refusal := range []string{
		"Template format error: Unrecognized resource types: [AWS::CertificateManager::Certificate] (line 5, column 3)",
		"Template format error: Unrecognized resource types: [AWS::WAFv2::WebACL]",
		"Properties validation failed for resource Bucket with message: #/AccelerateConfiguration: extraneous key [AccelerateConfiguration] is not permitted; did you mean X?",
	} {
		if !a.Without(fault.New("ValidationError", "%s", refusal)) {
			t.Fatalf("nothing is left out for %s", refusal)
		}
	}
	for _, other := range []error{fault.New("ValidationError", "Parameters: [P] must have values"), os.ErrNotExist, fault.New("ValidationError", "Template format error: Unrecognized resource types: [AWS::None]")} {
		if a.Without(other) {
			t.Errorf("something is left out for %v", other)
		}
	}
	if err := a.Code(map[string]string{"Fn": "glassine://image"}, nil); err != nil {
		t.Fatal(err)
	}
	out, err := a.Template()
	if err != nil {
		t.Fatal(err)
	}
	want := template(t, `
Parameters: {Zone: {Type: String, Default: z}}
Resources:
  Bucket: {Type: AWS::S3::Bucket, DeletionPolicy: Retain, Properties: {BucketName: photos-123456789012}}
  Fn:
    Type: AWS::Lambda::Function
    DependsOn: [Role]
    Properties: {Code: glassine://image, Role: "arn:aws:iam::123456789012:role/r", Layers: []}
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies: [{PolicyName: p, PolicyDocument: {Statement: [!Ref AWS::NoValue, {Effect: Allow, Action: b, Resource: "*"}]}}]
  Cdn: {Type: AWS::CloudFront::Distribution, Properties: {DistributionConfig: {Comment: "not 19999888877770"}}}
Outputs:
  Name: {Value: !Ref Bucket}
`)
	if diff := cmp.Diff(want.Value(), out.Value()); diff != "" {
		t.Errorf("template (-want +got):\n%s", diff)
	}
	var got []string
	for _, n := range a.Notes {
		got = append(got, n.Kind+" "+n.Path)
	}
	for _, want := range []string{
		"kept Resources/Bucket/DeletionPolicy", "kept Resources/Bucket/Properties/BucketName", "rewritten Resources/Fn/Properties/Role", "left out Resources/Fn/Properties/Layers",
		"left out Resources/Firewall", "left out Resources/Cdn/Properties/DistributionConfig/ViewerCertificate", "left out Resources/Cdn/Properties/DistributionConfig/WebACLId",
		"left out Resources/Role/Properties/Policies/0/PolicyDocument/Statement/0", "left out Outputs/Acl", "left out Resources/Bucket/Properties/AccelerateConfiguration",
		"rewritten Resources/Fn/Properties/Code",
	} {
		if !strings.Contains("\n"+strings.Join(got, "\n")+"\n", "\n"+want+"\n") {
			t.Errorf("there is no note %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
}

// A function whose code is in somebody's bucket is told, unless the same object is here.
func TestAdaptCode(t *testing.T) {
	a := Adapt(template(t, elsewhere), testAccount, "")
	has := func(there bool) func(string, string) (bool, error) {
		return func(bucket, key string) (bool, error) { return there && bucket == "their-code" && key == "fn.zip", nil }
	}
	if err := a.Code(nil, has(false)); err == nil || !strings.Contains(err.Error(), "--code Fn=") {
		t.Errorf("without code: %v", err)
	}
	if err := a.Code(nil, has(true)); err != nil {
		t.Errorf("with the object here: %v", err)
	}
	if err := a.Code(map[string]string{"Nobody": "x"}, has(true)); err == nil {
		t.Error("code for no function was taken")
	}
}

func TestReadExported(t *testing.T) {
	const body = `{"Resources":{"A":{"Type":"T"}}}`
	for name, text := range map[string]string{
		"a template": body, "an answer with an object": `{"TemplateBody":` + body + `,"StagesAvailable":["Original"]}`,
		"an answer with text": `{"TemplateBody":"Resources:\n  A: {Type: T}\n"}`, "an answer in YAML": "StagesAvailable: [Original]\nTemplateBody: |\n  Resources:\n    A: {Type: T}\n",
	} {
		tpl, err := ReadExported("x", text)
		if err != nil || mustJSON(t, tpl.Value()) != body {
			t.Errorf("%s: %v, %v", name, tpl, err)
		}
	}
	if _, err := ReadExported("x", `{"TemplateBody":1}`); err == nil {
		t.Error("what is no template was read")
	}
}

// A cdk.out of another account goes to this one, its assets too.
func TestMoveAssembly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := testAssembly(t)
		for _, name := range []string{"manifest.json", "c.assets.json"} {
			text, err := os.ReadFile(dir + "/" + name)
			if err != nil {
				t.Fatal(err)
			}
			write(t, dir+"/"+name, strings.NewReplacer(testAccount, "999988887777", "${AWS::AccountId}", "999988887777").Replace(string(text)))
		}
		assembly, err := ReadAssembly(dir)
		if err != nil {
			t.Fatal(err)
		}
		fake, c := newFakeAWS(t)
		if _, err := (&Deployer{Client: c}).DeployAssembly(t.Context(), assembly, nil); err == nil || !strings.Contains(err.Error(), "glassine import") {
			t.Errorf("a stack of another account: %v", err)
		}
		for _, s := range assembly.Stacks {
			if _, err := s.Move(testAccount); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := (&Deployer{Client: c}).DeployAssembly(t.Context(), assembly, nil); err != nil {
			t.Fatal(err)
		}
		if _, ok := fake.objects["staging-"+testAccount+"-us-east-1/code.zip"]; !ok {
			t.Error("the asset did not come along")
		}
	})
}
