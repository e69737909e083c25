package s3controlapi

import (
	"encoding/xml"

	"glassine/aws/fault"
	"glassine/objectlambda"
	"glassine/s3"
)

// configuration is ObjectLambdaConfiguration of the model.
type configuration struct {
	SupportingAccessPoint    string
	CloudWatchMetricsEnabled bool
	AllowedFeatures          struct {
		AllowedFeature []string
	}
	TransformationConfigurations struct {
		TransformationConfiguration []transformation
	}
}

type transformation struct {
	Actions struct {
		Action []string
	}
	ContentTransformation struct {
		AwsLambda *struct {
			FunctionArn     string
			FunctionPayload string `xml:",omitempty"`
		}
	}
}

func (x configuration) domain() (objectlambda.Configuration, error) {
	out := objectlambda.Configuration{SupportingAccessPoint: x.SupportingAccessPoint, MetricsEnabled: x.CloudWatchMetricsEnabled, AllowedFeatures: x.AllowedFeatures.AllowedFeature}
	for _, t := range x.TransformationConfigurations.TransformationConfiguration {
		if t.ContentTransformation.AwsLambda == nil {
			return out, fault.New("InvalidRequest", "A TransformationConfiguration names no AwsLambda.")
		}
		out.Transformations = append(out.Transformations, objectlambda.Transformation{
			Actions: t.Actions.Action, Function: t.ContentTransformation.AwsLambda.FunctionArn, Payload: t.ContentTransformation.AwsLambda.FunctionPayload,
		})
	}
	return out, nil
}

func configurationShape(cfg objectlambda.Configuration) configuration {
	out := configuration{SupportingAccessPoint: cfg.SupportingAccessPoint, CloudWatchMetricsEnabled: cfg.MetricsEnabled}
	out.AllowedFeatures.AllowedFeature = cfg.AllowedFeatures
	for _, t := range cfg.Transformations {
		var x transformation
		x.Actions.Action = t.Actions
		x.ContentTransformation.AwsLambda = &struct {
			FunctionArn     string
			FunctionPayload string `xml:",omitempty"`
		}{t.Function, t.Payload}
		out.TransformationConfigurations.TransformationConfiguration = append(out.TransformationConfigurations.TransformationConfiguration, x)
	}
	return out
}

// readConfiguration reads the request that holds a Configuration.
func (c *call) readConfiguration(element string) (objectlambda.Configuration, error) {
	var in struct {
		XMLName       xml.Name
		Configuration configuration
	}
	if err := c.read(&in); err != nil {
		return objectlambda.Configuration{}, err
	}
	if in.XMLName.Local != element {
		return objectlambda.Configuration{}, fault.New("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	return in.Configuration.domain()
}

type alias struct{ Value, Status string }

func (h *Handler) createObjectLambda(c *call) error {
	cfg, err := c.readConfiguration("CreateAccessPointForObjectLambdaRequest")
	if err != nil {
		return err
	}
	ap, err := h.ObjectLambda.Create(c.ctx, c.caller, c.name, cfg)
	if err != nil {
		return err
	}
	c.write("CreateAccessPointForObjectLambdaResult", struct {
		ObjectLambdaAccessPointArn string
		Alias                      alias
	}{ap.ARN(), alias{ap.Alias, "READY"}})
	return nil
}

func (h *Handler) getObjectLambda(c *call) error {
	ap, err := h.ObjectLambda.Get(c.ctx, c.caller, c.name)
	if err != nil {
		return err
	}
	c.write("GetAccessPointForObjectLambdaResult", struct {
		Name                           string
		PublicAccessBlockConfiguration publicAccessBlock
		CreationDate                   string
		Alias                          alias
	}{ap.Name, blockShape(s3.BlockAll), isoTime(ap.Created), alias{ap.Alias, "READY"}})
	return nil
}

func (h *Handler) deleteObjectLambda(c *call) error {
	return c.noContent(h.ObjectLambda.Delete(c.ctx, c.caller, c.name))
}

func (h *Handler) listObjectLambda(c *call) error {
	all, err := h.ObjectLambda.List(c.ctx, c.caller)
	if err != nil {
		return err
	}
	type entry struct {
		Name, ObjectLambdaAccessPointArn string
		Alias                            alias
	}
	out := struct {
		ObjectLambdaAccessPointList struct{ ObjectLambdaAccessPoint []entry }
		NextToken                   string `xml:",omitempty"`
	}{}
	page, next, err := page(all, func(ap objectlambda.AccessPoint) string { return ap.Name }, c)
	if err != nil {
		return err
	}
	for _, ap := range page {
		out.ObjectLambdaAccessPointList.ObjectLambdaAccessPoint = append(out.ObjectLambdaAccessPointList.ObjectLambdaAccessPoint, entry{ap.Name, ap.ARN(), alias{ap.Alias, "READY"}})
	}
	out.NextToken = next
	c.write("ListAccessPointsForObjectLambdaResult", out)
	return nil
}

func (h *Handler) putObjectLambdaConfiguration(c *call) error {
	cfg, err := c.readConfiguration("PutAccessPointConfigurationForObjectLambdaRequest")
	if err != nil {
		return err
	}
	return c.ok(h.ObjectLambda.PutConfiguration(c.ctx, c.caller, c.name, cfg))
}

func (h *Handler) getObjectLambdaConfiguration(c *call) error {
	cfg, err := h.ObjectLambda.GetConfiguration(c.ctx, c.caller, c.name)
	if err != nil {
		return err
	}
	c.write("GetAccessPointConfigurationForObjectLambdaResult", struct {
		Configuration configuration
	}{configurationShape(cfg)})
	return nil
}

func (h *Handler) putObjectLambdaPolicy(c *call) error {
	doc, err := c.policyDocument("PutAccessPointPolicyForObjectLambdaRequest")
	if err != nil {
		return err
	}
	if doc == "" {
		return fault.New("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")
	}
	return c.ok(h.ObjectLambda.PutPolicy(c.ctx, c.caller, c.name, doc))
}

func (h *Handler) getObjectLambdaPolicy(c *call) error {
	doc, err := h.ObjectLambda.GetPolicy(c.ctx, c.caller, c.name)
	if err != nil {
		return err
	}
	return c.writePolicy("GetAccessPointPolicyForObjectLambdaResult", doc)
}

func (h *Handler) deleteObjectLambdaPolicy(c *call) error {
	return c.noContent(h.ObjectLambda.PutPolicy(c.ctx, c.caller, c.name, ""))
}

// objectLambdaPolicyStatus is never public: Block Public Access is on for it, always and in full.
func (h *Handler) objectLambdaPolicyStatus(c *call) error {
	if _, err := h.ObjectLambda.GetPolicy(c.ctx, c.caller, c.name); err != nil {
		return err
	}
	return c.writePolicyStatus("GetAccessPointPolicyStatusForObjectLambdaResult", false)
}
