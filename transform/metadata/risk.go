package metadata

import "strings"

// Risk is what a field of a picture gives away, the worst first.
type Risk int

// The risks there are.
const (
	RiskLocation  Risk = iota // where it was taken
	RiskPeople                // who took it, owns it, is in it
	RiskTime                  // when
	RiskDevice                // with what: makes, models, serial numbers, software
	RiskTechnical             // how: exposure, sizes; nothing of anybody
)

// riskWords are parts of the names of fields that say their risk. A name that none of them has is technical.
var riskWords = [...][]string{
	RiskLocation: {"GPS", "City", "Country", "Location", "Sublocation", "Province", "State", "CountryCode"},
	RiskPeople: {
		"Artist", "Author", "Copyright", "Owner", "OwnerName", "creator", "Creator", "rights", "Rights", "By-line", "Byline", "Credit", "credit", "Contact", "Photographer",
		"Person", "Writer", "contributor", "publisher", "CreatorContactInfo", "Comment", "description", "Description", "Caption", "title", "Title", "Keyword", "subject",
	},
	RiskTime: {"Date", "DateCreated", "Time", "SubSec", "Offset"},
	RiskDevice: {
		"Make", "Model", "Serial", "Lens", "Software", "Camera", "HostComputer", "MakerNote", "UniqueID", "DocumentID", "InstanceID", "CreatorTool", "Firmware",
		"softwareAgent",
	},
	RiskTechnical: {
		"ExposureTime", "LensSpecification", "GPSTag", "GPSVersionID", "StripOffsets", "TileOffsets", "ExifOffset", "SubjectArea", "SubjectDistance", "SubjectLocation", "ExposureIndex",
		"ModelTransformation",
	},
}

// RiskOf returns the risk of a field by its name, as Exif, XMP or IPTC have it: that of the longest word that is part of it. It is a
// guess for people, and decides nothing: a strip takes all of them.
func RiskOf(name string) Risk {
	risk, longest := RiskTechnical, 0
	for r, words := range riskWords {
		for _, word := range words {
			n := len(word)
			if word == "GPS" {
				n = len("GPSTag") - 1 // before Date and Time, and behind its own exceptions
			}
			if n > longest && strings.Contains(name, word) {
				risk, longest = Risk(r), n
			}
		}
	}
	return risk
}
