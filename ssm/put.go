package ssm

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"glassine/aws/fault"
	"glassine/iam"
)

// Types of a parameter. (Systems Manager API Reference, PutParameter, Type.)
const (
	String       = "String"
	StringList   = "StringList" // values with commas between them
	SecureString = "SecureString"
)

// Tiers of a parameter: how long its value may be. IntelligentTiering becomes one of the two others.
// (Systems Manager User Guide, "Managing parameter tiers".)
const (
	Standard           = "Standard" // 4,096 characters
	Advanced           = "Advanced" // 8,192 characters
	IntelligentTiering = "Intelligent-Tiering"
)

// text is the one data type.
const text = "text"

// DefaultKey is the KMS key that every SecureString names. There is no other.
const DefaultKey = "alias/aws/ssm"

// versionsKept is how many versions a parameter has at most. (Systems Manager User Guide, "Working with parameter versions".)
const versionsKept = 100

// Put is what PutParameter takes.
type Put struct {
	Name  string
	Value string
	// Type may be "" where the parameter is there already: it cannot be changed.
	Type           string
	DataType       string // text, or "" for it
	Description    string // at most 1,024 characters
	AllowedPattern string // a regular expression that the whole value must match, or ""
	KeyID          string // of a SecureString: "" or DefaultKey
	Tier           string // "" keeps the tier there is, and is Standard for a new parameter
	Overwrite      bool
	Tags           map[string]string // of a new parameter; at most 50
}

// PutParameter makes a parameter, or a new version of one, and returns the version's number and the tier.
// Errors: ParameterAlreadyExists without Overwrite, ParameterMaxVersionLimitExceeded when the oldest of 100 versions has a
// label, HierarchyTypeMismatchException, ParameterPatternMismatchException, InvalidKeyId, ValidationException.
// (Systems Manager API Reference, PutParameter.)
func (s *Service) PutParameter(ctx context.Context, c iam.Caller, region string, p Put) (number int64, tier string, err error) {
	keys := iam.RequestTags(p.Tags)
	keys["ssm:overwrite"] = []string{map[bool]string{true: "true", false: "false"}[p.Overwrite]}
	if err := s.ask(ctx, c, "PutParameter", region, p.Name, keys); err != nil {
		return 0, "", err
	}
	if len(p.Tags) > 0 {
		if err := s.ask(ctx, c, "AddTagsToResource", region, p.Name, iam.RequestTags(p.Tags)); err != nil {
			return 0, "", err
		}
	}
	if err := p.check(); err != nil {
		return 0, "", err
	}
	r, err := s.change(ctx, region, p.Name, func(r *record, exists bool) error {
		_, stored := s.records.Get(key(region, p.Name))
		if exists && !p.Overwrite && stored {
			return fault.New("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
		}
		if !exists || !p.Overwrite {
			*r = record{Name: p.Name, Region: region, Tags: maps.Clone(p.Tags)} // one that was only provisioned is made anew
		}
		return s.add(c, r, p)
	})
	if err != nil {
		return 0, "", err
	}
	last := r.Versions[len(r.Versions)-1]
	return last.Number, last.Tier, nil
}

// check is what of a Put stands by itself.
func (p Put) check() error {
	if err := checkName(p.Name); err != nil {
		return err
	}
	switch {
	case p.Value == "":
		return invalid("1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1.")
	case p.Type != "" && p.Type != String && p.Type != StringList && p.Type != SecureString:
		return invalid("1 validation error detected: Value '%s' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [SecureString, StringList, String]", p.Type)
	case p.DataType != "" && p.DataType != text:
		return invalid("The following data type is not supported: %s. glassine has the data type text alone.", p.DataType)
	case !slices.Contains([]string{"", Standard, Advanced, IntelligentTiering}, p.Tier):
		return invalid("1 validation error detected: Value '%s' at 'tier' failed to satisfy constraint: Member must satisfy enum value set: [Intelligent-Tiering, Advanced, Standard]", p.Tier)
	case len([]rune(p.Description)) > 1024, len(p.AllowedPattern) > 1024:
		return invalid("1 validation error detected: a description and an allowed pattern must have length less than or equal to 1024")
	case p.Overwrite && len(p.Tags) > 0:
		return invalid("Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.")
	case p.KeyID != "" && p.Type != SecureString && p.Type != "":
		return invalid("KeyId is required for SecureString type parameter only.")
	case p.KeyID != "" && p.KeyID != DefaultKey:
		return fault.New("InvalidKeyId", "Invalid keyId %s: glassine has no KMS, and %s is the one key.", p.KeyID, DefaultKey)
	}
	return checkTags(p.Tags)
}

// add appends the version that p asks for.
func (s *Service) add(c iam.Caller, r *record, p Put) error {
	v := version{
		Number: 1, Type: p.Type, DataType: text, Description: p.Description, AllowedPattern: p.AllowedPattern, Tier: p.Tier,
		Modified: s.cfg.Now().UTC(), ModifiedBy: c.Principal.ARN,
	}
	if len(r.Versions) == 0 {
		if v.Type == "" {
			return invalid("A parameter type is required when you create a parameter.")
		}
	} else if err := v.follows(r.Versions[len(r.Versions)-1]); err != nil {
		return err
	}
	if err := v.fit(p.Value); err != nil {
		return err
	}
	if v.AllowedPattern != "" {
		re, err := regexp.Compile(`^(?:` + v.AllowedPattern + `)$`)
		if err != nil {
			return fault.New("InvalidAllowedPatternException", "The request doesn't meet the regular expression requirement: %s", v.AllowedPattern)
		}
		if !re.MatchString(p.Value) {
			return fault.New("ParameterPatternMismatchException", "Parameter value, cannot be validated against allowedPattern: %s", v.AllowedPattern)
		}
	}
	if v.Type == SecureString {
		v.Sealed = s.encrypt(r.Region, r.Name, v.Number, p.Value)
	} else {
		v.Value = p.Value
	}
	versions := slices.Clone(r.Versions)
	if len(versions) == versionsKept {
		if len(versions[0].Labels) > 0 {
			return fault.New("ParameterMaxVersionLimitExceeded", "Systems Manager could not create version %d of %s because the oldest version, version %d, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again.",
				v.Number, r.Name, versions[0].Number)
		}
		versions = versions[1:]
	}
	r.Versions = append(versions, v)
	return nil
}

// follows takes from the version before what v leaves open. A type stays.
func (v *version) follows(last version) error {
	if v.Type == "" {
		v.Type = last.Type
	}
	if v.Type != last.Type {
		return fault.New("HierarchyTypeMismatchException", "Parameter Store does not support changing a parameter type in a hierarchy. For example, you can't change a parameter from a String type to a SecureString type. You must create a new, unique parameter.")
	}
	v.Number = last.Number + 1
	if v.Description == "" {
		v.Description = last.Description
	}
	if v.AllowedPattern == "" {
		v.AllowedPattern = last.AllowedPattern
	}
	switch {
	case v.Tier == "":
		v.Tier = last.Tier
	case v.Tier == Standard && last.Tier == Advanced:
		return invalid("This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a standard parameter.")
	}
	return nil
}

// fit settles the tier for the value's length.
func (v *version) fit(value string) error {
	n := utf8.RuneCountInString(value)
	switch {
	case v.Tier == "":
		v.Tier = Standard
	case v.Tier == IntelligentTiering && n > 4096:
		v.Tier = Advanced
	case v.Tier == IntelligentTiering:
		v.Tier = Standard
	}
	const more = "For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"
	switch {
	case v.Tier == Standard && n > 4096:
		return invalid("Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. " + more)
	case n > 8192:
		return invalid("Advanced tier parameters support a maximum parameter value of 8192 characters. " + more)
	}
	if v.Type == StringList && slices.Contains(strings.Split(value, ","), "") {
		return invalid("Parameter value can't nest an empty item in a StringList: %q.", value)
	}
	return nil
}
