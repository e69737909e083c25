package iamapi

import (
	"encoding/xml"
	"net/url"
	"strings"
	"time"

	"glassine/aws/wire"
	"glassine/iam"
)

// Shapes of answers, as the IAM API Reference's "Data Types" name their elements.

// date is ISO 8601 with seconds, in UTC.
func date(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// encoded is a policy document as answers hold it: URL-encoded.
// IAM API Reference, GetRolePolicy: "compliant with RFC 3986".
func encoded(doc string) string { return strings.ReplaceAll(url.QueryEscape(doc), "+", "%20") }

type tag struct{ Key, Value string }

func tagShape(t iam.Tag) tag { return tag(t) }

// tags returns nil, which leaves the element out, for no tags.
func tags(ts []iam.Tag) *wire.Members[tag] {
	if len(ts) == 0 {
		return nil
	}
	l := wire.MembersOf(ts, tagShape)
	return &l
}

type boundary struct{ PermissionsBoundaryType, PermissionsBoundaryArn string }

func boundaryShape(arn string) *boundary {
	if arn == "" {
		return nil
	}
	return &boundary{"Policy", arn} // "Policy" is what the service sends; its model says PermissionsBoundaryPolicy
}

type userShape struct {
	Path                string
	UserName            string `xml:",omitempty"`
	UserId, Arn         string
	CreateDate          string
	PermissionsBoundary *boundary
	Tags                *wire.Members[tag]
}

// user is a user; with full also what ListUsers leaves out.
func user(u iam.UserAccount, full bool) userShape {
	s := userShape{Path: u.Path, UserName: u.Name, UserId: u.ID, Arn: u.ARN, CreateDate: date(u.Created)}
	if full {
		s.PermissionsBoundary, s.Tags = boundaryShape(u.Boundary), tags(u.Tags)
	}
	return s
}

func listedUser(u iam.UserAccount) userShape { return user(u, false) }

type groupShape struct{ Path, GroupName, GroupId, Arn, CreateDate string }

func group(g iam.Group) groupShape { return groupShape{g.Path, g.Name, g.ID, g.ARN, date(g.Created)} }

type roleShape struct {
	Path, RoleName, RoleId, Arn, CreateDate string
	AssumeRolePolicyDocument                string
	Description                             string `xml:",omitempty"`
	MaxSessionDuration                      int
	PermissionsBoundary                     *boundary
	Tags                                    *wire.Members[tag]
	RoleLastUsed                            *struct{}
}

// role is a role; with full also what ListRoles leaves out.
func role(r iam.Role, full bool) roleShape {
	s := roleShape{
		Path: r.Path, RoleName: r.Name, RoleId: r.ID, Arn: r.ARN, CreateDate: date(r.Created),
		AssumeRolePolicyDocument: encoded(r.Trust), Description: r.Description, MaxSessionDuration: int(r.MaxSessionDuration / time.Second),
	}
	if full {
		s.PermissionsBoundary, s.Tags, s.RoleLastUsed = boundaryShape(r.Boundary), tags(r.Tags), &struct{}{}
	}
	return s
}

func listedRole(r iam.Role) roleShape { return role(r, false) }

type policyShape struct {
	PolicyName, PolicyId, Arn, Path, DefaultVersionId string
	AttachmentCount, PermissionsBoundaryUsageCount    int
	IsAttachable                                      bool
	Description                                       string `xml:",omitempty"`
	CreateDate, UpdateDate                            string
	Tags                                              *wire.Members[tag]
}

// policy is a managed policy; with full also what ListPolicies leaves out.
func policy(p iam.ManagedPolicy, full bool) policyShape {
	s := policyShape{
		PolicyName: p.Name, PolicyId: p.ID, Arn: p.ARN, Path: p.Path, DefaultVersionId: p.DefaultVersion, AttachmentCount: p.Attachments,
		PermissionsBoundaryUsageCount: p.Boundaries, IsAttachable: true, CreateDate: date(p.Created), UpdateDate: date(p.Updated),
	}
	if full {
		s.Description, s.Tags = p.Description, tags(p.Tags)
	}
	return s
}

func listedPolicy(p iam.ManagedPolicy) policyShape { return policy(p, false) }

type versionShape struct {
	Document         string `xml:",omitempty"`
	VersionId        string
	IsDefaultVersion bool
	CreateDate       string
}

func policyVersion(v iam.PolicyVersion) versionShape {
	return versionShape{encoded(v.Document), v.ID, v.Default, date(v.Created)}
}

// listedVersion is a version without its document.
func listedVersion(v iam.PolicyVersion) versionShape {
	v.Document = ""
	return policyVersion(v)
}

type attachedPolicy struct{ PolicyName, PolicyArn string }

func attached(arn string) attachedPolicy {
	return attachedPolicy{arn[strings.LastIndexByte(arn, '/')+1:], arn}
}

type accessKeyShape struct {
	UserName            string `xml:",omitempty"`
	AccessKeyId, Status string
	SecretAccessKey     string `xml:",omitempty"`
	CreateDate          string
}

func accessKey(k iam.AccessKey) accessKeyShape {
	status := "Inactive"
	if k.Active {
		status = "Active"
	}
	return accessKeyShape{UserName: k.User, AccessKeyId: k.ID, Status: status, CreateDate: date(k.Created)}
}

// empty is a list of that name with nothing in it.
type empty struct{ name string }

// MarshalXML implements xml.Marshaler.
func (e empty) MarshalXML(enc *xml.Encoder, start xml.StartElement) error {
	if err := enc.EncodeToken(start); err != nil {
		return err
	}
	if err := enc.EncodeElement(struct{}{}, xml.StartElement{Name: xml.Name{Local: e.name}}); err != nil {
		return err
	}
	if err := enc.EncodeElement(false, xml.StartElement{Name: xml.Name{Local: "IsTruncated"}}); err != nil {
		return err
	}
	return enc.EncodeToken(start.End())
}
