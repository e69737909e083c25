package console

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"glassine/console/client"
)

// view is what every page is made of; Data is the page's own.
type view struct {
	Title, Nav, Path string
	Theme            string // "", light or dark
	Who              string // ARN of the user, "" when nobody is logged in
	Account, Region  string
	CSRF             string
	Flashes          []flash
	Problem          *problem
	Calls            []client.Call
	Scripts          []string // modules that the page needs
	Version          string
	Data             any
}

// problem is an error card: what failed, why, and a command to go on with.
type problem struct {
	What, Why, Try  string
	Code, RequestID string
	Command         string // the call that failed
	Link            string // where it is explained
	Status          int
}

// pages are the templates, by file name without its ending. Each is parsed when it is first shown: all of them take a good part of
// the time that a start may take.
type pages struct {
	all map[string]func() (*template.Template, error)
}

// loadPages parses the layout and its parts, and finds the pages.
func loadPages(files fs.FS, a assets) (*pages, error) {
	base, err := template.New("layout").Funcs(functions(a)).ParseFS(files, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	out := &pages{all: map[string]func() (*template.Template, error){}}
	for _, name := range names {
		short := strings.TrimSuffix(strings.TrimPrefix(name, "templates/"), ".html")
		if short == "layout" || short == "parts" {
			continue
		}
		out.all[short] = sync.OnceValues(func() (*template.Template, error) {
			t, err := base.Clone()
			if err == nil {
				t, err = t.ParseFS(files, name)
			}
			if err != nil {
				return nil, fmt.Errorf("template %s: %w", short, err)
			}
			return t, nil
		})
	}
	return out, nil
}

// render writes a page whole or, when its template fails, an error that says nothing of it.
func (c *Console) render(w http.ResponseWriter, status int, page string, v *view) {
	var b bytes.Buffer
	parse := c.pages.all[page]
	if parse == nil {
		c.cfg.Log.Error("console page missing", "page", page)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	t, err := parse()
	if err == nil {
		err = t.ExecuteTemplate(&b, "layout", v)
	}
	if err != nil {
		c.cfg.Log.Error("console page not rendered", "page", page, "error", err.Error())
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a failed write is the browser's leaving
}

// refuse answers with an error card, whoever asks.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, status int, what, why, try string) {
	c.render(w, status, "error", &view{Title: what, Theme: theme(r), Problem: &problem{What: what, Why: why, Try: try, Status: status}})
}

// problemOf is the card of an error. What AWS said is shown as it is; any other error is logged by whoever has it.
func problemOf(err error) *problem {
	if e, ok := errors.AsType[*client.Error](err); ok {
		p := &problem{What: e.Operation + " was refused.", Why: e.Message, Code: e.Code, RequestID: e.RequestID, Command: e.Command, Status: e.Status}
		switch e.Code {
		case "AccessDenied", "AccessDeniedException", "AccessDenied.Explicit":
			p.What = "You may not do this: " + e.Operation
			p.Link = explainLink(e.Message)
		}
		return p
	}
	if e, ok := errors.AsType[*asked](err); ok {
		return &problem{What: e.what, Why: e.why, Try: e.try, Status: http.StatusBadRequest}
	}
	return &problem{What: "Something went wrong inside.", Why: "The server's log has the details.", Status: http.StatusInternalServerError}
}

// refusal is AWS's text of a denial.
var refusal = regexp.MustCompile(`User: (\S+) is not authorized to perform: (\S+) on resource: "?([^" ]+)"?`)

// explainLink leads to the page that explains a denial, with what its text says filled in.
func explainLink(message string) string {
	m := refusal.FindStringSubmatch(message)
	if m == nil {
		return "/access/explain"
	}
	return "/access/explain?" + url.Values{"principal": {m[1]}, "action": {m[2]}, "resource": {m[3]}}.Encode()
}

// asked is an error about what a form said; its words are ours and are shown.
type asked struct{ what, why, try string }

func (e *asked) Error() string { return e.what }

// theme is what a browser asked for, "" for the system's.
func theme(r *http.Request) string {
	if c, err := r.Cookie("glassine_theme"); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}

// functions are what templates may call.
func functions(a assets) template.FuncMap {
	return template.FuncMap{
		"asset": a.url,
		"bytes": formatBytes,
		"when":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ms":    formatDuration,
		"count": func(n int, one string) string { return counted(n, one) },
		"icon":  icon,
		"show":  shown,
		"last":  func(arn string) string { return arn[strings.LastIndexAny(arn, ":/")+1:] },
		"named": functionName,
		"micros": func(n int64) string {
			return strings.TrimSuffix(formatDuration(time.Duration(n)*time.Microsecond), " ms")
		},
		"dict": dict,
		"join": strings.Join,
		"has":  strings.Contains,
		"list": func(s ...string) []string { return s },
	}
}

// functionName is what a person calls a function whose ARN is given: its name, and its version if that is part of the ARN.
func functionName(arn string) string {
	if _, name, ok := strings.Cut(arn, ":function:"); ok {
		return name
	}
	return arn
}

// dict makes the data of a part: pairs of name and value.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict: a name without a value")
	}
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, errors.New("dict: a name that is no string")
		}
		out[name] = pairs[i+1]
	}
	return out, nil
}

// formatBytes is a size for people: up to 9,999 exactly.
func formatBytes(n int64) string {
	switch {
	case n < 10_000:
		return grouped(n) + " B"
	case n < 10_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 10_000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// grouped writes 11482 as 11,482.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func formatDuration(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 ms"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
	case d < 10*time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// counted is "1 field", "2 fields", "2 policies".
func counted(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if strings.HasSuffix(one, "y") {
		one = one[:len(one)-1] + "ie"
	}
	return grouped(int64(n)) + " " + one + "s"
}

// maxShown is how many bytes of a text from a file or a log a page shows.
const maxShown = 4 << 10

// shown makes a stranger's text safe to look at: cut at 4 KiB, control characters and what turns the direction of writing
// visible. HTML is escaped by the template.
func shown(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if len(s) > maxShown {
		cut := maxShown
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
