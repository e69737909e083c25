package glassine

import (
	"context"
	"net/http"

	"glassine/aws/byname"
	"glassine/aws/cloudformationapi"
	"glassine/cloudformation"
	"glassine/cloudformation/provider"
	"glassine/iam"
	"glassine/lambda"
	"glassine/ssm"
	"glassine/state"
)

// openStacks makes CloudFormation, whose resources live in the services that are open by now. No operation goes on before
// Serve.
func (s *System) openStacks(ctx context.Context, records state.Store) (err error) {
	types := provider.Types(provider.Services{IAM: s.IAM, S3: s.S3, Lambda: s.Lambda, Logs: s.Logs, SSM: s.SSM, ObjectLambda: s.ObjectLambda, Edge: s.Edge, API: &byname.Client{Transport: s.local}})
	if s.Stacks, err = cloudformation.New(ctx, cloudformation.Config{
		State: records, Key: s.data.key, IAM: s.IAM, Types: cloudformation.NewTypes(types...), Parameters: stackParameters{s.SSM}, Invoker: stackFunctions{s.Lambda}, Now: s.cfg.Now, Log: s.cfg.Log,
	}); err != nil {
		return err
	}
	s.onClose(s.Stacks.Close)
	return nil
}

// stackParameters is where templates read SSM parameters.
type stackParameters struct{ ssm *ssm.Service }

// Parameter implements cloudformation.Parameters.
func (p stackParameters) Parameter(ctx context.Context, c iam.Caller, region, name, version string, decrypt bool) (string, error) {
	if version != "" {
		name += ":" + version
	}
	got, err := p.ssm.GetParameter(ctx, c, region, name, decrypt)
	return got.Value, err
}

// stackFunctions run custom resources.
type stackFunctions struct{ lambda *lambda.Service }

// Invoke implements cloudformation.Invoker.
func (f stackFunctions) Invoke(ctx context.Context, c iam.Caller, function string, payload []byte) (answer []byte, failed bool, err error) {
	r, err := f.lambda.Invoke(ctx, c, function, payload)
	return r.Payload, r.Failed, err
}

// stackHandler is CloudFormation's API.
func (s *System) stackHandler() *cloudformationapi.Handler {
	return &cloudformationapi.Handler{IAM: s.IAM, Stacks: s.Stacks, Objects: codeObjects{s.S3}, Endpoints: endpointNames, Now: s.cfg.Now, Log: s.cfg.Log}
}

// customResources takes the answers of custom resources' functions, whose URLs look like S3's, before S3 does.
func customResources(stacks *cloudformationapi.Handler, s3 http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if cloudformationapi.IsResponse(r) {
			stacks.ServeResponse(w, r)
			return
		}
		s3.ServeHTTP(w, r)
	}
}
