package signedurl

// Kind is why a request was refused.
type Kind uint8

// The kinds of refusal. Each is answered with status 403.
const (
	MissingKey         Kind = iota // neither Key-Pair-Id nor its cookie, or an empty one
	UnknownKey                     // no trusted key has the id
	MissingSignature               // Signature is not there
	MissingPolicy                  // neither Policy nor Expires
	MalformedSignature             // not in CloudFront's base64
	MalformedPolicy                // the policy cannot be read, or asks for what no policy may
	BadSignature                   // the signature is not that key's for that policy
	Expired                        // DateLessThan has come
	NotYet                         // DateGreaterThan has not come
	OtherResource                  // the policy is for another URL
	OtherAddress                   // the policy is for another address
)

var kindNames = [...]string{
	"no Key-Pair-Id", "unknown Key-Pair-Id", "no Signature", "neither Policy nor Expires", "malformed Signature", "malformed Policy",
	"the signature does not match", "expired", "not valid yet", "signed for another URL", "signed for another address",
}

// String is k in words, for logs.
func (k Kind) String() string { return kindNames[k] }

// Error says why a request was refused.
type Error struct {
	Kind   Kind
	Detail string // for logs; "" where Kind says all. Never part of a signature.
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return "signed URL: " + e.Kind.String()
	}
	return "signed URL: " + e.Kind.String() + ": " + e.Detail
}

// Code and Message are what CloudFront tells the viewer, in <Error><Code>..</Code><Message>..</Message></Error>. Of MissingKey and
// UnknownKey the messages are documented (AWS knowledge center, "How do I troubleshoot issues related to a signed URL or signed
// cookies in CloudFront?"); what is wrong with anything else a viewer is not told.
func (e *Error) Code() string {
	switch e.Kind {
	case MissingKey:
		return "MissingKey"
	case UnknownKey:
		return "InvalidKey"
	case MalformedSignature:
		return "MalformedSignature"
	case MalformedPolicy:
		return "MalformedPolicy"
	}
	return "AccessDenied"
}

// Message goes with Code.
func (e *Error) Message() string {
	switch e.Kind {
	case MissingKey:
		return "Missing Key-Pair-Id query parameter or cookie value"
	case UnknownKey:
		return "Unknown Key"
	case MalformedSignature:
		return "Could not unencode Signature"
	case MalformedPolicy:
		return "Malformed Policy"
	}
	return "Access denied"
}
