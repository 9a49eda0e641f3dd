package sshtest

import (
	"os"
	"path/filepath"
	"testing"
)

// StandIn is a directory that plays a machine's disk: what a Handler's
// commands read and write, and commands of its own in place of dangerous ones.
type StandIn struct {
	Dir string // absolute
}

// Commands puts shell scripts into bin/, by command name. In them $DIR is the
// directory, and a file named after the command and ".sh" is sourced first, so
// that a test can make it misbehave.
func (s StandIn) Commands(t testing.TB, scripts map[string]string) {
	t.Helper()
	for name, script := range scripts {
		s.Write(t, "bin/"+name, "#!/bin/sh\nDIR="+s.Dir+"\n[ -e $DIR/"+name+".sh ] && . $DIR/"+name+".sh\n"+script, 0o755)
	}
}

// WithPath is a command line that finds the scripts of Commands first.
func (s StandIn) WithPath(cmd string) string {
	return "PATH=" + s.Dir + "/bin:$PATH\n" + cmd
}

// Write makes a file, and the directories it lies in.
func (s StandIn) Write(t testing.TB, name, content string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// Read returns what a file holds.
func (s StandIn) Read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Exists says whether there is a file of that name; links are not followed.
func (s StandIn) Exists(name string) bool {
	_, err := os.Lstat(filepath.Join(s.Dir, name))
	return err == nil
}
