package nfs

import (
	"fmt"
	"strings"
	"unicode"
)

// Options is a set of mount options: `soft,timeo=50` is {"soft": "", "timeo": "50"}.
type Options map[string]string

// option is one word of an option string, in its place: the last of several
// that contradict each other wins.
type option struct{ key, value string }

// ParseOptions reads a string as given to mount -o. Of options that are given
// twice the last one counts. White space, control characters and empty keys
// are errors; an empty string is an empty set.
func ParseOptions(s string) (Options, error) {
	list, err := splitOptions(s)
	if err != nil {
		return nil, err
	}
	opts := make(Options, len(list))
	for _, o := range list {
		opts[o.key] = o.value
	}
	return opts, nil
}

func splitOptions(s string) ([]option, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return nil, fmt.Errorf("parse mount options %q: white space or control characters", s)
	}
	var list []option
	for word := range strings.SplitSeq(s, ",") {
		if word == "" {
			continue
		}
		key, value, _ := strings.Cut(word, "=")
		if key == "" {
			return nil, fmt.Errorf("parse mount options %q: %q has no name", s, word)
		}
		list = append(list, option{key, value})
	}
	return list, nil
}
