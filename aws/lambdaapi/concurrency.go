package lambdaapi

import (
	"time"

	"glassine/aws/fault"
	"glassine/lambda"
)

type concurrency struct {
	ReservedConcurrentExecutions *int `json:",omitempty"`
}

type concurrencyInput struct {
	named
	concurrency
}

func putConcurrency(c *call, in *concurrencyInput) (concurrency, error) {
	full, err := in.arn(c)
	if err != nil {
		return concurrency{}, err
	}
	if in.ReservedConcurrentExecutions == nil {
		return concurrency{}, fault.New("InvalidParameterValueException", "ReservedConcurrentExecutions is missing.")
	}
	return in.concurrency, c.lambda.PutFunctionConcurrency(c.ctx, c.caller, full, *in.ReservedConcurrentExecutions)
}

func deleteConcurrency(c *call, in *named) error {
	full, err := in.arn(c)
	if err != nil {
		return err
	}
	return c.lambda.DeleteFunctionConcurrency(c.ctx, c.caller, full)
}

func getConcurrency(c *call, in *named) (concurrency, error) {
	full, err := in.arn(c)
	if err != nil {
		return concurrency{}, err
	}
	n, err := c.lambda.GetFunctionConcurrency(c.ctx, c.caller, full)
	return concurrency{n}, err
}

type accountOutput struct {
	AccountLimit struct {
		TotalCodeSize, CodeSizeUnzipped, CodeSizeZipped      int64
		ConcurrentExecutions, UnreservedConcurrentExecutions int
	}
	AccountUsage struct{ TotalCodeSize, FunctionCount int64 }
}

// totalCode is AWS's limit; glassine's is the disk.
const totalCode = 75 << 30

func getAccountSettings(c *call, _ *struct{}) (out accountOutput, err error) {
	a, err := c.lambda.GetAccountSettings(c.ctx, c.caller, c.region)
	l := &out.AccountLimit
	l.TotalCodeSize, l.CodeSizeUnzipped, l.CodeSizeZipped = totalCode, a.MaxUnpacked, a.MaxZip
	l.ConcurrentExecutions, l.UnreservedConcurrentExecutions = a.Concurrency, a.Unreserved
	out.AccountUsage.TotalCodeSize, out.AccountUsage.FunctionCount = a.CodeSize, int64(a.Functions)
	return out, err
}

type destination struct {
	Destination string `json:",omitempty"`
}

type destinations struct{ OnSuccess, OnFailure *destination }

type eventsInput struct {
	named
	MaximumRetryAttempts, MaximumEventAgeInSeconds *int
	DestinationConfig                              *destinations
}

type eventsOutput struct {
	LastModified             float64 // seconds since 1970
	FunctionArn              string
	MaximumRetryAttempts     *int `json:",omitempty"`
	MaximumEventAgeInSeconds *int `json:",omitempty"`
	DestinationConfig        struct{ OnSuccess, OnFailure destination }
}

func eventsShape(f lambda.Function, e lambda.EventInvoke) eventsOutput {
	qualifier := e.Qualifier
	if qualifier == "" {
		qualifier = lambda.Latest
	}
	out := eventsOutput{LastModified: float64(e.Modified.UnixMilli()) / 1000, FunctionArn: f.ARN + ":" + qualifier, MaximumRetryAttempts: e.Attempts}
	if e.Age != nil {
		seconds := int(*e.Age / time.Second)
		out.MaximumEventAgeInSeconds = &seconds
	}
	out.DestinationConfig.OnSuccess.Destination, out.DestinationConfig.OnFailure.Destination = e.OnSuccess, e.OnFailure
	return out
}

func (in eventsInput) change() lambda.EventInvokeChange {
	ch := lambda.EventInvokeChange{Attempts: in.MaximumRetryAttempts}
	if in.MaximumEventAgeInSeconds != nil {
		age := time.Duration(*in.MaximumEventAgeInSeconds) * time.Second
		ch.Age = &age
	}
	if d := in.DestinationConfig; d != nil {
		if d.OnSuccess != nil {
			ch.OnSuccess = &d.OnSuccess.Destination
		}
		if d.OnFailure != nil {
			ch.OnFailure = &d.OnFailure.Destination
		}
	}
	return ch
}

func putEvents(c *call, in *eventsInput) (eventsOutput, error) {
	full, err := in.arn(c)
	if err != nil {
		return eventsOutput{}, err
	}
	f, e, err := c.lambda.PutFunctionEventInvokeConfig(c.ctx, c.caller, full, in.change())
	return eventsShape(f, e), err
}

func updateEvents(c *call, in *eventsInput) (eventsOutput, error) {
	full, err := in.arn(c)
	if err != nil {
		return eventsOutput{}, err
	}
	f, e, err := c.lambda.UpdateFunctionEventInvokeConfig(c.ctx, c.caller, full, in.change())
	return eventsShape(f, e), err
}

func getEvents(c *call, in *named) (eventsOutput, error) {
	full, err := in.arn(c)
	if err != nil {
		return eventsOutput{}, err
	}
	f, e, err := c.lambda.GetFunctionEventInvokeConfig(c.ctx, c.caller, full)
	return eventsShape(f, e), err
}

func deleteEvents(c *call, in *named) error {
	full, err := in.arn(c)
	if err != nil {
		return err
	}
	return c.lambda.DeleteFunctionEventInvokeConfig(c.ctx, c.caller, full)
}

type eventsList struct {
	NextMarker                 string `json:",omitempty"`
	FunctionEventInvokeConfigs []eventsOutput
}

func listEvents(c *call, in *namedList) (out eventsList, err error) {
	full, err := in.arn(c)
	if err != nil {
		return out, err
	}
	f, all, err := c.lambda.ListFunctionEventInvokeConfigs(c.ctx, c.caller, full)
	if err != nil {
		return out, err
	}
	part, next, err := page(all, in.paging, 50, func(e lambda.EventInvoke) string { return e.Qualifier })
	out.NextMarker = next
	out.FunctionEventInvokeConfigs = listed(part, func(e lambda.EventInvoke) eventsOutput { return eventsShape(f, e) })
	return out, err
}
