// Command versitygw runs cases of the versitygw S3 gateway's own integration suite, each on its own, against any endpoint:
//
//	versitygw [-list] [-parallel n] [-limit d] [-texts file] [case ...]
//
// Without cases it takes their names from standard input, one a line. The endpoint and the credentials are those of
// AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION. For each case it prints one line, "PASS name"
// or "FAIL name: text", and it exits with status 1 when one failed. -list prints the names of all the suite's cases.
//
// The suite names its buckets by a counter in its process, so the endpoint must be one that no run before this used.
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/versity/versitygw/tests/integration"
)

// cases are the suite's, by name: its own map, and the ones that its groups run and the map leaves out.
func cases() map[string]integration.IntTest {
	all := maps.Clone(integration.GetIntTests())
	all["ListMultipartUploads_delimiter_no_matches"] = integration.ListMultipartUploads_delimiter_no_matches
	all["ListObjects_exceeding_max_keys"] = integration.ListObjects_exceeding_max_keys
	all["ListObjectsV2_exceeding_max_keys"] = integration.ListObjectsV2_exceeding_max_keys
	all["ListParts_exceeding_max_parts"] = integration.ListParts_exceeding_max_parts
	return all
}

// alone reports whether a case looks at all of the account's buckets: those run before the others, one by one.
func alone(name string) bool {
	return strings.HasPrefix(name, "ListBuckets_") || name == "IAM_ListBuckets"
}

func main() {
	log.SetFlags(0)
	list := flag.Bool("list", false, "print the names of all cases")
	parallel := flag.Int("parallel", 8, "how many cases run at once")
	limit := flag.Duration("limit", 90*time.Second, "how long a case may take")
	texts := flag.String("texts", "", "table of texts to put in place of others")
	flag.Parse()
	out := os.Stdout
	all := cases()
	if *list {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			fmt.Fprintln(out, name)
		}
		return
	}
	names, err := wanted(flag.Args(), all)
	if err != nil {
		log.Fatal(err)
	}
	conf, err := configuration(*texts)
	if err != nil {
		log.Fatal(err)
	}
	// The suite prints in colours, case by case; what it says is in the errors that it returns as well.
	if os.Stdout, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil {
		log.Fatal(err)
	}
	r := runner{all: all, conf: conf, limit: *limit, out: out}
	together := func(name string) bool { return !alone(name) }
	r.runAll(slices.DeleteFunc(slices.Clone(names), together), 1)
	r.runAll(slices.DeleteFunc(names, alone), *parallel)
	if r.failed {
		os.Exit(1)
	}
}

// wanted returns the names in args, or those on standard input; an error for one that is no case.
func wanted(args []string, all map[string]integration.IntTest) ([]string, error) {
	if len(args) == 0 {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			if name := strings.TrimSpace(lines.Text()); name != "" {
				args = append(args, name)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("read names of cases: %w", err)
		}
	}
	for _, name := range args {
		if all[name] == nil {
			return nil, fmt.Errorf("there is no case %q in the suite", name)
		}
	}
	return args, nil
}

// configuration reads the environment, and the table of texts if there is one. The suite is told of versioning for every
// case: that only makes it empty buckets of all versions when a case is over.
func configuration(table string) (*integration.S3Conf, error) {
	endpoint, id, secret := os.Getenv("AWS_ENDPOINT_URL"), os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	if endpoint == "" || id == "" || secret == "" {
		return nil, errors.New("AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set")
	}
	if table != "" {
		texts, err := readTexts(table)
		if err != nil {
			return nil, err
		}
		if endpoint, err = relay(endpoint, texts); err != nil {
			return nil, err
		}
	}
	return integration.NewS3Conf(
		integration.WithEndpoint(endpoint), integration.WithAccess(id), integration.WithSecret(secret),
		integration.WithRegion(cmp.Or(os.Getenv("AWS_REGION"), "us-east-1")), integration.WithVersioningEnabled(),
	), nil
}

// runner runs cases and prints how they ended.
type runner struct {
	all   map[string]integration.IntTest
	conf  *integration.S3Conf
	limit time.Duration

	mu     sync.Mutex // guards what follows
	out    *os.File
	failed bool
}

// runAll runs the cases, n at once, and waits for them.
func (r *runner) runAll(names []string, n int) {
	turn := make(chan struct{}, max(n, 1))
	var wg sync.WaitGroup
	for _, name := range names {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			r.report(name, r.run(name))
		})
	}
	wg.Wait()
}

// run runs one case. One that takes longer than the limit is left to itself.
func (r *runner) run(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), r.limit)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				ended <- fmt.Errorf("panic: %v", p)
			}
		}()
		ended <- r.all[name](r.conf)
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return fmt.Errorf("not over after %v", r.limit)
	}
}

var colours = regexp.MustCompile(`\x1b\[[0-9;]*m`)

func (r *runner) report(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		fmt.Fprintln(r.out, "PASS", name)
		return
	}
	r.failed = true
	text := strings.Join(strings.Fields(colours.ReplaceAllString(err.Error(), "")), " ")
	fmt.Fprintf(r.out, "FAIL %s: %s\n", name, strings.TrimPrefix(text, name+": "))
}
