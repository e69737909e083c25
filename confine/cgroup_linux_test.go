package confine

import "testing"

const (
	hybrid = `30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw
36 30 0:32 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory
37 30 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
`
	unified  = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	inDocker = "604 603 0:32 /docker/abc /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n"
)

func TestGroupDirs(t *testing.T) {
	for _, c := range []struct{ name, own, mounts, v1, v2 string }{
		{"a hybrid machine", "8:memory:/user/1\n3:cpu,cpuacct:/\n0::/init.scope\n", hybrid, "/sys/fs/cgroup/memory/user/1", "/sys/fs/cgroup/unified/init.scope"},
		{"version 2 alone", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/glassine.service\n", unified, "", "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/glassine.service"},
		{"in a container", "8:memory:/docker/abc\n", inDocker, "/sys/fs/cgroup/memory", ""},
		{"in another container's group", "8:memory:/docker/other\n", inDocker, "", ""},
		{"nothing mounted", "8:memory:/\n0::/\n", "", "", ""},
		{"nothing to read", "", unified, "", ""},
	} {
		if v1, v2 := groupDirs(c.own, c.mounts); v1 != c.v1 || v2 != c.v2 {
			t.Errorf("%s: %q and %q, want %q and %q", c.name, v1, v2, c.v1, c.v2)
		}
	}
}

func TestAnonymousMemory(t *testing.T) {
	for stat, want := range map[string]int64{
		"cache 8\nrss 4096\nrss_huge 0\n": 4096,
		"anon 8192\nfile 1\n":             8192,
		"":                                0,
		"rss many\n":                      0,
	} {
		if got := anonymous([]byte(stat)); got != want {
			t.Errorf("%q = %d, want %d", stat, got, want)
		}
	}
}

func FuzzGroupDirs(f *testing.F) {
	f.Add("8:memory:/user/1\n0::/init.scope\n", hybrid)
	f.Add("0::/\n", unified)
	f.Add("8:memory:/docker/abc\n", inDocker)
	f.Fuzz(func(t *testing.T, own, mounts string) {
		groupDirs(own, mounts)
		anonymous([]byte(mounts))
	})
}
