package nfs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// ExportRoot is the directory that exports lie below unless the set has
// another.
const ExportRoot = "/srv/nfsim"

// Export is one directory that the server gives to clients.
type Export struct {
	Path    string // below the root of its set
	Options string // as in exports(5), without fsid; empty means DefaultExport
	FSID    string // UUID or number above 0; own to each export, so that no client shares a superblock between two
	Clients string // host, network or "*"; empty means "*"
}

// NewFSID returns a UUID that is always the same for the same words: run and
// trial, say.
func NewFSID(words ...string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("nfsim:"+strings.Join(words, "\x00"))).String()
}

var (
	exportOptions = regexp.MustCompile(`^[A-Za-z0-9_=:.,@/+-]+$`)
	exportClients = regexp.MustCompile(`^[A-Za-z0-9_:.@*?/-]+$`)
)

func (e Export) withDefaults() (Export, error) {
	if e.Options == "" {
		e.Options = DefaultExport
	}
	if e.Clients == "" {
		e.Clients = "*"
	}
	switch {
	case !exportOptions.MatchString(e.Options):
		return e, fmt.Errorf("export options %q are not plain", e.Options)
	case slices.ContainsFunc(strings.Split(e.Options, ","), func(o string) bool { return strings.HasPrefix(o, "fsid") }):
		return e, fmt.Errorf("export options %q set fsid: it is a field of its own", e.Options)
	case !exportClients.MatchString(e.Clients):
		return e, fmt.Errorf("export clients %q are not plain", e.Clients)
	}
	if n, err := strconv.ParseUint(e.FSID, 10, 32); err == nil {
		if n == 0 {
			return e, errors.New("export fsid 0 is the root of all NFSv4 exports")
		}
		return e, nil
	}
	if _, err := uuid.Parse(e.FSID); err != nil {
		return e, fmt.Errorf("export fsid %q is neither a UUID nor a number", e.FSID)
	}
	return e, nil
}

// ExportSet is exports that come and go together: those of a run. Every change
// of the export table makes mountd rebuild the NFSv4 pseudo file system, and a
// client that walks it meanwhile is told ESTALE: so a run exports once, before
// its first mount.
type ExportSet struct {
	Name string // of the file in /etc/exports.d; letters, digits, dashes
	// Root is the directory that all of them lie below, which may be a mount
	// point and may be missing; empty: ExportRoot.
	Root    string
	Exports []Export
}

var setName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)

func (s ExportSet) withDefaults() (ExportSet, error) {
	if !setName.MatchString(s.Name) {
		return s, fmt.Errorf("export set %q is not letters, digits and dashes", s.Name)
	}
	if s.Root == "" {
		s.Root = ExportRoot
	}
	if err := CheckExportRoot(s.Root); err != nil {
		return s, err
	}
	exports := make([]Export, len(s.Exports))
	for i, e := range s.Exports {
		var err error
		if exports[i], err = e.withDefaults(); err != nil {
			return s, err
		}
		if err := checkBelow(s.Root, e.Path); err != nil {
			return s, err
		}
	}
	s.Exports = exports
	return s, nil
}

// file keeps the exports over a restart of the service, whose stop script
// withdraws what only exportfs(8) knows.
func (s ExportSet) file() string { return exportsDir + "/nfsim-" + s.Name + ".exports" }

// NotExportedError says that exportfs(8) succeeded and the server does not
// list the export as asked.
type NotExportedError struct {
	Node   string
	Export Export
	Why    string
}

func (e *NotExportedError) Error() string {
	return fmt.Sprintf("export %s on %s: %s", e.Export.Path, e.Node, e.Why)
}

// Add makes the directories, exports them now and after every restart of the
// service, and checks that the server lists them. What was missing of the root
// is noted beside the exports, for Remove. A root whose path has a symbolic link
// is refused.
func (s ExportSet) Add(ctx context.Context, server *sshnode.Node) error {
	s, err := s.withDefaults()
	if err != nil {
		return fmt.Errorf("export on %s: %w", server.Name(), err)
	}
	var lines strings.Builder
	dirs := []string{"mkdir", "-p", exportsDir}
	for _, e := range s.Exports {
		dirs = append(dirs, e.Path)
		fmt.Fprintf(&lines, "%s %s(%s,fsid=%s)\n", e.Path, e.Clients, e.Options, e.FSID)
	}
	script := strings.Join([]string{
		"set -e",
		s.noteMissing(),
		bounded(shortDeadline, dirs...),
		refuseLink(s.Root),
		// exportfs(8) reads only names that end in .exports.
		"{ " + writeNote + "; printf %s " + sshnode.Quote(lines.String()) + "; } > " + sshnode.Quote(s.file()+".new"),
		"mv " + sshnode.Quote(s.file()+".new", s.file()),
		bounded(shortDeadline, "exportfs", "-a"),
	}, "\n")
	if _, err := runWithin(ctx, server, 2*shortDeadline, script); err != nil {
		return fmt.Errorf("export set %s: %w", s.Name, err)
	}
	listed, err := ListExports(ctx, server)
	if err != nil {
		return err
	}
	for _, e := range s.Exports {
		if why := e.notIn(listed); why != "" {
			return &NotExportedError{Node: server.Name(), Export: e, Why: why}
		}
	}
	return nil
}

// notIn says why a list does not show the export as asked, "" when it does.
func (e Export) notIn(listed []Exported) string {
	for _, l := range listed {
		if l.Path != e.Path || l.Clients != e.Clients {
			continue
		}
		if got := l.Options["fsid"]; got != e.FSID {
			return "listed with fsid " + orNone(got)
		}
		for _, o := range strings.Split(e.Options, ",") {
			// Lists show only some options; those that decide what a trial means, always.
			if _, ok := l.Options[o]; !ok && slices.Contains([]string{"sync", "async", "rw", "ro"}, o) {
				return "listed without " + o
			}
		}
		return ""
	}
	return "not listed"
}

// MountBelowError says that a directory is not deleted because a mount is on
// or below it.
type MountBelowError struct {
	Node, Path, Mountpoint string
}

func (e *MountBelowError) Error() string {
	return fmt.Sprintf("delete %s on %s: %s is a mount point", e.Path, e.Node, e.Mountpoint)
}

// Remove withdraws the exports and, when asked, deletes their directories. An
// export that is not there is no error. A directory is deleted only when the
// mount table shows nothing on or below it, its path has no symbolic link, and
// then within one file system; what Add made of the root goes when it is empty.
// Errors: *MountBelowError among others.
func (s ExportSet) Remove(ctx context.Context, server *sshnode.Node, deleteDirs bool) error {
	s, err := s.withDefaults()
	if err != nil {
		return fmt.Errorf("withdraw exports on %s: %w", server.Name(), err)
	}
	withdraw := s.withdraw()
	script := "[ ! -e " + sshnode.Quote(s.file()) + " ] || " + bounded(shortDeadline, "mv", s.file(), s.withdrawn()) +
		" && { " + bounded(DefaultDeadline, withdraw...) + " || :; }"
	if _, err := runWithin(ctx, server, shortDeadline+DefaultDeadline, script); err != nil {
		return fmt.Errorf("withdraw export set %s: %w", s.Name, err)
	}
	listed, err := ListExports(ctx, server)
	if err != nil {
		return err
	}
	for _, e := range s.Exports {
		if slices.ContainsFunc(listed, func(l Exported) bool { return l.Path == e.Path && l.Clients == e.Clients }) {
			return fmt.Errorf("withdraw export %s on %s: still listed", e.Path, server.Name())
		}
	}
	if !deleteDirs {
		return nil
	}
	paths := make([]string, len(s.Exports))
	for i, e := range s.Exports {
		paths[i] = e.Path
	}
	if err := deleteTrees(ctx, server, s.Root, paths); err != nil {
		return err
	}
	return s.removeMade(ctx, server)
}

// withdraw is the command that withdraws all exports of the set.
func (s ExportSet) withdraw() []string {
	command := []string{"exportfs", "-u"}
	for _, e := range s.Exports {
		command = append(command, e.Clients+":"+e.Path)
	}
	return command
}

// withdrawAll is a script that withdraws the exports for good, whatever is left
// of them: it may run at any time and more than once.
func (s ExportSet) withdrawAll() string {
	return bounded(shortDeadline, "rm", "-f", s.file(), s.file()+".new", s.withdrawn()) + "\n" +
		bounded(DefaultDeadline, s.withdraw()...) + " 2>/dev/null || :"
}

// deleteTrees deletes directories below root, never a mount, never across one,
// and then the directories above them that are empty, below root.
func deleteTrees(ctx context.Context, node *sshnode.Node, root string, dirs []string) error {
	mounts, err := Mounts(ctx, node)
	if err != nil {
		return err
	}
	var parents []string
	for _, dir := range dirs {
		for _, m := range mounts {
			if m.Mountpoint == dir || strings.HasPrefix(m.Mountpoint, dir+"/") {
				return &MountBelowError{Node: node.Name(), Path: dir, Mountpoint: m.Mountpoint}
			}
		}
		if parent := path.Dir(dir); parent != root && !slices.Contains(parents, parent) {
			parents = append(parents, parent)
		}
	}
	if len(dirs) == 0 {
		return nil
	}
	script := "set --\nfor dir in " + sshnode.Quote(dirs...) + `; do [ ! -e "$dir" ] || set -- "$@" "$dir"; done
status=0
if [ $# != 0 ] && [ "$(readlink -e "$@")" != "$(printf '%s\n' "$@")" ]; then
	for dir; do
		shift
		if real=$(readlink -e "$dir") && [ "$real" = "$dir" ]; then set -- "$@" "$dir"
		else echo "a part of the path $dir is a symbolic link" >&2; status=1; fi
	done
fi
[ $# = 0 ] || ` + bounded(DefaultDeadline, "find") + ` "$@" -xdev -depth -delete || status=1
`
	if len(parents) > 0 {
		script += "rmdir " + sshnode.Quote(parents...) + " 2>/dev/null\n"
	}
	script += "exit $status\n"
	if _, err := runWithin(ctx, node, 2*DefaultDeadline, script); err != nil {
		return fmt.Errorf("delete exported directories: %w", err)
	}
	return nil
}

// ListExports returns what the server exports.
func ListExports(ctx context.Context, server *sshnode.Node) ([]Exported, error) {
	res, err := runWithin(ctx, server, shortDeadline, bounded(shortDeadline, "exportfs", "-v"))
	if err != nil {
		return nil, fmt.Errorf("list exports: %w", err)
	}
	list, err := ParseExportfs(string(res.Stdout))
	if err != nil {
		return nil, fmt.Errorf("list exports of %s: %w", server.Name(), err)
	}
	return list, nil
}
