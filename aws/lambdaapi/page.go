package lambdaapi

import (
	"encoding/base64"

	"glassine/aws/fault"
	"glassine/aws/wire"
)

// paging is what lists take from the query.
type paging struct {
	Marker   string `query:"Marker" json:"-"`
	MaxItems int    `query:"MaxItems" json:"-"`
}

// page returns the part of a list that is in order of name, and the marker of the next part. most is the longest part.
func page[T any](items []T, p paging, most int, name func(T) string) (part []T, next string, err error) {
	from, err := base64.RawURLEncoding.DecodeString(p.Marker)
	if err != nil {
		return nil, "", fault.New("InvalidParameterValueException", "The marker is not one of a list.")
	}
	if p.MaxItems < 0 {
		return nil, "", fault.New("InvalidParameterValueException", "MaxItems %d is less than 1.", p.MaxItems)
	}
	if p.MaxItems > 0 {
		most = min(most, p.MaxItems)
	}
	part, next, _ = wire.Page(items, string(from), most, name) // what a marker named may be gone: nothing is after it
	return part, base64.RawURLEncoding.EncodeToString([]byte(next)), nil
}

// listed gives an empty list where there is none: clients iterate over it.
func listed[T, U any](items []T, shape func(T) U) []U {
	out := make([]U, len(items))
	for i, x := range items {
		out[i] = shape(x)
	}
	return out
}
