package edge

import (
	"slices"
	"strings"

	"glassine/aws/fault"
)

// geoRestriction says which countries a distribution serves; nil serves all.
// CloudFront Developer Guide, "Restrict the geographic distribution of your content".
type geoRestriction struct {
	countries map[string]bool // in upper case
	allowed   bool            // the listed ones are served, else the others
}

var pageGeo = &page{status: 403, result: resultError, detail: "ClientGeoBlocked", cause: "The Amazon CloudFront distribution is configured to block access from your country."}

// checkGeo validates a restriction. Without a database nobody's country is known, so one is refused rather than ignored.
func (e *Edge) checkGeo(kind string, locations []string) error {
	bad := func(format string, args ...any) error {
		return fault.New("InvalidGeoRestrictionParameter", format, args...)
	}
	switch {
	case kind == "" || kind == "none":
		if len(locations) > 0 {
			return bad("GeoRestriction none takes no locations.")
		}
		return nil
	case kind != "whitelist" && kind != "blacklist":
		return bad("%q is no type of geographic restriction.", kind)
	case len(locations) == 0:
		return bad("GeoRestriction %s needs locations.", kind)
	case e.cfg.Geo == nil:
		return notImplemented("Geographic restriction without a database of addresses")
	}
	for i, l := range locations {
		if len(l) != 2 || !alphanumeric(l[0]) || !alphanumeric(l[1]) || slices.Contains(locations[:i], l) {
			return bad("%q is no two-letter country code, or appears twice.", l)
		}
	}
	return nil
}

func newGeoRestriction(kind string, locations []string) *geoRestriction {
	if kind != "whitelist" && kind != "blacklist" {
		return nil
	}
	return &geoRestriction{countries: set(strings.ToUpper(strings.Join(locations, " "))), allowed: kind == "whitelist"}
}

// blocks reports whether x's viewer is not served. An address of which the country is not known is not in any list.
func (g *geoRestriction) blocks(x *exchange) bool {
	return g.countries[strings.ToUpper(x.place().Country)] != g.allowed
}
