package executor

import (
	"fmt"
	"unsafe"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/payload"
)

// contents is what a request wants written: its Data, or the register of its
// Token, Seq and Size, in memory that O_DIRECT takes.
func contents(req proto.Request) ([]byte, error) {
	data := req.Data
	if req.Token != "" {
		if req.Size > proto.MaxRegister {
			return nil, fmt.Errorf("register of %d bytes is larger than %d", req.Size, proto.MaxRegister)
		}
		var err error
		if data, err = payload.Register(req.Token, req.Seq, int(req.Size)); err != nil {
			return nil, err
		}
	}
	buf := aligned(len(data))
	copy(buf, data)
	return buf, nil
}

// aligned returns size bytes that begin at a page, as O_DIRECT on local disks
// asks for.
func aligned(size int) []byte {
	const page = 4096
	buf := make([]byte, size+page)
	skip := (page - int(uintptr(unsafe.Pointer(unsafe.SliceData(buf)))%page)) % page
	return buf[skip : skip+size : skip+size]
}

// setBytes puts what was read into the answer: decoded, or as it is.
func setBytes(resp *proto.Response, b []byte, decode string) {
	if resp.Errno != "" {
		return
	}
	if decode == "register" {
		v := payload.Decode(b)
		resp.Value = &v
		return
	}
	resp.Data = b
}
