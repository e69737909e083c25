package wire

import (
	"net/http"
	"strings"

	"glassine/aws/fault"
)

// statuses are the HTTP statuses of AWS's error codes, as the S3 API Reference ("Error Responses"), the S3 User Guide
// (Object Lambda) and the CloudFront API models give them. A code that is not here answers 400.
var statuses = map[string]int{
	"AccessDenied":               403,
	"InvalidAccessKeyId":         403,
	"InvalidClientTokenId":       403,
	"MissingAuthenticationToken": 403,
	"RequestTimeTooSkewed":       403,
	"SignatureDoesNotMatch":      403,
	"LambdaPermissionError":      403,

	"NoSuchBucket":                         404,
	"NoSuchKey":                            404,
	"NoSuchUpload":                         404,
	"NoSuchVersion":                        404,
	"NoSuchBucketPolicy":                   404,
	"NoSuchAccessPoint":                    404,
	"NoSuchAccessPointPolicy":              404,
	"NoSuchPublicAccessBlockConfiguration": 404,
	"NoSuchEntity":                         404,
	"NoSuchDistribution":                   404,
	"NoSuchCachePolicy":                    404,
	"NoSuchInvalidation":                   404,
	"LambdaNotFound":                       404,
	"NoTransformationDefined":              404,
	"ResourceNotFoundException":            404,

	"MethodNotAllowed":                 405,
	"BucketAlreadyExists":              409,
	"BucketAlreadyOwnedByYou":          409,
	"BucketNotEmpty":                   409,
	"OperationAborted":                 409,
	"AccessPointAlreadyOwnedByYou":     409,
	"EntityAlreadyExists":              409,
	"DeleteConflict":                   409,
	"LimitExceeded":                    409,
	"DistributionAlreadyExists":        409,
	"DistributionNotDisabled":          409,
	"CNAMEAlreadyExists":               409,
	"CachePolicyAlreadyExists":         409,
	"CachePolicyInUse":                 409,
	"OriginAccessControlAlreadyExists": 409,
	"OriginAccessControlInUse":         409,
	"InvalidationBatchAlreadyExists":   409,
	"ResourceConflictException":        409,

	"MissingContentLength":     411,
	"PreconditionFailed":       412,
	"BatchTooLarge":            413,
	"InvalidRange":             416,
	"TooManyRequestsException": 429,

	"InternalError":             500,
	"LambdaRuntimeError":        500,
	"LambdaResponseNotReceived": 500,
	"LambdaTimeout":             500,
	"NotImplemented":            501,
	"ServiceUnavailable":        503,
	"SlowDown":                  503,
	"InsufficientStorage":       507,
}

// Status is the HTTP status that answers f.
func Status(f *fault.Error) int {
	if f.Status != 0 {
		return f.Status
	}
	if s, ok := statuses[f.Code]; ok {
		return s
	}
	if strings.HasPrefix(f.Code, "NoSuch") {
		return http.StatusNotFound
	}
	return http.StatusBadRequest
}
