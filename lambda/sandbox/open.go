package sandbox

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"glassine/confine"
)

// placeOpen is place below level strict: the process sees the machine's files and network, as far as Landlock lets it, and
// AWS's roots are where they are on the machine. AWS's names are found three ways: AWS_ENDPOINT_URL for SDKs, a hook in our
// shims that takes AWS's names to us whatever asks for them, and for programs that bring no shim HTTPS_PROXY.
func (h *Host) placeOpen(v Version, r interpreter, layers string, env map[string]string) (placed, error) {
	tmp, err := os.MkdirTemp(h.cfg.Dir, "tmp-")
	if err != nil {
		return placed{}, err
	}
	p := placed{tmp: tmp}
	var open [2]net.Listener
	for i := range open {
		if open[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			for _, l := range open[:i] {
				l.Close()
			}
			os.RemoveAll(tmp)
			return placed{}, fmt.Errorf("listen for function: %w", err)
		}
	}
	p.listeners = sockets{api: open[0], aws: []net.Listener{open[1]}}
	if layers == "" {
		layers = filepath.Join(tmp, "no-layers")
	}
	at := layout{task: v.CodeDir, runtime: h.files.shims, layers: layers, interpreter: r.path, bootstrap: v.CodeDir}
	if !exists(v.CodeDir, "bootstrap") && exists(layers, "bootstrap") {
		at.bootstrap = layers
	}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "NODE_PATH", "PYTHONPATH"} {
		parts := strings.Split(env[name], ":")
		for i := range parts {
			parts[i] = at.inside(parts[i])
		}
		if env[name] != "" {
			env[name] = strings.Join(parts, ":")
		}
	}
	env["LAMBDA_TASK_ROOT"], env["LAMBDA_RUNTIME_DIR"], env["TMPDIR"] = at.task, at.runtime, tmp
	env["AWS_LAMBDA_RUNTIME_API"] = open[0].Addr().String()
	env["GLASSINE_LAYERS"], env["GLASSINE_AWS_PORT"] = layers, strconv.Itoa(int(port(open[1])))
	if h.cfg.CAFile != "" {
		env["NODE_EXTRA_CA_CERTS"] = h.files.ca
	}
	for _, name := range []string{"AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"} {
		env[name] = h.files.bundle
	}
	if r.family != "" {
		env["AWS_ENDPOINT_URL"] = "http://" + open[1].Addr().String()
	} else {
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
			env[name] = "http://" + open[1].Addr().String()
		}
		env["NO_PROXY"], env["no_proxy"] = "localhost,127.0.0.1", "localhost,127.0.0.1"
	}
	p.spec = confine.Spec{
		Level: h.level, Args: command(v, r, at), Env: pairs(env), Dir: v.CodeDir,
		Read: readable(v.CodeDir, h.files.shims, h.files.bundle, h.files.ca, layers, r), Write: []string{tmp},
		Ports: []uint16{port(open[0]), port(open[1])},
		Limits: confine.Limits{
			MemoryMB: v.MemoryMB + v.EphemeralMB, DataMB: v.MemoryMB + dataSlackMB, Processes: maxProcesses, Files: maxFiles, FileMB: v.EphemeralMB,
		},
	}
	return p, nil
}

// readable lists what a process reads at level restricted: the system's programs and libraries, and what is its own. Only
// what is there can be granted.
func readable(code, shims, bundle, ca, layers string, r interpreter) []string {
	out := []string{code, shims, bundle, ca}
	optional := []string{
		layers, "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl/openssl.cnf",
		"/etc/hosts", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/localtime",
	}
	if r.path != "" && !strings.HasPrefix(r.path, "/usr/") {
		optional = append(optional, filepath.Dir(filepath.Dir(r.path)))
	}
	for _, name := range optional {
		if _, err := os.Stat(name); err == nil {
			out = append(out, name)
		}
	}
	return out
}
