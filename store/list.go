package store

import "strings"

// Cursor walks one bucket's keys in byte order, for ListFrom. Both moves return false past the last key.
type Cursor interface {
	// Seek moves to the first key that is not less than from.
	Seek(from string) (key string, ok bool)
	// Next moves to the key after the current one.
	Next() (key string, ok bool)
	// Info describes the object at the current key.
	Info() (Info, error)
}

// ListFrom builds the page that opt selects. It visits the page's own keys and one more; it seeks past the keys of a
// rolled-up prefix, however many they are.
func ListFrom(c Cursor, opt ListOptions) (Page, error) {
	limit := opt.Max
	if limit <= 0 {
		limit = 1000
	}
	var page Page
	last := ""
	key, ok := opt.begin(c)
	for n := 0; ok && strings.HasPrefix(key, opt.Prefix); n++ {
		if n == limit {
			page.Next = last
			break
		}
		if prefix := opt.rollUp(key); prefix != "" {
			page.Prefixes = append(page.Prefixes, prefix)
			last = prefix
			key, ok = seekPast(c, prefix)
			continue
		}
		info, err := c.Info()
		if err != nil {
			return Page{}, err
		}
		page.Objects = append(page.Objects, info)
		last = key
		key, ok = c.Next()
	}
	return page, nil
}

// seeker is what Cursor and EntryCursor have in common.
type seeker interface {
	Seek(from string) (key string, ok bool)
}

// begin moves c to the first key that may be on the page.
func (o ListOptions) begin(c seeker) (key string, ok bool) {
	if o.After == "" || o.After < o.Prefix {
		return c.Seek(o.Prefix)
	}
	if prefix := o.rollUp(o.After); prefix != "" {
		return seekPast(c, prefix) // it is not greater than After
	}
	return c.Seek(o.After + "\x00") // the least string that is greater than After
}

// rollUp returns the prefix that key is rolled up into, "" if none.
func (o ListOptions) rollUp(key string) string {
	if o.Delimiter == "" || !strings.HasPrefix(key, o.Prefix) {
		return ""
	}
	i := strings.Index(key[len(o.Prefix):], o.Delimiter)
	if i < 0 {
		return ""
	}
	return key[:len(o.Prefix)+i+len(o.Delimiter)]
}

// seekPast moves c to the first key after all that begin with prefix. The least string greater than those is prefix
// with its last byte raised by one, without the 0xFF bytes that cannot be raised.
func seekPast(c seeker, prefix string) (key string, ok bool) {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xFF {
			return c.Seek(prefix[:i] + string([]byte{prefix[i] + 1}))
		}
	}
	return "", false
}
