package iamapi

import (
	"encoding/base64"
	"slices"
	"strings"

	"glassine/aws/fault"
)

// paging ends a list's answer. IAM API Reference, ListUsers: MaxItems, Marker, IsTruncated.
type paging struct {
	IsTruncated bool
	Marker      string `xml:",omitempty"`
}

// page returns the part of items that the request asks for. key is unique among them. A marker holds the key of the last
// item of the page before; if that item is gone, the page begins at the next greater key.
func page[T any](c *call, items []T, key func(T) string) ([]T, paging, error) {
	n, err := c.form.Int("MaxItems", 100)
	if err != nil {
		return nil, paging{}, err
	}
	if n < 1 || n > 1000 {
		bound := "greater than or equal to 1"
		if n > 1000 {
			bound = "less than or equal to 1000"
		}
		return nil, paging{}, fault.New("ValidationError", "1 validation error detected: Value '%d' at 'maxItems' failed to satisfy constraint: Member must have value %s", n, bound)
	}
	if marker := c.get("Marker"); marker != "" {
		last, err := base64.RawURLEncoding.DecodeString(marker)
		if err != nil {
			return nil, paging{}, fault.New("ValidationError", "Invalid Marker.")
		}
		items = after(items, key, string(last))
	}
	if len(items) <= n {
		return items, paging{}, nil
	}
	return items[:n], paging{IsTruncated: true, Marker: base64.RawURLEncoding.EncodeToString([]byte(key(items[n-1])))}, nil
}

func after[T any](items []T, key func(T) string, last string) []T {
	if i := slices.IndexFunc(items, func(t T) bool { return key(t) == last }); i >= 0 {
		return items[i+1:]
	}
	i := slices.IndexFunc(items, func(t T) bool { return strings.Compare(key(t), last) > 0 })
	if i < 0 {
		return nil
	}
	return items[i:]
}

// entry is one of several lists that are paged together: add puts it where it belongs.
type entry struct {
	key string
	add func()
}

// pageEntries adds the entries of the page that the request asks for.
func pageEntries(c *call, entries []entry) (paging, error) {
	list, p, err := page(c, entries, func(e entry) string { return e.key })
	for _, e := range list {
		e.add()
	}
	return p, err
}

// text is the key of items that are text.
func text(s string) string { return s }
