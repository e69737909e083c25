package main

import (
	"context"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"glassine"
	"glassine/console/client"
)

// liveTime bounds what a completion waits for a running glassine: a person has pressed a key and waits, too.
const liveTime = 300 * time.Millisecond

// maxLive is how many names are offered at most.
const maxLive = 1000

// liveNames asks a running glassine, as the caller that other commands would be, for names of a kind that can stand in place of
// word. Whatever goes wrong, there are none.
func liveNames(s *completionState, kind, word string) []candidate {
	ctx, cancel := context.WithTimeout(context.Background(), liveTime)
	defer cancel()
	l := &live{state: s, flags: dataFlags{Data: s.value("data", "GLASSINE_DATA", defaultData())}}
	l.flags.AWS = s.value("aws", "GLASSINE_AWS", "127.0.0.1:4566")
	l.flags.Account, l.flags.Region = s.value("account", "GLASSINE_ACCOUNT", "123456789012"), s.value("region", "GLASSINE_REGION", "us-east-1")
	var err error
	if l.Client, err = l.flags.caller(); err != nil {
		return nil
	}
	found, err := l.names(ctx, kind, word)
	if err != nil {
		return nil
	}
	return found[:min(len(found), maxLive)]
}

// value is that of a flag: of the line, else of the environment, else as nobody says otherwise.
func (s *completionState) value(flag, variable, otherwise string) string {
	if given := s.given[flag]; len(given) > 0 {
		return given[len(given)-1]
	}
	if v := os.Getenv(variable); v != "" {
		return v
	}
	return otherwise
}

// live finds names.
type live struct {
	*client.Client
	state *completionState
	flags dataFlags
}

func (l *live) names(ctx context.Context, kind, word string) (out []candidate, err error) {
	add := func(name, help string) { out = append(out, candidate{name, strings.Join(strings.Fields(help), " ")}) }
	switch kind {
	case "stack":
		all, err := l.DescribeStacks(ctx, "")
		for _, x := range all {
			add(x.StackName, x.StackStatus)
		}
		return out, err
	case "output":
		return l.outputs(ctx)
	case "function":
		all, err := l.ListFunctions(ctx)
		for _, x := range all {
			add(x.FunctionName, x.Description)
		}
		return out, err
	case "log-group":
		all, err := l.DescribeLogGroups(ctx)
		for _, x := range all {
			add(x.Name, "")
		}
		return out, err
	case "object-lambda":
		all, err := l.ListObjectLambdas(ctx)
		for _, x := range all {
			add(x.Name, "")
		}
		return out, err
	case "distribution":
		all, err := l.ListDistributions(ctx)
		for _, x := range all {
			add(x.Id, x.Config.Comment)
		}
		return out, err
	case "user":
		all, err := l.ListUsers(ctx)
		for _, x := range all {
			add(x.UserName, "")
		}
		return out, err
	case "bucket":
		all, err := l.ListBuckets(ctx)
		for _, x := range all {
			add(x.Name, x.Region)
		}
		return out, err
	case "s3":
		return l.objects(ctx, word)
	case "key":
		return l.below(ctx, glassine.DemoBucket(l.flags.Account), word, "")
	case "viewer-path":
		return l.below(ctx, glassine.DemoBucket(l.flags.Account), word, "/")
	case "viewer-url":
		_, port, err := net.SplitHostPort(l.state.value("https", "GLASSINE_HTTPS", "127.0.0.1:8443"))
		if err != nil {
			return nil, err
		}
		return l.below(ctx, glassine.DemoBucket(l.flags.Account), word, "https://localhost:"+port+"/")
	}
	return nil, nil
}

// outputs are those of the stack that was named before.
func (l *live) outputs(ctx context.Context) (out []candidate, err error) {
	if len(l.state.args) == 0 {
		return nil, nil
	}
	all, err := l.DescribeStacks(ctx, l.state.args[0])
	for _, x := range all {
		for _, o := range x.Outputs {
			out = append(out, candidate{o.OutputKey, o.OutputValue})
		}
	}
	return out, err
}

// objects completes s3://bucket/key, a folder at a time.
func (l *live) objects(ctx context.Context, word string) (out []candidate, err error) {
	const scheme = "s3://"
	bucket, key, inside := strings.Cut(strings.TrimPrefix(word, scheme), "/")
	if strings.HasPrefix(word, scheme) && inside {
		return l.below(ctx, bucket, scheme+bucket+"/"+key, scheme+bucket+"/")
	}
	all, err := l.ListBuckets(ctx)
	for _, x := range all {
		out = append(out, candidate{scheme + x.Name + "/", x.Region})
	}
	return out, err
}

// below are the folders and keys of a bucket that a word begins, which stand behind prefix.
func (l *live) below(ctx context.Context, bucket, word, prefix string) (out []candidate, err error) {
	key, ok := strings.CutPrefix(word, prefix)
	if !ok {
		key = "" // the prefix is what is to be completed
	}
	listing, err := l.ListObjects(ctx, bucket, key, "", maxLive)
	for _, p := range listing.Prefixes {
		out = append(out, candidate{prefix + p, ""})
	}
	for _, o := range listing.Objects {
		out = append(out, candidate{prefix + o.Key, shownSize(o.Size)})
	}
	slices.SortFunc(out, func(a, b candidate) int { return strings.Compare(a.value, b.value) })
	return out, err
}
