package wire

// Page returns the part of a list that begins at the item named from, "" for its beginning, and has at most most items; next is
// the name at which the part after it begins, "" after the last. found is false when no item has the name: the part is empty
// then. How a token says the name, and what may be asked for, is each service's own.
func Page[T any](items []T, from string, most int, name func(T) string) (part []T, next string, found bool) {
	if from != "" {
		i := 0
		for i < len(items) && name(items[i]) != from {
			i++
		}
		if i == len(items) {
			return nil, "", false
		}
		items = items[i:]
	}
	if len(items) > most {
		return items[:most], name(items[most]), true
	}
	return items, "", true
}
