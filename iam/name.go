package iam

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"glassine/aws/fault"
)

// invalid makes AWS's ValidationError. IAM API Reference, "Common Errors".
func invalid(value, field, constraint string) error {
	return fault.New("ValidationError", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must %s", value, field, constraint)
}

// checkAll returns the first error.
func checkAll(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkName checks a user's, role's or policy's name.
func checkName(field, name string, longest int) error {
	switch {
	case name == "":
		return invalid(name, field, "have length greater than or equal to 1")
	case len(name) > longest:
		return invalid(name, field, "have length less than or equal to "+strconv.Itoa(longest))
	case !isWord(name):
		return invalid(name, field, `satisfy regular expression pattern: [\w+=,.@-]+`)
	}
	return nil
}

// isWord reports whether s is made of [\w+=,.@-].
func isWord(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("_+=,.@-", r) })
}

// checkWord checks text of 2 to longest characters that are letters, digits or among more.
// STS API Reference, AssumeRole.
func checkWord(field, value string, longest int, more string) error {
	switch {
	case len(value) < 2:
		return invalid(value, field, "have length greater than or equal to 2")
	case len(value) > longest:
		return invalid(value, field, "have length less than or equal to "+strconv.Itoa(longest))
	case strings.ContainsFunc(value, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune(more, r) }):
		return invalid(value, field, `satisfy regular expression pattern: [\w`+strings.TrimPrefix(more, "_")+`]*`)
	}
	return nil
}

// checkSeconds checks how long a session shall last.
func checkSeconds(d, longest time.Duration) error {
	value := strconv.FormatInt(int64(d/time.Second), 10)
	if d < shortestSession {
		return invalid(value, "durationSeconds", "have value greater than or equal to 900")
	}
	if d > longest {
		return invalid(value, "durationSeconds", "have value less than or equal to "+strconv.FormatInt(int64(longest/time.Second), 10))
	}
	return nil
}

// checkPath checks that a path is "/" or begins and ends with one, in printable ASCII.
func checkPath(path string) error {
	if len(path) > 512 {
		return invalid(path, "path", "have length less than or equal to 512")
	}
	if !strings.HasPrefix(path, "/") || !strings.HasSuffix(path, "/") || strings.ContainsFunc(path, func(r rune) bool { return r < '!' || r > '~' }) {
		return invalid(path, "path", `satisfy regular expression pattern: (\u002F)|(\u002F[\u0021-\u007E]+\u002F)`)
	}
	return nil
}

func checkLength(field, value string, longest int) error {
	if len([]rune(value)) > longest {
		return invalid(value, field, "have length less than or equal to "+strconv.Itoa(longest))
	}
	return nil
}

func checkMaxSession(d time.Duration) error {
	value := strconv.FormatInt(int64(d/time.Second), 10)
	if d < time.Hour {
		return invalid(value, "maxSessionDuration", "have value greater than or equal to 3600")
	}
	if d > 12*time.Hour {
		return invalid(value, "maxSessionDuration", "have value less than or equal to 43200")
	}
	return nil
}

// length counts a document's characters as quotas do: without white space.
func length(doc string) int {
	n := 0
	for _, r := range doc {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}
