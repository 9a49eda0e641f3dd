package nfs

import (
	"context"
	"fmt"
	"path"
	"regexp"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// exportsDir holds the files that exportfs(8) reads beside /etc/exports.
const exportsDir = "/etc/exports.d"

// notForExports are directories of the system itself.
var notForExports = regexp.MustCompile(`^/(bin|boot|dev|etc|lib|lib32|lib64|proc|root|run|sbin|sys|usr)(/|$)`)

// CheckExportRoot refuses a directory that exports cannot lie below: one whose
// path would have to be escaped somewhere, the root of all, one of the system.
func CheckExportRoot(root string) error {
	switch {
	case !plainPath.MatchString(root) || path.Clean(root) != root:
		return fmt.Errorf("export root %q is not an absolute, clean path of letters, digits and ._=@+-", root)
	case root == "/" || notForExports.MatchString(root):
		return fmt.Errorf("export root %s belongs to the system", root)
	}
	return nil
}

// madeNote begins the line, a comment to exportfs(8), that says which
// directories of the server Add made: kept with the exports, it outlives nfsim.
const madeNote = "# nfsim made: "

// withdrawn is what becomes of the set's file when it is withdrawn: exportfs(8)
// reads only names that end in .exports, and the note is still needed.
func (s ExportSet) withdrawn() string { return s.file() + ".old" }

// noteMissing is a script that sets $made to the directories that Add is about
// to make and those that it made before.
func (s ExportSet) noteMissing() string {
	return readNote(s.file()) + `for d in ` + sshnode.Quote(s.Root, exportsDir) + `; do
	while [ -n "$d" ] && [ ! -e "$d" ]; do made="$made $d"; d=${d%/*}; done
done`
}

// writeNote is a script that prints $made as a note.
const writeNote = `if [ -n "$made" ]; then printf '` + madeNote + `%s\n' "${made# }"; fi`

// readNote is a script that sets $made from a file's note, "" when it has none.
func readNote(file string) string {
	return "made=$(sed -n " + sshnode.Quote("s/^"+madeNote+"//p") + " " + sshnode.Quote(file) + " 2>/dev/null || :)\n"
}

// refuseLink is a script that fails when a path has a symbolic link.
func refuseLink(dir string) string {
	q := sshnode.Quote(dir)
	return `[ "$(readlink -e ` + q + `)" = ` + q + ` ] || { echo ` + sshnode.Quote("a part of the path "+dir+" is a symbolic link") + ` >&2; exit 1; }`
}

// removeMade removes what Add made of the root, above it and of exportsDir, as
// far as it is empty.
func (s ExportSet) removeMade(ctx context.Context, server *sshnode.Node) error {
	var candidates []string
	for dir := s.Root; dir != "/"; dir = path.Dir(dir) {
		candidates = append(candidates, dir)
	}
	script := "set -e\n" + readNote(s.withdrawn()) +
		bounded(shortDeadline, "rm", "-f", s.withdrawn()) + `
for d in ` + sshnode.Quote(append(candidates, exportsDir)...) + `; do
	case " $made " in *" $d "*) [ ! -d "$d" ] || ` + bounded(shortDeadline, "rmdir", "--ignore-fail-on-non-empty") + ` "$d";; esac
done
`
	if _, err := runWithin(ctx, server, 2*shortDeadline, script); err != nil {
		return fmt.Errorf("remove what was made for the exports: %w", err)
	}
	return nil
}
