package sshnode

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"

	"github.com/pkg/sftp"
)

const (
	putConcurrency = 64      // write requests under way at once, 32 KiB each
	getChunk       = 1 << 20 // bytes read at once, as parallel requests
)

// Put writes what r holds to a file on the node, making its parent directories
// first. The content goes to a temporary file beside it, is synced if the
// server can do that (OpenSSH can), gets mode, and takes the name in one step: a
// reader of path sees the old file or the new one. When ctx ends Put gives up;
// a Read of r may then still be under way, and the temporary file
// (.NAME.nfsim-*) may stay if the node hangs.
func (n *Node) Put(ctx context.Context, r io.Reader, path string, mode fs.FileMode) error {
	src := &untilDone{ctx: ctx, r: r}
	return n.transfer(ctx, "put "+path, func(c *sftp.Client) error { return put(c, src, path, mode) }, nil)
}

// PutBytes is Put for what is in memory.
func (n *Node) PutBytes(ctx context.Context, b []byte, path string, mode fs.FileMode) error {
	return n.Put(ctx, bytes.NewReader(b), path, mode)
}

// Get copies a file of the node to w. A file of more than limit bytes is a
// *TooLargeError, after limit bytes have been written to w. A file that is not
// there is an fs.ErrNotExist. After Get has returned nothing is written to w.
func (n *Node) Get(ctx context.Context, path string, w io.Writer, limit int64) error {
	if limit <= 0 {
		return &UsageError{Node: n.cfg.Name, Problem: fmt.Sprintf("get %s: limit of %d bytes", path, limit)}
	}
	dst := &gate{w: w}
	return n.transfer(ctx, "get "+path, func(c *sftp.Client) error {
		more, err := get(c, path, dst, limit)
		if err == nil && more {
			err = &TooLargeError{Node: n.cfg.Name, Path: path, Limit: limit}
		}
		return err
	}, dst.shut)
}

// transfer runs f with the shared SFTP client. When f is given up, givenUp is
// called and the client retired.
func (n *Node) transfer(ctx context.Context, op string, f func(*sftp.Client) error, givenUp func()) error {
	s, err := n.takeSFTP(ctx)
	if err != nil {
		return err
	}
	// Known before await returns: whether f came to its end.
	ended := make(chan struct{})
	_, err = await(ctx, n, op, func() (struct{}, error) {
		defer close(ended)
		return struct{}{}, f(s.client)
	}, nil)
	select {
	case <-ended:
		n.files.release(s, errors.Is(err, sftp.ErrSSHFxConnectionLost))
	default:
		if givenUp != nil {
			givenUp()
		}
		n.files.release(s, true)
	}
	var transport *TransportError
	var large *TooLargeError
	switch {
	case err == nil, errors.As(err, &transport), errors.As(err, &large):
		return err
	case errors.Is(err, sftp.ErrSSHFxConnectionLost):
		return &TransportError{Node: n.cfg.Name, Op: op, Err: err}
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return n.gaveUp(op, ctx.Err())
	default:
		return fmt.Errorf("%s: %s: %w", n.cfg.Name, op, err)
	}
}

func put(c *sftp.Client, r io.Reader, name string, mode fs.FileMode) (err error) {
	dir, base := path.Split(name)
	if base == "" {
		return errors.New("path names a directory")
	}
	if dir != "" {
		if err := c.MkdirAll(path.Clean(dir)); err != nil {
			return fmt.Errorf("make directory %s: %w", dir, err)
		}
	}
	tmp := path.Join(dir, "."+base+".nfsim-"+rand.Text())
	f, err := c.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return fmt.Errorf("create %s: %w", tmp, err)
	}
	defer func() {
		if err != nil {
			// The first error is the one that counts.
			_ = f.Close()
			_ = c.Remove(tmp)
		}
	}()
	// Before the content, which may be a secret.
	if err := c.Chmod(tmp, mode); err != nil {
		return fmt.Errorf("set mode of %s: %w", tmp, err)
	}
	if _, err := f.ReadFromWithConcurrency(r, putConcurrency); err != nil {
		return fmt.Errorf("write %s: %w", tmp, err)
	}
	if _, ok := c.HasExtension("fsync@openssh.com"); ok {
		if err := f.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", tmp, err)
		}
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close %s: %w", tmp, err)
	}
	if err := c.PosixRename(tmp, name); err != nil {
		return fmt.Errorf("rename %s: %w", tmp, err)
	}
	return nil
}

// get copies at most limit bytes and tells whether the file holds more.
func get(c *sftp.Client, name string, w io.Writer, limit int64) (more bool, err error) {
	f, err := c.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if _, err := io.CopyBuffer(w, struct{ io.Reader }{io.LimitReader(f, limit)}, make([]byte, getChunk)); err != nil {
		return false, err
	}
	n, err := f.Read(make([]byte, 1))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n > 0, err
}

// untilDone is a reader that ends with its context.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// gate is a writer that can be shut while somebody writes to it.
type gate struct {
	mu     sync.Mutex
	w      io.Writer
	closed bool
}

func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return 0, io.ErrClosedPipe
	}
	return g.w.Write(p)
}

// shut returns when no write is under way; none will follow.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}
