package byname

const (
	s3NS         = "http://s3.amazonaws.com/doc/2006-03-01/"
	cloudfrontNS = "http://cloudfront.amazonaws.com/doc/2020-05-31/"
)

// routes are the operations of the REST protocols by service and, in lower case, by name. It is never written to. The lists of
// distributions and policies that CloudFront's answers have are under Items, with the name of the element between.
// (Lambda, S3, S3 Control and CloudFront API References, "Actions".)
var routes = map[string]map[string]route{
	"lambda": {
		"invoke": {
			method: "POST", path: "/2015-03-31/functions/{FunctionName}/invocations", query: map[string]string{"Qualifier": "Qualifier"}, payload: "Payload", raw: true,
			header: map[string]string{"X-Amz-Invocation-Type": "InvocationType", "X-Amz-Log-Type": "LogType"}, answer: "Payload", text: true,
			answers: map[string]string{"FunctionError": "X-Amz-Function-Error", "ExecutedVersion": "X-Amz-Executed-Version", "LogResult": "X-Amz-Log-Result"},
		},
		"getfunction":                 get("/2015-03-31/functions/{FunctionName}", "Qualifier"),
		"getfunctionconfiguration":    get("/2015-03-31/functions/{FunctionName}/configuration", "Qualifier"),
		"listfunctions":               get("/2015-03-31/functions", "Marker", "MaxItems"),
		"listversionsbyfunction":      get("/2015-03-31/functions/{FunctionName}/versions", "Marker", "MaxItems"),
		"getalias":                    get("/2015-03-31/functions/{FunctionName}/aliases/{Name}"),
		"listaliases":                 get("/2015-03-31/functions/{FunctionName}/aliases", "FunctionVersion", "Marker", "MaxItems"),
		"getpolicy":                   get("/2015-03-31/functions/{FunctionName}/policy", "Qualifier"),
		"getaccountsettings":          get("/2016-08-19/account-settings"),
		"getfunctionconcurrency":      get("/2019-09-30/functions/{FunctionName}/concurrency"),
		"publishversion":              send("POST", "/2015-03-31/functions/{FunctionName}/versions"),
		"updatefunctioncode":          send("PUT", "/2015-03-31/functions/{FunctionName}/code"),
		"updatefunctionconfiguration": send("PUT", "/2015-03-31/functions/{FunctionName}/configuration"),
		"createalias":                 send("POST", "/2015-03-31/functions/{FunctionName}/aliases"),
		"updatealias":                 send("PUT", "/2015-03-31/functions/{FunctionName}/aliases/{Name}"),
		"deletealias":                 {method: "DELETE", path: "/2015-03-31/functions/{FunctionName}/aliases/{Name}"},
		"addpermission":               send("POST", "/2015-03-31/functions/{FunctionName}/policy", "Qualifier"),
		"removepermission":            {method: "DELETE", path: "/2015-03-31/functions/{FunctionName}/policy/{StatementId}", query: same("Qualifier", "RevisionId")},
		"putfunctionconcurrency":      send("PUT", "/2017-10-31/functions/{FunctionName}/concurrency"),
		"deletefunctionconcurrency":   {method: "DELETE", path: "/2017-10-31/functions/{FunctionName}/concurrency"},
		"deletefunction":              {method: "DELETE", path: "/2015-03-31/functions/{FunctionName}", query: same("Qualifier")},
		"tagresource":                 send("POST", "/2017-03-31/tags/{Resource}"),
		"listtags":                    get("/2017-03-31/tags/{Resource}"),
	},
	"s3": {
		"listbuckets":          get("/"),
		"createbucket":         {method: "PUT", path: "/{Bucket}", payload: "CreateBucketConfiguration", namespace: s3NS},
		"deletebucket":         {method: "DELETE", path: "/{Bucket}"},
		"headbucket":           {method: "HEAD", path: "/{Bucket}", answers: map[string]string{"BucketRegion": "X-Amz-Bucket-Region"}},
		"getbucketlocation":    {method: "GET", path: "/{Bucket}", query: fixed("location"), answer: "LocationConstraint"},
		"getbucketpolicy":      {method: "GET", path: "/{Bucket}", query: fixed("policy"), answer: "Policy", text: true},
		"putbucketpolicy":      {method: "PUT", path: "/{Bucket}", query: fixed("policy"), payload: "Policy", raw: true},
		"deletebucketpolicy":   {method: "DELETE", path: "/{Bucket}", query: fixed("policy")},
		"getbucketversioning":  {method: "GET", path: "/{Bucket}", query: fixed("versioning")},
		"putbucketversioning":  {method: "PUT", path: "/{Bucket}", query: fixed("versioning"), payload: "VersioningConfiguration", namespace: s3NS},
		"getbuckettagging":     {method: "GET", path: "/{Bucket}", query: fixed("tagging")},
		"putbuckettagging":     {method: "PUT", path: "/{Bucket}", query: fixed("tagging"), payload: "Tagging", namespace: s3NS, items: map[string]string{"TagSet": "Tag"}},
		"deletebuckettagging":  {method: "DELETE", path: "/{Bucket}", query: fixed("tagging")},
		"getbucketencryption":  {method: "GET", path: "/{Bucket}", query: fixed("encryption"), answer: "ServerSideEncryptionConfiguration"},
		"getpublicaccessblock": {method: "GET", path: "/{Bucket}", query: fixed("publicAccessBlock"), answer: "PublicAccessBlockConfiguration"},
		"putpublicaccessblock": {
			method: "PUT", path: "/{Bucket}", query: fixed("publicAccessBlock"), payload: "PublicAccessBlockConfiguration", namespace: s3NS,
		},
		"putbucketencryption": {
			method: "PUT", path: "/{Bucket}", query: fixed("encryption"), payload: "ServerSideEncryptionConfiguration", namespace: s3NS, items: map[string]string{"Rules": "*Rule"},
		},
		"putobject": {
			method: "PUT", path: "/{Bucket}/{Key+}", payload: "Body", raw: true, answers: map[string]string{"ETag": "Etag", "VersionId": "X-Amz-Version-Id"},
			header: map[string]string{"Content-Type": "ContentType", "Cache-Control": "CacheControl", "Content-Encoding": "ContentEncoding", "Content-Disposition": "ContentDisposition"},
		},
		"getobject": {
			method: "GET", path: "/{Bucket}/{Key+}", query: map[string]string{"versionId": "VersionId"}, answer: "Body", text: true,
			answers: map[string]string{"ETag": "Etag", "ContentType": "Content-Type", "ContentLength": "Content-Length", "VersionId": "X-Amz-Version-Id"},
		},
		"headobject": {
			method: "HEAD", path: "/{Bucket}/{Key+}", query: map[string]string{"versionId": "VersionId"},
			answers: map[string]string{"ETag": "Etag", "ContentType": "Content-Type", "ContentLength": "Content-Length", "VersionId": "X-Amz-Version-Id"},
		},
		"deleteobject": {method: "DELETE", path: "/{Bucket}/{Key+}", query: map[string]string{"versionId": "VersionId"}},
		"copyobject":   {method: "PUT", path: "/{Bucket}/{Key+}", header: map[string]string{"X-Amz-Copy-Source": "CopySource"}, answer: "CopyObjectResult"},
		"listobjectsv2": {
			method: "GET", path: "/{Bucket}",
			query: map[string]string{"list-type": "=2", "prefix": "Prefix", "delimiter": "Delimiter", "max-keys": "MaxKeys", "continuation-token": "ContinuationToken"},
		},
	},
	"s3control": {
		"getaccesspoint":                             point("GET", "accesspoint/{Name}"),
		"listaccesspoints":                           {method: "GET", path: "/v20180820/accesspoint", query: map[string]string{"bucket": "Bucket"}, header: accountHeader},
		"getaccesspointpolicy":                       point("GET", "accesspoint/{Name}/policy"),
		"deleteaccesspointpolicy":                    point("DELETE", "accesspoint/{Name}/policy"),
		"getaccesspointforobjectlambda":              point("GET", "accesspointforobjectlambda/{Name}"),
		"getaccesspointconfigurationforobjectlambda": point("GET", "accesspointforobjectlambda/{Name}/configuration"),
		"getaccesspointpolicyforobjectlambda":        point("GET", "accesspointforobjectlambda/{Name}/policy"),
		"listaccesspointsforobjectlambda":            point("GET", "accesspointforobjectlambda"),
		"getpublicaccessblock":                       point("GET", "configuration/publicAccessBlock"),
	},
	"cloudfront": {
		"createinvalidation": {
			method: "POST", path: "/2020-05-31/distribution/{DistributionId}/invalidation", payload: "InvalidationBatch", namespace: cloudfrontNS,
			items: map[string]string{"Items": "Path"}, answer: "Invalidation", answers: map[string]string{"Location": "Location"},
		},
		"getinvalidation":       part("distribution/{DistributionId}/invalidation/{Id}", "Invalidation"),
		"getdistribution":       part("distribution/{Id}", "Distribution"),
		"getdistributionconfig": part("distribution/{Id}/config", "DistributionConfig"),
		"listdistributions":     part("distribution", "DistributionList"),
		"getcachepolicy":        part("cache-policy/{Id}", "CachePolicy"),
		"listcachepolicies":     part("cache-policy", "CachePolicyList"),
		"describefunction":      {method: "GET", path: "/2020-05-31/function/{Name}/describe", query: same("Stage"), answer: "FunctionSummary", answers: map[string]string{"ETag": "Etag"}},
		"publishfunction": {
			method: "POST", path: "/2020-05-31/function/{Name}/publish", header: map[string]string{"If-Match": "IfMatch"}, answer: "FunctionSummary",
		},
	},
}

var accountHeader = map[string]string{"X-Amz-Account-Id": "AccountId"}

func same(members ...string) map[string]string {
	out := map[string]string{}
	for _, m := range members {
		out[m] = m
	}
	return out
}

func fixed(key string) map[string]string { return map[string]string{key: "="} }

func get(path string, query ...string) route {
	return route{method: "GET", path: path, query: same(query...)}
}

func send(method, path string, query ...string) route {
	return route{method: method, path: path, query: same(query...), payload: "*"}
}

func point(method, path string) route {
	return route{method: method, path: "/v20180820/" + path, header: accountHeader}
}

func part(path, answer string) route {
	return route{method: "GET", path: "/2020-05-31/" + path, answer: answer, answers: map[string]string{"ETag": "Etag"}}
}
