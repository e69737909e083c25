package cloudformationapi

import (
	"context"
	"time"
)

// settleTime is how long the answer to what begins an operation waits for the operation's end. Clients poll: their first look
// comes at once and the next after 30 seconds (aws-cli 2.9, seen 2026-11), and most operations here take less than one.
const settleTime = 2 * time.Second

// begins are the actions that begin an operation on the stack that StackName names.
var begins = map[string]bool{
	"CreateStack": true, "UpdateStack": true, "DeleteStack": true, "ExecuteChangeSet": true, "RollbackStack": true, "ContinueUpdateRollback": true,
}

// settle waits after such an action.
func (c *call) settle(action string) {
	if !begins[action] {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, settleTime)
	defer cancel()
	c.Stacks.Settle(ctx, c.region, c.get("StackName"))
}
