package nfs

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const mountstats = `device /dev/root mounted on / with fstype ext4
device proc mounted on /proc with fstype proc
device 192.168.127.10:/srv/nfsim/r/t mounted on /mnt/nfsim/with\040space with fstype nfs4 statvers=1.1
	opts:	rw,vers=4.2,rsize=262144,wsize=262144,namlen=255,acregmin=3,acregmax=60,acdirmin=30,acdirmax=60,hard,proto=tcp,timeo=600
	age:	37
	impl_id:	name='',domain='',date='0,0'
	caps:	caps=0xfffbc03f,wtmult=512,dtsize=262144,bsize=0,namlen=255
	nfsv4:	bm0=0xfdffbfff,bm1=0xf9be3e,bm2=0x60803,acl=0x3,sessions,pnfs=not configured,lease_time=15,lease_expired=0
	sec:	flavor=1,pseudoflavor=1
	events:	5 20 0 1 3 4 9 0 0 1 0 2 3 1 4 2 0 3 0 0 2 0 0 0 0 0 0
	bytes:	10 4096 0 512 11 4608 1 2
	RPC iostats version: 1.1  p/v: 100003/4 (nfs)
	xprt:	tcp 893 1 2 0 12 63 62 1 70 0 2 5 6
	xprt:	tcp 0 1 1 0 12 6 6 0 7 0 2 5 6
	per-op statistics
	        NULL: 1 1 0 44 24 8 0 8 0
	        READ: 2 2 0 408 240 0 4 5 0
	       WRITE: 3 5 1 20000 900 1 17 6042 1
	LAYOUTERROR: 0 0 0 0 0 0 0 0 0

device 192.168.127.10:/b mounted on /mnt/b with fstype nfs statvers=1.0
	age:	1
	xprt:	udp 700 1 9 8 0 10 0
	per-op statistics
	        READ: 1 1 0 2 3 4 5 6
`

func TestParseMountStats(t *testing.T) {
	t.Parallel()
	got, err := ParseMountStats(strings.NewReader(mountstats))
	if err != nil {
		t.Fatal(err)
	}
	want := []MountStats{
		{
			Source: "192.168.127.10:/srv/nfsim/r/t", Mountpoint: "/mnt/nfsim/with space", FSType: "nfs4", Version: "1.1",
			Options: "rw,vers=4.2,rsize=262144,wsize=262144,namlen=255,acregmin=3,acregmax=60,acdirmin=30,acdirmax=60,hard,proto=tcp,timeo=600",
			Age:     37 * time.Second,
			Bytes:   ByteStats{NormalRead: 10, NormalWrite: 4096, DirectWrite: 512, ServerRead: 11, ServerWrite: 4608},
			Events:  []uint64{5, 20, 0, 1, 3, 4, 9, 0, 0, 1, 0, 2, 3, 1, 4, 2, 0, 3, 0, 0, 2, 0, 0, 0, 0, 0, 0},
			Ops: map[string]OpStat{
				"NULL":        {Ops: 1, Transmissions: 1, BytesSent: 44, BytesReceived: 24, Queue: 8 * time.Millisecond, Execute: 8 * time.Millisecond},
				"READ":        {Ops: 2, Transmissions: 2, BytesSent: 408, BytesReceived: 240, RTT: 4 * time.Millisecond, Execute: 5 * time.Millisecond},
				"WRITE":       {Ops: 3, Transmissions: 5, Timeouts: 1, BytesSent: 20000, BytesReceived: 900, Queue: time.Millisecond, RTT: 17 * time.Millisecond, Execute: 6042 * time.Millisecond, Errors: 1},
				"LAYOUTERROR": {},
			},
			Transports: []Transport{
				{Proto: "tcp", SourceTCP: 893, Binds: 1, Connects: 2, Idle: 12 * time.Second, Sends: 63, Receives: 62, BadXIDs: 1},
				{Proto: "tcp", Binds: 1, Connects: 1, Idle: 12 * time.Second, Sends: 6, Receives: 6},
			},
		},
		{
			Source: "192.168.127.10:/b", Mountpoint: "/mnt/b", FSType: "nfs", Version: "1.0", Age: time.Second,
			Ops: map[string]OpStat{
				"READ": {Ops: 1, Transmissions: 1, BytesSent: 2, BytesReceived: 3, Queue: 4 * time.Millisecond, RTT: 5 * time.Millisecond, Execute: 6 * time.Millisecond},
			},
			Transports: []Transport{{Proto: "udp", Binds: 1, Sends: 9, Receives: 8}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := got[0].Connects(); n != 3 {
		t.Errorf("%d connects", n)
	}
	if n := got[0].Total(func(o OpStat) uint64 { return o.Ops }); n != 6 {
		t.Errorf("%d calls", n)
	}
	for _, bad := range []string{"age:\tx", "bytes:\t1 2", "xprt:\ttcp 1 2", "per-op statistics\n\tREAD: 1 2 3"} {
		if _, err := ParseMountStats(strings.NewReader("device s:/ mounted on /m with fstype nfs4 statvers=1.1\n" + bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func FuzzParseMountStats(f *testing.F) {
	f.Add(mountstats)
	f.Fuzz(func(t *testing.T, s string) {
		all, err := ParseMountStats(strings.NewReader(s))
		if err != nil {
			return
		}
		for _, m := range all {
			if !strings.HasPrefix(m.FSType, "nfs") || m.Age < 0 {
				t.Errorf("%+v", m)
			}
			for name, op := range m.Ops {
				if op.Queue < 0 || op.RTT < 0 || op.Execute < 0 {
					t.Errorf("%s: %+v", name, op)
				}
			}
		}
	})
}
