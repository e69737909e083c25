package client

import (
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bucket is a bucket of ListBuckets.
type Bucket struct {
	Name         string
	CreationDate time.Time
	Region       string `xml:"BucketRegion"`
}

// Object is an object of a listing.
type Object struct {
	Key          string
	LastModified time.Time
	ETag         string
	Size         int64
}

// Listing is a page of ListObjectsV2.
type Listing struct {
	Objects  []Object `xml:"Contents"`
	Prefixes []string `xml:"CommonPrefixes>Prefix"`
	Next     string   `xml:"NextContinuationToken"`
}

// PublicAccessBlock is what of public access is blocked.
type PublicAccessBlock struct {
	BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets bool
}

// All reports whether everything is blocked.
func (b PublicAccessBlock) All() bool {
	return b.BlockPublicAcls && b.IgnorePublicAcls && b.BlockPublicPolicy && b.RestrictPublicBuckets
}

// BlockAll is the only setting that the console makes.
const blockAll = "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"

const s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// EscapeKey encodes a key for a path as S3's SDKs do: all but unreserved characters and slashes.
func EscapeKey(key string) string {
	var b strings.Builder
	for i := 0; i < len(key); i++ {
		switch ch := key[i]; {
		case ch >= 'a' && ch <= 'z', ch >= 'A' && ch <= 'Z', ch >= '0' && ch <= '9', strings.IndexByte("-_.~/", ch) >= 0:
			b.WriteByte(ch)
		default:
			const hex = "0123456789ABCDEF"
			b.WriteByte('%')
			b.WriteByte(hex[ch>>4])
			b.WriteByte(hex[ch&15])
		}
	}
	return b.String()
}

// s3 is a call of S3's data plane on a bucket in path style: any bucket name works in it.
func (c *Client) s3(operation, method, bucket, key, query string, cli ...string) request {
	u := "https://s3." + c.Region + ".amazonaws.com/" + url.PathEscape(bucket)
	if key != "" {
		u += "/" + EscapeKey(key)
	}
	if query != "" {
		u += "?" + query
	}
	return request{operation: "s3:" + operation, service: "s3", method: method, url: u, cli: append([]string{"s3api"}, cli...)}
}

// ListBuckets returns all buckets.
func (c *Client) ListBuckets(ctx context.Context) ([]Bucket, error) {
	var out struct {
		Buckets []Bucket `xml:"Buckets>Bucket"`
	}
	_, err := c.xml(ctx, c.s3("ListBuckets", http.MethodGet, "", "", "", "list-buckets"), &out)
	return out.Buckets, err
}

// CreateBucket makes a bucket in the client's region.
func (c *Client) CreateBucket(ctx context.Context, bucket string) error {
	r := c.s3("CreateBucket", http.MethodPut, bucket, "", "", "create-bucket", "--bucket", bucket)
	if c.Region != "us-east-1" {
		r.body = []byte(`<CreateBucketConfiguration xmlns="` + s3Namespace + `"><LocationConstraint>` + c.Region + `</LocationConstraint></CreateBucketConfiguration>`)
		r.cli = append(r.cli, "--create-bucket-configuration", "LocationConstraint="+c.Region)
	}
	_, err := c.xml(ctx, r, nil)
	return err
}

// DeleteBucket takes an empty bucket away.
func (c *Client) DeleteBucket(ctx context.Context, bucket string) error {
	_, err := c.xml(ctx, c.s3("DeleteBucket", http.MethodDelete, bucket, "", "", "delete-bucket", "--bucket", bucket), nil)
	return err
}

// ListObjects returns a page of at most limit keys and common prefixes. token is a Listing's Next, or "".
func (c *Client) ListObjects(ctx context.Context, bucket, prefix, token string, limit int) (Listing, error) {
	q := url.Values{"list-type": {"2"}, "delimiter": {"/"}, "max-keys": {strconv.Itoa(limit)}, "prefix": {prefix}, "encoding-type": {"url"}}
	cli := []string{"list-objects-v2", "--bucket", bucket, "--delimiter", "/", "--max-items", strconv.Itoa(limit)}
	if prefix != "" {
		cli = append(cli, "--prefix", prefix)
	}
	if token != "" {
		q.Set("continuation-token", token)
		cli = append(cli, "--starting-token", token)
	}
	var out Listing
	if _, err := c.xml(ctx, c.s3("ListObjectsV2", http.MethodGet, bucket, "", encodeQuery(q), cli...), &out); err != nil {
		return out, err
	}
	for i := range out.Objects {
		out.Objects[i].Key = decoded(out.Objects[i].Key)
	}
	for i, p := range out.Prefixes {
		out.Prefixes[i] = decoded(p)
	}
	return out, nil
}

// decoded is a name of a listing of encoding-type=url.
func decoded(s string) string {
	if d, err := url.QueryUnescape(s); err == nil {
		return d
	}
	return s
}

// encodeQuery writes a space as %20, which is how it is signed.
func encodeQuery(q url.Values) string { return strings.ReplaceAll(q.Encode(), "+", "%20") }

// Head is what is known of an object beside its bytes.
type Head struct {
	Size                             int64
	ContentType, ETag, Encryption    string
	LastModified                     string
	Metadata                         map[string]string // x-amz-meta-*
	CacheControl, ContentDisposition string
}

func headOf(h http.Header, size int64) Head {
	out := Head{
		Size: size, ContentType: h.Get("Content-Type"), ETag: h.Get("Etag"), Encryption: h.Get("X-Amz-Server-Side-Encryption"), LastModified: h.Get("Last-Modified"),
		CacheControl: h.Get("Cache-Control"), ContentDisposition: h.Get("Content-Disposition"), Metadata: map[string]string{},
	}
	for name := range h {
		if key, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-meta-"); ok {
			out.Metadata[key] = h.Get(name)
		}
	}
	return out
}

// HeadObject asks about an object.
func (c *Client) HeadObject(ctx context.Context, bucket, key string) (Head, error) {
	resp, err := c.send(ctx, c.s3("HeadObject", http.MethodHead, bucket, key, "", "head-object", "--bucket", bucket, "--key", key))
	if err != nil {
		return Head{}, err
	}
	defer resp.Body.Close()
	return headOf(resp.Header, resp.ContentLength), nil
}

// GetObject opens an object. The caller closes the body.
func (c *Client) GetObject(ctx context.Context, bucket, key string) (Head, io.ReadCloser, error) {
	resp, err := c.send(ctx, c.s3("GetObject", http.MethodGet, bucket, key, "", "get-object", "--bucket", bucket, "--key", key, "original"))
	if err != nil {
		return Head{}, nil, err
	}
	return headOf(resp.Header, resp.ContentLength), resp.Body, nil
}

// PutObject stores size bytes of body.
func (c *Client) PutObject(ctx context.Context, bucket, key, contentType string, body io.Reader, size int64) error {
	r := c.s3("PutObject", http.MethodPut, bucket, key, "", "put-object", "--bucket", bucket, "--key", key, "--body", key[strings.LastIndexByte(key, '/')+1:])
	r.stream, r.size = body, size
	if contentType != "" {
		r.header = http.Header{"Content-Type": {contentType}}
		r.cli = append(r.cli, "--content-type", contentType)
	}
	_, err := c.xml(ctx, r, nil)
	return err
}

// DeleteObject deletes an object.
func (c *Client) DeleteObject(ctx context.Context, bucket, key string) error {
	_, err := c.xml(ctx, c.s3("DeleteObject", http.MethodDelete, bucket, key, "", "delete-object", "--bucket", bucket, "--key", key), nil)
	return err
}

// GetPublicAccessBlock returns what is blocked; a bucket without the setting blocks nothing.
func (c *Client) GetPublicAccessBlock(ctx context.Context, bucket string) (PublicAccessBlock, error) {
	var out PublicAccessBlock
	_, err := c.xml(ctx, c.s3("GetPublicAccessBlock", http.MethodGet, bucket, "", "publicAccessBlock", "get-public-access-block", "--bucket", bucket), &out)
	if Code(err) == "NoSuchPublicAccessBlockConfiguration" {
		return PublicAccessBlock{}, nil
	}
	return out, err
}

// BlockPublicAccess blocks all public access to a bucket.
func (c *Client) BlockPublicAccess(ctx context.Context, bucket string) error {
	r := c.s3("PutPublicAccessBlock", http.MethodPut, bucket, "", "publicAccessBlock", "put-public-access-block", "--bucket", bucket,
		"--public-access-block-configuration", blockAll)
	r.body = marshal(struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ PublicAccessBlockConfiguration"`
		PublicAccessBlock
	}{PublicAccessBlock: PublicAccessBlock{true, true, true, true}})
	_, err := c.xml(ctx, r, nil)
	return err
}

// GetBucketEncryption returns the default encryption's algorithm, or "".
func (c *Client) GetBucketEncryption(ctx context.Context, bucket string) (string, error) {
	var out struct {
		Algorithm string `xml:"Rule>ApplyServerSideEncryptionByDefault>SSEAlgorithm"`
	}
	_, err := c.xml(ctx, c.s3("GetBucketEncryption", http.MethodGet, bucket, "", "encryption", "get-bucket-encryption", "--bucket", bucket), &out)
	if Code(err) == "ServerSideEncryptionConfigurationNotFoundError" {
		return "", nil
	}
	return out.Algorithm, err
}

// PutBucketEncryption sets SSE-S3 as the default.
func (c *Client) PutBucketEncryption(ctx context.Context, bucket string) error {
	r := c.s3("PutBucketEncryption", http.MethodPut, bucket, "", "encryption", "put-bucket-encryption", "--bucket", bucket,
		"--server-side-encryption-configuration", `{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}`)
	r.body = []byte(`<ServerSideEncryptionConfiguration xmlns="` + s3Namespace + `"><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`)
	_, err := c.xml(ctx, r, nil)
	return err
}

// GetBucketPolicy returns the policy's document, or "".
func (c *Client) GetBucketPolicy(ctx context.Context, bucket string) (string, error) {
	raw, _, err := c.read(ctx, c.s3("GetBucketPolicy", http.MethodGet, bucket, "", "policy", "get-bucket-policy", "--bucket", bucket))
	if Code(err) == "NoSuchBucketPolicy" {
		return "", nil
	}
	return string(raw), err
}

// PutBucketPolicy sets the policy; an empty document takes it away.
func (c *Client) PutBucketPolicy(ctx context.Context, bucket, document string) error {
	r := c.s3("PutBucketPolicy", http.MethodPut, bucket, "", "policy", "put-bucket-policy", "--bucket", bucket, "--policy", document)
	r.body = []byte(document)
	if document == "" {
		r = c.s3("DeleteBucketPolicy", http.MethodDelete, bucket, "", "policy", "delete-bucket-policy", "--bucket", bucket)
	}
	_, err := c.xml(ctx, r, nil)
	return err
}

// marshal is the XML of a value of ours, which always has one.
func marshal(v any) []byte {
	raw, err := xml.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}
