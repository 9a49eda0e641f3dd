package executor

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strconv"

	"github.com/nfsim/nfsim/pkg/agent/mono"
	"github.com/nfsim/nfsim/pkg/agent/proto"
	"golang.org/x/sys/unix"
)

// info says who the agent is and where.
func info(*thread, proto.Request) (proto.Response, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return proto.Response{Errno: errnoName(err), Call: "uname"}, nil
	}
	var boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		return proto.Response{Errno: errnoName(err), Call: "clock_gettime"}, nil
	}
	return proto.Response{Info: &proto.Info{
		Version:  proto.Version,
		Build:    Build(),
		Arch:     runtime.GOARCH,
		PID:      os.Getpid(),
		UID:      os.Getuid(),
		Hostname: unix.ByteSliceToString(uts.Nodename[:]),
		BootID:   procText("/proc/sys/kernel/random/boot_id"),
		Kernel:   unix.ByteSliceToString(uts.Release[:]),
		MonoNS:   mono.Now(),
		RealNS:   mono.Real(),
		BootNS:   boot.Nano(),
	}}, nil
}

// mountinfo reads a mount table from /proc, which asks no file server.
func mountinfo(t *thread, req proto.Request) (proto.Response, error) {
	path := "/proc/self/mountinfo"
	if req.PID != 0 {
		path = "/proc/" + strconv.Itoa(req.PID) + "/mountinfo"
	}
	fd, s := t.openAt(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	steps := []proto.Step{s}
	if fd < 0 {
		return composed(steps), nil
	}
	src := &fileReader{thread: t, fd: fd}
	text, _ := io.ReadAll(io.LimitReader(src, proto.MaxData+1)) // src keeps its error
	steps = append(steps, src.step(), t.closeFD(fd))
	resp := composed(steps)
	resp.Cut = len(text) > proto.MaxData
	resp.Text = string(text[:min(len(text), proto.MaxData)])
	return resp, nil
}

func (a *Agent) exit(_ *thread, req proto.Request) (proto.Response, error) {
	if a.opts.Exit == nil {
		return proto.Response{}, errors.New("this agent does not exit on request")
	}
	a.opts.Exit(req.Code)
	return proto.Response{}, nil
}
