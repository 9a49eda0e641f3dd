package fault

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// JournalName is the journal's file name in a lab's state directory.
const JournalName = "faults.jsonl"

// maxJournalLine bounds one line of the journal, in bytes.
const maxJournalLine = 1 << 20

// Event is the kind of a line in the journal.
type Event string

// The events of a fault's life.
const (
	EventOpen       Event = "open"        // the undo is on disk; nothing has been touched yet
	EventArmed      Event = "armed"       // the machine's own timer was seen
	EventInjected   Event = "injected"    // the inject command has answered
	EventUndoFailed Event = "undo-failed" // an undo was tried and failed; the fault stays open
	EventClosed     Event = "closed"      // undone, proven, disarmed
)

// Entry is one line of the journal. Only lines of EventOpen carry the scripts.
type Entry struct {
	Event       Event         `json:"event"`
	ID          string        `json:"id"`
	Time        time.Time     `json:"time"` // wall clock, for a person
	PID         int           `json:"pid"`  // process that wrote the line
	Lab         string        `json:"lab,omitempty"`
	Machine     string        `json:"machine,omitempty"`
	Name        string        `json:"name,omitempty"`
	Undo        string        `json:"undo,omitempty"`
	Untaint     *corev1.Taint `json:"untaint,omitempty"` // of the Kubernetes node Machine
	ProveUndone string        `json:"prove_undone,omitempty"`
	Unit        string        `json:"unit,omitempty"`
	HealWithin  time.Duration `json:"heal_within_ns,omitempty"`
	Error       string        `json:"error,omitempty"`
}

// Journal is the list of faults of one lab on disk. Each line is on stable
// storage before the call that wrote it returns. Several processes may use one
// journal at once.
type Journal struct {
	path string
	lab  string
}

// OpenJournal opens, or makes, the journal in dir for the lab of that name.
func OpenJournal(dir, lab string) (*Journal, error) {
	j := &Journal{path: filepath.Join(dir, JournalName), lab: lab}
	f, err := os.OpenFile(j.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open fault journal: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open fault journal: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return nil, fmt.Errorf("open fault journal: %w", err)
	}
	return j, nil
}

// Path returns the journal's file name.
func (j *Journal) Path() string { return j.path }

// append writes one line and syncs it. A last line that a killed process cut
// short is ended first, so that it damages nothing but itself.
func (j *Journal) append(e Entry) (err error) {
	e.Time, e.PID, e.Lab = time.Now(), os.Getpid(), j.lab
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false) // scripts are for a person to read, too
	if err := enc.Encode(e); err != nil {
		return fmt.Errorf("write fault journal: %w", err)
	}
	if line.Len() > maxJournalLine {
		return fmt.Errorf("write fault journal: line of %d bytes is too long", line.Len())
	}
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("write fault journal: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// The lock is held for one short write: waiting for it cannot take long.
	if err := flock(f, unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock fault journal: %w", err)
	}
	cut, err := endsCutShort(f)
	if err != nil {
		return fmt.Errorf("read the end of the fault journal: %w", err)
	}
	var b bytes.Buffer
	if cut {
		b.WriteByte('\n')
	}
	b.Write(line.Bytes())
	if _, err := f.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write fault journal: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync fault journal: %w", err)
	}
	return nil
}

// Open returns the faults that were opened and not closed, oldest first, and
// how many lines could not be read. A line that cannot be read hides at most
// the closing of a fault, which is then undone once more: an opening that was
// not fully written was followed by no injection.
func (j *Journal) Open() (open []Entry, damaged int, err error) {
	f, err := os.Open(j.path)
	if err != nil {
		return nil, 0, fmt.Errorf("read fault journal: %w", err)
	}
	defer f.Close()
	if err := flock(f, unix.LOCK_SH); err != nil {
		return nil, 0, fmt.Errorf("lock fault journal: %w", err)
	}
	entries, damaged, err := readJournal(f)
	if err != nil {
		return nil, damaged, fmt.Errorf("read fault journal: %w", err)
	}
	closed := map[string]bool{}
	for _, e := range entries {
		if e.Event == EventClosed {
			closed[e.ID] = true
		}
	}
	for _, e := range entries {
		if e.Event == EventOpen && !closed[e.ID] {
			open = append(open, e)
		}
	}
	return open, damaged, nil
}

// readJournal decodes the lines of a journal and counts those that it cannot.
func readJournal(r io.Reader) (entries []Entry, damaged int, err error) {
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		line, long, err := readLine(br)
		if len(line) > 0 || long {
			var e Entry
			if long || json.Unmarshal(line, &e) != nil || e.ID == "" || e.Event == "" {
				damaged++
			} else {
				entries = append(entries, e)
			}
		}
		if errors.Is(err, io.EOF) {
			return entries, damaged, nil
		}
		if err != nil {
			return entries, damaged, err
		}
	}
}

// readLine reads up to and without the next newline. Of a line longer than
// maxJournalLine it keeps nothing and says so.
func readLine(br *bufio.Reader) (line []byte, long bool, err error) {
	for {
		chunk, err := br.ReadSlice('\n')
		if len(line)+len(chunk) > maxJournalLine {
			line, long = nil, true
		}
		if !long {
			line = append(line, chunk...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return bytes.TrimSpace(line), long, err
	}
}

// endsCutShort says whether the file's last byte is not a newline.
func endsCutShort(f *os.File) (bool, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return false, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], size-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

// lockHealing takes the lock that keeps two healers of one lab apart, and
// waits for it until ctx ends.
func (j *Journal) lockHealing(ctx context.Context) (unlock func() error, err error) {
	f, err := os.OpenFile(j.path+".heal.lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock healing: %w", err)
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := flock(f, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f.Close, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock healing: %w", err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for another nfsim that is healing: %w", ctx.Err()), f.Close())
		case <-tick.C:
		}
	}
}

// flock calls flock(2) again when a signal interrupted it, which Go's own
// preemption signals do.
func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// syncDir makes a directory entry durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
