package metadata

import "testing"

func TestRiskOf(t *testing.T) {
	for name, want := range map[string]Risk{
		"GPSLatitude": RiskLocation, "GPSDateStamp": RiskLocation, "GPSVersionID": RiskTechnical, "GPSTag": RiskTechnical, "City": RiskLocation, "SubjectLocation": RiskTechnical,
		"Artist": RiskPeople, "UserComment": RiskPeople, "ImageDescription": RiskPeople, "OwnerName": RiskPeople,
		"DateTimeOriginal": RiskTime, "SubSecTime": RiskTime, "OffsetTime": RiskTime, "StripOffsets": RiskTechnical, "ExposureTime": RiskTechnical,
		"Make": RiskDevice, "BodySerialNumber": RiskDevice, "LensModel": RiskDevice, "LensSpecification": RiskTechnical, "CreatorTool": RiskDevice, "MakerNote": RiskDevice,
		"FNumber": RiskTechnical, "": RiskTechnical,
	} {
		if got := RiskOf(name); got != want {
			t.Errorf("RiskOf(%q) = %d, want %d", name, got, want)
		}
	}
}
