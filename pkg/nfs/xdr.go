package nfs

import (
	"encoding/binary"
	"errors"
	"time"
)

var errShortReply = errors.New("the reply ends too early")

// decoder reads XDR (RFC 4506) from a reply. After the first error it returns
// zero values; err says what it was. It never allocates more than the reply
// has: a length on the wire may be a lie.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) take(n uint64) []byte {
	if d.err != nil || n > uint64(len(d.rest)) {
		if d.err == nil {
			d.err = errShortReply
		}
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uint32() uint32 {
	b := d.take(4)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

func (d *decoder) uint64() uint64 {
	b := d.take(8)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func (d *decoder) bool() bool { return d.uint32() != 0 }

// opaque returns a slice of the reply, without the padding.
func (d *decoder) opaque() []byte {
	n := uint64(d.uint32())
	b := d.take(n)
	d.take((4 - n%4) % 4)
	if d.err != nil {
		return nil
	}
	return b
}

func (d *decoder) time() time.Time {
	sec, nsec := d.uint32(), d.uint32()
	return time.Unix(int64(sec), int64(nsec))
}

func (d *decoder) attr() Attr {
	a := Attr{Type: FileType(d.uint32()), Mode: d.uint32(), Nlink: d.uint32(), UID: d.uint32(), GID: d.uint32(), Size: d.uint64(), Used: d.uint64()}
	d.uint64() // device numbers
	a.FSID, a.FileID = d.uint64(), d.uint64()
	a.Atime, a.Mtime, a.Ctime = d.time(), d.time(), d.time()
	return a
}

// postOpAttr reads post_op_attr: attributes that a server may leave out.
func (d *decoder) postOpAttr() (Attr, bool) {
	if !d.bool() || d.err != nil {
		return Attr{}, false
	}
	return d.attr(), true
}
