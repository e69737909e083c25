package lambdaapi

import (
	"net/http"
	"strings"

	"glassine/aws/wire"
)

// Paths. (Lambda API Reference, "Actions".)
const (
	functions = "/2015-03-31/functions"
	function  = functions + "/{FunctionName}"
	layers    = "/2018-10-31/layers"
	layer     = layers + "/{LayerName}/versions"
	events    = "/2019-09-25/functions/{FunctionName}/event-invoke-config"
	tags      = "/2017-03-31/tags/{ARN}"
)

// routes are all operations that are served. It is never written to.
var routes = wire.Routes[*call]{
	post("CreateFunction", functions, http.StatusCreated, createFunction).Limited(maxCode),
	get("ListFunctions", functions, listFunctions),
	get("GetFunction", function, getFunction),
	get("GetFunctionConfiguration", function+"/configuration", getFunctionConfiguration),
	put("UpdateFunctionCode", function+"/code", updateFunctionCode).Limited(maxCode),
	put("UpdateFunctionConfiguration", function+"/configuration", updateFunctionConfiguration),
	remove("DeleteFunction", function, deleteFunction),
	wire.RestRaw("GetFunctionCode", http.MethodGet, function+"/code", getCode), // ours: where GetFunction's Location leads

	post("PublishVersion", function+"/versions", http.StatusCreated, publishVersion),
	get("ListVersionsByFunction", function+"/versions", listVersions),

	post("CreateAlias", function+"/aliases", http.StatusCreated, createAlias),
	get("ListAliases", function+"/aliases", listAliases),
	get("GetAlias", function+"/aliases/{Name}", getAlias),
	put("UpdateAlias", function+"/aliases/{Name}", updateAlias),
	remove("DeleteAlias", function+"/aliases/{Name}", deleteAlias),

	post("AddPermission", function+"/policy", http.StatusCreated, addPermission),
	get("GetPolicy", function+"/policy", getPolicy),
	remove("RemovePermission", function+"/policy/{StatementId}", removePermission),

	wire.RestDo(wire.Lambda, "TagResource", http.MethodPost, tags, tagResource),
	remove("UntagResource", tags, untagResource),
	get("ListTags", tags, listTags),

	put("PutFunctionConcurrency", "/2017-10-31/functions/{FunctionName}/concurrency", putConcurrency),
	remove("DeleteFunctionConcurrency", "/2017-10-31/functions/{FunctionName}/concurrency", deleteConcurrency),
	get("GetFunctionConcurrency", "/2019-09-30/functions/{FunctionName}/concurrency", getConcurrency),
	get("GetAccountSettings", "/2016-08-19/account-settings", getAccountSettings),

	post("PublishLayerVersion", layer, http.StatusCreated, publishLayer).Limited(maxCode),
	get("ListLayerVersions", layer, listLayerVersions),
	get("GetLayerVersion", layer+"/{VersionNumber}", getLayer),
	remove("DeleteLayerVersion", layer+"/{VersionNumber}", deleteLayer),
	get("ListLayers", layers, listLayers),                                                              // and GetLayerVersionByArn, with ?find=LayerVersion
	wire.RestRaw("GetLayerContent", http.MethodGet, layer+"/{VersionNumber}/content", getLayerContent), // ours: where a layer's Location leads

	put("PutFunctionEventInvokeConfig", events, putEvents),
	post("UpdateFunctionEventInvokeConfig", events, http.StatusOK, updateEvents),
	get("GetFunctionEventInvokeConfig", events, getEvents),
	remove("DeleteFunctionEventInvokeConfig", events, deleteEvents),
	get("ListFunctionEventInvokeConfigs", events+"/list", listEvents),

	get("GetFunctionCodeSigningConfig", "/2020-06-30/functions/{FunctionName}/code-signing-config", getCodeSigning),

	wire.RestRaw("Invoke", http.MethodPost, function+"/invocations", invoke).Limited(maxPayload),
	wire.RestRaw("InvokeAsync", http.MethodPost, "/2014-11-13/functions/{FunctionName}/invoke-async", invokeAsync),
	wire.RestRaw("InvokeWithResponseStream", http.MethodPost, "/2021-11-15/functions/{FunctionName}/response-streaming-invocations", invokeStreaming).Limited(maxPayload),
}

func get[In, Out any](name, path string, f func(*call, *In) (Out, error)) wire.Route[*call] {
	return wire.Rest(wire.Lambda, name, http.MethodGet, path, http.StatusOK, f)
}

func put[In, Out any](name, path string, f func(*call, *In) (Out, error)) wire.Route[*call] {
	return wire.Rest(wire.Lambda, name, http.MethodPut, path, http.StatusOK, f)
}

func post[In, Out any](name, path string, status int, f func(*call, *In) (Out, error)) wire.Route[*call] {
	return wire.Rest(wire.Lambda, name, http.MethodPost, path, status, f)
}

func remove[In any](name, path string, f func(*call, *In) error) wire.Route[*call] {
	return wire.RestDo(wire.Lambda, name, http.MethodDelete, path, f)
}

// unserved names what AWS has and glassine has not, by what the path of its operations has, or "".
func unserved(path string) string {
	for _, u := range []struct{ part, name string }{
		{"/event-source-mappings", "event source mappings"},
		{"/provisioned-concurrency", "provisioned concurrency"},
		{"/code-signing-config", "code signing"},
		{"/url", "function URLs"},
		{"/runtime-management-config", "runtime management"},
		{"/recursion-config", "recursion control"},
		{"/policy", "policies of layers"},
		{"/scaling-config", "scaling"},
		{"/durable-execution", "durable executions"},
		{"/capacity-providers", "capacity providers"},
	} {
		if strings.Contains(path, u.part) {
			return u.name
		}
	}
	return ""
}
