package iamapi

import (
	"time"

	"glassine/aws/wire"
	"glassine/iam"
)

type roleResult struct{ Role roleShape }

func createRole(c *call) (any, error) {
	ts, err := c.tags()
	if err != nil {
		return nil, err
	}
	seconds, err := c.form.Int("MaxSessionDuration", 3600)
	if err != nil {
		return nil, err
	}
	r, err := c.iam.CreateRole(c.ctx, c.caller, iam.NewRole{
		Name: c.get("RoleName"), Path: c.get("Path"), Description: c.get("Description"), Trust: c.get("AssumeRolePolicyDocument"),
		MaxSessionDuration: time.Duration(seconds) * time.Second, Boundary: c.get("PermissionsBoundary"), Tags: ts,
	})
	return roleResult{role(r, true)}, err
}

func getRole(c *call) (any, error) {
	r, err := c.iam.GetRole(c.ctx, c.caller, c.get("RoleName"))
	return roleResult{role(r, true)}, err
}

func updateRole(c *call) (any, error) {
	seconds, err := c.form.Int("MaxSessionDuration", 3600)
	if err != nil {
		return nil, err
	}
	var description *string
	if c.form.Has("Description") {
		text := c.get("Description")
		description = &text
	}
	return struct{}{}, c.iam.UpdateRole(c.ctx, c.caller, c.get("RoleName"), description, time.Duration(seconds)*time.Second)
}

func updateRoleDescription(c *call) (any, error) {
	r, err := c.iam.UpdateRoleDescription(c.ctx, c.caller, c.get("RoleName"), c.get("Description"))
	return roleResult{role(r, true)}, err
}

func listRoles(c *call) (any, error) {
	all, err := c.iam.ListRoles(c.ctx, c.caller, c.get("PathPrefix"))
	if err != nil {
		return nil, err
	}
	part, p, err := page(c, all, func(r iam.Role) string { return r.Name })
	return struct {
		Roles wire.Members[roleShape]
		paging
	}{wire.MembersOf(part, listedRole), p}, err
}

func createServiceLinkedRole(c *call) (any, error) {
	r, err := c.iam.CreateServiceLinkedRole(c.ctx, c.caller, c.get("AWSServiceName"), c.get("Description"))
	return roleResult{role(r, true)}, err
}
