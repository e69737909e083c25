package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"glassine/console/client"
)

// userCmd are the commands about IAM users. What they leave out, aws iam does.
type userCmd struct {
	List   userListCmd   `cmd:"" help:"List the users and their access keys."`
	Create userCreateCmd `cmd:"" help:"Make a user with an access key, which is shown once."`
	Key    userKeyCmd    `cmd:"" help:"Make another access key of a user, which is shown once."`
	Delete userDeleteCmd `cmd:"" help:"Delete a user with its keys and policies."`
}

// userOf is a user as it is listed.
type userOf struct {
	UserName   string
	Arn        string
	CreateDate time.Time
	AccessKeys []keyOf
}

type keyOf struct {
	AccessKeyID string `json:"AccessKeyId"`
	Status      string
}

// newKey is a key that was just made, with names as aws-cli has them.
type newKey struct {
	UserName        string
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
}

func (k newKey) write(w io.Writer) {
	fmt.Fprintf(w, "User:  %s\nKey:   %s %s   (shown once)\n", k.UserName, k.AccessKeyID, k.SecretAccessKey)
	fmt.Fprintf(w, "Use:   export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s   (after eval \"$(glassine env)\")\n", k.AccessKeyID, quote(k.SecretAccessKey))
}

// showNewKey makes a key of a user and prints it, the one time that its secret is told.
func showNewKey(ctx context.Context, caller *client.Client, user string, to *outputFlags) error {
	key, err := caller.CreateAccessKey(ctx, user)
	if err != nil {
		return err
	}
	out := newKey{user, key.AccessKeyId, key.SecretAccessKey}
	return to.print(out, out.write)
}

type userListCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
}

// Run lists users.
func (c *userListCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	caller, err := c.caller()
	if err != nil {
		return err
	}
	users, err := caller.ListUsers(ctx)
	if err != nil {
		return err
	}
	all := []userOf{}
	for _, u := range users {
		keys, err := caller.ListAccessKeys(ctx, u.UserName)
		if err != nil {
			return err
		}
		one := userOf{u.UserName, u.Arn, u.CreateDate, []keyOf{}}
		for _, k := range keys {
			one.AccessKeys = append(one.AccessKeys, keyOf{k.AccessKeyId, k.Status})
		}
		all = append(all, one)
	}
	if len(all) == 0 && c.forPeople() {
		fmt.Fprintln(os.Stderr, "There is no user but root. glassine user create makes one.")
		return nil
	}
	return c.print(all, func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "USER\tCREATED\tKEYS")
		for _, u := range all {
			var keys []string
			for _, k := range u.AccessKeys {
				keys = append(keys, k.AccessKeyID+" "+strings.ToLower(k.Status))
			}
			fmt.Fprintf(t, "%s\t%s\t%s\n", u.UserName, u.CreateDate.Local().Format(time.DateTime), strings.Join(keys, ", "))
		}
		_ = t.Flush() // w is memory
	})
}

type userCreateCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
	Name        string   `arg:"" help:"What the user is called."`
	Policy      []string `sep:"none" help:"Managed policy to attach: its ARN, or the name of one of AWS's. May be given again." placeholder:"POLICY"`
	Document    string   `help:"File with a policy that becomes part of the user." type:"existingfile" placeholder:"FILE"`
}

// Run makes the user. When something fails, what was made is taken away again.
func (c *userCreateCmd) Run() (err error) {
	ctx, stop := interruptible()
	defer stop()
	caller, err := c.caller()
	if err != nil {
		return err
	}
	document := ""
	if c.Document != "" {
		text, err := os.ReadFile(c.Document)
		if err != nil {
			return err
		}
		document = string(text)
	}
	if err := caller.CreateUser(ctx, c.Name); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeUser(caller, c.Name))
		}
	}()
	for _, p := range c.Policy {
		if !strings.HasPrefix(p, "arn:") {
			p = "arn:aws:iam::aws:policy/" + p
		}
		if err := caller.Attach(ctx, client.OfUser, c.Name, p, false); err != nil {
			return err
		}
	}
	if document != "" {
		if err := caller.PutInline(ctx, client.OfUser, c.Name, "own", document); err != nil {
			return err
		}
	}
	return showNewKey(ctx, caller, c.Name, &c.outputFlags)
}

type userKeyCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
	Name        string `arg:"" complete:"user" help:"The user."`
}

// Run makes a key.
func (c *userKeyCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	caller, err := c.caller()
	if err != nil {
		return err
	}
	return showNewKey(ctx, caller, c.Name, &c.outputFlags)
}

type userDeleteCmd struct {
	dataFlags `embed:""`
	Name      string `arg:"" complete:"user" help:"The user."`
	Yes       bool   `short:"y" help:"Do not ask."`
	DryRun    bool   `help:"Tell what would be deleted, and delete nothing."`
}

// Run deletes the user and what belongs to it alone.
func (c *userDeleteCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	caller, err := c.caller()
	if err != nil {
		return err
	}
	keys, err := caller.ListAccessKeys(ctx, c.Name)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("user %s with %s", c.Name, counted(len(keys), "access key"))
	if c.DryRun {
		fmt.Printf("Would delete %s.\n", what)
		return nil
	}
	if yes, err := ask(ctx, c.Yes, "Delete "+what+"?"); err != nil || !yes {
		return err
	}
	if err := removeUser(caller, c.Name); err != nil {
		return err
	}
	fmt.Printf("Deleted %s.\n", what)
	return nil
}

// removeUser takes a user away with its keys and policies, as far as it comes.
func removeUser(caller *client.Client, name string) error {
	ctx, stop := interruptible()
	defer stop()
	keys, err := caller.ListAccessKeys(ctx, name)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := caller.DeleteAccessKey(ctx, name, k.AccessKeyId); err != nil {
			return err
		}
	}
	attached, err := caller.ListAttached(ctx, client.OfUser, name)
	if err != nil {
		return err
	}
	for _, p := range attached {
		if err := caller.Attach(ctx, client.OfUser, name, p.PolicyArn, true); err != nil {
			return err
		}
	}
	inline, err := caller.ListInline(ctx, client.OfUser, name)
	if err != nil {
		return err
	}
	for _, p := range inline {
		if err := caller.PutInline(ctx, client.OfUser, name, p, ""); err != nil {
			return err
		}
	}
	return caller.DeleteUser(ctx, name)
}
