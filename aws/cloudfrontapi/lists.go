package cloudfrontapi

import (
	"encoding/xml"
	"net/http"

	"glassine/aws/wire"
)

// uses are the operations that list distributions by what they refer to, by the first part of their paths.
var uses = map[string]string{
	"distributionsByCachePolicyId":           "ListDistributionsByCachePolicyId",
	"distributionsByOriginRequestPolicyId":   "ListDistributionsByOriginRequestPolicyId",
	"distributionsByResponseHeadersPolicyId": "ListDistributionsByResponseHeadersPolicyId",
	"distributionsByKeyGroupId":              "ListDistributionsByKeyGroup",
}

func (h *Handler) distributionsUsing(c *call, action, id string) error {
	ids, err := h.Edge.ListDistributionsUsing(c.ctx, c.caller, action, id)
	if err != nil {
		return err
	}
	return writePage(c, "DistributionIdList", texts("DistributionId", ids))
}

// none are the kinds of which there are none here, but whose lists clients read to learn that: by path, the action and the
// list's element.
var none = map[string]struct{ action, element string }{
	"streaming-distribution":            {"ListStreamingDistributions", "StreamingDistributionList"},
	"origin-access-identity/cloudfront": {"ListCloudFrontOriginAccessIdentities", "CloudFrontOriginAccessIdentityList"},
	"field-level-encryption":            {"ListFieldLevelEncryptionConfigs", "FieldLevelEncryptionList"},
	"field-level-encryption-profile":    {"ListFieldLevelEncryptionProfiles", "FieldLevelEncryptionProfileList"},
	"continuous-deployment-policy":      {"ListContinuousDeploymentPolicies", "ContinuousDeploymentPolicyList"},
	"realtime-log-config":               {"ListRealtimeLogConfigs", "RealtimeLogConfigs"},
	"key-value-store":                   {"ListKeyValueStores", "KeyValueStoreList"},
}

func (h *Handler) listNone(c *call, action, element string) error {
	if err := h.Edge.ListNone(c.ctx, c.caller, action); err != nil {
		return err
	}
	return writePage[text](c, element, nil)
}

// writePage answers with all items of a list in one page: an installation has few.
func writePage[T any](c *call, element string, all []T) error {
	wire.WriteXML(c.w, http.StatusOK, struct {
		XMLName     xml.Name
		NS          string `xml:"xmlns,attr"`
		Marker      string
		MaxItems    int
		IsTruncated bool
		*list[T]
	}{XMLName: xml.Name{Local: element}, NS: namespace, MaxItems: 100, list: listOf(all)})
	return nil
}
