package nfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxProfileFile bounds a file of profiles, bytes.
const maxProfileFile = 1 << 20

// ProfileFileError is what is wrong with a file of profiles, and where.
type ProfileFileError struct {
	File string
	Line int // from 1; 0: the file as a whole
	What string
}

func (e *ProfileFileError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.What)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.What)
}

// LoadProfiles returns the built-in profiles and, after them, those of a YAML
// file; see ParseProfiles.
func LoadProfiles(file string) ([]Profile, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, &ProfileFileError{File: file, What: err.Error()}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxProfileFile+1))
	switch {
	case err != nil:
		return nil, &ProfileFileError{File: file, What: err.Error()}
	case len(data) > maxProfileFile:
		return nil, &ProfileFileError{File: file, What: fmt.Sprintf("larger than %d bytes", maxProfileFile)}
	}
	added, err := ParseProfiles(file, data)
	if err != nil {
		return nil, err
	}
	return append(Builtin(), added...), nil
}

// ParseProfiles reads a user's profiles from YAML:
//
//	profiles:
//	  - name: patient            # letters, digits and _.=+- ; no built-in name
//	    options: vers=4.1,timeo=1200
//	    export: rw,async,no_subtree_check,no_root_squash,insecure   # optional
//	    doc: waits twice as long                                    # optional
//	    server: {delegations: false, lease: 30}                     # optional; lease in s
//
// It is strict: a field that it does not know, a name that is taken, mount
// options that contradict each other are a *ProfileFileError with the line.
// Mount options that nfsim does not know are kept, and listed in Unknown. The
// file's name is for the errors.
func ParseProfiles(file string, data []byte) ([]Profile, error) {
	p := profileParser{file: file, lines: map[string]int{}}
	for _, b := range Builtin() {
		p.lines[b.Name] = 0
	}
	list, err := p.document(data)
	if err != nil {
		return nil, err
	}
	var out []Profile
	for _, node := range list.Content {
		profile, err := p.profile(node)
		if err != nil {
			return nil, err
		}
		out = append(out, profile)
	}
	return out, nil
}

type profileParser struct {
	file  string
	lines map[string]int // name -> the line that took it, 0 for a built-in one
}

func (p *profileParser) errorf(node *yaml.Node, format string, args ...any) error {
	return &ProfileFileError{File: p.file, Line: node.Line, What: fmt.Sprintf(format, args...)}
}

// yamlLine finds the line in an error of the YAML reader, which has no field
// for it.
var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// document returns the list of profiles of a file.
func (p *profileParser) document(data []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, &ProfileFileError{File: p.file, What: "empty: want a list `profiles:`"}
		}
		at := &ProfileFileError{File: p.file, What: strings.TrimPrefix(err.Error(), "yaml: ")}
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			at.Line, _ = strconv.Atoi(m[1])
			at.What = strings.TrimPrefix(err.Error(), m[0])
		}
		return nil, at
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, &ProfileFileError{File: p.file, What: "more than one YAML document"}
	}
	fields, err := p.fields(doc.Content[0], "profiles")
	if err != nil {
		return nil, err
	}
	list, ok := fields["profiles"]
	if !ok || list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return nil, p.errorf(doc.Content[0], "want a list `profiles:` of at least one profile")
	}
	return list, nil
}

// fields returns the values of a mapping by their keys, which must be among
// those known.
func (p *profileParser) fields(node *yaml.Node, known ...string) (map[string]*yaml.Node, error) {
	if node.Kind != yaml.MappingNode {
		return nil, p.errorf(node, "want fields (%s)", strings.Join(known, ", "))
	}
	out := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		name := ""
		for _, k := range known {
			if key.Kind == yaml.ScalarNode && key.Value == k {
				name = k
			}
		}
		switch {
		case name == "":
			return nil, p.errorf(key, "unknown field %q (there are %s)", key.Value, strings.Join(known, ", "))
		case out[name] != nil:
			return nil, p.errorf(key, "field %q is there twice", name)
		}
		out[name] = node.Content[i+1]
	}
	return out, nil
}

// profileName is what can stand in a path, on a command line and in a glob
// that matches itself.
var profileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.=+-]{0,47}$`)

func (p *profileParser) profile(node *yaml.Node) (Profile, error) {
	fields, err := p.fields(node, "name", "options", "export", "doc", "server")
	if err != nil {
		return Profile{}, err
	}
	profile := Profile{Export: DefaultExport, Added: true}
	for _, f := range []struct {
		name string
		to   *string
	}{{"name", &profile.Name}, {"options", &profile.Options}, {"export", &profile.Export}, {"doc", &profile.Doc}} {
		if err := p.text(fields[f.name], f.name, f.to); err != nil {
			return Profile{}, err
		}
	}
	if fields["name"] == nil || fields["options"] == nil {
		return Profile{}, p.errorf(node, "a profile has a name and options")
	}
	if err := p.name(fields["name"], profile.Name); err != nil {
		return Profile{}, err
	}
	if err := Impossible(profile.Options); err != nil {
		return Profile{}, p.errorf(fields["options"], "profile %s: %v", profile.Name, err)
	}
	profile.Unknown = unknownOptions(profile.Options)
	if export := fields["export"]; export != nil {
		if _, err := (ExportSet{Name: "x", Exports: []Export{{Path: ExportRoot + "/x", Options: profile.Export, FSID: "1"}}}).withDefaults(); err != nil || profile.Export == "" {
			return Profile{}, p.errorf(export, "profile %s: export options %q: %v", profile.Name, profile.Export, err)
		}
	}
	if server := fields["server"]; server != nil {
		if profile.Server, err = p.server(server); err != nil {
			return Profile{}, err
		}
	}
	return profile, nil
}

// text reads a field of text on one line; one that is missing leaves to as it
// is. Numbers are text, too: a profile may be called 42.
func (p *profileParser) text(node *yaml.Node, name string, to *string) error {
	if node == nil {
		return nil
	}
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" || strings.ContainsAny(node.Value, "\n\r\t") {
		return p.errorf(node, "%s: want text on one line", name)
	}
	*to = node.Value
	return nil
}

func (p *profileParser) name(node *yaml.Node, name string) error {
	if !profileName.MatchString(name) {
		return p.errorf(node, "name %q: want letters, digits and _.=+-, at most 48", name)
	}
	if line, taken := p.lines[name]; taken {
		where := "is nfsim's own (nfsim list profiles)"
		if line > 0 {
			where = fmt.Sprintf("is taken in line %d", line)
		}
		return p.errorf(node, "name %q %s", name, where)
	}
	p.lines[name] = node.Line
	return nil
}

func (p *profileParser) server(node *yaml.Node) (ServerSetting, error) {
	var s ServerSetting
	fields, err := p.fields(node, "delegations", "lease")
	if err != nil {
		return s, err
	}
	if n := fields["delegations"]; n != nil {
		var on bool
		if err := n.Decode(&on); err != nil || n.Tag != "!!bool" {
			return s, p.errorf(n, "delegations: want true or false")
		}
		s.NoDelegations = !on
	}
	if n := fields["lease"]; n != nil {
		if err := n.Decode(&s.LeaseSeconds); err != nil || n.Tag != "!!int" || s.LeaseSeconds == 0 {
			return s, p.errorf(n, "lease: want a number of seconds")
		}
		if err := s.Validate(); err != nil {
			return s, p.errorf(n, "%v", err)
		}
	}
	return s, nil
}
