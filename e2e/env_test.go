package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"glassine"
)

// What glassine env exports is taken back by glassine env --unset, in the shells themselves.
func TestExportsAreTakenBackInShells(t *testing.T) {
	t.Parallel()
	data, dir := filepath.Join(t.TempDir(), "it's data"), t.TempDir()
	if _, err := glassine.ReplaceRootCredentials(t.Context(), data, account); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(glassineCommand(t), filepath.Join(dir, "glassine")); err != nil {
		t.Fatal(err)
	}
	environment := []string{
		"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8", "GLASSINE_DATA=" + data,
		"HTTPS_PROXY=http://proxy.example:3128", "AWS_PROFILE=it's \\ \"work\"", "AWS_REGION=", "NO_PROXY=a\nb",
	}
	const sh = `set -e; env -0 | sort -z >before; eval "$(glassine env)"; env -0 | sort -z >between; printf '%s\n' "$AWS_ENDPOINT_URL" "$AWS_CA_BUNDLE"
eval "$(glassine env --aws 127.0.0.1:5566)"; export AWS_ACCESS_KEY_ID=another; eval "$(glassine env --unset)"; env -0 | sort -z >after`
	const fish = `env -0 | sort -z >before; glassine env --shell fish | source; env -0 | sort -z >between; printf '%s\n' "$AWS_ENDPOINT_URL" "$AWS_CA_BUNDLE"
glassine env --shell fish --aws 127.0.0.1:5566 | source; set -gx AWS_ACCESS_KEY_ID another; glassine env --unset --shell fish | source; env -0 | sort -z >after`
	for name, args := range map[string][]string{
		"bash": {"--norc", "-c", sh}, "zsh": {"-f", "-c", sh}, "dash": {"-c", sh}, "fish": {"--no-config", "-c", fish},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), tool(t, name), args...)
			cmd.Dir, cmd.Env = t.TempDir(), environment
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != "http://127.0.0.1:4566\n"+data+"/ca.pem\n" {
				t.Fatalf("%v: %q", err, out)
			}
			read := func(file string) []string {
				t.Helper()
				raw, err := os.ReadFile(filepath.Join(cmd.Dir, file))
				if err != nil {
					t.Fatal(err)
				}
				var own []string
				for v := range strings.SplitSeq(string(raw), "\x00") {
					if name, _, _ := strings.Cut(v, "="); name != "_" && name != "OLDPWD" { // the shell's own
						own = append(own, v)
					}
				}
				return own
			}
			before, between, after := strings.Join(read("before"), "\n"), strings.Join(read("between"), "\n"), strings.Join(read("after"), "\n")
			if after != before {
				t.Errorf("the shell has\n%s\nwant\n%s", after, before)
			}
			if between == before || strings.Contains(between, "AWS_PROFILE") || !strings.Contains(between, "HTTPS_PROXY=http://127.0.0.1:4566") {
				t.Errorf("with the exports the shell has\n%s", between)
			}
		})
	}
}
