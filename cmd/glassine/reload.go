package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"glassine"
)

// parsed is a command line that was read, with its file of settings.
type parsed struct {
	flags  *serveFlags
	values []effective
}

// reread reads the command line of ctx again, with what the file says now.
func reread(ctx *kong.Context) (parsed, error) {
	var c cli
	parser, from, err := newParser(&c)
	if err != nil {
		return parsed{}, err
	}
	again, err := parser.Parse(ctx.Args)
	if err != nil {
		return parsed{}, err
	}
	command, ok := again.Selected().Target.Addr().Interface().(interface{ own() *serveFlags })
	if !ok {
		return parsed{}, fmt.Errorf("%s has no settings", again.Command())
	}
	return parsed{command.own(), effectiveSettings(again, from)}, nil
}

// reloader applies changed settings to what runs.
type reloader struct {
	now    parsed // in force
	again  func() (parsed, error)
	system interface {
		Apply(glassine.Live) error
		Reloaded(ok bool)
	}
	level  *slog.LevelVar
	access *accessLog // nil: the edge writes none
	log    *slog.Logger
}

// reload reads the settings again and applies all that changed, or, when one of them needs a restart or is wrong, nothing.
// The access log is opened anew in any case that succeeds: that is what logrotate asks for.
func (r *reloader) reload() {
	changed, err := r.apply()
	r.system.Reloaded(err == nil)
	if err != nil {
		r.log.Error("settings not reloaded; those from before are in force", "error", err.Error())
		return
	}
	r.log.Info("settings reloaded", "changed", strings.Join(changed, " "))
}

// apply returns the names of the settings that changed.
func (r *reloader) apply() ([]string, error) {
	next, err := r.again()
	if err != nil {
		return nil, err
	}
	changed, fixed := r.compare(next)
	if len(fixed) > 0 {
		return nil, fmt.Errorf("a restart is needed for %s", strings.Join(fixed, ", "))
	}
	cfg, err := next.flags.config()
	if err != nil {
		return nil, err
	}
	if r.access == nil {
		err = r.system.Apply(liveOf(cfg))
	} else {
		err = r.applyWithLog(next.flags.AccessLog, cfg)
	}
	if err != nil {
		return nil, err
	}
	r.level.Set(next.flags.level())
	r.now = next
	return changed, nil
}

// applyWithLog applies cfg and opens the access log anew, or does neither.
func (r *reloader) applyWithLog(name string, cfg glassine.Config) error {
	file, err := openAccessLog(name)
	if err != nil {
		return err
	}
	if err := r.system.Apply(liveOf(cfg)); err != nil {
		if file != os.Stdout {
			err = errors.Join(err, file.Close())
		}
		return err
	}
	if err := r.access.use(file); err != nil {
		r.log.Warn("the access log from before did not close", "error", err.Error())
	}
	return nil
}

// liveOf is what of cfg the system changes while it runs.
func liveOf(cfg glassine.Config) glassine.Live {
	return glassine.Live{CertificateDir: cfg.CertificateDir, Strict: cfg.Strict, CacheStatus: cfg.CacheStatus}
}

// compare returns the settings that next changes, and of them those that a reload does not take.
func (r *reloader) compare(next parsed) (changed, fixed []string) {
	model := settingsModel()
	for i, e := range next.values {
		before := r.now.values[i]
		if reflect.DeepEqual(before.Value, e.Value) {
			continue
		}
		changed = append(changed, e.Name)
		s, _ := model.Find(e.Name) // of this model
		// Lines for the access log are not even made while it is off.
		if !s.Live || e.Name == "access-log" && (before.Value == "off" || e.Value == "off") {
			fixed = append(fixed, e.Name)
		}
	}
	return changed, fixed
}
