package logsapi

import (
	"glassine/aws/fault"
	"glassine/logs"
)

type streamInput struct {
	LogGroupName  string `json:"logGroupName"`
	LogStreamName string `json:"logStreamName"`
}

func createStream(c *call, in *streamInput) error {
	return c.logs.CreateLogStream(c.ctx, c.caller, c.region, in.LogGroupName, in.LogStreamName)
}

func deleteStream(c *call, in *streamInput) error {
	return c.logs.DeleteLogStream(c.ctx, c.caller, c.region, in.LogGroupName, in.LogStreamName)
}

type describeStreamsInput struct {
	paging
	LogGroupName       string `json:"logGroupName"`
	LogGroupIdentifier string `json:"logGroupIdentifier"`
	Prefix             string `json:"logStreamNamePrefix"`
	OrderBy            string `json:"orderBy"`
	Descending         bool   `json:"descending"`
}

type streamShape struct {
	LogStreamName       string `json:"logStreamName"`
	CreationTime        int64  `json:"creationTime"`
	FirstEventTimestamp int64  `json:"firstEventTimestamp,omitempty"`
	LastEventTimestamp  int64  `json:"lastEventTimestamp,omitempty"`
	LastIngestionTime   int64  `json:"lastIngestionTime,omitempty"`
	UploadSequenceToken string `json:"uploadSequenceToken"`
	Arn                 string `json:"arn"`
	StoredBytes         int64  `json:"storedBytes"`
}

type describeStreamsOutput struct {
	LogStreams []streamShape `json:"logStreams"`
	NextToken  string        `json:"nextToken,omitempty"`
}

// sequenceToken is what was once needed to write to a stream, and is ignored since 2023.
const sequenceToken = "49039859612345678901234567890123456789012345678901234567"

func describeStreams(c *call, in *describeStreamsInput) (out describeStreamsOutput, err error) {
	region, group, err := c.groupOf(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return out, err
	}
	if in.OrderBy != "" && in.OrderBy != "LogStreamName" && in.OrderBy != "LastEventTime" {
		return out, fault.New("InvalidParameterException", "1 validation error detected: Value '%s' at 'orderBy' failed to satisfy constraint: Member must satisfy enum value set: [LogStreamName, LastEventTime]", in.OrderBy)
	}
	all, err := c.logs.DescribeLogStreams(c.ctx, c.caller, region, group, in.Prefix, in.OrderBy == "LastEventTime", in.Descending)
	if err != nil {
		return out, err
	}
	part, next, err := page(all, in.paging, func(s logs.Stream) string { return s.Name })
	out.NextToken, out.LogStreams = next, []streamShape{}
	for _, s := range part {
		out.LogStreams = append(out.LogStreams, streamShape{
			LogStreamName: s.Name, CreationTime: s.Created, FirstEventTimestamp: s.First, LastEventTimestamp: s.Last, LastIngestionTime: s.Ingested,
			UploadSequenceToken: sequenceToken, Arn: s.ARN, StoredBytes: s.StoredBytes,
		})
	}
	return out, err
}

type inputEvent struct {
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
}

type putInput struct {
	streamInput
	LogEvents []inputEvent `json:"logEvents"`
}

type rejected struct {
	TooNew  *int `json:"tooNewLogEventStartIndex,omitempty"`
	TooOld  *int `json:"tooOldLogEventEndIndex,omitempty"`
	Expired *int `json:"expiredLogEventEndIndex,omitempty"`
}

type putOutput struct {
	NextSequenceToken     string    `json:"nextSequenceToken"`
	RejectedLogEventsInfo *rejected `json:"rejectedLogEventsInfo,omitempty"`
}

func putEvents(c *call, in *putInput) (putOutput, error) {
	events := make([]logs.Event, len(in.LogEvents))
	for i, e := range in.LogEvents {
		events[i] = logs.Event{Time: e.Timestamp, Message: e.Message}
	}
	r, err := c.logs.PutLogEvents(c.ctx, c.caller, c.region, in.LogGroupName, in.LogStreamName, events)
	out := putOutput{NextSequenceToken: sequenceToken}
	index := func(n int) *int {
		if n < 0 {
			return nil
		}
		return &n
	}
	if r.TooNewStart >= 0 || r.TooOldEnd >= 0 || r.ExpiredEnd >= 0 {
		out.RejectedLogEventsInfo = &rejected{index(r.TooNewStart), index(r.TooOldEnd), index(r.ExpiredEnd)}
	}
	return out, err
}

type getInput struct {
	streamInput
	LogGroupIdentifier string `json:"logGroupIdentifier"`
	StartTime          int64  `json:"startTime"`
	EndTime            int64  `json:"endTime"`
	NextToken          string `json:"nextToken"`
	Limit              int    `json:"limit"`
	StartFromHead      bool   `json:"startFromHead"`
}

type outputEvent struct {
	LogStreamName string `json:"logStreamName,omitempty"` // of FilterLogEvents
	Timestamp     int64  `json:"timestamp"`
	Message       string `json:"message"`
	IngestionTime int64  `json:"ingestionTime"`
	EventID       string `json:"eventId,omitempty"` // likewise
}

type getOutput struct {
	Events            []outputEvent `json:"events"`
	NextForwardToken  string        `json:"nextForwardToken"`
	NextBackwardToken string        `json:"nextBackwardToken"`
}

func getEvents(c *call, in *getInput) (out getOutput, err error) {
	region, group, err := c.groupOf(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return out, err
	}
	events, forward, backward, err := c.logs.GetLogEvents(c.ctx, c.caller, region, group, in.LogStreamName, logs.Page{
		From: in.StartTime, To: in.EndTime, Limit: in.Limit, Head: in.StartFromHead, Token: in.NextToken,
	})
	out = getOutput{[]outputEvent{}, forward, backward}
	for _, e := range events {
		out.Events = append(out.Events, outputEvent{Timestamp: e.Time, Message: e.Message, IngestionTime: e.Ingested})
	}
	return out, err
}

type filterInput struct {
	LogGroupName        string   `json:"logGroupName"`
	LogGroupIdentifier  string   `json:"logGroupIdentifier"`
	LogStreamNames      []string `json:"logStreamNames"`
	LogStreamNamePrefix string   `json:"logStreamNamePrefix"`
	StartTime           int64    `json:"startTime"`
	EndTime             int64    `json:"endTime"`
	FilterPattern       string   `json:"filterPattern"`
	NextToken           string   `json:"nextToken"`
	Limit               int      `json:"limit"`
}

type filterOutput struct {
	Events             []outputEvent `json:"events"`
	SearchedLogStreams []string      `json:"searchedLogStreams"` // empty since 2020, as on AWS
	NextToken          string        `json:"nextToken,omitempty"`
}

func filterEvents(c *call, in *filterInput) (out filterOutput, err error) {
	region, group, err := c.groupOf(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return out, err
	}
	events, next, err := c.logs.FilterLogEvents(c.ctx, c.caller, region, group, logs.Filter{
		Streams: in.LogStreamNames, Prefix: in.LogStreamNamePrefix, From: in.StartTime, To: in.EndTime, Pattern: in.FilterPattern, Limit: in.Limit, Token: in.NextToken,
	})
	out = filterOutput{[]outputEvent{}, []string{}, next}
	for _, e := range events {
		out.Events = append(out.Events, outputEvent{e.Stream, e.Time, e.Message, e.Ingested, e.ID})
	}
	return out, err
}
