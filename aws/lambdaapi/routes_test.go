package lambdaapi

import (
	"slices"
	"testing"

	"glassine/aws/wire"
)

// Every operation that clients of the reference set-up need is here.
func TestOperationsAreServed(t *testing.T) {
	for _, name := range []string{
		"CreateFunction", "GetFunction", "GetFunctionConfiguration", "ListFunctions", "DeleteFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration",
		"PublishVersion", "ListVersionsByFunction", "CreateAlias", "GetAlias", "ListAliases", "UpdateAlias", "DeleteAlias", "Invoke",
		"AddPermission", "GetPolicy", "RemovePermission", "PutFunctionConcurrency", "GetFunctionConcurrency", "DeleteFunctionConcurrency",
		"TagResource", "UntagResource", "ListTags", "GetAccountSettings",
	} {
		if !slices.ContainsFunc(routes, func(r wire.Route[*call]) bool { return r.Name == name }) {
			t.Errorf("%s is not served", name)
		}
	}
}
