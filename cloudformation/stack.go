package cloudformation

import (
	"slices"
	"strings"
	"time"

	"glassine/iam"
)

// Status is that of a stack or of a resource. CloudFormation API Reference, Stack and StackResource.
type Status string

// The statuses of stacks; resources have the first ten or so of them too.
const (
	CreateInProgress  Status = "CREATE_IN_PROGRESS"
	CreateFailed      Status = "CREATE_FAILED"
	CreateComplete    Status = "CREATE_COMPLETE"
	UpdateInProgress  Status = "UPDATE_IN_PROGRESS"
	UpdateFailed      Status = "UPDATE_FAILED"
	UpdateComplete    Status = "UPDATE_COMPLETE"
	DeleteInProgress  Status = "DELETE_IN_PROGRESS"
	DeleteFailed      Status = "DELETE_FAILED"
	DeleteComplete    Status = "DELETE_COMPLETE"
	DeleteSkipped     Status = "DELETE_SKIPPED" // of resources alone
	ReviewInProgress  Status = "REVIEW_IN_PROGRESS"
	RollbackProgress  Status = "ROLLBACK_IN_PROGRESS"
	RollbackFailed    Status = "ROLLBACK_FAILED"
	RollbackComplete  Status = "ROLLBACK_COMPLETE"
	CleanupInProgress Status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
	UpdateBack        Status = "UPDATE_ROLLBACK_IN_PROGRESS"
	UpdateBackFailed  Status = "UPDATE_ROLLBACK_FAILED"
	UpdateBackCleanup Status = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
	UpdateBackDone    Status = "UPDATE_ROLLBACK_COMPLETE"
)

// running reports whether something is under way in a stack of the status.
func (s Status) running() bool {
	return strings.HasSuffix(string(s), "_IN_PROGRESS") && s != ReviewInProgress
}

// Definition is what a stack is made of, and what came of it.
type Definition struct {
	Template        string
	Description     string
	Parameters      []Parameter
	Tags            []Tag
	Capabilities    []string
	NotificationARN []string
	// Role is the ARN of the role that acts, or "": then the caller does.
	Role    string
	Outputs []Output
	// Imports are the names of other stacks' exports that are used.
	Imports []string
}

// Output is an output of a stack, computed.
type Output struct{ Key, Value, Description, Export string }

// Stack is a stack, or what is left of one that was deleted.
type Stack struct {
	ID, Name, Region string
	Definition
	Status                    Status
	Reason                    string
	Created, Updated, Deleted time.Time // the last two may be zero
	DisableRollback           bool
	TimeoutMinutes            int
	Protected                 bool   // from deletion
	Policy                    string // the stack policy's JSON, or ""
	ChangeSet                 string // the ARN of the change set that was executed last, or ""
	LastToken                 string // ClientRequestToken of what was asked for last, or ""

	Operation *Operation // under way, or failed so that it can be gone on with
}

// phase is how far an operation is.
type phase string

const (
	forward         phase = "forward"          // making and changing
	cleanup         phase = "cleanup"          // deleting what was replaced or left out
	rollback        phase = "rollback"         // putting back
	rollbackCleanup phase = "rollback-cleanup" // deleting what was made
	deletion        phase = "deletion"
	parked          phase = "parked" // failed, and left as it is
)

// Operation is the journal's head: what is done to a stack, for whom.
type Operation struct {
	ID    string // a UUID
	Phase phase
	// Caller is who asked.
	Caller iam.Caller
	Token  string // ClientRequestToken, or ""
	// Previous is what the stack goes back to; nil when it never was complete.
	Previous *Definition
	// DuringUpdate is a stack policy for this operation alone, or "".
	DuringUpdate string
	OnFailure    string // of a creation: ROLLBACK, DELETE or DO_NOTHING
	NoRollback   bool
	Retain       []string  // logical ids that a deletion leaves
	Force        bool      // a deletion leaves what cannot be deleted
	Skip         []string  // logical ids that a continued rollback leaves
	Deadline     time.Time // of a creation; zero is none
	Failure      string    // why it is going back
}

// Image is a resource as it was made: what is needed to change it, to put it back and to delete it.
type Image struct {
	Type, PhysicalID                    string
	Properties, Attributes              Values
	NoEcho                              bool
	Tags                                []Tag
	DependsOn                           []string // logical ids, those of references included
	DeletionPolicy, UpdateReplacePolicy string
	Metadata                            string // JSON, or ""
}

// StackResource is a resource of a stack.
type StackResource struct {
	LogicalID string
	Image
	Status  Status
	Reason  string
	Updated time.Time
	// Gone says that it was deleted, or left behind: it is only shown.
	Gone bool

	// The journal. Step is what is being done, or failed; the others say how the operation under way can be undone.
	Step    *Step
	Touched bool
	Before  *Image  // before the operation; nil when it was not there
	Old     []Image // what was replaced and is to be deleted
}

// Step is one operation on a resource.
type Step struct {
	Action     string // create, update
	Token      string
	Begun      time.Time
	Image      Image  // what it shall be
	PhysicalID string // noted by the handler, or ""
	Failed     bool
}

// Event is something that happened in a stack.
type Event struct {
	ID, StackID, StackName      string
	LogicalID, PhysicalID, Type string
	Time                        time.Time // milliseconds; no two of a stack are the same
	Status                      Status
	Reason                      string
	Token                       string // ClientRequestToken
	Operation                   string // the Operation's ID
	Properties                  string // JSON, or ""
}

// stackType is the type of a stack in its own events.
const stackType = "AWS::CloudFormation::Stack"

// view is a stack and its resources at one moment. Nothing in it is written to.
type view struct {
	Stack
	resources map[string]*StackResource
}

func (v *view) live() bool { return v.Status != DeleteComplete }

// ids returns the logical ids of the resources, sorted.
func (v *view) ids() []string { return sortedKeys(v.resources) }

func sameTags(a, b []Tag) bool {
	byKey := func(x, y Tag) int { return strings.Compare(x.Key, y.Key) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), byKey), slices.SortedFunc(slices.Values(b), byKey))
}
