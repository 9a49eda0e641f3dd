package inventory

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// reader reads YAML strictly and collects what is wrong.
type reader struct {
	file     string // as errors name it
	dir      string // that relative paths start from, absolute
	problems Problems
}

func (r *reader) problem(line int, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, What: fmt.Sprintf(format, args...)})
}

// yamlLine finds the line in an error of the YAML reader, which has no field
// for it.
var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// document returns the root of the one document of a file, nil if there is
// none.
func (r *reader) document(data []byte) *yaml.Node {
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF), err == nil && len(doc.Content) == 0:
		r.problem(0, "it is empty")
		return nil
	case err != nil:
		line, what := 0, strings.TrimPrefix(err.Error(), "yaml: ")
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			line, _ = strconv.Atoi(m[1])
			// Its parser counts lines from 0, its scanner from 1.
			what = "not YAML, here or in the next line: " + strings.TrimPrefix(err.Error(), m[0])
		}
		r.problem(line, "%s", what)
		return nil
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		r.problem(second.Line, "more than one YAML document")
	}
	return target(doc.Content[0])
}

// target is what an alias stands for, else the node itself.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// section is a mapping whose keys are known.
type section struct {
	*reader
	what   string // for errors
	line   int
	values map[string]*yaml.Node
}

// section reads a mapping; keys that are unknown or there twice are problems.
func (r *reader) section(n *yaml.Node, what string, known ...string) section {
	s := section{reader: r, what: what, values: map[string]*yaml.Node{}}
	if n == nil {
		return s
	}
	s.line = n.Line
	if n.Kind != yaml.MappingNode {
		r.problem(n.Line, "%s: want fields (%s)", what, strings.Join(known, ", "))
		return s
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], target(n.Content[i+1])
		switch first, twice := lines[key.Value]; {
		case key.Kind != yaml.ScalarNode || !slices.Contains(known, key.Value):
			r.problem(key.Line, "%s: unknown field %q (there are %s)", what, key.Value, strings.Join(known, ", "))
		case twice:
			r.problem(key.Line, "%s: %s is there twice, first in line %d", what, key.Value, first)
		default:
			lines[key.Value] = key.Line
			s.values[key.Value] = value
		}
	}
	return s
}

// lineOf is the line of a field's value, the section's when it is not there.
func (s section) lineOf(field string) int {
	if n := s.values[field]; n != nil {
		return n.Line
	}
	return s.line
}

// text is a field's text on one line, "" when it is not there.
func (s section) text(field string) string { return s.checkedText(field, unicode.IsControl) }

// script is a field's text, which may have several lines.
func (s section) script(field string) string {
	return s.checkedText(field, func(c rune) bool { return unicode.IsControl(c) && c != '\n' && c != '\t' })
}

func (s section) checkedText(field string, bad func(rune) bool) string {
	n := s.values[field]
	if n == nil {
		return ""
	}
	value := strings.TrimSpace(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Tag == "!!bool":
		s.problem(n.Line, "%s: %s: want text", s.what, field)
	case value == "":
		s.problem(n.Line, "%s: %s is empty", s.what, field)
	case strings.ContainsFunc(value, bad):
		s.problem(n.Line, "%s: %s has a line break or another control character in it", s.what, field)
	default:
		return value
	}
	return ""
}

// required is text of a field that must be there.
func (s section) required(field string) string {
	if s.values[field] == nil {
		s.problem(s.line, "%s: %s is missing", s.what, field)
		return ""
	}
	return s.text(field)
}

// path is a field's path, absolute, "" when it is not there.
func (s section) path(field string) string {
	p := s.text(field)
	switch {
	case p == "" || filepath.IsAbs(p):
	case p == "~" || strings.HasPrefix(p, "~/"):
		home, err := os.UserHomeDir()
		if err != nil {
			s.problem(s.lineOf(field), "%s: %s: %v", s.what, field, err)
			return ""
		}
		p = filepath.Join(home, p[1:])
	case strings.HasPrefix(p, "~"):
		s.problem(s.lineOf(field), "%s: %s: %s: only ~/ is known, not another user's home", s.what, field, p)
		return ""
	default:
		p = filepath.Join(s.dir, p)
	}
	return p
}

// port is a field's TCP port, 0 when it is not there.
func (s section) port(field string) int {
	n := s.values[field]
	if n == nil {
		return 0
	}
	var port int
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || n.Decode(&port) != nil || port < 1 || port > 65535 {
		s.problem(n.Line, "%s: %s: %q is not a port (1 to 65535)", s.what, field, n.Value)
		return 0
	}
	return port
}

// yes says whether a field is there and true.
func (s section) yes(field string) bool {
	n := s.values[field]
	if n == nil {
		return false
	}
	var yes bool
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || n.Decode(&yes) != nil {
		s.problem(n.Line, "%s: %s: want true or false", s.what, field)
	}
	return yes
}
