package edge

import "regexp"

// An origin shield is a cache between those at the edge and the origin, so that an object is fetched once for all of them. There is
// one edge here, whose cache already is where all requests for an object meet: with or without a shield the origin sees one. So
// a shield is validated and kept, and adds no second copy of what is stored. When edges on several machines share a distribution,
// the one that is the shield of a key stands where send has its Config.Origin: docs/aws-differences.md.
//
// CloudFront Developer Guide, "Use Amazon CloudFront Origin Shield".

// shieldRegion is the form of an Origin's ShieldRegion. CloudFront API Reference, "OriginShield".
var shieldRegion = regexp.MustCompile(`^[a-z]{2}-[a-z]+-\d$`)

// checkShield validates the shield of an origin, "" being none.
func checkShield(region string) error {
	if region != "" && !shieldRegion.MatchString(region) {
		return invalid("The OriginShieldRegion %q is no AWS Region.", region)
	}
	return nil
}
