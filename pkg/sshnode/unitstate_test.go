package sshnode

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What systemctl show of systemd 257 (Debian 13) prints for kubelet.service.
const showRunning = `NRestarts=2
ExecMainStartTimestampMonotonic=5342811
ExecMainExitTimestampMonotonic=0
MainPID=734
Result=success
LoadState=loaded
ActiveState=active
SubState=running
ActiveEnterTimestampMonotonic=5342850
ActiveExitTimestampMonotonic=0
InactiveEnterTimestampMonotonic=0
`

func TestParseUnitState(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   string
		want UnitState
		bad  bool
	}{
		{name: "running", in: showRunning, want: UnitState{
			Load: "loaded", Active: "active", Sub: "running", Result: "success", MainPID: 734, NRestarts: 2,
			ActiveEnterMonotonic: 5342850 * time.Microsecond, MainStartMonotonic: 5342811 * time.Microsecond,
		}},
		{name: "target", in: "LoadState=loaded\nActiveState=active\nSubState=active\n", want: UnitState{Load: "loaded", Active: "active", Sub: "active"}},
		{name: "unknown lines", in: "noise\nFoo=bar=baz\nLoadState=masked\nActiveState=inactive\n", want: UnitState{Load: "masked", Active: "inactive"}},
		{name: "empty", bad: true},
		{name: "cut short", in: "LoadState=loaded\nActi", bad: true},
		{name: "negative process", in: "LoadState=l\nActiveState=a\nMainPID=-1\n", bad: true},
		{name: "no number", in: "LoadState=l\nActiveState=a\nActiveEnterTimestampMonotonic=soon\n", bad: true},
		{name: "time overflows", in: "LoadState=l\nActiveState=a\nActiveEnterTimestampMonotonic=18446744073709551615\n", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseUnitState([]byte(tt.in))
			if (err != nil) != tt.bad {
				t.Fatalf("error %v, want one: %v", err, tt.bad)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseUnitState(f *testing.F) {
	f.Add([]byte(showRunning))
	f.Add([]byte("LoadState=\nActiveState"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseUnitState(b)
		if err != nil {
			if s != (UnitState{}) {
				t.Errorf("state %s beside error %v", s, err)
			}
			return
		}
		if s.Load == "" || s.Active == "" || s.MainPID < 0 || s.NRestarts < 0 || s.ActiveEnterMonotonic < 0 {
			t.Errorf("impossible state %s", s)
		}
	})
}
