package lambdaapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/lambda"
)

type publishLayerInput struct {
	LayerName               string `path:"LayerName" json:"-"`
	Description             string
	LicenseInfo             string
	Content                 source
	CompatibleRuntimes      []string
	CompatibleArchitectures []string
}

type layerContent struct {
	Location   string
	CodeSha256 string
	CodeSize   int64
}

type layerVersion struct {
	Content                 *layerContent `json:",omitempty"`
	LayerArn                string        `json:",omitempty"`
	LayerVersionArn         string
	Description             string
	CreatedDate             string
	Version                 int
	CompatibleRuntimes      []string `json:",omitempty"`
	CompatibleArchitectures []string `json:",omitempty"`
	LicenseInfo             string   `json:",omitempty"`
}

// layerItem is a layer version as lists have it.
func layerItem(v lambda.LayerVersion) layerVersion {
	return layerVersion{
		LayerVersionArn: v.ARN, Description: v.Description, CreatedDate: v.Created.UTC().Format("2006-01-02T15:04:05.000+0000"), Version: v.Number,
		CompatibleRuntimes: v.Runtimes, CompatibleArchitectures: v.Architectures, LicenseInfo: v.License,
	}
}

// layerShape is a layer version whole, with a link to its archive.
func layerShape(c *call, l lambda.Layer, v lambda.LayerVersion) (layerVersion, error) {
	out := layerItem(v)
	out.LayerArn = l.ARN
	location, err := c.location("lambda:GetLayerVersion", []string{v.ARN}, layers+"/"+l.Name+"/versions/"+strconv.Itoa(v.Number)+"/content", url.Values{})
	out.Content = &layerContent{location, v.CodeSHA256(), v.Size()}
	return out, err
}

func publishLayer(c *call, in *publishLayerInput) (layerVersion, error) {
	l, v, err := c.lambda.PublishLayerVersion(c.ctx, c.caller, lambda.NewLayer{
		Name: in.LayerName, Region: c.region, Description: in.Description, License: in.LicenseInfo, Runtimes: in.CompatibleRuntimes,
		Architectures: in.CompatibleArchitectures, Content: in.Content.code(),
	})
	if err != nil {
		return layerVersion{}, err
	}
	return layerShape(c, l, v)
}

type layerInput struct {
	paging
	LayerName     string `path:"LayerName" json:"-"`
	VersionNumber int    `path:"VersionNumber" json:"-"`
	Runtime       string `query:"CompatibleRuntime" json:"-"`
	Architecture  string `query:"CompatibleArchitecture" json:"-"`
	Find          string `query:"find" json:"-"`
	Arn           string `query:"Arn" json:"-"`
}

// suits reports whether a layer version says that it is for what a list asks for.
func (in layerInput) suits(v lambda.LayerVersion) bool {
	return (in.Runtime == "" || slices.Contains(v.Runtimes, in.Runtime)) && (in.Architecture == "" || slices.Contains(v.Architectures, in.Architecture))
}

func getLayer(c *call, in *layerInput) (layerVersion, error) {
	l, v, err := c.lambda.GetLayerVersion(c.ctx, c.caller, c.region, in.LayerName, in.VersionNumber)
	if err != nil {
		return layerVersion{}, err
	}
	return layerShape(c, l, v)
}

func deleteLayer(c *call, in *layerInput) error {
	return c.lambda.DeleteLayerVersion(c.ctx, c.caller, c.region, in.LayerName, in.VersionNumber)
}

type layerVersionsOutput struct {
	NextMarker    string `json:",omitempty"`
	LayerVersions []layerVersion
}

func listLayerVersions(c *call, in *layerInput) (out layerVersionsOutput, err error) {
	all, err := c.lambda.ListLayerVersions(c.ctx, c.caller, c.region, in.LayerName)
	if err != nil {
		return out, err
	}
	all = slices.DeleteFunc(all, func(v lambda.LayerVersion) bool { return !in.suits(v) })
	part, next, err := page(all, in.paging, 50, func(v lambda.LayerVersion) string { return v.ARN })
	out.NextMarker, out.LayerVersions = next, listed(part, layerItem)
	return out, err
}

type layersItem struct {
	LayerName, LayerArn   string
	LatestMatchingVersion layerVersion
}

type layersOutput struct {
	NextMarker string `json:",omitempty"`
	Layers     []layersItem
}

// listLayers is GetLayerVersionByArn too, which has the same path and another query.
func listLayers(c *call, in *layerInput) (any, error) {
	if in.Find == "LayerVersion" {
		l, v, err := c.lambda.GetLayerVersion(c.ctx, c.caller, c.region, in.Arn, 0)
		if err != nil {
			return nil, err
		}
		return layerShape(c, l, v)
	}
	all, err := c.lambda.ListLayers(c.ctx, c.caller, c.region)
	if err != nil {
		return nil, err
	}
	var items []layersItem
	for _, l := range all {
		for _, v := range slices.Backward(l.Versions) {
			if in.suits(v) {
				items = append(items, layersItem{l.Name, l.ARN, layerItem(v)})
				break
			}
		}
	}
	part, next, err := page(items, in.paging, 50, func(i layersItem) string { return i.LayerName })
	return layersOutput{next, listed(part, func(i layersItem) layersItem { return i })}, err
}

// getLayerContent sends the archive.
func getLayerContent(c *call, in wire.Input, w http.ResponseWriter) error {
	n, err := strconv.Atoi(in.Params["VersionNumber"])
	if err != nil {
		return fault.New("InvalidParameterValueException", "%q is not a layer version's number.", in.Params["VersionNumber"])
	}
	body, size, err := c.lambda.OpenLayer(c.ctx, c.caller, c.region, in.Params["LayerName"], n)
	if err != nil {
		return err
	}
	return send(w, body, size)
}
