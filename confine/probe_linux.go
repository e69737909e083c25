package confine

import (
	"context"
	"fmt"
	"os"
)

// Probe finds the firmest level that this machine gives, by going through every step of each without running a program.
// The second result says, in sentences, what the levels above lack and what the level found does without.
func (s *Spawner) Probe(ctx context.Context) (Level, []string) {
	if !mainCalled.Load() {
		return Process, []string{ErrNoMain.Error()}
	}
	var why []string
	for _, level := range Levels[:len(Levels)-1] {
		if err := s.try(ctx, level); err != nil {
			why = append(why, fmt.Sprintf("not %s: %v%s", level, err, hint(level)))
			continue
		}
		if s.groupErr != nil {
			why = append(why, fmt.Sprintf("%v: memory is watched and bounded for each process, not held by the kernel as a whole", s.groupErr))
		}
		if version, _ := landlockVersion(); level == Restricted && version < portsVersion {
			why = append(why, fmt.Sprintf("landlock is version %d and holds no TCP ports: functions reach the network", version))
		}
		return level, why
	}
	return Process, why
}

// try goes through the steps of a level.
func (s *Spawner) try(ctx context.Context, level Level) error {
	spec := Spec{
		Level: level, Args: []string{"/"}, Dir: "/", TmpMB: 1, Listen: []string{"tcp:127.0.0.1:443"},
		Limits: Limits{MemoryMB: 64, Processes: 64, Files: 64},
	}
	if level != Strict {
		spec.Listen, spec.Read = nil, []string{"/usr"}
	}
	c, err := s.start(ctx, order{Spec: spec, Probe: true})
	if err != nil {
		return err
	}
	for _, socket := range c.Sockets {
		socket.Close()
	}
	c.Wait() // it ends by itself
	c.Close()
	return nil
}

// hint is what to do about a level that does not hold, for the cases that are common.
func hint(level Level) string {
	if level != Strict {
		return ""
	}
	if b, err := os.ReadFile("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"); err == nil && len(b) > 0 && b[0] == '1' {
		return " (AppArmor restricts user namespaces: allow them with an AppArmor profile for glassine, or sysctl kernel.apparmor_restrict_unprivileged_userns=0)"
	}
	if b, err := os.ReadFile("/proc/sys/user/max_user_namespaces"); err == nil && string(b) == "0\n" {
		return " (user namespaces are off: sysctl user.max_user_namespaces=10000)"
	}
	if _, err := os.Stat("/.dockerenv"); err == nil {
		return " (in Docker: --security-opt seccomp=unconfined --security-opt systempaths=unconfined)"
	}
	return ""
}
