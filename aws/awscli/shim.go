package awscli

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"
)

//go:embed shim.py
var shimSource string

// Shim makes dir/aws, which is aws for scripts that have dir first in their PATH: it runs its command as Cmd does. env is the script's
// environment. A command whose variables that count at the start of a process differ from env's starts aws itself, and so do all commands where
// there is no server; dir/aws is a link to it then.
func Shim(dir string, env []string) error {
	path, err := Path()
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "aws")
	s := running.server(path, env)
	if s == nil {
		return os.Symlink(path, name)
	}
	python, err := interpreter(path)
	if err != nil {
		return err
	}
	text := strings.NewReplacer("@AWS@", path, "@SOCKET@", filepath.Join(s.folder, "socket")).Replace(shimSource)
	return os.WriteFile(name, []byte("#!"+python[0]+" -IS\n"+text), 0o755)
}
