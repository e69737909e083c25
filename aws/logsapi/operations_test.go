package logsapi

import "testing"

// Every operation that clients of the reference set-up need is here.
func TestOperationsAreServed(t *testing.T) {
	for _, name := range []string{
		"CreateLogGroup", "DeleteLogGroup", "DescribeLogGroups", "CreateLogStream", "DeleteLogStream", "DescribeLogStreams",
		"PutLogEvents", "GetLogEvents", "FilterLogEvents", "PutRetentionPolicy", "DeleteRetentionPolicy",
		"TagResource", "UntagResource", "ListTagsForResource", "TagLogGroup", "UntagLogGroup", "ListTagsLogGroup",
	} {
		if operations[name] == nil {
			t.Errorf("%s is not served", name)
		}
	}
}
