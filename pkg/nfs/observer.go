package nfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	vnfs "github.com/vmware/go-nfs-client/nfs"
	"github.com/vmware/go-nfs-client/nfs/rpc"
)

// Ports of a lab's server. mountd's is fixed by configuration, so that nobody
// needs the portmapper.
const (
	NFSPort   = 2049
	MountPort = 20048
)

// Procedures of NFSv3 that the library has no constants for (RFC 1813,
// section 3.3).
const (
	procGetattr = 1
	procReaddir = 16
)

// Bounds of one probe.
const (
	readSize       = 64 << 10 // bytes asked for at once
	maxNames       = 100_000  // names in a listing
	defaultTimeout = 10 * time.Second
)

// DialFunc connects to an address; net.Dialer's DialContext and sshnode.Node's
// Dial are two.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Observer looks at a server's files over NFSv3 with no cache of its own: the
// wire's vantage point. It only reads, and it never sends COMMIT, which would
// make data durable that a trial wants to see lost. Every probe has its own
// connections, because after a timeout a connection is out of step. What it
// sees is the server's page cache, not its disk.
//
// An Observer is safe for concurrent use.
type Observer struct {
	// Dial reaches the server. In a lab it is the server node's own Dial, and
	// Host is "127.0.0.1": the export then needs the insecure option.
	Dial DialFunc
	// Host is the server as Dial sees it.
	Host string
	// NFSPort and MountPort default to the constants.
	NFSPort, MountPort int
	// Timeout bounds one probe. Zero means 10 s.
	Timeout time.Duration
}

// StatusError says that the server refused a call, with its status from RFC
// 1813: nfsstat3 or, for the MOUNT program, mountstat3.
type StatusError struct {
	Call   string // "MNT", "LOOKUP"...
	Status uint32
	Err    error // os.ErrNotExist, os.ErrPermission or the status by name
}

func (e *StatusError) Error() string { return fmt.Sprintf("%s: %v", e.Call, e.Err) }
func (e *StatusError) Unwrap() error { return e.Err }

// Stale says whether the status is NFS3ERR_STALE.
func (e *StatusError) Stale() bool { return e.Status == vnfs.NFS3ErrStale }

// PanicError is a panic of the library, which does not expect every reply that
// a server may send.
type PanicError struct{ Value any }

func (e *PanicError) Error() string { return fmt.Sprintf("the NFS library panicked: %v", e.Value) }

// Stat returns the attributes of a path below an export, "." being the export
// itself. It looks up every name and then asks with GETATTR.
func (o *Observer) Stat(ctx context.Context, export, name string) (Attr, error) {
	var attr Attr
	err := o.probe(ctx, "stat", export, name, func(s *session, fh []byte) (err error) {
		attr, err = s.getattr(fh)
		return err
	})
	return attr, err
}

// ReadFile returns at most limit bytes of a file and its attributes as they
// were after the last READ. When attr.Size is larger than the data, there is
// more. A file of more than 64 KiB takes several calls, and a writer may come
// between them.
func (o *Observer) ReadFile(ctx context.Context, export, name string, limit int) ([]byte, Attr, error) {
	var data []byte
	var attr Attr
	err := o.probe(ctx, "read", export, name, func(s *session, fh []byte) (err error) {
		data, attr, err = s.read(fh, limit)
		return err
	})
	return data, attr, err
}

// List returns the names in a directory, sorted, without "." and "..".
func (o *Observer) List(ctx context.Context, export, dir string) ([]Entry, error) {
	var entries []Entry
	err := o.probe(ctx, "list", export, dir, func(s *session, fh []byte) (err error) {
		entries, err = s.readdir(fh)
		return err
	})
	return entries, err
}

// probe mounts the export, walks to name and looks.
func (o *Observer) probe(ctx context.Context, verb, export, name string, look func(*session, []byte) error) error {
	timeout := o.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var root []byte
	err := o.connect(ctx, or(o.MountPort, MountPort), func(s *session) (err error) {
		root, err = s.mount(export)
		return err
	})
	if err == nil {
		err = o.connect(ctx, or(o.NFSPort, NFSPort), func(s *session) error {
			fh, err := s.walk(root, name)
			if err != nil {
				return err
			}
			return look(s, fh)
		})
	}
	if err != nil {
		return fmt.Errorf("observe: %s %s in %s of %s: %w", verb, name, export, o.Host, err)
	}
	return nil
}

// connect gives use a connection of its own. Panics of the library, and what
// broke the connection under it, become errors here.
func (o *Observer) connect(ctx context.Context, port int, use func(*session) error) (err error) {
	r, err := newRelay(ctx, o.Dial, net.JoinHostPort(o.Host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	var broken error
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v}
		}
		r.close()
		var status *StatusError
		if err == nil || errors.As(err, &status) {
			return
		}
		if broken != nil {
			err = fmt.Errorf("%w (%w)", err, broken)
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", ctx.Err(), err)
		}
	}()
	client, err := rpc.DialTCP("tcp", nil, r.addr())
	if err != nil {
		return fmt.Errorf("connect to the relay: %w", err)
	}
	defer client.Close()
	defer func() { broken = r.failure() }() // before Close, which breaks the relay too
	return use(&session{client: client, auth: rpc.NewAuthUnix("nfsim-observer", 0, 0).Auth()})
}

func or(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

// session makes calls over one connection, one at a time.
type session struct {
	client *rpc.Client
	auth   rpc.Auth
}

func (s *session) header(prog, vers, proc uint32) rpc.Header {
	return rpc.Header{Rpcvers: 2, Prog: prog, Vers: vers, Proc: proc, Cred: s.auth, Verf: rpc.AuthNull}
}

func (s *session) nfs(proc uint32) rpc.Header {
	return s.header(vnfs.Nfs3Prog, vnfs.Nfs3Vers, proc)
}

// call sends a call and returns its reply from behind the status.
func (s *session) call(name string, args any, statusErr func(uint32) error) (*decoder, error) {
	res, err := s.client.Call(args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	body, err := io.ReadAll(res)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d := &decoder{rest: body}
	status := d.uint32()
	if d.err != nil {
		return nil, fmt.Errorf("%s: %w", name, d.err)
	}
	if err := statusErr(status); err != nil {
		return nil, &StatusError{Call: name, Status: status, Err: err}
	}
	return d, nil
}

// mount returns the file handle of an export (RFC 1813, appendix I). No UMNT
// follows: it would only strike the client from a list for showmount(8).
func (s *session) mount(export string) ([]byte, error) {
	type args struct {
		rpc.Header
		Dirpath string
	}
	d, err := s.call("MNT", &args{s.header(vnfs.MountProg, vnfs.MountVers, vnfs.MountProc3MNT), export}, mountStatus)
	if err != nil {
		return nil, err
	}
	fh := slices.Clone(d.opaque())
	return fh, wrap("MNT", d.err)
}

// mountStatus is the error of a mountstat3, whose numbers mean the same in
// nfsstat3 up to 10006.
func mountStatus(status uint32) error { return vnfs.NFS3Error(status) }

// walk looks up every name of a path.
func (s *session) walk(fh []byte, name string) ([]byte, error) {
	type args struct {
		rpc.Header
		What vnfs.Diropargs3
	}
	for part := range strings.SplitSeq(path.Clean("/"+name), "/") {
		if part == "" {
			continue
		}
		d, err := s.call("LOOKUP", &args{s.nfs(vnfs.NFSProc3Lookup), vnfs.Diropargs3{FH: fh, Filename: part}}, vnfs.NFS3Error)
		if err != nil {
			return nil, err
		}
		fh = slices.Clone(d.opaque())
		if d.err != nil {
			return nil, wrap("LOOKUP", d.err)
		}
	}
	return fh, nil
}

func (s *session) getattr(fh []byte) (Attr, error) {
	type args struct {
		rpc.Header
		FH []byte
	}
	d, err := s.call("GETATTR", &args{s.nfs(procGetattr), fh}, vnfs.NFS3Error)
	if err != nil {
		return Attr{}, err
	}
	attr := d.attr()
	return attr, wrap("GETATTR", d.err)
}

func (s *session) read(fh []byte, limit int) ([]byte, Attr, error) {
	type args struct {
		rpc.Header
		FH     []byte
		Offset uint64
		Count  uint32
	}
	if limit < 0 || limit > math.MaxInt32 {
		return nil, Attr{}, fmt.Errorf("read limit of %d bytes is out of range", limit)
	}
	var data []byte
	var attr Attr
	known := false
	for len(data) < limit {
		ask := min(readSize, limit-len(data))
		d, err := s.call("READ", &args{s.nfs(vnfs.NFSProc3Read), fh, uint64(len(data)), uint32(ask)}, vnfs.NFS3Error)
		if err != nil {
			return data, attr, err
		}
		attr, known = d.postOpAttr()
		d.uint32() // count: the length of the data again
		eof := d.bool()
		chunk := d.opaque()
		if d.err != nil {
			return data, attr, wrap("READ", d.err)
		}
		if len(chunk) > ask {
			return data, attr, fmt.Errorf("READ: %d bytes came, %d were asked for", len(chunk), ask)
		}
		data = append(data, chunk...)
		if eof {
			break
		}
		if len(chunk) == 0 {
			return data, attr, errors.New("READ: no data and no end of the file")
		}
	}
	if !known {
		var err error
		if attr, err = s.getattr(fh); err != nil {
			return data, attr, err
		}
	}
	return data, attr, nil
}

func (s *session) readdir(fh []byte) ([]Entry, error) {
	type args struct {
		rpc.Header
		FH     []byte
		Cookie uint64
		Verf   uint64
		Count  uint32
	}
	var entries []Entry
	var cookie, verf uint64
	for {
		d, err := s.call("READDIR", &args{s.nfs(procReaddir), fh, cookie, verf, readSize}, vnfs.NFS3Error)
		if err != nil {
			return nil, err
		}
		d.postOpAttr()
		verf = d.uint64()
		got := 0
		for d.bool() {
			e := Entry{FileID: d.uint64(), Name: string(d.opaque())}
			cookie = d.uint64()
			if d.err != nil {
				break
			}
			got++
			if e.Name != "." && e.Name != ".." {
				entries = append(entries, e)
			}
			if len(entries) > maxNames {
				return nil, fmt.Errorf("READDIR: more than %d names", maxNames)
			}
		}
		eof := d.bool()
		switch {
		case d.err != nil:
			return nil, wrap("READDIR", d.err)
		case eof:
			slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
			return entries, nil
		case got == 0:
			return nil, errors.New("READDIR: no names and no end of the directory")
		}
	}
}

func wrap(call string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", call, err)
}
