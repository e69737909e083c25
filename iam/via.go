package iam

import "slices"

// CalledVia returns the caller as the service acts for it inside this process, where no request is signed: the same
// rights, with the service added to aws:CalledVia. For requests that are signed, see Service.Forward.
// IAM User Guide, "Forward access sessions".
func (c Caller) CalledVia(service string) Caller {
	var session Session
	if c.Session != nil {
		session = *c.Session
	}
	session.Via = append(slices.Clone(session.Via), service)
	c.Session = &session
	return c
}
