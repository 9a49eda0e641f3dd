package repro

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/nfsim/nfsim/pkg/rundir"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// call writes one call on files, or what comes nearest to it.
func (w *writer) call(s *rundir.Step, rest []rundir.Step) {
	c := s.Call
	role := w.role(s.Machine)
	key := fmt.Sprintf("%s %d", s.Machine, c.FD)
	switch {
	case c.Op == "mountinfo":
		w.line("show %s %s", role, w.script("grep ' - nfs' "+quote(c.Path)))
	case c.Op == "exit":
		w.line("on %s %s", role, w.script("kill -KILL \"$(basename "+quote(c.Path)+")\""))
	case strings.HasPrefix(c.Path, "mapping ") || c.Op == "map":
		w.comment("not repeated, a shell has no mmap(2): %s %s on %s%s", c.Op, c.Token, s.Machine, took(s))
	case c.Path != "" && c.FD != 0: // what opens
		h := w.unique("f " + path.Base(c.Path))
		w.handles[key] = h
		w.line("handle %s %s %s %s%s", h, role, w.word(c.Path), strings.Join(flagsOf(c), " "), took(s))
		if c.Op == "write_record" {
			w.told(s, rest, h, fmt.Sprintf("write %s %d", bare(token(c)), c.Size))
		}
		if c.Op == "read_record" {
			w.told(s, rest, h, "read")
		}
	case c.FD != 0:
		h, ok := w.handles[key]
		if !ok {
			w.comment("not repeated: %s on a file that was opened elsewhere, on %s", c.Op, s.Machine)
			return
		}
		w.onHandle(s, rest, h)
	default:
		w.onPath(s, role)
	}
}

func flagsOf(c *rundir.StepCall) []string {
	if len(c.Flags) == 0 {
		return []string{"rdonly"}
	}
	flags := make([]string, len(c.Flags))
	for i, f := range c.Flags {
		flags[i] = bare(f)
	}
	return flags
}

// onHandle writes a call on a file that is open.
func (w *writer) onHandle(s *rundir.Step, rest []rundir.Step, h string) {
	c := s.Call
	switch c.Op {
	case "write_record", "write":
		w.told(s, rest, h, strings.TrimSuffix(fmt.Sprintf("write %s %d %d", bare(token(c)), c.Size, c.Offset), " 0"))
		if c.Fsync {
			w.told(s, rest, h, "fsync")
		}
	case "read_record", "read":
		w.told(s, rest, h, "read")
	case "fsync", "fdatasync":
		w.told(s, rest, h, "fsync")
	case "fstat":
		w.told(s, rest, h, "stat")
	case "truncate":
		w.told(s, rest, h, fmt.Sprintf("truncate %d", c.Size))
	case "lock":
		w.told(s, rest, h, "lock "+lockWords(c.Lock))
	case "close":
		w.told(s, rest, h, "close")
		return
	default:
		w.comment("not repeated: %s on %s", c.Op, h)
	}
	if c.Close {
		w.told(s, rest, h, "close")
	}
}

// lockWords are the words of a lock, each bare.
func lockWords(lock string) string {
	words := strings.Fields(lock)
	for i, word := range words {
		words[i] = bare(word)
	}
	return strings.Join(words, " ")
}

// token is what a write has in it; one of a log's records has none.
func token(c *rundir.StepCall) string {
	if c.Token == "" {
		return "record"
	}
	return c.Token
}

// told has a call made on a handle. One that was still under way when other
// steps began, or that was made again and again beside them, is left alone, and
// waited for before the handle is used again.
func (w *writer) told(s *rundir.Step, rest []rundir.Step, h, call string) {
	if job := w.pending[h]; job != "" {
		w.line("wait \"$%s\" || :", job)
		delete(w.pending, h)
	}
	beside := s.End == 0 || len(rest) > 0 && rest[0].T < s.End && rest[0].Do != rundir.DoTeardown
	command := "tell " + h + " " + call
	if s.Times > 1 {
		command = fmt.Sprintf("again %d %.2f %s", s.Times, float64(s.End-s.T)/1e9/float64(s.Times), command)
	}
	switch {
	case beside && s.Times > 1:
		job := "job_" + h
		w.line("%s &%s\n%s=$!", command, took(s), job)
		w.pending[h] = job
	case beside:
		w.line("ask %s %s%s", h, call, took(s))
	default:
		w.line("%s%s", command, took(s))
	}
}

// onPath writes a call that names a file.
func (w *writer) onPath(s *rundir.Step, role string) {
	c := s.Call
	file := quote(c.Path)
	command := ""
	switch c.Op {
	case "write_record":
		command = strings.Join(append([]string{"put", role, w.word(c.Path), bare(token(c)), strconv.FormatInt(c.Size, 10)}, operands(c)...), " ")
	case "read_record", "readfile":
		direct := ""
		if slices.Contains(c.Flags, "direct") {
			direct = " iflag=direct"
		}
		command = fmt.Sprintf("get %s %s%s", role, w.word(c.Path), direct)
	case "stat", "lstat":
		command = fmt.Sprintf("show %s %s", role, w.script("stat -c '%n: %s bytes, changed %z' "+file))
	case "access":
		command = fmt.Sprintf("show %s %s", role, w.script("ls -d "+file))
	case "readdir":
		command = fmt.Sprintf("show %s %s", role, w.script("ls -a "+file))
	case "mkdir":
		command = fmt.Sprintf("on %s %s", role, w.script("mkdir -p "+file))
	case "rmdir":
		command = fmt.Sprintf("on %s %s", role, w.script("rmdir "+file))
	case "unlink":
		command = fmt.Sprintf("on %s %s", role, w.script("rm "+file))
	case "rename":
		command = fmt.Sprintf("on %s %s", role, w.script("mv -T "+file+" "+quote(c.To)))
	case "truncate":
		command = fmt.Sprintf("on %s %s", role, w.script(fmt.Sprintf("truncate -s %d %s", c.Size, file)))
	default:
		w.comment("not repeated: %s of %s on %s%s", c.Op, c.Path, s.Machine, took(s))
		return
	}
	if s.Times > 1 {
		command = fmt.Sprintf("again %d %.2f %s", s.Times, float64(s.End-s.T)/1e9/float64(s.Times), command)
	}
	w.line("%s || :%s", command, took(s))
}

// operands are those of dd(1) for a write that opens, writes and closes.
func operands(c *rundir.StepCall) []string {
	conv, oflag := []string{}, []string{}
	has := func(f string) bool { return slices.Contains(c.Flags, f) }
	if !has("trunc") {
		conv = append(conv, "notrunc")
	}
	if c.Fsync {
		conv = append(conv, "fsync")
	}
	if !has("creat") {
		conv = append(conv, "nocreat")
	}
	for _, f := range []string{"append", "direct", "sync", "dsync"} {
		if has(f) {
			oflag = append(oflag, f)
		}
	}
	var out []string
	if c.Offset > 0 && !has("append") {
		oflag = append(oflag, "seek_bytes")
		out = append(out, fmt.Sprintf("seek=%d", c.Offset))
	}
	if len(conv) > 0 {
		out = append(out, "conv="+strings.Join(conv, ","))
	}
	if len(oflag) > 0 {
		out = append(out, "oflag="+strings.Join(oflag, ","))
	}
	return out
}
