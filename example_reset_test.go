package glassine_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"glassine"
)

// One System for many tests: it is emptied between them, and its addresses and root key stay.
func ExampleSystem_Reset() {
	ctx, stop := context.WithCancel(context.Background())
	data, err := os.MkdirTemp("", "glassine-")
	check(err)
	defer os.RemoveAll(data)
	system, err := glassine.New(ctx, glassine.Config{
		Data: data, AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", AllowReset: true, Log: slog.New(slog.DiscardHandler),
	})
	check(err)
	served := make(chan error)
	go func() { served <- system.Serve(ctx) }()

	for _, test := range []string{"one", "two"} {
		_, err := system.S3.CreateBucket(ctx, system.IAM.Root(), "photos", "")
		fmt.Println(test, err)
		check(system.Reset(ctx, system.IAM.Root()))
	}

	stop()
	check(<-served)
	// Output:
	// one <nil>
	// two <nil>
}
