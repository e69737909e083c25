package lambdaapi

import (
	"encoding/base64"

	"glassine/aws/fault"
)

// paging is what lists take from the query.
type paging struct {
	Marker   string `query:"Marker" json:"-"`
	MaxItems int    `query:"MaxItems" json:"-"`
}

// page returns the part of a list that is in order of name, and the marker of the next part. most is the longest part.
func page[T any](items []T, p paging, most int, name func(T) string) (part []T, next string, err error) {
	if p.Marker != "" {
		after, err := base64.RawURLEncoding.DecodeString(p.Marker)
		if err != nil {
			return nil, "", fault.New("InvalidParameterValueException", "The marker is not one of a list.")
		}
		i := 0
		for i < len(items) && name(items[i]) != string(after) {
			i++
		}
		items = items[min(i, len(items)):]
	}
	if p.MaxItems < 0 {
		return nil, "", fault.New("InvalidParameterValueException", "MaxItems %d is less than 1.", p.MaxItems)
	}
	n := p.MaxItems
	if n == 0 || n > most {
		n = most
	}
	if n < len(items) {
		next = base64.RawURLEncoding.EncodeToString([]byte(name(items[n])))
		items = items[:n]
	}
	return items, next, nil
}

// listed gives an empty list where there is none: clients iterate over it.
func listed[T, U any](items []T, shape func(T) U) []U {
	out := make([]U, len(items))
	for i, x := range items {
		out[i] = shape(x)
	}
	return out
}
