package objectlambda

import "strings"

// Operations that a function can answer, by AWS's names. They are the Actions of a transformation too.
const (
	GetObject     = "GetObject"
	HeadObject    = "HeadObject"
	ListObjects   = "ListObjects"
	ListObjectsV2 = "ListObjectsV2"
)

// transformable reports whether a function can answer the operation.
func transformable(operation string) bool {
	return operation == GetObject || operation == HeadObject || operation == ListObjects || operation == ListObjectsV2
}

// actions are the operations that an Object Lambda access point takes, each with what the caller must be allowed there.
// GetBucketLocation has no action of this service. (Service Authorization Reference, "Actions, resources, and condition
// keys for Amazon S3 Object Lambda"; the operations are those of the data events that CloudTrail has for it.)
var actions = map[string]string{
	GetObject: "GetObject", HeadObject: "GetObject", "GetObjectAcl": "GetObjectAcl", "GetObjectTagging": "GetObjectTagging",
	"GetObjectLegalHold": "GetObjectLegalHold", "GetObjectRetention": "GetObjectRetention",
	"PutObject": "PutObject", "CopyObject": "PutObject", "PutObjectAcl": "PutObjectAcl", "PutObjectTagging": "PutObjectTagging",
	"PutObjectLegalHold": "PutObjectLegalHold", "PutObjectRetention": "PutObjectRetention", "RestoreObject": "RestoreObject",
	"DeleteObject": "DeleteObject", "DeleteObjectTagging": "DeleteObjectTagging", "DeleteObjects": "DeleteObject",
	"CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "UploadPartCopy": "PutObject", "CompleteMultipartUpload": "PutObject",
	"AbortMultipartUpload": "AbortMultipartUpload", "ListParts": "ListMultipartUploadParts", "ListMultipartUploads": "ListBucketMultipartUploads",
	ListObjects: "ListBucket", ListObjectsV2: "ListBucket", "ListObjectVersions": "ListBucketVersions",
	"HeadBucket": "ListBucket", "GetBucketLocation": "",
}

// action is what the caller of an operation must be allowed, without the service's prefix; "" is nothing.
func action(operation string, versioned bool) (name string, known bool) {
	name, known = actions[operation]
	if versioned {
		switch name {
		case "GetObject", "GetObjectAcl", "GetObjectTagging", "PutObjectAcl", "PutObjectTagging", "DeleteObject", "DeleteObjectTagging":
			name = strings.Replace(name, "Object", "ObjectVersion", 1)
		}
	}
	return name, known
}
