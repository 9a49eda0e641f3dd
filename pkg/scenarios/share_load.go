package scenarios

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/nfsim/nfsim/pkg/agent"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/lab"
)

const (
	// largeSize and largeChunk are the size of the large file in bytes, and that of
	// one write.
	largeSize  = 4 << 20
	largeChunk = 1 << 20
	// largeSuffix makes the large file's name of the mode's: it lies beside the
	// mode's directory, so that its reads are not taken for those of the reader.
	largeSuffix = "-large"
	// largeTimeoutMS bounds reading the large file back, in ms.
	largeTimeoutMS = 60_000
)

// startShareLoads writes the large file of a mode and starts a load on every live
// cell's share: appends and a lock by the pod, reads by the second client, which
// is the rival for the lock, too.
func (s *shares) startShareLoads(ctx context.Context, mode string) (map[*Cell]*load, error) {
	return gather(ctx, s.b, "write, read and lock: "+mode, func(ctx context.Context, c *Cell) (*load, error) {
		if err := c.share.writeLarge(ctx, mode, s.b.RunID); err != nil {
			return nil, err
		}
		return c.share.startLoad(ctx, mode)
	})
}

func (s *share) startLoad(ctx context.Context, mode string) (*load, error) {
	c, writer := s.cell, s.writer()
	if _, err := writer.at.must(ctx, proto.Request{Op: proto.OpMkdir, Path: writer.root + "/" + mode}); err != nil {
		return nil, err
	}
	l := &load{cell: c, mode: mode}
	err := c.writeRegister(ctx, writer.at, writer.root+"/"+l.file(loadRegister), l.file(loadRegister), mode, proto.WRONLY, proto.CREAT)
	if err != nil {
		return nil, err
	}
	if l.lock, err = c.hold(ctx, writer, s.peer, l.file(loadLock)); err != nil {
		return nil, err
	}
	// A call waits for as long as the server is away, and it is to be answered.
	l.lock.patience = 2 * shareTimeout
	name := writer.at.machine
	l.appends, err = c.append(ctx, writer.at.client, name, name, l.file(loadLog), proto.StreamSpec{
		Path: writer.root + "/" + l.file(loadLog), Client: name, Sync: "fsync", IntervalUS: appendEvery.Microseconds(), OnError: "reopen", Advance: true,
	})
	if err != nil {
		return nil, err
	}
	if l.reads, err = c.rereads(ctx, s.peer.at, s.peer.root+"/"+l.file(loadRegister), l.file(loadRegister)); err != nil {
		return nil, err
	}
	defer waiting(ctx)()
	if err := l.appends.awaitSeq(ctx, "appends", calmRounds); err != nil {
		return nil, err
	}
	return l, l.reads.awaitSeq(ctx, "reads", 1)
}

// endShareLoads has every holder use its lock, ends the loads and reads the truth.
// What hangs or fails is in the history.
func (s *shares) endShareLoads(ctx context.Context, mode string, loads map[*Cell]*load) error {
	err := s.b.eachLoad(ctx, "use the lock, end the load", loads, func(ctx context.Context, l *load) error {
		if err := l.lock.useLock(ctx, mode+"-end"); err != nil {
			return err
		}
		if err := errors.Join(l.stop(ctx), l.lock.end(ctx, l.lock.holder, l.lock.rival)); err != nil {
			return err
		}
		return s.logTruth(ctx, l)
	})
	if err != nil {
		return err
	}
	return s.readLargeBack(ctx, mode, true)
}

// logTruth reads the log from the disk of the machine that serves the share.
func (s *shares) logTruth(ctx context.Context, l *load) error {
	return l.cell.truthOf(ctx, s.b.on(s.b.Target), l.cell.share.disk(l.file(loadLog)), l.file(loadLog))
}

// largeFile names the large file of a mode, below the export.
func largeFile(mode string) string { return mode + largeSuffix }

// content is what the large file of a mode has: the same for the same seed words.
func (s *share) content(mode, runID string) []byte {
	r := rand.NewChaCha8(sha256.Sum256([]byte(runID + " " + s.cell.Key + " " + mode)))
	data := make([]byte, largeSize)
	_, _ = r.Read(data) // ChaCha8 does not fail
	return data
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// writeLarge writes the large file through the pod, with one fsync.
func (s *share) writeLarge(ctx context.Context, mode, runID string) error {
	writer, data := s.writer(), s.content(mode, runID)
	lane := s.cell.Key + " large"
	opened, err := writer.at.must(ctx, proto.Request{Op: proto.OpOpen, Lane: lane, Path: writer.root + "/" + largeFile(mode), Flags: []proto.Flag{proto.WRONLY, proto.CREAT}})
	if err != nil {
		return err
	}
	for at := int64(0); at < largeSize; at += largeChunk {
		if _, err := writer.at.must(ctx, proto.Request{Op: proto.OpWrite, Lane: lane, FD: opened.FD, Offset: at, Data: data[at : at+largeChunk]}); err != nil {
			return err
		}
	}
	synced, err := writer.at.must(ctx, proto.Request{Op: proto.OpFsync, Lane: lane, FD: opened.FD})
	if err != nil {
		return err
	}
	synced.T0, synced.Invoked = opened.T0, opened.Invoked
	s.cell.op(writer.at.machine, timedOp(synced, history.Op{
		Client: writer.at.machine, Lane: lane, Func: history.Write, File: largeFile(mode), Mode: history.ModeFsync,
		Value: sum(data), Size: largeSize, Result: history.OK,
	}))
	return writer.at.closeFD(ctx, opened.FD)
}

// dropCaches takes clean pages, names and attributes out of a machine's caches
// (Documentation/admin-guide/sysctl/vm.rst, drop_caches), so that what is read next
// comes from the server.
func (b *Batch) dropCaches(ctx context.Context, m lab.Machine) error {
	defer waiting(ctx)()
	ctx, cancel := context.WithTimeout(ctx, machineLogTimeout)
	defer cancel()
	node, err := b.node(ctx, m)
	if err != nil {
		return err
	}
	if _, err := node.Run(ctx, "echo 3 > /proc/sys/vm/drop_caches"); err != nil {
		return fmt.Errorf("drop the caches of %s: %w", m.Name, err)
	}
	return nil
}

// readLargeBack reads the large file of a mode back: by the second client, on the
// disk, and by the pod, if it is there still; without what they have cached.
func (s *shares) readLargeBack(ctx context.Context, mode string, pod bool) error {
	b := s.b
	machines := []lab.Machine{b.Other, b.server()}
	if err := atOnce(len(machines), func(i int) error { return b.dropCaches(ctx, machines[i]) }); err != nil {
		return err
	}
	return b.each(ctx, "read the large file back", func(ctx context.Context, c *Cell) error {
		clients := []client{c.share.peer}
		if pod {
			clients = append(clients, c.share.writer())
		}
		for _, cl := range clients {
			t, err := c.readSum(ctx, cl.at, cl.root+"/"+largeFile(mode))
			if err != nil {
				return err
			}
			c.noteSum(cl.at.machine, t, history.Op{Client: cl.at.machine, Lane: "large", Func: history.Read, File: largeFile(mode), Mode: history.ModeReopen})
		}
		on := b.on(b.Target)
		t, err := c.readSum(ctx, on, c.share.disk(largeFile(mode)))
		if err != nil {
			return err
		}
		c.noteSum(on.machine, t, history.Op{Client: history.ClientDisk, Func: history.Truth, File: largeFile(mode)})
		return nil
	})
}

func (c *Cell) readSum(ctx context.Context, v *vantage, path string) (agent.Timed, error) {
	return v.do(ctx, proto.Request{Op: proto.OpReadFile, Lane: c.Key + " sum", Path: path, TimeoutMS: largeTimeoutMS})
}

func (c *Cell) noteSum(machine string, t agent.Timed, op history.Op) {
	op = timedOp(t, op)
	op.Result = history.Fail
	if t.OK() {
		op.Result, op.Value, op.Size = history.OK, t.SHA256, t.Size
	}
	c.op(machine, op)
}

// truthOf is diskTruth for a file that does not lie in the cell's export.
func (c *Cell) truthOf(ctx context.Context, v *vantage, path, file string) error {
	t, err := v.must(ctx, proto.Request{Op: proto.OpReadFile, Path: path, Limit: proto.MaxData, Lane: c.Key})
	if err != nil {
		return fmt.Errorf("read the truth of %s: %w", file, err)
	}
	if t.Cut {
		return fmt.Errorf("read the truth of %s: it has more than %d bytes", file, proto.MaxData)
	}
	return c.noteLogTruth(v.machine, file, bytes.NewReader(t.Data), timedOp(t, history.Op{}))
}
