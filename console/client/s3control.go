package client

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/url"
	"time"
)

// AccessPoint is an access point of a bucket.
type AccessPoint struct {
	Name, Bucket, Alias, NetworkOrigin string
	Arn                                string            `xml:"AccessPointArn"`
	Block                              PublicAccessBlock `xml:"PublicAccessBlockConfiguration"`
	CreationDate                       time.Time
}

// ObjectLambda is an Object Lambda access point.
type ObjectLambda struct {
	Name  string
	Arn   string `xml:"ObjectLambdaAccessPointArn"`
	Alias string `xml:"Alias>Value"`
}

// Transformation says which function answers which operations.
type Transformation struct {
	Actions []string `xml:"Actions>Action"`
	ARN     string   `xml:"ContentTransformation>AwsLambda>FunctionArn"`
	Payload string   `xml:"ContentTransformation>AwsLambda>FunctionPayload,omitempty"`
}

// Configuration is an Object Lambda access point's configuration.
type Configuration struct {
	SupportingAccessPoint string
	Transformations       []Transformation `xml:"TransformationConfigurations>TransformationConfiguration"`
}

// cli is the configuration as the AWS CLI takes it.
func (c Configuration) cli() string {
	type lambda struct {
		FunctionArn     string
		FunctionPayload string `json:",omitempty"`
	}
	type content struct{ AwsLambda lambda }
	type transformation struct {
		Actions               []string
		ContentTransformation content
	}
	out := struct {
		SupportingAccessPoint        string
		TransformationConfigurations []transformation
	}{SupportingAccessPoint: c.SupportingAccessPoint}
	for _, t := range c.Transformations {
		out.TransformationConfigurations = append(out.TransformationConfigurations, transformation{t.Actions, content{lambda{t.ARN, t.Payload}}})
	}
	raw, _ := json.Marshal(out) // strings always encode
	return string(raw)
}

// control is a call of S3's control plane. path follows the version.
func (c *Client) control(operation, method, path string, cli ...string) request {
	return request{
		operation: "s3control:" + operation, service: "s3", method: method, url: "https://" + c.Account + ".s3-control." + c.Region + ".amazonaws.com/v20180820/" + path,
		header: http.Header{"X-Amz-Account-Id": {c.Account}}, cli: append([]string{"s3control", cli[0], "--account-id", c.Account}, cli[1:]...),
	}
}

// ListAccessPoints returns all access points, or those of a bucket.
func (c *Client) ListAccessPoints(ctx context.Context, bucket string) (all []AccessPoint, err error) {
	for token := ""; ; {
		q := url.Values{}
		cli := []string{"list-access-points"}
		if bucket != "" {
			q.Set("bucket", bucket)
			cli = append(cli, "--bucket", bucket)
		}
		if token != "" {
			q.Set("nextToken", token)
			cli = append(cli, "--next-token", token)
		}
		var out struct {
			List []AccessPoint `xml:"AccessPointList>AccessPoint"`
			Next string        `xml:"NextToken"`
		}
		if _, err := c.xml(ctx, c.control("ListAccessPoints", http.MethodGet, "accesspoint"+question(q), cli...), &out); err != nil {
			return all, err
		}
		all = append(all, out.List...)
		if token = out.Next; token == "" {
			return all, nil
		}
	}
}

func question(q url.Values) string {
	if len(q) == 0 {
		return ""
	}
	return "?" + encodeQuery(q)
}

// GetAccessPoint returns one access point.
func (c *Client) GetAccessPoint(ctx context.Context, name string) (AccessPoint, error) {
	var out AccessPoint
	_, err := c.xml(ctx, c.control("GetAccessPoint", http.MethodGet, "accesspoint/"+url.PathEscape(name), "get-access-point", "--name", name), &out)
	return out, err
}

// CreateAccessPoint makes an access point of a bucket, with all public access blocked.
func (c *Client) CreateAccessPoint(ctx context.Context, name, bucket string) error {
	r := c.control("CreateAccessPoint", http.MethodPut, "accesspoint/"+url.PathEscape(name), "create-access-point", "--name", name, "--bucket", bucket,
		"--public-access-block-configuration", blockAll)
	r.body = marshal(struct {
		XMLName                        xml.Name `xml:"http://awss3control.amazonaws.com/doc/2018-08-20/ CreateAccessPointRequest"`
		Bucket                         string
		PublicAccessBlockConfiguration PublicAccessBlock
	}{Bucket: bucket, PublicAccessBlockConfiguration: PublicAccessBlock{true, true, true, true}})
	_, err := c.xml(ctx, r, nil)
	return err
}

// DeleteAccessPoint deletes an access point.
func (c *Client) DeleteAccessPoint(ctx context.Context, name string) error {
	_, err := c.xml(ctx, c.control("DeleteAccessPoint", http.MethodDelete, "accesspoint/"+url.PathEscape(name), "delete-access-point", "--name", name), nil)
	return err
}

// kinds of access points: their path, and the end of their operations' and commands' names.
type pointKind struct{ path, operation, command string }

var (
	plainPoint  = pointKind{"accesspoint/", "", ""}
	lambdaPoint = pointKind{"accesspointforobjectlambda/", "ForObjectLambda", "-for-object-lambda"}
)

func kindOf(objectLambda bool) pointKind {
	if objectLambda {
		return lambdaPoint
	}
	return plainPoint
}

// GetAccessPointPolicy returns the policy's document, or "".
func (c *Client) GetAccessPointPolicy(ctx context.Context, name string, objectLambda bool) (string, error) {
	k := kindOf(objectLambda)
	var out struct{ Policy string }
	_, err := c.xml(ctx, c.control("GetAccessPointPolicy"+k.operation, http.MethodGet, k.path+url.PathEscape(name)+"/policy", "get-access-point-policy"+k.command, "--name", name), &out)
	if Code(err) == "NoSuchAccessPointPolicy" {
		return "", nil
	}
	return out.Policy, err
}

// PutAccessPointPolicy sets the policy; an empty document takes it away.
func (c *Client) PutAccessPointPolicy(ctx context.Context, name string, objectLambda bool, document string) error {
	k := kindOf(objectLambda)
	path := k.path + url.PathEscape(name) + "/policy"
	if document == "" {
		_, err := c.xml(ctx, c.control("DeleteAccessPointPolicy"+k.operation, http.MethodDelete, path, "delete-access-point-policy"+k.command, "--name", name), nil)
		return err
	}
	r := c.control("PutAccessPointPolicy"+k.operation, http.MethodPut, path, "put-access-point-policy"+k.command, "--name", name, "--policy", document)
	r.body = marshal(struct {
		XMLName xml.Name
		Policy  string
	}{XMLName: xml.Name{Space: "http://awss3control.amazonaws.com/doc/2018-08-20/", Local: "PutAccessPointPolicy" + k.operation + "Request"}, Policy: document})
	_, err := c.xml(ctx, r, nil)
	return err
}

// ListObjectLambdas returns all Object Lambda access points.
func (c *Client) ListObjectLambdas(ctx context.Context) (all []ObjectLambda, err error) {
	for token := ""; ; {
		q := url.Values{}
		cli := []string{"list-access-points-for-object-lambda"}
		if token != "" {
			q.Set("nextToken", token)
			cli = append(cli, "--next-token", token)
		}
		var out struct {
			List []ObjectLambda `xml:"ObjectLambdaAccessPointList>ObjectLambdaAccessPoint"`
			Next string         `xml:"NextToken"`
		}
		if _, err := c.xml(ctx, c.control("ListAccessPointsForObjectLambda", http.MethodGet, "accesspointforobjectlambda"+question(q), cli...), &out); err != nil {
			return all, err
		}
		all = append(all, out.List...)
		if token = out.Next; token == "" {
			return all, nil
		}
	}
}

// GetObjectLambdaConfiguration returns an Object Lambda access point's configuration.
func (c *Client) GetObjectLambdaConfiguration(ctx context.Context, name string) (Configuration, error) {
	var out struct{ Configuration Configuration }
	_, err := c.xml(ctx, c.control("GetAccessPointConfigurationForObjectLambda", http.MethodGet, "accesspointforobjectlambda/"+url.PathEscape(name)+"/configuration",
		"get-access-point-configuration-for-object-lambda", "--name", name), &out)
	return out.Configuration, err
}

// CreateObjectLambda makes an Object Lambda access point.
func (c *Client) CreateObjectLambda(ctx context.Context, name string, cfg Configuration) error {
	r := c.control("CreateAccessPointForObjectLambda", http.MethodPut, "accesspointforobjectlambda/"+url.PathEscape(name),
		"create-access-point-for-object-lambda", "--name", name, "--configuration", cfg.cli())
	r.body = marshal(struct {
		XMLName       xml.Name `xml:"http://awss3control.amazonaws.com/doc/2018-08-20/ CreateAccessPointForObjectLambdaRequest"`
		Configuration Configuration
	}{Configuration: cfg})
	_, err := c.xml(ctx, r, nil)
	return err
}

// DeleteObjectLambda deletes an Object Lambda access point.
func (c *Client) DeleteObjectLambda(ctx context.Context, name string) error {
	_, err := c.xml(ctx, c.control("DeleteAccessPointForObjectLambda", http.MethodDelete, "accesspointforobjectlambda/"+url.PathEscape(name),
		"delete-access-point-for-object-lambda", "--name", name), nil)
	return err
}
