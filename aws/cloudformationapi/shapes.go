package cloudformationapi

import (
	"encoding/base64"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/cloudformation"
)

// Shapes of answers, as the CloudFormation API Reference's "Data Types" name their elements.

// date is ISO 8601 with milliseconds, in UTC; "" for the zero time.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

type tag struct{ Key, Value string }

func tagShape(t cloudformation.Tag) tag { return tag(t) }

type parameter struct {
	ParameterKey, ParameterValue string
	ResolvedValue                string `xml:",omitempty"`
}

func parameterShape(p cloudformation.Parameter) parameter {
	if p.NoEcho {
		return parameter{ParameterKey: p.Key, ParameterValue: "****"}
	}
	return parameter{p.Key, p.Value, p.Resolved}
}

type output struct {
	OutputKey, OutputValue string
	Description            string `xml:",omitempty"`
	ExportName             string `xml:",omitempty"`
}

type stackShape struct {
	StackId, StackName          string
	ChangeSetId                 string `xml:",omitempty"`
	Description                 string `xml:",omitempty"`
	Parameters                  wire.Members[parameter]
	CreationTime                string
	DeletionTime                string   `xml:",omitempty"`
	LastUpdatedTime             string   `xml:",omitempty"`
	RollbackConfiguration       struct{} // no alarms here
	StackStatus                 string
	StackStatusReason           string `xml:",omitempty"`
	DisableRollback             bool
	NotificationARNs            wire.Members[string]
	TimeoutInMinutes            int `xml:",omitempty"`
	Capabilities                wire.Members[string]
	Outputs                     wire.Members[output]
	RoleARN                     string `xml:",omitempty"`
	Tags                        wire.Members[tag]
	EnableTerminationProtection bool
	DriftInformation            drift
}

type drift struct{ StackDriftStatus string }

type resourceDrift struct{ StackResourceDriftStatus string }

func shapeStack(s cloudformation.Stack) stackShape {
	return stackShape{
		StackId: s.ID, StackName: s.Name, ChangeSetId: s.ChangeSet, Description: s.Description, Parameters: wire.MembersOf(s.Parameters, parameterShape),
		CreationTime: date(s.Created), DeletionTime: date(s.Deleted), LastUpdatedTime: date(s.Updated), StackStatus: string(s.Status), StackStatusReason: s.Reason,
		DisableRollback: s.DisableRollback, NotificationARNs: wire.Members[string]{Member: s.NotificationARN}, TimeoutInMinutes: s.TimeoutMinutes, Capabilities: wire.Members[string]{Member: s.Capabilities},
		Outputs: wire.MembersOf(s.Outputs, func(o cloudformation.Output) output { return output{o.Key, o.Value, o.Description, o.Export} }),
		RoleARN: s.Role, Tags: wire.MembersOf(s.Tags, tagShape), EnableTerminationProtection: s.Protected, DriftInformation: drift{"NOT_CHECKED"},
	}
}

// page cuts a part of items: those after the one whose key the token holds, at most most. key is unique.
func page[T any](items []T, token string, most int, key func(T) string) (part []T, next string, err error) {
	if token != "" {
		last, err := tokenKey(token)
		if err != nil {
			return nil, "", err
		}
		found := false
		for i, x := range items {
			if key(x) == last {
				items, found = items[i+1:], true
				break
			}
		}
		if !found {
			return nil, "", nil // what it pointed at is gone
		}
	}
	if len(items) <= most {
		return items, "", nil
	}
	return items[:most], keyToken(key(items[most-1])), nil
}

func keyToken(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

func tokenKey(token string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", fault.New("ValidationError", "NextToken is not valid.")
	}
	return string(b), nil
}
