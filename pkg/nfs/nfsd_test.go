package nfs

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const nfsdStats = `rc 0 7 120
fh 2 0 0 0 0
io 4096 8192
th 8 0 0.000 0.000
ra 32 0 0 0
net 130 1 129 3
rpc 128 2 1 1 0
proc3 22 2 5 0 3 1 0 4 6 1 0 0 0 0 0 0 0 0 0 0 2 1 0
proc4 2 3 99
proc4ops 77 0 0 0 1 2 3 0 0 0 40 0 0 0 0 0 0 0 0 5 0 0 0 0 0 0 6 0 0 0 0 0 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 8
wdeleg_getattr 0
`

func TestParseNFSD(t *testing.T) {
	t.Parallel()
	got, err := ParseNFSD(strings.NewReader(nfsdStats))
	if err != nil {
		t.Fatal(err)
	}
	want := NFSD{
		Calls: 128, BadCalls: 2, BytesRead: 4096, BytesWritten: 8192, TCPConnections: 3,
		Proc3: map[string]uint64{"NULL": 2, "GETATTR": 5, "LOOKUP": 3, "ACCESS": 1, "READ": 4, "WRITE": 6, "CREATE": 1, "FSINFO": 2, "PATHCONF": 1},
		Ops4:  map[string]uint64{"ACCESS": 1, "CLOSE": 2, "COMMIT": 3, "GETATTR": 40, "OPEN": 5, "READ": 6, "WRITE": 7, "SEQUENCE": 9, "op76": 8},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := ParseNFSD(strings.NewReader("rpc 1")); err == nil {
		t.Error("no error for a line cut short")
	}
}

const nfsdClient = `clientid: 0x6a1f2c3d4e5f6071
address: "192.168.127.11:893"
status: confirmed
seconds from last renew: 3
name: "Linux NFSv4.2 worker1"
minor version: 2
Implementation domain: "kernel.org"
Implementation name: "Linux 6.12.57+deb13-cloud-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.12.57-1 (2025-11-05) x86_64"
Implementation time: [0, 0]
callback state: UP
callback address: "192.168.127.11:0"
`

func TestParseNFSDClient(t *testing.T) {
	t.Parallel()
	got, err := ParseNFSDClient(nfsdClient)
	if err != nil {
		t.Fatal(err)
	}
	want := NFSDClient{ID: "0x6a1f2c3d4e5f6071", Address: "192.168.127.11:893", Status: "confirmed", Name: "Linux NFSv4.2 worker1", Minor: 2, Callback: "UP"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "name: \"x\"\n", "clientid: 1\nminor version: two\n"} {
		if _, err := ParseNFSDClient(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestParseServer(t *testing.T) {
	t.Parallel()
	got, err := parseServer("nfsv4leasetime 15\nnfsv4gracetime 10\nthreads 8\nversions +3 +4 +4.1 +4.2\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ServerFacts{Lease: 15 * time.Second, Grace: 10 * time.Second, Threads: 8, Versions: "+3 +4 +4.1 +4.2"}, got); diff != "" {
		t.Error(diff)
	}
	if got, err := parseServer("nfsv4leasetime \nthreads \nversions \n"); err != nil || got != (ServerFacts{}) {
		t.Errorf("without the service: %+v, %v", got, err)
	}
	if _, err := parseServer("threads many\n"); err == nil {
		t.Error("no error")
	}
}

func FuzzParseNFSD(f *testing.F) {
	f.Add(nfsdStats)
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := ParseNFSD(strings.NewReader(s)); err == nil && (got.Proc3 == nil || got.Ops4 == nil) {
			t.Error("nil map")
		}
	})
}

func FuzzParseNFSDClient(f *testing.F) {
	f.Add(nfsdClient)
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := ParseNFSDClient(s); err == nil && c.ID == "" {
			t.Error("no id")
		}
	})
}
