package inventory

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nfsim/nfsim/pkg/lab"
)

// maxFile bounds an inventory, in bytes.
const maxFile = 1 << 20

// Inventory is what a file says, with its defaults filled in and its paths
// made absolute.
type Inventory struct {
	Name       string
	File       string // absolute
	Kubeconfig string
	Context    string    // empty: the kubeconfig's current one
	Machines   []Machine // the server first, then the workers by name

	kubeconfigLine, contextLine int
}

// Machine is one of them.
type Machine struct {
	lab.Machine
	SSH   SSH
	Power string // command that resets the machine, for sh -c on this host; empty: none
}

// SSH is the way to a machine or to a jump host.
type SSH struct {
	Host       string
	Port       int
	User       string
	Key        string // private key file; empty: the ssh-agent's keys
	KnownHosts string // file; or
	HostKey    string // as in authorized_keys: type and base64
	Jump       *SSH   // nil: none

	keyLine, hostKeyLine int // of Key, or where it could stand; of KnownHosts or HostKey
}

// Problem is one thing that is wrong with an inventory, and where.
type Problem struct {
	File string
	Line int // from 1; 0: the file as a whole
	What string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.File, p.What)
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.What)
}

// Problems are all that is wrong with an inventory, in the order of the lines.
type Problems []Problem

// Error is a line for each.
func (p Problems) Error() string {
	var lines strings.Builder
	for _, problem := range p {
		lines.WriteString("\n  " + problem.String())
	}
	return lines.String()
}

// usage makes a *lab.UsageError of them, nil of none.
func (p Problems) usage(file string) error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int { return a.Line - b.Line })
	p = slices.Compact(p)
	return &lab.UsageError{What: "inventory " + file + " cannot be used", Err: p}
}

// Read reads an inventory and looks whether the files that it names can be
// used. All that is wrong is in one *lab.UsageError, with file and line.
func Read(file string) (Inventory, error) {
	data, err := readBounded(file)
	if err != nil {
		return Inventory{}, &lab.UsageError{What: "inventory " + file + " cannot be read", Err: err}
	}
	inv, problems := parse(data, file)
	return inv, append(problems, inv.checkFiles(file)...).usage(file)
}

// Parse reads the text of an inventory; nothing is looked up on disk. The
// file's name is for errors and for relative paths.
func Parse(data []byte, file string) (Inventory, error) {
	inv, problems := parse(data, file)
	return inv, problems.usage(file)
}

func readBounded(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	return data, err
}

// nameOf is the name that a file gives to a lab that has none of its own.
func nameOf(file string) string {
	base := filepath.Base(file)
	return strings.TrimSuffix(base, filepath.Ext(base))
}
