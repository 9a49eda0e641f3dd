package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
)

// File is one thing to put on a machine, owned by root. Exactly one of
// Content, Source and Link gives what it holds, unless Mode has fs.ModeDir.
type File struct {
	Path    string      // absolute, clean
	Mode    fs.FileMode // permission bits, and fs.ModeDir for a directory
	Content []byte      // for small files
	Source  string      // file on this host, for big ones
	Link    string      // target of a symbolic link
}

func text(path string, mode fs.FileMode, content string) File {
	return File{Path: path, Mode: mode, Content: []byte(content)}
}

func secret(path string, content []byte) File {
	return File{Path: path, Mode: 0o600, Content: content}
}

func executable(path, source string) File {
	return File{Path: path, Mode: 0o755, Source: source}
}

func directory(path string, mode fs.FileMode) File {
	return File{Path: path, Mode: mode | fs.ModeDir}
}

func link(path, target string) File {
	return File{Path: path, Mode: 0o777, Link: target}
}

// mask makes systemd refuse to start a unit of the image.
func mask(unit string) File {
	return link("/etc/systemd/system/"+unit, "/dev/null")
}

// enable is what `systemctl enable` leaves for a unit that multi-user.target wants.
func enable(unit string) File {
	return link("/etc/systemd/system/multi-user.target.wants/"+unit, "/etc/systemd/system/"+unit)
}

// enableEarly is enable for a unit that comes before all the usual ones.
func enableEarly(unit string) File {
	return link("/etc/systemd/system/sysinit.target.wants/"+unit, "/etc/systemd/system/"+unit)
}

// enablePackaged is enable for a unit that a Debian package brought and any
// target wants.
func enablePackaged(unit, target string) File {
	return link("/etc/systemd/system/"+target+".wants/"+unit, "/usr/lib/systemd/system/"+unit)
}

func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
