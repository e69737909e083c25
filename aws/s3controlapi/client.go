package s3controlapi

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"

	"glassine/aws/wire"
)

// SetFunction has a function answer GetObject on an Object Lambda access point, in place of what does; all else of the
// configuration stays.
func SetFunction(c *wire.Client, account, region, point, function string) error {
	at := "https://" + account + ".s3-control." + region + ".amazonaws.com/v20180820/accesspointforobjectlambda/" + point + "/configuration"
	header := http.Header{"X-Amz-Account-Id": {account}}
	raw, err := c.Send("s3", region, http.MethodGet, at, header, nil)
	if err != nil {
		return fmt.Errorf("access point %s: %w", point, err)
	}
	type transformation struct {
		Actions []string `xml:"Actions>Action"`
		ARN     string   `xml:"ContentTransformation>AwsLambda>FunctionArn"`
		Payload string   `xml:"ContentTransformation>AwsLambda>FunctionPayload,omitempty"`
	}
	type configuration struct {
		SupportingAccessPoint    string
		CloudWatchMetricsEnabled bool
		AllowedFeatures          []string         `xml:"AllowedFeatures>AllowedFeature"`
		Transformations          []transformation `xml:"TransformationConfigurations>TransformationConfiguration"`
	}
	var now struct{ Configuration configuration }
	if err := xml.Unmarshal(raw, &now); err != nil {
		return fmt.Errorf("access point %s: read its configuration: %w", point, err)
	}
	var kept []transformation
	for _, t := range now.Configuration.Transformations {
		t.Actions = slices.DeleteFunc(t.Actions, func(a string) bool { return a == "GetObject" })
		if len(t.Actions) > 0 {
			kept = append(kept, t)
		}
	}
	now.Configuration.Transformations = append(kept, transformation{Actions: []string{"GetObject"}, ARN: function})
	body, err := xml.Marshal(struct {
		XMLName       xml.Name `xml:"http://awss3control.amazonaws.com/doc/2018-08-20/ PutAccessPointConfigurationForObjectLambdaRequest"`
		Configuration configuration
	}{Configuration: now.Configuration})
	if err != nil {
		return err
	}
	_, err = c.Send("s3", region, http.MethodPut, at, header, body)
	return err
}
