package provider

import (
	"context"
	"strconv"
	"time"

	"glassine/aws/fault"
	"glassine/cloudformation"
	"glassine/s3"
)

// storage are the types of S3.
func (s Services) storage() []*cloudformation.Type {
	return []*cloudformation.Type{
		{
			Name: "AWS::S3::Bucket", NameProperty: "BucketName", Taggable: true, Properties: bucketProperties(),
			Attributes: []string{"Arn", "DomainName", "DualStackDomainName", "RegionalDomainName", "WebsiteURL"},
			Handler:    handler{create: s.createBucket, update: s.updateBucket, read: s.readBucket, delete: s.deleteBucket},
		},
		{
			Name: "AWS::S3::BucketPolicy",
			Properties: fields{
				"Bucket": fixed(required(text())), "PolicyDocument": required(document()),
			},
			Handler: handler{create: s.createBucketPolicy, update: s.updateBucketPolicy, read: s.readBucketPolicy, delete: s.deleteBucketPolicy},
		},
		{
			Name: "AWS::S3::AccessPoint", NameProperty: "Name", Taggable: true,
			Properties: fields{
				"Name": fixed(text()), "Bucket": fixed(required(text())), "BucketAccountId": fixed(text()), "Policy": document(), "Tags": tagList(),
				// S3 has no operation that changes it, so that another one is another access point.
				"PublicAccessBlockConfiguration": fixed(publicAccessBlock()),
			},
			Attributes: []string{"Arn", "Alias", "Name", "NetworkOrigin"},
			Handler:    handler{create: s.createAccessPoint, update: s.updateAccessPoint, read: s.readAccessPoint, delete: s.deleteAccessPoint},
		},
	}
}

func publicAccessBlock() *property {
	return object(fields{"BlockPublicAcls": boolean(), "BlockPublicPolicy": boolean(), "IgnorePublicAcls": boolean(), "RestrictPublicBuckets": boolean()})
}

func bucketProperties() fields {
	rule := fields{
		"Id": text(), "Status": required(enum("Enabled", "Disabled")), "Prefix": text(), "ObjectSizeGreaterThan": integer(), "ObjectSizeLessThan": integer(),
		"TagFilters": tagList(), "ExpirationDate": {Check: checkDate}, "ExpirationInDays": integer(1, 1<<31-1), "ExpiredObjectDeleteMarker": boolean(),
		"NoncurrentVersionExpirationInDays": integer(1, 1<<31-1),
		"NoncurrentVersionExpiration":       object(fields{"NoncurrentDays": required(integer(1, 1<<31-1)), "NewerNoncurrentVersions": integer(1, 100)}),
		"AbortIncompleteMultipartUpload":    object(fields{"DaysAfterInitiation": required(integer(1, 1<<31-1))}),
	}
	cors := fields{
		"Id": text(), "AllowedHeaders": texts(), "AllowedMethods": required(texts()), "AllowedOrigins": required(texts()), "ExposedHeaders": texts(), "MaxAge": integer(),
	}
	return fields{
		"BucketName":    fixed(text()),
		"AccessControl": enum("Private"), // there are no ACLs
		"BucketEncryption": object(fields{"ServerSideEncryptionConfiguration": required(list(object(fields{
			"BucketKeyEnabled":              boolean(),
			"ServerSideEncryptionByDefault": object(fields{"SSEAlgorithm": required(enum(s3.AES256, kms)), "KMSMasterKeyID": text()}),
		})))}),
		"PublicAccessBlockConfiguration": publicAccessBlock(),
		"VersioningConfiguration":        object(fields{"Status": required(enum(s3.VersioningEnabled, s3.VersioningSuspended))}),
		"OwnershipControls":              object(fields{"Rules": required(list(object(fields{"ObjectOwnership": enum(s3.BucketOwnerEnforced)})))}),
		"CorsConfiguration":              object(fields{"CorsRules": required(list(object(cors)))}),
		"LifecycleConfiguration":         object(fields{"Rules": required(list(object(rule)))}),
		"Tags":                           tagList(),
	}
}

// kms is an algorithm that S3 refuses here.
const kms = "aws:kms"

// algorithm is what the template wants. The bucket of cdk bootstrap asks for KMS with AWS's own key, and gets what AWS calls
// AES256: docs/aws-differences.md.
func algorithm(bucket string, c values) string {
	if c.Text("SSEAlgorithm") == kms && c.Text("KMSMasterKeyID") == "" && bootstrapName.MatchString(bucket) {
		return s3.AES256
	}
	return c.Text("SSEAlgorithm")
}

func checkDate(v any) error {
	_, err := date(textOf(v))
	return err
}

func date(s string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t.UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fault.New("ValidationError", "%q is no date in ISO 8601", s)
	}
	return t.UTC(), nil
}

func (s Services) createBucket(ctx context.Context, r *request) (resource, error) {
	name := lowerNamed(r, "BucketName", 63)
	_, err := s.S3.CreateTaggedBucket(ctx, r.Caller, name, r.Region, tagsOf(r.Tags, r.Properties["Tags"]))
	if retake(r, err, []string{"BucketAlreadyOwnedByYou"}, func() (time.Time, error) {
		b, err := s.S3.HeadBucket(ctx, r.Caller, s3.Target{Bucket: name})
		return b.Created, err
	}) || adopts(err, name, "BucketAlreadyOwnedByYou") {
		err = nil
	}
	if err != nil {
		return resource{}, err
	}
	return bucketResource(name, r.Region), each(
		func() error { return r.Note(ctx, name) },
		func() error { return s.configureBucket(ctx, r, name) },
	)
}

func (s Services) updateBucket(ctx context.Context, r *request) (resource, error) {
	if set, removed := retagged(r); len(set)+len(removed) > 0 {
		if err := s.S3.PutBucketTagging(ctx, r.Caller, r.PhysicalID, tagsOf(r.Tags, r.Properties["Tags"])); err != nil {
			return resource{}, err
		}
	}
	return bucketResource(r.PhysicalID, r.Region), s.configureBucket(ctx, r, r.PhysicalID)
}

// configureBucket brings what differs from Previous. What a template does not say is as in a bucket that was made without it.
func (s Services) configureBucket(ctx context.Context, r *request, name string) error {
	p := r.Properties
	var steps []func() error
	on := func(property string, step func() error) {
		if changed(r, property) {
			steps = append(steps, step)
		}
	}
	on("BucketEncryption", func() error {
		rules := listOf(objectOf(p["BucketEncryption"])["ServerSideEncryptionConfiguration"])
		if len(rules) == 0 || objectOf(rules[0])["ServerSideEncryptionByDefault"] == nil {
			return s.S3.DeleteBucketEncryption(ctx, r.Caller, name)
		}
		return s.S3.PutBucketEncryption(ctx, r.Caller, name, algorithm(name, objectOf(objectOf(rules[0])["ServerSideEncryptionByDefault"])))
	})
	on("PublicAccessBlockConfiguration", func() error {
		return s.S3.PutPublicAccessBlock(ctx, r.Caller, name, blockOf(p["PublicAccessBlockConfiguration"]))
	})
	on("VersioningConfiguration", func() error {
		status := objectOf(p["VersioningConfiguration"]).Text("Status")
		if status == "" {
			if now, err := s.S3.BucketVersioning(ctx, r.Caller, name); err != nil || now == "" {
				return err
			}
			status = s3.VersioningSuspended // there is no way back to none
		}
		return s.S3.PutBucketVersioning(ctx, r.Caller, name, status)
	})
	on("OwnershipControls", func() error {
		if p["OwnershipControls"] == nil {
			return s.S3.DeleteBucketOwnershipControls(ctx, r.Caller, name)
		}
		return s.S3.PutBucketOwnershipControls(ctx, r.Caller, name, s3.BucketOwnerEnforced)
	})
	on("CorsConfiguration", func() error {
		if p["CorsConfiguration"] == nil {
			return s.S3.DeleteBucketCORS(ctx, r.Caller, name)
		}
		return s.S3.PutBucketCORS(ctx, r.Caller, name, corsRules(p["CorsConfiguration"]))
	})
	on("LifecycleConfiguration", func() error {
		if p["LifecycleConfiguration"] == nil {
			return s.S3.DeleteBucketLifecycle(ctx, r.Caller, name)
		}
		return s.S3.PutBucketLifecycle(ctx, r.Caller, name, lifecycleRules(p["LifecycleConfiguration"]))
	})
	return each(steps...)
}

// blockOf is all four on when a template says nothing, as in every new bucket; what it says partly is off in the rest.
// (S3 User Guide, "Blocking public access to your Amazon S3 storage".)
func blockOf(v any) s3.PublicAccessBlock {
	b := objectOf(v)
	if b == nil {
		return s3.BlockAll
	}
	return s3.PublicAccessBlock{
		BlockPublicAcls: boolOf(b["BlockPublicAcls"]), IgnorePublicAcls: boolOf(b["IgnorePublicAcls"]),
		BlockPublicPolicy: boolOf(b["BlockPublicPolicy"]), RestrictPublicBuckets: boolOf(b["RestrictPublicBuckets"]),
	}
}

func corsRules(v any) []s3.CORSRule {
	var out []s3.CORSRule
	for _, x := range listOf(objectOf(v)["CorsRules"]) {
		c := objectOf(x)
		out = append(out, s3.CORSRule{
			ID: c.Text("Id"), AllowedHeaders: textsOf(c["AllowedHeaders"]), AllowedMethods: textsOf(c["AllowedMethods"]), AllowedOrigins: textsOf(c["AllowedOrigins"]),
			ExposeHeaders: textsOf(c["ExposedHeaders"]), MaxAgeSeconds: intPointer(c["MaxAge"]),
		})
	}
	return out
}

func lifecycleRules(v any) []s3.LifecycleRule {
	var out []s3.LifecycleRule
	for i, x := range listOf(objectOf(v)["Rules"]) {
		c := objectOf(x)
		noncurrent := objectOf(c["NoncurrentVersionExpiration"])
		rule := s3.LifecycleRule{
			ID: c.Text("Id"), Enabled: c.Text("Status") == "Enabled", Prefix: c.Text("Prefix"), SizeGreaterThan: seconds(c["ObjectSizeGreaterThan"]),
			SizeLessThan: seconds(c["ObjectSizeLessThan"]), ExpireDays: intOf(c["ExpirationInDays"]), ExpireMarkers: boolOf(c["ExpiredObjectDeleteMarker"]),
			NoncurrentDays:  max(intOf(c["NoncurrentVersionExpirationInDays"]), intOf(noncurrent["NoncurrentDays"])),
			NewerNoncurrent: intOf(noncurrent["NewerNoncurrentVersions"]), AbortDays: intOf(objectOf(c["AbortIncompleteMultipartUpload"])["DaysAfterInitiation"]),
		}
		if rule.ID == "" {
			rule.ID = "rule-" + strconv.Itoa(i+1)
		}
		if tags := tagsOf(nil, c["TagFilters"]); len(tags) > 0 {
			rule.Tags = tags
		}
		if d, err := date(c.Text("ExpirationDate")); err == nil {
			rule.ExpireDate = d
		}
		out = append(out, rule)
	}
	return out
}

// bucketResource is a bucket as templates see it. (CloudFormation Template Reference, AWS::S3::Bucket, "Return values".)
func bucketResource(name, region string) resource {
	return resource{PhysicalID: name, Attributes: values{
		"Arn": s3.BucketARN(name), "DomainName": name + ".s3.amazonaws.com", "DualStackDomainName": name + ".s3.dualstack." + region + ".amazonaws.com",
		"RegionalDomainName": name + ".s3." + region + ".amazonaws.com", "WebsiteURL": "http://" + name + ".s3-website-" + region + ".amazonaws.com",
	}}
}

func (s Services) readBucket(ctx context.Context, r *request) (resource, error) {
	b, err := s.S3.HeadBucket(ctx, r.Caller, s3.Target{Bucket: r.PhysicalID})
	return found(bucketResource(b.Name, b.Region), err)
}

func (s Services) deleteBucket(ctx context.Context, r *request) error {
	return deleted(s.S3.DeleteBucket(ctx, r.Caller, r.PhysicalID))
}

func (s Services) createBucketPolicy(ctx context.Context, r *request) (resource, error) {
	bucket := r.Properties.Text("Bucket")
	if !r.Retry {
		switch _, err := s.S3.GetBucketPolicy(ctx, r.Caller, bucket); {
		case err == nil:
			return resource{}, fault.New("AlreadyExists", "The bucket policy already exists on bucket %s.", bucket)
		case !fault.Is(err, "NoSuchBucketPolicy"):
			return resource{}, err
		}
	}
	if err := s.S3.PutBucketPolicy(ctx, r.Caller, bucket, docOf(r.Properties["PolicyDocument"])); err != nil {
		return resource{}, err
	}
	return resource{PhysicalID: bucket}, nil
}

func (s Services) updateBucketPolicy(ctx context.Context, r *request) (resource, error) {
	return resource{PhysicalID: r.PhysicalID}, s.S3.PutBucketPolicy(ctx, r.Caller, r.PhysicalID, docOf(r.Properties["PolicyDocument"]))
}

func (s Services) readBucketPolicy(ctx context.Context, r *request) (resource, error) {
	_, err := s.S3.GetBucketPolicy(ctx, r.Caller, r.PhysicalID)
	return found(resource{PhysicalID: r.PhysicalID}, err)
}

func (s Services) deleteBucketPolicy(ctx context.Context, r *request) error {
	return deleted(s.S3.DeleteBucketPolicy(ctx, r.Caller, r.PhysicalID))
}
