package main

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"glassine/console/client"
	"glassine/transform"
)

type urlCmd struct {
	dataFlags    `embed:""`
	outputFlags  `embed:""`
	Key          string            `arg:"" complete:"key" help:"Key of a picture in the bucket behind the distribution."`
	Width        int               `short:"w" help:"Width in pixels."`
	Height       int               `help:"Height in pixels."`
	Fit          string            `help:"How it fits into both: scale-down, contain, cover, crop, pad, squeeze." enum:",scale-down,contain,cover,crop,pad,squeeze" default:""`
	Format       string            `help:"auto, avif, webp, jpeg, png and others of docs/pictures.md." enum:",auto,avif,webp,jpeg,baseline-jpeg,png,gif,tiff,json" default:""`
	Quality      string            `help:"1 to 100, or high, medium-high, medium-low, low."`
	Set          map[string]string `help:"Another parameter of docs/pictures.md, such as blur=4. May be given again." placeholder:"NAME=VALUE" mapsep:"none"`
	Widths       []int             `help:"Widths of a srcset, such as 400,800,1600."`
	Sizes        string            `help:"Sizes of the srcset." default:"100vw"`
	Alt          string            `help:"Text for who cannot see the picture."`
	Distribution string            `complete:"distribution" help:"Distribution id; the first one when not given."`
	HTTPS        string            `name:"https" help:"Address of the viewers' listener." default:"127.0.0.1:8443" env:"GLASSINE_HTTPS"`
}

// viewerURL is what can be put into a page.
type viewerURL struct {
	URL    string
	SrcSet string `json:",omitempty"`
	HTML   string
}

// Run prints the URL. It asks which host the distribution has; it does not ask whether the picture is there.
func (c *urlCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	caller, err := c.caller()
	if err != nil {
		return err
	}
	all, err := caller.ListDistributions(ctx)
	if err != nil {
		return err
	}
	base, err := c.base(all)
	if err != nil {
		return err
	}
	u, err := c.at(base, c.Width)
	if err != nil {
		return err
	}
	out := viewerURL{URL: u}
	var set []string
	for _, width := range c.Widths {
		one, err := c.at(base, width)
		if err != nil {
			return err
		}
		set = append(set, fmt.Sprintf("%s %dw", one, width))
	}
	out.SrcSet = strings.Join(set, ", ")
	out.HTML = `<img src="` + html.EscapeString(out.URL) + `"`
	if out.SrcSet != "" {
		out.HTML += ` srcset="` + html.EscapeString(out.SrcSet) + `" sizes="` + html.EscapeString(c.Sizes) + `"`
	}
	out.HTML += ` alt="` + html.EscapeString(c.Alt) + `">`
	return c.print(out, func(w io.Writer) {
		fmt.Fprintln(w, out.URL)
		if out.SrcSet != "" {
			fmt.Fprintf(w, "\n%s\n", out.HTML)
		}
	})
}

// base is the URL of the distribution's root, as viewers on this machine reach it.
func (c *urlCmd) base(all []client.Distribution) (string, error) {
	i := slices.IndexFunc(all, func(d client.Distribution) bool {
		return d.Id == c.Distribution || c.Distribution == "" && d.Config.Enabled
	})
	if i < 0 && c.Distribution != "" {
		return "", &card{fmt.Errorf("there is no distribution %s", c.Distribution), "", "aws cloudfront list-distributions"}
	}
	if i < 0 {
		return "", &card{errors.New("there is no distribution that is enabled"), "pictures have URLs when the edge serves them", "glassine init && glassine deploy"}
	}
	host := all[i].DomainName
	for _, alias := range all[i].Config.Aliases {
		if !strings.HasPrefix(alias, "*") {
			host = alias
			break
		}
	}
	_, port, err := net.SplitHostPort(c.HTTPS)
	if err != nil {
		return "", usageError{fmt.Errorf("--https %q is not host:port: %w", c.HTTPS, err)}
	}
	if port != "443" {
		host = net.JoinHostPort(host, port)
	}
	return "https://" + host + "/", nil
}

// at is the URL of one width, its query in the form that the cache's key has.
func (c *urlCmd) at(base string, width int) (string, error) {
	q := url.Values{}
	for name, value := range c.Set {
		q.Set(name, value)
	}
	for name, value := range map[string]string{"fit": c.Fit, "format": c.Format, "quality": c.Quality} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, value := range map[string]int{"width": width, "height": c.Height} {
		if value != 0 {
			q.Set(name, strconv.Itoa(value))
		}
	}
	query := strings.ReplaceAll(q.Encode(), "+", "%20")
	if _, err := transform.Sign("checked only", "/"+c.Key, query); err != nil {
		return "", usageError{&card{err, "the image function would refuse it", "glassine help url, and docs/pictures.md"}}
	}
	if canonical, _ := transform.Canonical(query, http.Header{}); canonical != "" {
		query = canonical
	}
	u := base + client.EscapeKey(strings.TrimPrefix(c.Key, "/"))
	if query != "" {
		u += "?" + query
	}
	return u, nil
}
