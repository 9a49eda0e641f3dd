package qemu

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nfsim/nfsim/pkg/lab"
)

// client talks to a keeper.
type client struct {
	http *http.Client
}

func newClient(d Dir) *client {
	return &client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return DialUnix(ctx, d.Control())
		},
	}}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

func (c *client) status(ctx context.Context) (Status, error) {
	body, err := c.do(ctx, http.MethodGet, "/status", nil)
	if err != nil {
		return Status{}, err
	}
	defer body.Close()
	return parseStatus(body)
}

// post orders something and waits until it is done.
func (c *client) post(ctx context.Context, path string, args url.Values) error {
	body, err := c.do(ctx, http.MethodPost, path, args)
	if err != nil {
		return err
	}
	return body.Close()
}

func (c *client) do(ctx context.Context, method, path string, args url.Values) (io.ReadCloser, error) {
	u := url.URL{Scheme: "http", Host: "keeper", Path: path, RawQuery: args.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask keeper: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("ask keeper %s: %w", path, ctx.Err())
		}
		return nil, &lab.InfraError{What: "the lab's keeper does not answer", Err: err}
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var f Failure
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxStatus)).Decode(&f); err != nil || f.What == "" {
		return nil, &lab.InfraError{What: fmt.Sprintf("the lab's keeper answers %s with %s", path, resp.Status)}
	}
	return nil, f.Err()
}

// maxSocketPath is the longest path that fits struct sockaddr_un (unix(7)).
const maxSocketPath = 107

// DialUnix connects to a unix socket whose path may be too long for one.
func DialUnix(ctx context.Context, path string) (net.Conn, error) {
	short, done, err := shortPath(path)
	if err != nil {
		return nil, err
	}
	defer done()
	d := net.Dialer{Timeout: 10 * time.Second}
	return d.DialContext(ctx, "unix", short)
}

// ListenUnix listens at a unix socket whose path may be too long for one, mode
// 0600. A socket that is there is removed first.
func ListenUnix(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("listen: %w", err)
	}
	short, done, err := shortPath(path)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	return l, nil
}

// shortPath reaches a path through a descriptor of its directory when it is
// too long. The short path is good until done is called.
func shortPath(path string) (short string, done func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, fmt.Errorf("reach %s: %w", path, err)
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), filepath.Base(path)), func() { _ = dir.Close() }, nil
}
