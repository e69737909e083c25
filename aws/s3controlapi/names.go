package s3controlapi

import (
	"encoding/xml"
	"net/http"
	"net/url"

	"glassine/aws/wire"
)

// Names returns the names of the access points and of the Object Lambda access points of a region.
func Names(c *wire.Client, account, region string) (points, objectLambda []string, err error) {
	if points, err = names(c, account, region, "accesspoint"); err != nil {
		return nil, nil, err
	}
	objectLambda, err = names(c, account, region, "accesspointforobjectlambda")
	return points, objectLambda, err
}

// names reads all pages of a list.
func names(c *wire.Client, account, region, kind string) ([]string, error) {
	var all []string
	for next := ""; ; {
		at := "https://" + account + ".s3-control." + region + ".amazonaws.com/v20180820/" + kind
		if next != "" {
			at += "?nextToken=" + url.QueryEscape(next)
		}
		raw, err := c.Send("s3", region, http.MethodGet, at, http.Header{"X-Amz-Account-Id": {account}}, nil)
		if err != nil {
			return nil, err
		}
		var out struct {
			Points       []string `xml:"AccessPointList>AccessPoint>Name"`
			ObjectLambda []string `xml:"ObjectLambdaAccessPointList>ObjectLambdaAccessPoint>Name"`
			NextToken    string
		}
		if err := xml.Unmarshal(raw, &out); err != nil {
			return nil, err
		}
		all = append(append(all, out.Points...), out.ObjectLambda...)
		if next = out.NextToken; next == "" {
			return all, nil
		}
	}
}
