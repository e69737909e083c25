package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"glassine/console/client"
)

// pageSize is how many objects a page of a bucket shows.
const pageSize = 100

// bucketRow is a bucket and how well it is closed. A nil field could not be asked.
type bucketRow struct {
	client.Bucket
	Block      *client.PublicAccessBlock
	Encryption string
}

func bucketsPage(q *request) error {
	all, err := q.aws.ListBuckets(q.ctx())
	if err != nil {
		return err
	}
	rows := make([]bucketRow, len(all))
	for i, b := range all {
		rows[i] = bucketRow{Bucket: b}
		if i >= 50 { // beyond, one call each is too many
			continue
		}
		if block, err := q.aws.GetPublicAccessBlock(q.ctx(), b.Name); err == nil {
			rows[i].Block = &block
		}
		rows[i].Encryption, _ = q.aws.GetBucketEncryption(q.ctx(), b.Name) // what may not be asked is not shown
	}
	return q.show("buckets", "bucket", "Buckets", rows)
}

// createBucket makes a bucket as it should be: all public access blocked, encrypted.
func createBucket(q *request) error {
	name := strings.TrimSpace(q.form("bucket"))
	if name == "" {
		return q.again(&asked{"A bucket needs a name.", "3 to 63 lower-case letters, digits and hyphens.", ""}, bucketsPage)
	}
	if err := q.aws.CreateBucket(q.ctx(), name); err != nil {
		return q.again(err, bucketsPage)
	}
	if err := q.aws.BlockPublicAccess(q.ctx(), name); err != nil {
		return q.again(err, bucketsPage)
	}
	if err := q.aws.PutBucketEncryption(q.ctx(), name); err != nil {
		return q.again(err, bucketsPage)
	}
	return q.done("/buckets/"+url.PathEscape(name), "Made the bucket "+name+": private and encrypted.")
}

// bucketData is a bucket's page.
type bucketData struct {
	Bucket, Prefix, Token string
	Crumbs                []crumb
	List                  client.Listing
	Block                 *client.PublicAccessBlock
	Encryption, Policy    string
	Points                []client.AccessPoint
	Problem               *problem // why the objects cannot be listed
}

// crumb is a folder on the way to where one is.
type crumb struct{ Name, Prefix string }

func crumbs(prefix string) (out []crumb) {
	for i, ch := range prefix {
		if ch == '/' {
			from := strings.LastIndexByte(prefix[:i], '/') + 1
			out = append(out, crumb{prefix[from:i], prefix[:i+1]})
		}
	}
	return out
}

func bucketPage(q *request) error {
	d := bucketData{Bucket: q.r.PathValue("bucket"), Prefix: q.arg("prefix"), Token: q.arg("token")}
	d.Crumbs = crumbs(d.Prefix)
	var err error
	if d.List, err = q.aws.ListObjects(q.ctx(), d.Bucket, d.Prefix, d.Token, pageSize); err != nil {
		if client.Code(err) == "NoSuchBucket" {
			return err
		}
		d.Problem = problemOf(err)
	}
	if block, err := q.aws.GetPublicAccessBlock(q.ctx(), d.Bucket); err == nil {
		d.Block = &block
	}
	d.Encryption, _ = q.aws.GetBucketEncryption(q.ctx(), d.Bucket) // what may not be asked is not shown
	if policy, err := q.aws.GetBucketPolicy(q.ctx(), d.Bucket); err == nil {
		d.Policy = indented(policy)
	}
	d.Points, _ = q.aws.ListAccessPoints(q.ctx(), d.Bucket) // likewise
	return q.show("bucket", "bucket", d.Bucket, d, "upload.js")
}

// indented is JSON as people read it; what is none comes back as it is.
func indented(doc string) string {
	var v any
	if json.Unmarshal([]byte(doc), &v) != nil {
		return doc
	}
	out, err := json.MarshalIndent(json.RawMessage(doc), "", "  ")
	if err != nil {
		return doc
	}
	return string(out)
}

// bucketAction is a form of a bucket's page.
func bucketAction(q *request) error {
	bucket := q.r.PathValue("bucket")
	to := "/buckets/" + url.PathEscape(bucket)
	var err error
	text := ""
	switch q.form("do") {
	case "block":
		err, text = q.aws.BlockPublicAccess(q.ctx(), bucket), "All public access to "+bucket+" is blocked."
	case "encrypt":
		err, text = q.aws.PutBucketEncryption(q.ctx(), bucket), "New objects are encrypted with SSE-S3 by default."
	case "policy":
		err, text = q.aws.PutBucketPolicy(q.ctx(), bucket, strings.TrimSpace(q.form("policy"))), "The bucket policy is set."
	case "delete":
		err, text, to = q.aws.DeleteBucket(q.ctx(), bucket), "Deleted the bucket "+bucket+".", "/buckets"
	case "delete-object":
		to += "?prefix=" + url.QueryEscape(q.form("prefix"))
		err, text = q.aws.DeleteObject(q.ctx(), bucket, q.form("key")), "Deleted "+q.form("key")+"."
	default:
		err = &asked{"This form asks for nothing.", "Load the page again.", ""}
	}
	if err != nil {
		return q.again(err, bucketPage)
	}
	return q.done(to, text)
}

// objectData is an object's page.
type objectData struct {
	Bucket, Key, Folder string
	Original            *original
	Raster              bool // a browser shows it as pixels
	SVG                 bool
	Ways                []*chain // how the world gets it
}

func objectPage(q *request) error {
	d := objectData{Bucket: q.r.PathValue("bucket"), Key: q.arg("key")}
	d.Folder = d.Key[:strings.LastIndexByte(d.Key, '/')+1]
	var err error
	if d.Original, err = q.original(d.Bucket, d.Key); err != nil {
		return err
	}
	kind := strings.SplitN(d.Original.Head.ContentType, ";", 2)[0]
	d.Raster, d.SVG = rasterType(kind), kind == "image/svg+xml"
	if all, err := chains(q.ctx(), q.aws); err == nil { // else the page goes without
		for _, c := range all {
			if c.Bucket == d.Bucket {
				d.Ways = append(d.Ways, c)
			}
		}
	}
	return q.show("object", "bucket", d.Key, d)
}

// objectContent is the object itself, where it can do no harm.
func objectContent(q *request) error { return q.preview(q.r.PathValue("bucket"), q.arg("key")) }

func (c *Console) bucketRoutes(show, do, send func(string, handler), mux *http.ServeMux) {
	show("/buckets", bucketsPage)
	do("/buckets", createBucket)
	show("/buckets/{bucket}", bucketPage)
	do("/buckets/{bucket}", bucketAction)
	show("/buckets/{bucket}/object", objectPage)
	send("/buckets/{bucket}/content", objectContent)
	mux.HandleFunc("POST /buckets/{bucket}/upload", c.action(maxUpload, c.scripted(func(q *request) error {
		if q.r.ContentLength < 0 || q.arg("key") == "" {
			return &asked{"Nothing to store.", "An upload names a key, and says how long it is.", ""}
		}
		if err := q.aws.PutObject(q.ctx(), q.r.PathValue("bucket"), q.arg("key"), q.r.Header.Get("Content-Type"), q.r.Body, q.r.ContentLength); err != nil {
			return err
		}
		q.s.say(flash{Text: "Stored " + q.arg("key") + ".", Calls: q.aws.Calls()})
		return q.json(map[string]string{"key": q.arg("key")})
	})))
}
