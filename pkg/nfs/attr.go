package nfs

import "time"

// FileType is the type of a file in NFSv3 (ftype3, RFC 1813, section 2.6).
type FileType uint32

// The types that matter here.
const (
	TypeRegular   FileType = 1
	TypeDirectory FileType = 2
	TypeSymlink   FileType = 5
)

// Attr is a file's attributes on the wire (fattr3, RFC 1813, section 2.6).
type Attr struct {
	Type   FileType
	Mode   uint32 // permission bits
	Nlink  uint32
	UID    uint32
	GID    uint32
	Size   uint64 // bytes
	Used   uint64 // bytes on disk
	FSID   uint64
	FileID uint64    // inode number
	Atime  time.Time // on the server's clock, as are the others
	Mtime  time.Time
	Ctime  time.Time
}

// Entry is one name in a directory.
type Entry struct {
	Name   string
	FileID uint64
}
