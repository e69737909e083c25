package s3api

import (
	"encoding/xml"
	"net/http"

	"glassine/aws/wire"
)

// Names returns the names of the caller's buckets.
func Names(c *wire.Client, region string) ([]string, error) {
	raw, err := c.Send("s3", region, http.MethodGet, "https://s3."+region+".amazonaws.com/", nil, nil)
	if err != nil {
		return nil, err
	}
	var out struct {
		Names []string `xml:"Buckets>Bucket>Name"`
	}
	return out.Names, xml.Unmarshal(raw, &out)
}
