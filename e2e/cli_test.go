package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glassine"
	"glassine/transform/sample"
)

// shellOf prepares a folder with glassine and its completion scripts, and the environment of a shell in it.
func (s *system) shellOf(t *testing.T) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Symlink(glassineCommand(t), filepath.Join(dir, "glassine")); err != nil {
		t.Fatal(err)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script, errOut, err := command(t, os.Environ(), filepath.Join(dir, "glassine"), "completion", shell)
		if err != nil {
			t.Fatalf("completion %s: %v: %s", shell, err, errOut)
		}
		if err := os.WriteFile(filepath.Join(dir, "completion."+shell), []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, []string{
		"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8", "TERM=xterm",
		"GLASSINE_DATA=" + s.data, "GLASSINE_AWS=" + s.Addresses().AWS, "GLASSINE_HTTPS=127.0.0.1:8443",
	}
}

// bashCompletes is what bash has after a line was typed and tab pressed: its own words, as COMP_WORDBREAKS breaks them.
const bashCompletes = `
source ./completion.bash
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=() word=
for ((i = 0; i < ${#1}; i++)); do
	c=${1:i:1}
	case $c in
	" ") [ -z "$word" ] || COMP_WORDS+=("$word"); word= ;;
	: | =) [ -z "$word" ] || COMP_WORDS+=("$word"); COMP_WORDS+=("$c"); word= ;;
	*) word+=$c ;;
	esac
done
COMP_WORDS+=("$word") COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_glassine
for c in "${COMPREPLY[@]}"; do printf '%s\n' "$c"; done`

func TestCompletionInBashAndFish(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.put(t, "two%20words.jpg", sample.JPEG)
	dir, env := s.shellOf(t)
	bash, fish := tool(t, "bash"), tool(t, "fish")
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return string(out)
	}
	for _, row := range []struct {
		line string
		bash []string // what replaces bash's word
		fish []string
	}{
		{"glassine dep", []string{"deploy"}, []string{"deploy"}},
		{"glassine config va", []string{"validate"}, []string{"validate"}},
		{"glassine deploy --no-ro", []string{"--no-rollback"}, []string{"--no-rollback"}},
		{"glassine stacks --output=j", []string{"json"}, []string{"--output=json"}},
		{"glassine stacks -o y", []string{"yaml"}, []string{"yaml"}},
		{"glassine help user d", []string{"delete"}, []string{"delete"}},
		{"glassine audit s3", []string{"s3://" + bucket + "/"}, []string{"s3://" + bucket + "/"}},
		{"glassine audit s3://", []string{"//" + bucket + "/"}, []string{"s3://" + bucket + "/"}},
		{"glassine audit s3://" + bucket + "/sa", []string{"//" + bucket + "/sample.jpg"}, []string{"s3://" + bucket + "/sample.jpg"}},
		{"glassine url tw", []string{`two\ words.jpg`}, []string{"two words.jpg"}},
		{"glassine purge /sa", []string{"/sample.jpg"}, []string{"/sample.jpg"}},
		{"glassine dev . --name glassine-im", []string{"glassine-image"}, []string{"glassine-image"}},
		{"glassine dev . --access-point=glassine", []string{"glassine-demo"}, []string{"--access-point=glassine-demo"}},
		{"glassine strip completion.z", []string{"completion.zsh"}, []string{"completion.zsh"}},
		{"glassine audit xyz://", nil, nil},
		// Nothing listens there: completion is silent, and names of commands are still offered.
		{"glassine audit --aws 127.0.0.1:1 s3", nil, nil},
		{"glassine no such command ", nil, nil},
	} {
		got := strings.Fields(strings.ReplaceAll(run(bash, "--norc", "-c", bashCompletes, "bash", row.line), `\ `, `\_`))
		want := strings.Join(row.bash, "\n")
		if strings.Join(got, "\n") != strings.ReplaceAll(want, `\ `, `\_`) {
			t.Errorf("bash: %q is completed to %q, want %q", row.line, got, row.bash)
		}
		var values []string
		for line := range strings.Lines(run(fish, "--no-config", "-c", "source completion.fish; complete -C $argv[1]", row.line)) {
			value, _, _ := strings.Cut(strings.TrimRight(line, "\n"), "\t")
			values = append(values, strings.ReplaceAll(value, `\ `, " "))
		}
		if strings.Join(values, "\n") != strings.Join(row.fish, "\n") {
			t.Errorf("fish: %q is completed to %q, want %q", row.line, values, row.fish)
		}
	}
	// Of a distribution the id is not known before.
	if out := run(fish, "--no-config", "-c", "source completion.fish; complete -C 'glassine purge --distribution '"); !strings.HasPrefix(out, "E") || !strings.Contains(out, "The demo") {
		t.Errorf("distributions: %q", out)
	}
}

// zshCompletes types a line and a tab into a zsh that has loaded the script, and prints what is on its terminal until a text is.
const zshCompletes = `
zmodload zsh/zpty
zpty z "zsh -f -i"
await() {
	local all= part
	repeat 200; do
		if zpty -r -t z part 2>/dev/null; then all+=$part; else sleep 0.05; fi
		[[ $all == *$1* ]] && break
	done
	print -r -- "$all"
}
zpty -w z "PS1='> '; unsetopt zle_bracketed_paste; cd $1; autoload -Uz compinit; compinit -u -D; source ./completion.zsh; print rea''dy"
await ready >/dev/null
zpty -w -n z "$2"$'\t'
await "$3"
zpty -d z`

func TestCompletionInZsh(t *testing.T) {
	t.Parallel()
	s := start(t)
	dir, env := s.shellOf(t)
	for line, want := range map[string]string{
		"glassine dep":                           "glassine deploy",
		"glassine audit s3:":                     "s3://" + bucket + "/",
		"glassine audit s3://" + bucket + "/sam": bucket + "/sample.jpg",
		"glassine dev . --name=glassine-s":       "glassine-signer",
	} {
		cmd := exec.CommandContext(t.Context(), tool(t, "zsh"), "-f", "-c", zshCompletes, "zsh", dir, line, want)
		cmd.Env = env
		began := time.Now()
		out, err := cmd.Output()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%q is completed to %q (%v), want %q", line, out, err, want)
		}
		t.Logf("%q: %s", line, time.Since(began).Round(time.Millisecond))
	}
}

// as runs the command as a user of the shell's, in place of root.
func (s *system) as(t *testing.T, id, secret string, args ...string) typed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), glassineCommand(t), args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GLASSINE_DATA=" + s.data, "GLASSINE_AWS=" + s.Addresses().AWS,
		"AWS_ENDPOINT_URL=http://" + s.Addresses().AWS, "AWS_ACCESS_KEY_ID=" + id, "AWS_SECRET_ACCESS_KEY=" + secret,
	}
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return typed{out: out.String(), err: errOut.String(), code: cmd.ProcessState.ExitCode()}
}

func TestErrorsSayWhyAndWhatToTry(t *testing.T) {
	t.Parallel()
	s := start(t)
	dir := t.TempDir()
	type key struct{ AccessKeyId, SecretAccessKey string }
	user := func(name, policy string) key {
		t.Helper()
		made := s.glassine(t, dir, "user", "create", name, "--document", writeTemp(t, name+".json", []byte(policy)), "-o", "json")
		made.wants(t, 0)
		var k key
		if err := json.Unmarshal([]byte(made.out), &k); err != nil {
			t.Fatal(err)
		}
		return k
	}
	seeing := user("seeing", `{"Version":"2012-10-17","Statement":[{"Sid":"NoPictures","Effect":"Deny","Action":"s3:*","Resource":"*"},{"Effect":"Allow","Action":"cloudtrail:LookupEvents","Resource":"*"}]}`)
	blind := user("blind", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}`)
	source := "s3://" + bucket
	s.as(t, seeing.AccessKeyId, seeing.SecretAccessKey, "audit", source).wants(t, 4,
		"AccessDenied", "why: arn:aws:iam::"+account+":user/seeing may not do s3:ListBucket on arn:aws:s3:::"+bucket, "statement NoPictures", "try: aws iam simulate-principal-policy --policy-source-arn")
	s.as(t, seeing.AccessKeyId, seeing.SecretAccessKey, "stacks").wants(t, 4, "why: no policy lets arn:aws:iam::"+account+":user/seeing do cloudformation:DescribeStacks")
	denied := s.as(t, blind.AccessKeyId, blind.SecretAccessKey, "audit", source)
	denied.wants(t, 4, "may cloudtrail:LookupEvents, and this caller may not", "try: aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventId")
	if strings.Contains(denied.err, "statement NoPictures") || strings.Contains(denied.err, "\x1b") {
		t.Errorf("the card has what the caller may not know, or colours: %q", denied.err)
	}
	s.as(t, "AKIAIOSFODNN7EXAMPLE", "wrong", "stacks").wants(t, 4, "InvalidClientTokenId", "does not know the key", "try: glassine doctor")
	s.glassine(t, dir, "stacks", "--aws", "127.0.0.1:1").wants(t, 3, "connection refused", "why: nothing listens on 127.0.0.1:1", "try: glassine up")
	s.glassine(t, dir, "stacks", "--data", t.TempDir()).wants(t, 3, "there is no glassine in", "try: glassine up")
	s.glassine(t, dir, "status", "--data", t.TempDir(), "--aws", "127.0.0.1:1", "--admin", "127.0.0.1:1").wants(t, 3, "no glassine runs on", "try: glassine up")
	s.glassine(t, dir, "audit", "s3://nobody-has-this").wants(t, 1, "NoSuchBucket", "try: aws s3 ls")
	s.glassine(t, dir, "outputs", "nothing").wants(t, 1, "stack nothing", "try: glassine stacks")
	s.glassine(t, dir, "deplyo").wants(t, 2, `did you mean "deploy"?`, "try: glassine --help")
	s.glassine(t, dir, "stacks", "--outptu", "json").wants(t, 2, `did you mean "--output"?`, "try: glassine help stacks")
	s.glassine(t, dir, "url", "a.jpg", "--set", "blur=9999").wants(t, 2, "allowed are numbers from 0.3 to 250")
}

func TestStatusLogsAuditAndURL(t *testing.T) {
	t.Parallel()
	s := start(t)
	dir := t.TempDir()
	s.put(t, "folder/IMG_20260331_143022.png", []byte("no picture at all"))
	s.put(t, "notes.txt", []byte("text"))
	viewed := s.view(t, "GET", "/sample.jpg")
	if viewed.StatusCode != 200 {
		t.Fatal(viewed.Status)
	}
	at := s.Addresses()

	var status struct {
		Ready bool
		Holds struct{ Buckets, Functions, Distributions int }
	}
	r := s.glassine(t, dir, "status", "--admin", at.Admin, "-o", "json")
	r.wants(t, 0)
	if err := json.Unmarshal([]byte(r.out), &status); err != nil || !status.Ready || status.Holds.Buckets != 1 || status.Holds.Functions != 2 || status.Holds.Distributions != 1 {
		t.Errorf("status: %v: %s", err, r.out)
	}
	s.glassine(t, dir, "status", "--admin", at.Admin).wants(t, 0, "ready", "1 bucket, 1 access point", "2 functions, 1 distribution")

	logs := s.glassine(t, dir, "logs", "glassine-image")
	logs.wants(t, 0, "START RequestId: ", "REPORT RequestId: ")
	_, rest, _ := strings.Cut(logs.out, "START RequestId: ")
	id := strings.Fields(rest)[0]
	one := s.glassine(t, dir, "logs", "--request", id, "-o", "text")
	one.wants(t, 0, "/aws/lambda/glassine-image\t", id)
	for line := range strings.Lines(one.out) {
		if !strings.Contains(line, id) || strings.Count(line, "\t") != 3 {
			t.Errorf("logs --request: %q is of another request, or has other columns", line)
		}
	}
	s.glassine(t, dir, "logs", "--request", viewed.Header.Get("X-Amz-Cf-Id")).wants(t, 0, "glassine-image", "REPORT RequestId: ")
	s.glassine(t, dir, "logs", "nobody").wants(t, 1, "there is no log group nobody", "try: glassine logs")

	audit := s.glassine(t, dir, "audit", "s3://"+bucket, "-o", "json")
	audit.wants(t, 0)
	lines := strings.Split(strings.TrimSpace(audit.out), "\n")
	if len(lines) != 3 {
		t.Fatalf("audit: %s", audit.out)
	}
	var broken, leaky struct {
		Key                      string
		Where, Who, When, Device []string
		Error                    string
	}
	var sum struct {
		Summary struct{ Objects, Pictures, Leaking, Where, Unreadable int }
	}
	for i, into := range []any{&broken, &leaky, &sum} {
		if err := json.Unmarshal([]byte(lines[i]), into); err != nil {
			t.Fatal(err)
		}
	}
	if broken.Key != "folder/IMG_20260331_143022.png" || broken.Error == "" {
		t.Errorf("what is no picture: %+v", broken)
	}
	if leaky.Key != "sample.jpg" || len(leaky.Where) == 0 || !strings.HasPrefix(leaky.Where[0], "-48.875444, -123.392519") || len(leaky.Who) == 0 || len(leaky.When) == 0 || len(leaky.Device) == 0 {
		t.Errorf("the sample: %+v", leaky)
	}
	if got := sum.Summary; got.Objects != 3 || got.Pictures != 2 || got.Leaking != 1 || got.Where != 1 || got.Unreadable != 1 {
		t.Errorf("summary: %+v", got)
	}
	s.glassine(t, dir, "audit", "s3://"+bucket+"/sample", "--risk", "where", "--fail").wants(t, 1, "1 picture would give something away")
	s.put(t, "clean.jpg", s.view(t, "GET", "/sample.jpg").body)
	s.glassine(t, dir, "audit", "s3://"+bucket+"/clean", "--fail").wants(t, 0, "1 picture looked into, 0 would tell")

	u := s.glassine(t, dir, "url", "sample.jpg", "--https", at.HTTPS, "--width", "300", "--format", "jpeg", "--widths", "100,200")
	u.wants(t, 0, "srcset=")
	got, _, _ := strings.Cut(u.out, "\n")
	if want := s.url("/sample.jpg?format=jpeg&width=300"); got != want {
		t.Errorf("url = %q, want %q", got, want)
	}
}

func TestDownStopsWhatRuns(t *testing.T) {
	t.Parallel()
	data, at := t.TempDir(), "127.0.0.1:0"
	cmd := exec.CommandContext(t.Context(), glassineCommand(t), "serve", "--data", data, "--aws", at, "--http", at, "--https", at, "--admin", at, "--no-http3")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen, text := make([]byte, 4096), ""
	for !strings.Contains(text, "Ready.") {
		n, err := out.Read(seen)
		if text += string(seen[:n]); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	if pid, err := glassine.Running(data); err != nil || pid != cmd.Process.Pid {
		t.Errorf("Running = %d, %v, want %d", pid, err, cmd.Process.Pid)
	}
	commandAt(t, data, at, t.TempDir(), "down").wants(t, 0, "Stopped (process ")
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	commandAt(t, data, at, t.TempDir(), "down").wants(t, 3, "no glassine runs on", "try: ")
}

func TestUsersOfTheCommandLine(t *testing.T) {
	t.Parallel()
	s := start(t)
	dir := t.TempDir()
	s.glassine(t, dir, "user", "list").wants(t, 0, "There is no user but root")
	s.glassine(t, dir, "user", "create", "ann", "--policy", "AmazonS3ReadOnlyAccess").wants(t, 0, "User:  ann", "(shown once)")
	key := strings.Split(strings.TrimSpace(s.glassine(t, dir, "user", "key", "ann", "-o", "text").out), "\t")
	if len(key) != 3 {
		t.Fatalf("user key: %q", key)
	}
	s.as(t, key[0], key[1], "audit", "s3://"+bucket).wants(t, 0, "1 picture looked into")
	s.glassine(t, dir, "user", "list").wants(t, 0, "ann", key[0]+" active")
	// A policy that is not there: nothing of the user is left.
	s.glassine(t, dir, "user", "create", "bea", "--policy", "NoSuchPolicyAtAll").wants(t, 1, "NoSuchEntity")
	s.glassine(t, dir, "user", "delete", "ann", "--dry-run").wants(t, 0, "Would delete user ann with 2 access keys")
	s.glassine(t, dir, "user", "delete", "ann").wants(t, 0, "Deleted user ann")
	s.glassine(t, dir, "user", "list", "-o", "json").wants(t, 0, "[]")
}
