package cache

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// holders finds the processes that hold a flock on f, in /proc/locks. It is
// for messages only: it returns nil where that file is missing or says nothing.
func holders(f *os.File) []int {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil
	}
	text, err := os.ReadFile("/proc/locks")
	if err != nil {
		return nil
	}
	return parseLocks(string(text), uint64(unix.Major(st.Dev)), uint64(unix.Minor(st.Dev)), st.Ino)
}

// parseLocks reads lines as `1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF`
// (proc_locks(5)): device numbers in hexadecimal, inode in decimal. Waiters have
// `->` after the number and are left out.
func parseLocks(text string, major, minor, inode uint64) []int {
	var pids []int
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" {
			continue
		}
		id := strings.Split(fields[5], ":")
		if len(id) != 3 {
			continue
		}
		maj, err1 := strconv.ParseUint(id[0], 16, 64)
		minr, err2 := strconv.ParseUint(id[1], 16, 64)
		ino, err3 := strconv.ParseUint(id[2], 10, 64)
		pid, err4 := strconv.Atoi(fields[4])
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil || pid <= 0 {
			continue
		}
		if maj == major && minr == minor && ino == inode && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

func describeHolders(pids []int) string {
	switch len(pids) {
	case 0:
		return "another process"
	case 1:
		return fmt.Sprintf("process %d", pids[0])
	}
	words := make([]string, len(pids))
	for i, pid := range pids {
		words[i] = strconv.Itoa(pid)
	}
	return "processes " + strings.Join(words, ", ")
}
