package sandbox

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// An invocation of a function that does nothing, on a warm process. See also bench/invoke.
func BenchmarkWarm(b *testing.B) {
	host, err := New(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer host.Close()
	for runtime, file := range map[string][2]string{
		"nodejs20.x": {"index.js", "exports.handler = async (event) => event\n"},
		"python3.9":  {"index.py", "def handler(event, context):\n    return event\n"},
	} {
		dir := b.TempDir()
		if err := os.WriteFile(dir+"/"+file[0], []byte(file[1]), 0o644); err != nil {
			b.Fatal(err)
		}
		v := Version{Key: runtime, FunctionName: "f", Version: "1", Region: "us-east-1", Runtime: runtime, Handler: "index.handler", CodeDir: dir, Timeout: time.Minute}
		if err := host.Warm(b.Context(), v); err != nil {
			b.Fatal(err)
		}
		b.Run(runtime, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r, err := host.Invoke(b.Context(), v, Invocation{RequestID: "r", Payload: []byte("1")}); err != nil || r.Failed {
					b.Fatal(fmt.Sprint(r, err))
				}
			}
		})
	}
}
