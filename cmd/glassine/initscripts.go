package main

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"

	"glassine/initscript"
)

// initScripts are the scripts of --init-dir, and the environment that they get.
type initScripts struct {
	*initscript.Scripts // nil: there are none
	flags               *dataFlags
}

// scripts reads which scripts there are.
func (f *serveFlags) scripts(log *slog.Logger) (initScripts, error) {
	out := initScripts{flags: &f.dataFlags}
	if f.InitDir == "" {
		return out, nil
	}
	var err error
	out.Scripts, err = initscript.Open(f.InitDir, log)
	return out, err
}

// run runs the scripts of a stage with the variables of glassine env, for an endpoint at aws. Before the first start there is no
// root key, and those of boot.d do without.
func (s initScripts) run(ctx context.Context, stage initscript.Stage, aws string) {
	if s.Scripts == nil {
		return
	}
	env := os.Environ()
	if changes, err := environment(s.flags.Data, aws, s.flags.Region); err == nil {
		env = slices.DeleteFunc(env, func(v string) bool {
			name, _, _ := strings.Cut(v, "=")
			return slices.Contains(unsetByEnv, name)
		})
		for _, v := range changes {
			env = append(env, v.name+"="+*v.value)
		}
	}
	s.Run(ctx, stage, env)
}
