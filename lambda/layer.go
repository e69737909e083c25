package lambda

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
)

// Layer is a layer with all its versions. What a method returns is shared: treat it as read-only.
type Layer struct {
	Name, Region string
	ARN          string // without a version
	Versions     []LayerVersion
	NextVersion  int // numbers are never used twice
}

// LayerVersion is an archive that functions may have below /opt.
type LayerVersion struct {
	Number                  int
	ARN                     string // with the number
	Description, License    string
	Runtimes, Architectures []string // that it says it is for; nothing is refused for it
	Created                 time.Time
	Archive                 archive
}

// Size is how many bytes the layer's archive has.
func (v LayerVersion) Size() int64 { return v.Archive.Size }

// CodeSHA256 is base64 of the SHA-256 of the archive.
func (v LayerVersion) CodeSHA256() string {
	return Version{Code: codeZip, Archive: v.Archive}.CodeSHA256()
}

// NewLayer says what to publish. Content is an archive; it has no URI.
type NewLayer struct {
	Name, Region, Description, License string
	Runtimes, Architectures            []string
	Content                            Code
}

func (s *Service) layerARN(region, name string) string {
	return arn.New("lambda", region, s.cfg.IAM.Account(), "layer:"+name).String()
}

// parseLayer reads a layer's name or ARN, with the number when it is a layer version's ARN, else 0.
func (s *Service) parseLayer(region, name string) (layerRegion, layer string, version int, err error) {
	wrong := invalid("%q is not a layer's name or ARN.", name)
	if a, notARN := arn.Parse(name); notARN == nil {
		rest, ok := strings.CutPrefix(a.Resource, "layer:")
		if a.Service != "lambda" || !ok {
			return "", "", 0, wrong
		}
		if a.Account != s.cfg.IAM.Account() {
			return "", "", 0, fault.New("ResourceNotFoundException", "The resource you requested does not exist: %s belongs to another account.", name)
		}
		var text string
		region = a.Region
		if name, text, ok = strings.Cut(rest, ":"); ok {
			if version, err = strconv.Atoi(text); err != nil || version < 1 {
				return "", "", 0, wrong
			}
		}
	}
	if !validName(name, 140) || !validName(region, 63) {
		return "", "", 0, wrong
	}
	return region, name, version, nil
}

// PublishLayerVersion keeps an archive as the next version of a layer, which is made when it is not there.
// (Lambda API Reference, PublishLayerVersion.)
func (s *Service) PublishLayerVersion(ctx context.Context, c iam.Caller, n NewLayer) (Layer, LayerVersion, error) {
	region, name, _, err := s.parseLayer(n.Region, n.Name)
	if err != nil {
		return Layer{}, LayerVersion{}, err
	}
	l := Layer{Name: name, Region: region, ARN: s.layerARN(region, name), NextVersion: 1}
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:PublishLayerVersion", Resources: []string{l.ARN}}); err != nil {
		return Layer{}, LayerVersion{}, err
	}
	switch {
	case len(n.Description) > 256 || len(n.License) > 512:
		return Layer{}, LayerVersion{}, invalid("The description is longer than 256 characters, or the licence than 512.")
	case len(n.Runtimes) > 15 || len(n.Architectures) > 2:
		return Layer{}, LayerVersion{}, invalid("A layer names 15 runtimes and 2 architectures at most.")
	case n.Content.URI != "" || n.Content.Zip == nil && n.Content.Bucket == "":
		return Layer{}, LayerVersion{}, invalid("Please provide one source for the layer's content: ZipFile, or S3Bucket with S3Key.")
	}
	made, release, err := s.keep(ctx, c, n.Content)
	if err != nil {
		return Layer{}, LayerVersion{}, err
	}
	defer release()
	var v LayerVersion
	l, err = s.layers.Update(ctx, region+"/"+name, func(old Layer, exists bool) (Layer, error) {
		if exists {
			l = old
		}
		v = LayerVersion{
			Number: l.NextVersion, ARN: l.ARN + ":" + strconv.Itoa(l.NextVersion), Description: n.Description, License: n.License,
			Runtimes: n.Runtimes, Architectures: n.Architectures, Created: s.cfg.Now().UTC(), Archive: made,
		}
		l.Versions = append(slices.Clone(l.Versions), v)
		l.NextVersion++
		return l, nil
	})
	return l, v, err
}

// layerVersion asks for an action on a layer version and returns it.
func (s *Service) layerVersion(ctx context.Context, c iam.Caller, action, region, name string, version int) (Layer, LayerVersion, error) {
	region, name, in, err := s.parseLayer(region, name)
	if err != nil {
		return Layer{}, LayerVersion{}, err
	}
	if in != 0 {
		version = in
	}
	resource := s.layerARN(region, name) + ":" + strconv.Itoa(version)
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:" + action, Resources: []string{resource}}); err != nil {
		return Layer{}, LayerVersion{}, err
	}
	l, _ := s.layers.Get(region + "/" + name)
	for _, v := range l.Versions {
		if v.Number == version {
			return l, v, nil
		}
	}
	return l, LayerVersion{}, fault.New("ResourceNotFoundException", "The resource you requested does not exist.")
}

// GetLayerVersion returns a version of the layer of that name or ARN; the number in an ARN wins.
func (s *Service) GetLayerVersion(ctx context.Context, c iam.Caller, region, name string, version int) (Layer, LayerVersion, error) {
	return s.layerVersion(ctx, c, "GetLayerVersion", region, name, version)
}

// OpenLayer returns a layer version's archive and its size in bytes. The caller needs lambda:GetLayerVersion, and closes it.
func (s *Service) OpenLayer(ctx context.Context, c iam.Caller, region, name string, version int) (io.ReadCloser, int64, error) {
	_, v, err := s.GetLayerVersion(ctx, c, region, name, version)
	if err != nil {
		return nil, 0, err
	}
	return s.openArchive(v.Archive)
}

// DeleteLayerVersion removes a version; functions that have it keep it. One that is not there is no error.
// (Lambda API Reference, DeleteLayerVersion.)
func (s *Service) DeleteLayerVersion(ctx context.Context, c iam.Caller, region, name string, version int) error {
	l, v, err := s.layerVersion(ctx, c, "DeleteLayerVersion", region, name, version)
	if fault.Is(err, "ResourceNotFoundException") {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = s.layers.Update(ctx, l.Region+"/"+l.Name, func(l Layer, _ bool) (Layer, error) {
		l.Versions = slices.DeleteFunc(slices.Clone(l.Versions), func(x LayerVersion) bool { return x.Number == v.Number })
		return l, nil
	})
	s.sweepLater()
	return err
}

// ListLayers returns the region's layers that have a version, in the order of their names.
func (s *Service) ListLayers(ctx context.Context, c iam.Caller, region string) ([]Layer, error) {
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:ListLayers", Resources: []string{"*"}}); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(s.layers.All(), func(l Layer) bool { return l.Region != region || len(l.Versions) == 0 }), nil
}

// ListLayerVersions returns a layer's versions, the newest first.
func (s *Service) ListLayerVersions(ctx context.Context, c iam.Caller, region, name string) ([]LayerVersion, error) {
	region, name, _, err := s.parseLayer(region, name)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:ListLayerVersions", Resources: []string{s.layerARN(region, name), "*"}}); err != nil {
		return nil, err
	}
	l, _ := s.layers.Get(region + "/" + name)
	out := slices.Clone(l.Versions)
	slices.Reverse(out)
	return out, nil
}

// useLayers returns the layer versions of a configuration, which the caller must be allowed to get. They are of the
// function's region. (Lambda Developer Guide, "Managing Lambda dependencies with layers": five at most.)
func (s *Service) useLayers(ctx context.Context, c iam.Caller, region string, arns []string) ([]UsedLayer, error) {
	if len(arns) > 5 {
		return nil, invalid("Cannot reference more than 5 layers.")
	}
	var out []UsedLayer
	for _, name := range arns {
		layerRegion, layer, number, err := s.parseLayer(region, name)
		switch {
		case err != nil:
			return nil, err
		case number == 0 || !arn.Is(name):
			return nil, invalid("%q is not the ARN of a layer version.", name)
		case layerRegion != region:
			return nil, invalid("The layer %s is not in the function's region %s.", name, region)
		}
		full := s.layerARN(layerRegion, layer)
		if slices.ContainsFunc(out, func(l UsedLayer) bool { return strings.HasPrefix(l.ARN, full+":") }) {
			return nil, invalid("Two different versions of the same layer are not allowed to be referenced in the same function. %s", name)
		}
		_, v, err := s.GetLayerVersion(ctx, c, region, name, 0)
		if fault.Is(err, "ResourceNotFoundException") {
			return nil, invalid("Layer version %s does not exist.", name)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, UsedLayer{ARN: v.ARN, Archive: v.Archive})
	}
	return out, nil
}
