// Package arn reads and writes Amazon Resource Names.
package arn

import (
	"strings"

	"glassine/aws/fault"
)

// ARN is arn:partition:service:region:account:resource, split at the first five colons. The resource may itself hold
// colons and slashes. (AWS General Reference, "Amazon Resource Names".)
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// New returns an ARN of the aws partition.
func New(service, region, account, resource string) ARN {
	return ARN{Partition: "aws", Service: service, Region: region, Account: account, Resource: resource}
}

// Parse splits s; fewer than six parts, another prefix than "arn", or an empty partition, service or resource gives an
// InvalidArgument fault.
func Parse(s string) (ARN, error) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return ARN{}, fault.New("InvalidArgument", "%q is not an ARN: expected arn:partition:service:region:account:resource", s)
	}
	return ARN{Partition: p[1], Service: p[2], Region: p[3], Account: p[4], Resource: p[5]}, nil
}

// Is reports whether s has the shape of an ARN.
func Is(s string) bool {
	_, err := Parse(s)
	return err == nil
}

func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// Name returns what follows kind and its separator in the resource: for "accesspoint/ap" or "accesspoint:ap" and kind
// "accesspoint" it is "ap". It returns "" when the resource is of another kind.
func (a ARN) Name(kind string) string {
	rest, ok := strings.CutPrefix(a.Resource, kind)
	if !ok || rest == "" || rest[0] != '/' && rest[0] != ':' {
		return ""
	}
	return rest[1:]
}
