package render

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
)

// needsFonts says whether text may be drawn.
func needsFonts(j *Job) bool { return len(j.Texts) > 0 || j.Source == "svg" }

// fontconfig is a configuration that finds our fonts, and those of the system where there are any: they serve scripts that
// ours lacks.
const fontconfig = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>%[1]s</dir>
  <cachedir>%[1]s/cache</cachedir>
  <dir>/usr/share/fonts</dir>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
</fontconfig>
`

// PrepareFonts writes the fonts and their configuration to a folder of their own, once, and names it to fontconfig, which
// reads it when the process first draws text. Render does it by itself; a process that will not be able to write calls it before.
func (r *Renderer) PrepareFonts() error {
	if r.fonts != "" {
		return nil
	}
	dir, err := os.MkdirTemp("", "glassine-fonts-")
	if err != nil {
		return fmt.Errorf("make a folder of fonts: %w", err)
	}
	r.fonts = dir
	config := filepath.Join(dir, "fonts.conf")
	for name, data := range map[string][]byte{
		filepath.Join(dir, "Go-Regular.ttf"): goregular.TTF,
		filepath.Join(dir, "Go-Bold.ttf"):    gobold.TTF,
		config:                               fmt.Appendf(nil, fontconfig, dir),
	} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			return fmt.Errorf("write fonts: %w", err)
		}
	}
	return r.library.Setenv("FONTCONFIG_FILE", config)
}
