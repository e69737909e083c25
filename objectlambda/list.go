package objectlambda

import "context"

// ListAnswer is a function's answer to ListObjects or ListObjectsV2: XML as it stands, a Listing, or an error.
type ListAnswer struct {
	Answer          // Status, ErrorCode and ErrorMessage
	XML     string  // a whole document
	Listing Listing // when XML is ""
}

// Listing is a listBucketResult. What is nil was not given. Keys are encoded as EncodingType says: that is the function's
// to do. (S3 API Reference, ListObjectsV2 and ListObjects, response elements.)
type Listing struct {
	Name                                                 string
	Prefix, Delimiter, EncodingType                      *string
	Marker, NextMarker                                   *string // of ListObjects
	StartAfter, ContinuationToken, NextContinuationToken *string // of ListObjectsV2
	KeyCount                                             *int64  // of ListObjectsV2
	MaxKeys                                              int64
	IsTruncated                                          bool
	Contents                                             []Listed
	CommonPrefixes                                       []string
}

// Listed is an object of a Listing.
type Listed struct {
	Key, LastModified, ETag, StorageClass string
	ChecksumAlgorithm                     []string
	Size                                  int64 // bytes
	Owner                                 *Owner
}

// Owner of a listed object.
type Owner struct{ DisplayName, ID string }

// List has the function answer ListObjects or ListObjectsV2, by what it returns.
//
// Errors: those of GetObject that come without a WriteGetObjectResponse; LambdaInvalidResponse for a return value that is
// no listing.
func (c *Call) List(ctx context.Context) (ListAnswer, error) {
	payload, err := c.returned(ctx)
	if err != nil {
		return ListAnswer{}, err
	}
	return listAnswer(payload, c.Operation == ListObjectsV2)
}

// listAnswer reads what a function returned. (Amazon S3 User Guide, "Writing Lambda functions", ListObjects and
// ListObjectsV2.)
func listAnswer(payload []byte, v2 bool) (ListAnswer, error) {
	f, err := readReturned(payload)
	if err != nil {
		return ListAnswer{}, err
	}
	a := ListAnswer{Answer: f.answer(), XML: f.text("listResultXml")}
	result := f.object("listBucketResult")
	failed := a.Status >= 400 || a.ErrorCode != ""
	switch {
	case f.err != nil:
	case result != nil && a.XML != "":
		f.err = invalidReturn("The Lambda function returned both a listResultXml and a listBucketResult.")
	case result != nil && !failed:
		a.Listing = result.listing(v2)
		f.err = result.err
	case a.XML == "" && !failed:
		f.err = invalidReturn("The Lambda function returned neither a listResultXml nor a listBucketResult.")
	}
	return a, f.failure()
}

// listing reads a listBucketResult.
func (f *fields) listing(v2 bool) Listing {
	f.need("name", "maxKeys", "isTruncated")
	l := Listing{
		Name: f.text("name"), MaxKeys: f.number("maxKeys"), IsTruncated: f.boolean("isTruncated"),
		Prefix: f.optional("prefix"), Delimiter: f.optional("delimiter"), EncodingType: f.optional("encodingType"),
	}
	if v2 {
		f.need("keyCount")
		l.KeyCount = new(f.number("keyCount"))
		l.StartAfter, l.ContinuationToken, l.NextContinuationToken = f.optional("startAfter"), f.optional("continuationToken"), f.optional("nextContinuationToken")
	} else {
		l.Marker, l.NextMarker = f.optional("marker"), f.optional("nextMarker")
	}
	f.list("contents", func(o *fields) { l.Contents = append(l.Contents, o.listed()) })
	f.list("commonPrefixes", func(p *fields) {
		p.need("prefix")
		l.CommonPrefixes = append(l.CommonPrefixes, p.text("prefix"))
	})
	return l
}

func (f *fields) listed() Listed {
	f.need("key", "size")
	o := Listed{Key: f.text("key"), LastModified: f.text("lastModified"), ETag: f.text("eTag"), StorageClass: f.text("storageClass"), Size: f.number("size")}
	if several, ok := f.m["checksumAlgorithm"].([]any); ok {
		for _, v := range several {
			s, ok := scalar(v)
			if !ok {
				f.bad("checksumAlgorithm", "a list of strings")
			}
			o.ChecksumAlgorithm = append(o.ChecksumAlgorithm, s)
		}
	} else if s := f.text("checksumAlgorithm"); s != "" {
		o.ChecksumAlgorithm = []string{s}
	}
	if owner := f.object("owner"); owner != nil {
		owner.need("displayName", "id")
		o.Owner = &Owner{owner.text("displayName"), owner.text("id")}
		f.err = owner.err
	}
	return o
}

// optional is a member's text; nil when it is absent.
func (f *fields) optional(name string) *string {
	if !f.has(name) {
		return nil
	}
	return new(f.text(name))
}
