package executor

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/payload"
	"golang.org/x/sys/unix"
)

// readFile reads a whole file in bounded memory and answers its size and its
// sha256, with what it decodes to and its first bytes when asked for.
func readFile(t *thread, req proto.Request) (proto.Response, error) {
	if req.Limit < 0 || req.Limit > proto.MaxData {
		return proto.Response{}, fmt.Errorf("limit of %d bytes is not within 0 to %d", req.Limit, proto.MaxData)
	}
	fd, s := t.openAt(req.Path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	steps := []proto.Step{s}
	if fd < 0 {
		return composed(steps), nil
	}
	src := &fileReader{thread: t, fd: fd}
	sum := sha256.New()
	head := &bytes.Buffer{}
	in := io.TeeReader(src, io.MultiWriter(sum, &capped{w: head, left: req.Limit}))

	var value *payload.Value
	var log *payload.LogSummary
	switch req.Decode {
	case "register":
		data, _ := io.ReadAll(io.LimitReader(in, proto.MaxRegister))
		v := payload.Decode(data)
		value = &v
	case "log":
		l, _ := payload.Summarize(in)
		log = &l
	case "":
	default:
		t.closeFD(fd)
		return proto.Response{}, fmt.Errorf("unknown decode %q: want register or log", req.Decode)
	}
	_, _ = io.Copy(io.Discard, in) // src keeps its error
	steps = append(steps, src.step(), t.closeFD(fd))

	resp := composed(steps)
	resp.Size, resp.N = src.offset, src.offset
	if resp.Errno == "" {
		resp.SHA256 = hex.EncodeToString(sum.Sum(nil))
		resp.Value, resp.Log = value, log
		resp.Data, resp.Cut = head.Bytes(), req.Limit > 0 && src.offset > req.Limit
	}
	return resp, nil
}

// fileReader reads a descriptor from its beginning on, and sums its calls up
// in one step.
type fileReader struct {
	thread *thread
	fd     int
	offset int64
	first  int64
	last   proto.Step
}

func (r *fileReader) Read(p []byte) (int, error) {
	if r.last.Errno != "" {
		return 0, io.ErrUnexpectedEOF
	}
	s := r.thread.pread(r.fd, p, r.offset)
	if r.first == 0 {
		r.first = s.T0
	}
	r.last = s
	r.offset += s.N
	switch {
	case s.Errno != "":
		return 0, io.ErrUnexpectedEOF
	case s.N == 0:
		return 0, io.EOF
	}
	return int(s.N), nil
}

func (r *fileReader) step() proto.Step {
	return proto.Step{Call: "read", T0: r.first, T1: r.last.T1, Errno: r.last.Errno, N: r.offset}
}

// capped passes the first bytes on and swallows the rest.
type capped struct {
	w    io.Writer
	left int64
}

func (c *capped) Write(p []byte) (int, error) {
	part := p[:min(int64(len(p)), c.left)]
	n, err := c.w.Write(part)
	c.left -= int64(n)
	if err != nil {
		return n, err
	}
	return len(p), nil
}
