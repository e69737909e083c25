package cloudformation

import (
	"encoding/json"
	"strings"
	"testing"

	"glassine/state"
)

// frame is a template around a value to compute.
const frame = `
Parameters:
  Env: {Type: String, Default: prod}
  Ports: {Type: "List<Number>", Default: "80, 443"}
  Names: {Type: CommaDelimitedList, Default: "a,b,c"}
  Stored: {Type: "AWS::SSM::Parameter::Value<String>", Default: /a}
  StoredList: {Type: "AWS::SSM::Parameter::Value<List<String>>", Default: /list}
Mappings:
  Sizes:
    prod: {Count: 3, Zones: [x, y]}
    dev: {Count: 1}
Conditions:
  IsProd: !Equals [!Ref Env, prod]
  IsDev: !Equals [!Ref Env, dev]
  Both: !And [!Condition IsProd, !Not [!Condition IsDev]]
  Either: !Or [Condition: IsDev, !Equals [true, "true"]]
Resources:
  Other: {Type: Test::Thing, Properties: {Size: 7}}
  X:
    Type: Test::Thing
    Properties:
      Doc:
        v: VALUE
`

// valueOf is what a stack makes of a value: text is JSON or YAML.
func valueOf(t *testing.T, r *rig, text string) (any, error) {
	t.Helper()
	in := r.input(strings.Replace(frame, "VALUE", text, 1))
	id, err := r.CreateStack(t.Context(), r.caller, in)
	if err != nil {
		return nil, err
	}
	r.ends(id, CreateComplete)
	v := r.find(region, id).resources["X"].Properties["Doc"].(map[string]any)["v"]
	r.delete(id, DeleteComplete)
	return v, nil
}

func TestFunctions(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ name, text, want string }{
		{"a scalar stays what it is", `12`, `12`},
		{"a number whose text says more stays text", `"012"`, `"012"`},
		{"an unquoted number that begins with zero stays text", `012345678901`, `"012345678901"`},
		{"a date stays text", `2012-10-17`, `"2012-10-17"`},
		{"Ref of a parameter", `!Ref Env`, `"prod"`},
		{"Ref of a list parameter", `!Ref Ports`, `["80","443"]`},
		{"Ref of an SSM parameter is its value", `!Ref Stored`, `"one"`},
		{"Ref of an SSM list", `!Ref StoredList`, `["x","y"]`},
		{"Ref of pseudo parameters", `[!Ref "AWS::Region", !Ref "AWS::AccountId", !Ref "AWS::Partition", !Ref "AWS::URLSuffix", !Ref "AWS::StackName"]`, `["us-east-1","123456789012","aws","amazonaws.com","demo"]`},
		{"what has no value is left out of a list", `[1, !Ref "AWS::NoValue", 2]`, `[1,2]`},
		{"what has no value is left out of an object", `{a: !Ref "AWS::NoValue", b: 1}`, `{"b":1}`},
		{"GetAtt of a number", `!GetAtt Other.Size`, `7`},
		{"GetAtt in its long form", `{"Fn::GetAtt": [Other, Size]}`, `7`},
		{"GetAtt in its long form with text", `{"Fn::GetAtt": Other.Size}`, `7`},
		{"Sub of parameters, attributes and literals", `!Sub "${Env}-${Other.Size}-${AWS::Region}-${!Literal}-$LATEST-${"`, `"prod-7-us-east-1-${Literal}-$LATEST-${"`},
		{"Sub with variables", `!Sub ["${a}/${Env}/${b}", {a: !Ref Stored, b: 4}]`, `"one/prod/4"`},
		{"Sub trims what is in braces", `!Sub "${ Env }"`, `"prod"`},
		{"Join", `!Join ["-", [a, !Ref Env, 3]]`, `"a-prod-3"`},
		{"Join of a list parameter", `!Join ["+", !Ref Names]`, `"a+b+c"`},
		{"Join leaves out what has no value", `!Join ["-", [a, !Ref "AWS::NoValue", b]]`, `"a-b"`},
		{"Split", `!Split [",", "x,y,,z"]`, `["x","y","","z"]`},
		{"Select", `!Select [1, !Ref Names]`, `"b"`},
		{"Select by text", `!Select ["0", [p, q]]`, `"p"`},
		{"Select of a Split of a Sub", `!Select [1, !Split ["-", !Sub "x-${Env}"]]`, `"prod"`},
		{"FindInMap", `!FindInMap [Sizes, !Ref Env, Count]`, `3`},
		{"FindInMap of a list", `!FindInMap [Sizes, prod, Zones]`, `["x","y"]`},
		{"FindInMap with a default", `!FindInMap [Sizes, dev, Zones, DefaultValue: [z]]`, `["z"]`},
		{"If takes a branch", `[!If [IsProd, p, d], !If [IsDev, d, p]]`, `["p","p"]`},
		{"If that has no value", `{a: !If [IsDev, 1, !Ref "AWS::NoValue"]}`, `{}`},
		{"If by other conditions", `[!If [Both, 1, 2], !If [Either, 1, 2]]`, `[1,1]`},
		{"a member named Condition is no condition", `{Effect: Allow, Condition: {StringEquals: {"aws:x": !If [IsProd, 1, 2]}}}`, `{"Condition":{"StringEquals":{"aws:x":1}},"Effect":"Allow"}`},
		{"an object of one member named Condition", `{Condition: {Bool: {"aws:SecureTransport": false}}}`, `{"Condition":{"Bool":{"aws:SecureTransport":false}}}`},
		{"Base64", `!Base64 "hello"`, `"aGVsbG8="`},
		{"Base64 of a function in its long form", "\n          Fn::Base64: !Sub '${Env}'", `"cHJvZA=="`},
		{"Cidr", `!Cidr ["10.0.0.0/16", 3, 8]`, `["10.0.0.0/24","10.0.1.0/24","10.0.2.0/24"]`},
		{"Cidr of six", `!Cidr ["2001:db8::/48", 2, 64]`, `["2001:db8::/64","2001:db8:0:1::/64"]`},
		{"GetAZs", `!GetAZs ""`, `["us-east-1a","us-east-1b","us-east-1c"]`},
		{"Length", `{"Fn::Length": !Ref Names}`, `3`},
		{"ToJsonString", `{"Fn::ToJsonString": {b: [1, "<x>"], a: !Ref Env}}`, `"{\"a\":\"prod\",\"b\":[1,\"<x>\"]}"`},
		{"a dynamic reference", `"-{{resolve:ssm:/a}}-{{resolve:ssm:/list:3}}-"`, `"-one-x,y-"`},
		{"a secure dynamic reference", `"{{resolve:ssm-secure:/a:1}}"`, `"one"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := valueOf(t, r, c.text)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := json.Marshal(got)
			if want := strings.ReplaceAll(strings.ReplaceAll(c.want, "<", `\u003c`), ">", `\u003e`); string(b) != want {
				t.Errorf("%s is %s, want %s", c.text, b, want)
			}
		})
	}
}

// Each refusal comes before anything is made, and says where in the template.
func TestRefusals(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ name, text, want string }{
		{"Ref to nothing", `!Ref Nothing`, "Unresolved resource dependencies [Nothing] in the Resources block of the template (line 23, column 12)"},
		{"Sub of nothing", `!Sub "${Nothing}"`, "Unresolved resource dependencies [Nothing]"},
		{"GetAtt of nothing", `!GetAtt Nothing.Arn`, "instance of Fn::GetAtt references undefined resource Nothing (line 23, column 12)"},
		{"GetAtt of an attribute that is none", `!GetAtt Other.Colour`, "resource Other does not support attribute type Colour in Fn::GetAtt"},
		{"GetAtt without an attribute", `!GetAtt Other`, "Fn::GetAtt object requires two non-empty parameters"},
		{"an unknown function", `{"Fn::Reverse": x}`, "unknown function Fn::Reverse"},
		{"an unknown tag", `!Reverse x`, "unknown tag !Reverse (line 23"},
		{"a function beside others", `{"Fn::Join": ["", []], x: 1}`, "unknown function Fn::Join, or it is not the only member of its object"},
		{"Select past the end", `!Select [3, !Ref Names]`, "Fn::Select cannot select nonexistent value at index 3"},
		{"Join of an object", `!Join ["", [{a: 1}]]`, "must be text, not JSONObject"},
		{"a mapping that is none", `!FindInMap [No, a, b]`, "Mapping named 'No' is not present"},
		{"a key that is none", `!FindInMap [Sizes, prod, Colour]`, "Unable to get mapping for Sizes::prod::Colour"},
		{"If of no condition", `!If [No, 1, 2]`, "Unresolved condition dependency No"},
		{"If of two", `!If [IsProd, 1]`, "Fn::If requires a list argument with 3 parameters"},
		{"Equals where no condition is", `!Equals [1, 2]`, "Fn::Equals is valid in Conditions and Rules only"},
		{"Cidr without room", `!Cidr ["10.0.0.0/24", 2, 8]`, "has no room for 2 blocks of 8 bits"},
		{"ImportValue of nothing", `!ImportValue none`, "No export named none found. (line 23"},
		{"a transform within", `{"Fn::Transform": {Name: "AWS::Include"}}`, "Fn::Transform is not supported"},
		{"a parameter that is not stored", `"{{resolve:ssm:/none}}"`, "{{resolve:ssm:/none}} cannot be resolved"},
		{"a secret of another service", `"{{resolve:secretsmanager:x}}"`, "dynamic references to secretsmanager are not supported"},
		{"an alias", `&x 1`, "YAML aliases are not allowed"},
		{"null", `null`, "'null' values are not allowed in templates (line 23, column 12)"},
		{"itself", `!Ref X`, "Circular dependency between resources: [X]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := valueOf(t, r, c.text)
			refusal(t, err, c.want)
			if r.find(region, "demo") != nil || len(r.w.things) > 0 {
				t.Error("something was made")
			}
		})
	}
}

func TestTemplatesThatAreRefused(t *testing.T) {
	r := newRig(t)
	thing := "Resources: {A: {Type: Test::Thing"
	for _, c := range []struct{ name, text, want string }{
		{"nothing", ``, "Either Template URL or Template Body must be specified."},
		{"blank", "\n\n", "the template is empty"},
		{"a list", `[1]`, "unsupported structure"},
		{"no YAML", "a: [", "YAML not well-formed"},
		{"no JSON", `{"Resources": {"A": }}`, "JSON not well-formed. (line 1"},
		{"no resources", "Outputs: {}", "At least one Resources member must be defined"},
		{"an unknown section", thing + "}}\nResource: {}", "Invalid template property or properties 'Resource'; did you mean Resources? (line 2, column 1)"},
		{"a key twice", "Resources: {A: {Type: Test::Thing}, A: {Type: Test::Thing}}", `duplicate key "A" (line 1, column 37)`},
		{"no type", "Resources: {A: {Properties: {}}}", "Every Resources object must contain a Type member"},
		{"an unknown type", "Resources: {A: {Type: Test::Think}}", "Unrecognized resource types: [Test::Think]; did you mean Test::Thing? (line 1, column 23)"},
		{"a nested stack", "Resources: {A: {Type: AWS::CloudFormation::Stack}}", "glassine has no nested stacks"},
		{"a function of SAM", "Resources: {A: {Type: AWS::Serverless::Function}}", "glassine does not expand AWS::Serverless"},
		{"an unknown attribute", thing + ", DependOn: B}}", "Invalid template resource property 'DependOn'; did you mean DependsOn?"},
		{"an unknown property", thing + ", Properties: {Sice: 1}}}", "Properties validation failed for resource A with message: #/Sice: extraneous key [Sice] is not permitted; did you mean Size? (line 1"},
		{"an unknown property within", thing + ", Properties: {Deep: {No: 1}}}}", "#/Deep/No: extraneous key [No]"},
		{"a value of another type", thing + ", Properties: {Size: many}}}", "#/Size: expected type: Integer, found: String (line 1, column 55)"},
		{"an object for text", thing + ", Properties: {Text: {a: 1}}}}", "#/Text: expected type: String, found: JSONObject"},
		{"a list for text within a list", thing + ", Properties: {List: [a, [b]]}}}", "#/List/1: expected type: String, found: JSONArray (line 1, column 59)"},
		{"DependsOn of nothing", thing + ", DependsOn: B}}", "Unresolved resource dependencies [B]"},
		{"a circle", "Resources:\n  A: {Type: Test::Thing, DependsOn: B}\n  B: {Type: Test::Thing, Properties: {Text: !Ref A}}", "Circular dependency between resources: [A, B] (line 2"},
		{"a name that is none", "Resources: {A-B: {Type: Test::Thing}}", "Resource name 'A-B' is non alphanumeric"},
		{"a macro", "Transform: AWS::Serverless-2016-10-31\n" + thing + "}}", "the transform AWS::Serverless-2016-10-31 is not supported by glassine"},
		{"an include", "Transform: {Name: AWS::Include, Parameters: {}}\n" + thing + "}}", "AWS::Include is not supported"},
		{"a condition that is none", thing + ", Condition: C}}", "Unresolved condition dependency C"},
		{"a circle of conditions", thing + "}}\nConditions: {A: !Not [Condition: B], B: !Not [Condition: A]}", "circular dependency between conditions: [A, B]"},
		{"a condition about a resource", thing + "}}\nConditions: {C: !Equals [!Ref A, 1]}", "Cannot reference resources in the Conditions block"},
		{"a condition of one operand", thing + "}}\nConditions: {C: !Or [!Equals [1, 1]]}", "at least 2 and at most 10"},
		{"an output without a value", thing + "}}\nOutputs: {O: {Description: x}}", "The Value attribute is required"},
		{"an output that is a list", thing + "}}\nOutputs: {O: {Value: [1]}}", "Output O is malformed"},
		{"an unknown parameter type", thing + "}}\nParameters: {P: {Type: Strong}}", "Unrecognized parameter type: Strong"},
		{"a default that is not allowed", thing + "}}\nParameters: {P: {Type: String, Default: c, AllowedValues: [a, b]}}", "Parameter 'P' must be one of AllowedValues (line 2"},
		{"a signal to wait for", thing + ", CreationPolicy: {ResourceSignal: {Count: 1}}}}", "CreationPolicy with ResourceSignal on A is not supported"},
		{"two documents", thing + "}}\n---\na: 1", "A template is one document"},
		{"too deep", thing + ", Metadata: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}}", "nested deeper than 100"},
		{"a reference to what a condition leaves out", "Conditions: {No: !Equals [1, 2]}\nResources: {A: {Type: Test::Thing, Condition: No}, B: {Type: Test::Thing, Properties: {Text: !Ref A}}}", "Unresolved resource dependencies [A]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := r.CreateStack(t.Context(), r.caller, r.input(c.text))
			refusal(t, err, c.want)
		})
	}
	if len(r.w.order()) > 0 || len(r.stacks) > 0 {
		t.Errorf("something was done: %q", r.w.order())
	}
}

func TestConditionsLeaveResourcesAndOutputsOut(t *testing.T) {
	r := newRig(t)
	const template = `
Parameters: {Env: {Type: String}}
Conditions: {Prod: !Equals [!Ref Env, prod]}
Resources:
  A: {Type: Test::Thing}
  B: {Type: Test::Thing, Condition: Prod, DependsOn: A}
  C: {Type: Test::Thing, DependsOn: [A, B], Properties: {Text: !If [Prod, !Ref B, none]}}
Outputs:
  B: {Condition: Prod, Value: !Ref B}
`
	in := r.input(template)
	in.Parameters = []Parameter{{Key: "Env", Value: "dev"}}
	id := r.createOf(in, CreateComplete)
	v := r.find(region, id)
	if v.resources["B"] != nil || len(v.Outputs) != 0 || v.resources["C"].Properties["Text"] != "none" {
		t.Errorf("dev: %+v", v)
	}
	in.Parameters[0].Value = "prod"
	if _, err := r.UpdateStack(t.Context(), r.caller, in); err != nil {
		t.Fatal(err)
	}
	r.ends(id, UpdateComplete)
	v = r.find(region, id)
	if v.resources["B"] == nil || len(v.Outputs) != 1 || v.resources["C"].Properties["Text"] != v.resources["B"].PhysicalID {
		t.Errorf("prod: %+v", v)
	}
	in.Parameters, in.UsePrevious, in.Template = []Parameter{{Key: "Env", UsePrevious: true}}, true, ""
	_, err := r.UpdateStack(t.Context(), r.caller, in)
	refusal(t, err, noUpdates)
	in.Parameters = []Parameter{{Key: "Env", Value: "dev"}}
	if _, err := r.UpdateStack(t.Context(), r.caller, in); err != nil {
		t.Fatal(err)
	}
	r.ends(id, UpdateComplete)
	if r.find(region, id).resources["B"] != nil {
		t.Error("B is still there")
	}
	r.consistent(id)
}

func TestParameters(t *testing.T) {
	const template = `
Parameters:
  Word: {Type: String, AllowedPattern: "[a-z]+", MinLength: 2, MaxLength: 5, Default: abc}
  Count: {Type: Number, MinValue: 1, MaxValue: 10, Default: 3}
  Pick: {Type: String, AllowedValues: [x, "1"], Default: x, ConstraintDescription: pick x or 1}
  Needed: {Type: String}
Resources: {A: {Type: Test::Thing, Properties: {Text: !Sub "${Word}${Count}${Pick}${Needed}"}}}
`
	for _, c := range []struct{ name, key, value, want string }{
		{"a pattern", "Word", "AB", "Parameter 'Word' must match pattern [a-z]+"},
		{"too short", "Word", "a", "must contain at least 2 characters"},
		{"too long", "Word", "abcdef", "must contain at most 5 characters"},
		{"no number", "Count", "x", "Parameter 'Count' must be a number"},
		{"too small", "Count", "0", "not less than 1"},
		{"too large", "Count", "10.5", "not greater than 10"},
		{"not allowed, in the template's words", "Pick", "y", "Parameter 'Pick' failed to satisfy constraint: pick x or 1"},
		{"not declared", "Other", "y", "Parameters: [Other] do not exist in the template"},
		{"allowed", "Pick", "1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			in := r.input(template)
			in.Parameters = []Parameter{{Key: "Needed", Value: "n"}, {Key: c.key, Value: c.value}}
			id, err := r.CreateStack(t.Context(), r.caller, in)
			if c.want != "" {
				refusal(t, err, c.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			r.ends(id, CreateComplete)
			if got := r.find(region, id).resources["A"].Properties["Text"]; got != "abc31n" {
				t.Errorf("Text = %v", got)
			}
		})
	}
	r := newRig(t)
	_, err := r.CreateStack(t.Context(), r.caller, r.input(template))
	refusal(t, err, "Parameters: [Needed] must have values")
}

func TestRules(t *testing.T) {
	const template = `
Parameters: {Version: {Type: "AWS::SSM::Parameter::Value<String>", Default: /version}}
Rules:
  Check:
    Assertions:
      - Assert: {"Fn::Not": [{"Fn::Contains": [["1", "2"], !Ref Version]}]}
        AssertDescription: at least version 3 is needed
Resources: {A: {Type: Test::Thing}}
`
	for version, want := range map[string]string{"2": "at least version 3 is needed", "3": ""} {
		r := rigOn(t, newWorld(), &state.Memory{})
		r.cfg.Parameters = parameters{"/version": version}
		id, err := r.CreateStack(t.Context(), r.caller, r.input(template))
		if want != "" {
			refusal(t, err, want)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		r.ends(id, CreateComplete)
	}
}

func TestLoops(t *testing.T) {
	const template = `
Transform: AWS::LanguageExtensions
Parameters: {Names: {Type: CommaDelimitedList, Default: "a,b"}}
Resources:
  Fn::ForEach::Things:
    - Name
    - !Ref Names
    - Thing${Name}:
        Type: Test::Thing
        Properties:
          Text: !Sub "${Name}-${AWS::Region}"
          Doc:
            Fn::ForEach::Inner: [X, [p, q.q], {"&{X}${Name}": !Ref X}]
Outputs:
  Fn::ForEach::Out: [Name, [a, b], {"Out${Name}": {Value: !GetAtt "Thing${Name}.Arn"}}]
`
	r := newRig(t)
	in := r.input(template)
	id := r.createOf(in, CreateComplete)
	v := r.find(region, id)
	if p := v.resources["Thingb"].Properties; p["Text"] != "b-us-east-1" || shownValue(p["Doc"]) != `{"pb":"p","qqb":"q.q"}` {
		t.Errorf("Thingb = %v", p)
	}
	if len(v.Outputs) != 2 || v.Outputs[1].Key != "Outb" {
		t.Errorf("outputs = %+v", v.Outputs)
	}
	in.Parameters = []Parameter{{Key: "Names", Value: "a,b,c"}}
	if _, err := r.UpdateStack(t.Context(), r.caller, in); err != nil {
		t.Fatal(err)
	}
	r.ends(id, UpdateComplete)
	if r.find(region, id).resources["Thingc"] == nil {
		t.Error("the value that was given was not gone through")
	}
	_, err := r.CreateStack(t.Context(), r.caller, StackInput{Region: region, Name: "x", Template: strings.Replace(template, "!Ref Names", "!Ref Thinga", 1)})
	refusal(t, err, "the collection of Fn::ForEach is a list")
}
