package iamapi

import (
	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
)

type userResult struct{ User userShape }

func createUser(c *call) (any, error) {
	ts, err := c.tags()
	if err != nil {
		return nil, err
	}
	u, err := c.iam.CreateUser(c.ctx, c.caller, iam.NewUser{Name: c.get("UserName"), Path: c.get("Path"), Boundary: c.get("PermissionsBoundary"), Tags: ts})
	return userResult{user(u, true)}, err
}

func getUser(c *call) (any, error) {
	u, err := c.iam.GetUser(c.ctx, c.caller, c.get("UserName"))
	return userResult{user(u, true)}, err
}

func updateUser(c *call) (any, error) {
	return nil, c.iam.UpdateUser(c.ctx, c.caller, c.get("UserName"), c.get("NewUserName"), c.get("NewPath"))
}

func listUsers(c *call) (any, error) {
	all, err := c.iam.ListUsers(c.ctx, c.caller, c.get("PathPrefix"))
	if err != nil {
		return nil, err
	}
	part, p, err := page(c, all, func(u iam.UserAccount) string { return u.Name })
	return struct {
		Users wire.Members[userShape]
		paging
	}{wire.MembersOf(part, listedUser), p}, err
}

func createAccessKey(c *call) (any, error) {
	secret, k, err := c.iam.CreateAccessKey(c.ctx, c.caller, c.get("UserName"))
	s := accessKey(k)
	s.SecretAccessKey = secret.SecretAccessKey
	return struct{ AccessKey accessKeyShape }{s}, err
}

func updateAccessKey(c *call) (any, error) {
	status := c.get("Status")
	if status != "Active" && status != "Inactive" {
		return nil, fault.New("ValidationError", "1 validation error detected: Value '%s' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]", status)
	}
	return nil, c.iam.UpdateAccessKey(c.ctx, c.caller, c.get("UserName"), c.get("AccessKeyId"), status == "Active")
}

func deleteAccessKey(c *call) (any, error) {
	return nil, c.iam.DeleteAccessKey(c.ctx, c.caller, c.get("UserName"), c.get("AccessKeyId"))
}

func listAccessKeys(c *call) (any, error) {
	all, err := c.iam.ListAccessKeys(c.ctx, c.caller, c.get("UserName"))
	if err != nil {
		return nil, err
	}
	part, p, err := page(c, all, func(k iam.AccessKey) string { return k.ID })
	return struct {
		AccessKeyMetadata wire.Members[accessKeyShape]
		UserName          string `xml:",omitempty"`
		paging
	}{wire.MembersOf(part, accessKey), c.get("UserName"), p}, err
}

// getAccessKeyLastUsed answers as AWS does for a key that was never used: when keys were used is not kept.
func getAccessKeyLastUsed(c *call) (any, error) {
	k, err := c.iam.AccessKeyUser(c.ctx, c.caller, c.get("AccessKeyId"))
	type lastUsed struct{ ServiceName, Region string }
	return struct {
		UserName          string
		AccessKeyLastUsed lastUsed
	}{k.User, lastUsed{"N/A", "N/A"}}, err
}

type groupResult struct{ Group groupShape }

func createGroup(c *call) (any, error) {
	g, err := c.iam.CreateGroup(c.ctx, c.caller, c.get("GroupName"), c.get("Path"))
	return groupResult{group(g)}, err
}

func getGroup(c *call) (any, error) {
	g, users, err := c.iam.GetGroup(c.ctx, c.caller, c.get("GroupName"))
	if err != nil {
		return nil, err
	}
	part, p, err := page(c, users, func(u iam.UserAccount) string { return u.Name })
	return struct {
		Group groupShape
		Users wire.Members[userShape]
		paging
	}{group(g), wire.MembersOf(part, listedUser), p}, err
}

func updateGroup(c *call) (any, error) {
	return nil, c.iam.UpdateGroup(c.ctx, c.caller, c.get("GroupName"), c.get("NewGroupName"), c.get("NewPath"))
}

func listGroups(c *call) (any, error) {
	all, err := c.iam.ListGroups(c.ctx, c.caller, c.get("PathPrefix"))
	if err != nil {
		return nil, err
	}
	return groupPage(c, all)
}

func listGroupsForUser(c *call) (any, error) {
	all, err := c.iam.ListGroupsForUser(c.ctx, c.caller, c.get("UserName"))
	if err != nil {
		return nil, err
	}
	return groupPage(c, all)
}

func groupPage(c *call, all []iam.Group) (any, error) {
	part, p, err := page(c, all, func(g iam.Group) string { return g.Name })
	return struct {
		Groups wire.Members[groupShape]
		paging
	}{wire.MembersOf(part, group), p}, err
}
