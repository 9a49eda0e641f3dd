package nfs

import (
	"fmt"
	"strings"
)

// Exported is one export as exportfs(8) lists it.
type Exported struct {
	Path    string
	Clients string // "*" for everybody
	Options Options
}

// ParseExportfs reads the output of `exportfs -v` (support/export/export.c and
// utils/exportfs/exportfs.c of nfs-utils): a path, a tab, the clients and, in
// parentheses, the options. After a path of 15 or more characters comes a line
// break and two tabs. Not every option is shown.
func ParseExportfs(out string) ([]Exported, error) {
	var list []Exported
	path := ""
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		rest := ""
		if strings.HasPrefix(line, "\t") {
			rest = strings.TrimLeft(line, "\t ")
		} else {
			if path != "" {
				return nil, fmt.Errorf("parse exportfs: %q has no clients", path)
			}
			before, after, _ := strings.Cut(line, "\t")
			path, rest = strings.TrimRight(before, " "), after
		}
		if rest == "" {
			continue
		}
		if path == "" {
			return nil, fmt.Errorf("parse exportfs: %q has no path", line)
		}
		open := strings.LastIndexByte(rest, '(')
		if open <= 0 || !strings.HasSuffix(rest, ")") {
			return nil, fmt.Errorf("parse exportfs: %q is not clients(options)", rest)
		}
		clients := rest[:open]
		if clients == "<world>" {
			clients = "*"
		}
		list = append(list, Exported{
			Path: path, Clients: clients,
			Options: shownOptions(rest[open+1 : len(rest)-1]),
		})
		path = ""
	}
	if path != "" {
		return nil, fmt.Errorf("parse exportfs: %q has no clients", path)
	}
	return list, nil
}
