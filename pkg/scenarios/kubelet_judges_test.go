package scenarios

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/history"
	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// podTrial is a hand-made trial of a pod: its records, their arrivals, and what
// was seen of its end. Times are in ms.
type podTrial struct{ e *Evidence }

func newPodTrial() *podTrial {
	return &podTrial{e: &Evidence{
		Trial:  rundir.TrialMeta{Facts: map[string]any{}, Granted: map[string]string{}},
		Before: rundir.Ledger{}, After: rundir.Ledger{},
	}}
}

// fault adds a fault that was proven at once.
func (t *podTrial) fault(name string, from, to int64) *podTrial {
	t.e.Faults = append(t.e.Faults, rundir.FaultRecord{Name: name, InjectedAt: at(from), ProvenAt: at(from), HealedAt: at(to), Proven: true})
	return t
}

func (t *podTrial) fact(name string, value any) *podTrial {
	t.e.Trial.Facts[name] = value
	return t
}

func (t *podTrial) saw(when int64, event, subject string) *podTrial {
	t.e.Observations = append(t.e.Observations, rundir.Observation{T: at(when), Event: event, Subject: subject})
	return t
}

// append adds a record that was acknowledged; lost says that it is not on the
// disk.
func (t *podTrial) append(client, file string, seq, when int64, lost bool) *podTrial {
	value := fmt.Sprintf("%s#%d", client, seq)
	t.e.Ops = append(t.e.Ops, history.Op{
		Client: client, Lane: "appender", Func: history.Append, File: file, Mode: history.ModeFsync,
		Value: value, Seq: seq, Size: 64, Invoke: at(when), Return: at(when + 20), Result: history.OK,
	})
	t.e.Observations = append(t.e.Observations, rundir.Observation{T: at(when + 10), Event: recordArrived, Subject: client, Value: fmt.Sprint(seq)})
	if !lost {
		t.e.Ops = append(t.e.Ops, history.Op{
			Client: history.ClientDisk, Func: history.Truth, File: file, Kind: history.KindToken, Value: value,
			Seq: int64(len(t.e.Ops)), Size: 64, Invoke: at(1_000_000), Return: at(1_000_001), Result: history.OK,
		})
	}
	return t
}

// appends adds a record every 100 ms.
func (t *podTrial) appends(client, file string, from, to int64) *podTrial {
	for when := from; when < to; when += 100 {
		t.append(client, file, when/100, when, false)
	}
	return t
}

// kept says that container and mounts are those that there were.
func (t *podTrial) kept(mode string) *podTrial {
	return t.fact("container_kept"+mode, true).fact("mount_kept_host"+mode, true).fact("mount_kept_container"+mode, true)
}

// ended adds the ends of a pod: in the API, of its process, of its mount and of
// its directory.
func (t *podTrial) ended(subject string, api, dead, unmounted, dir int64) *podTrial {
	for _, end := range []struct {
		event string
		when  int64
	}{{eventAPIGone, api}, {eventWriterDead, dead}, {eventHostUnmounted, unmounted}, {eventPodDirGone, dir}} {
		if end.when > 0 {
			t.saw(end.when, end.event, subject)
		}
	}
	return t
}

func verdictOf(j Judgement) string {
	var out []string
	for _, m := range j.Modes {
		out = append(out, m.Name+": "+words(m.Outcomes))
	}
	if len(j.Outcomes) > 0 {
		out = append(out, words(j.Outcomes))
	}
	return strings.Join(out, "; ")
}

// TestJudgesOfKubelet checks what the judges of family kubelet say of trials in
// which everything is known.
func TestJudgesOfKubelet(t *testing.T) {
	t.Parallel()
	const log = logFile
	down := func() *podTrial {
		return newPodTrial().fault(faultKubeletStop, 2000, 6000).fact(factDeleteInvoke, at(3500)).fact(factDeleteReturn, at(3600))
	}
	away := func() *podTrial {
		tr := newPodTrial().fault(faultNFSStop, 2000, 60_000).saw(1900, injectBegins, faultNFSStop).saw(59_000, healBegins, faultNFSStop)
		return tr.fact(factDeleteInvoke, at(3000)).fact(factDeleteReturn, at(3100)).appends("pod", log, 100, 2000)
	}
	dark := func() *podTrial {
		tr := newPodTrial().fault(faultServerDark, 2000, 60_000).fault(faultKubeletStop, 3000, 5000).saw(1900, injectBegins, faultServerDark).saw(59_000, healBegins, faultServerDark)
		tr.appends("pod", log, 100, 1900).kept("")
		// The one that hangs.
		tr.e.Ops = append(tr.e.Ops, history.Op{
			Client: podAppends, Func: history.Append, File: log, Mode: history.ModeFsync, Value: "pod#19", Seq: 19, Size: 64,
			Invoke: at(2100), Return: at(60_500), Result: history.OK,
		})
		return tr.append("pod", log, 20, 60_600, false).truth("pod#19")
	}
	beside := func() *podTrial {
		return down().appends("pod", log, 100, 10_000).appends(replacementName, log, 5000, 20_000).ended("x", 3700, 10_100, 10_300, 10_400)
	}
	live := func(told int64) *podTrial {
		tr := newPodTrial().fact(factDeleteInvoke+modeForce, at(2000)).fact(factDeleteInvoke+modeGracefulForce, at(4000)).
			appends(modeForce, modeForce, 100, 62_000).ended(modeForce, 2100, 62_100, 62_300, 62_400).
			appends(modeGracefulForce, modeGracefulForce, 100, 4000).ended(modeGracefulForce, 4100, 4000, 4200, 4300)
		if told > 0 {
			tr.saw(told, eventTold, modeGracefulForce)
		}
		return tr
	}
	for _, tc := range []struct {
		name  string
		judge func(*Evidence) Judgement
		e     *podTrial
		want  string
	}{
		{"deleted while down", judgeDeleteWhileDown, down().appends("pod", log, 100, 8000).ended("x", 9000, 8100, 8300, 8400), "DURABLE EXCLUSIVE CLEAN"},
		{"deleted while down, and writes on", judgeDeleteWhileDown, down().appends("pod", log, 100, 12_000).ended("x", 9000, 12_100, 8300, 12_400), "DURABLE ZOMBIE_WRITER UNMOUNTED_UNDER_POD CLEAN"},
		{"deleted while down, stays in the API", judgeDeleteWhileDown, down().appends("pod", log, 100, 8000).ended("x", 0, 8100, 8300, 0), "DURABLE TERMINATING_STUCK CLEAN"},
		{"deleted when the kubelet was back", judgeDeleteWhileDown, down().fact(factDeleteReturn, at(7000)).appends("pod", log, 100, 8000).ended("x", 9000, 8100, 8300, 8400), "NO_FAULT"},
		{"deleted while down, fault not proven", judgeDeleteWhileDown, func() *podTrial {
			tr := down().appends("pod", log, 100, 8000).ended("x", 9000, 8100, 8300, 8400)
			tr.e.Faults[0].Proven = false
			return tr
		}(), "NO_FAULT"},

		{
			"force with the kubelet alive", judgeForceDeleteLive, live(3500),
			"force: DURABLE ZOMBIE_WRITER; graceful-then-force: DURABLE EXCLUSIVE; CLEAN",
		},
		{
			"force before the process was told", judgeForceDeleteLive, live(4500),
			"force: DURABLE ZOMBIE_WRITER; graceful-then-force: NO_FAULT; CLEAN",
		},
		{
			"force, and the process was never told", judgeForceDeleteLive, live(0),
			"force: DURABLE ZOMBIE_WRITER; graceful-then-force: NO_FAULT; CLEAN",
		},
		{
			"force with the kubelet alive, one pod never left", judgeForceDeleteLive,
			newPodTrial().fact(factDeleteInvoke+modeForce, at(2000)).
				appends(modeForce, modeForce, 100, 4000).ended(modeForce, 2100, 4100, 4300, 4400),
			"force: DURABLE ZOMBIE_WRITER; graceful-then-force: NO_FAULT; CLEAN",
		},

		{"two writers", judgeTwoWriters, beside(), "DURABLE TWO_WRITERS ZOMBIE_WRITER CLEAN"},
		{"two writers, one over the other", judgeTwoWriters, beside().append("pod", log, 1000, 9950, true), "LOST_UPDATE TWO_WRITERS ZOMBIE_WRITER CLEAN"},
		{
			"one writer after the other", judgeTwoWriters,
			down().appends("pod", log, 100, 4500).appends(replacementName, log, 5000, 20_000).ended("x", 3700, 4600, 10_300, 10_400),
			"DURABLE EXCLUSIVE ZOMBIE_WRITER CLEAN",
		},
		{
			"no replacement", judgeTwoWriters, down().appends("pod", log, 100, 10_000).ended("x", 3700, 10_100, 10_300, 10_400),
			"INCONCLUSIVE INCONCLUSIVE ZOMBIE_WRITER CLEAN",
		},

		{
			"a taint that fences nothing", judgeFencingTaint,
			beside().fault(faultTaint, 3000, 15_000), "DURABLE TWO_WRITERS ZOMBIE_WRITER CLEAN",
		},
		{"a taint that came too late", judgeFencingTaint, beside().fault(faultTaint, 3900, 15_000), "NO_FAULT"},
		{"no taint", judgeFencingTaint, beside(), "NO_FAULT"},

		{"deleted without the server, ends without it", judgeServerDownDelete, away().ended("x", 9000, 8100, 8300, 8400), "DURABLE EXCLUSIVE CLEAN"},
		{"deleted without the server, ends with it", judgeServerDownDelete, away().ended("x", 61_000, 8100, 60_300, 60_400), "DURABLE EXCLUSIVE RECLAIMED_LATE CLEAN"},
		{"deleted without the server, never ends", judgeServerDownDelete, away().ended("x", 0, 8100, 0, 0), "DURABLE TERMINATING_STUCK CLEAN"},
		{"deleted before the server was away", judgeServerDownDelete, away().fact(factDeleteInvoke, at(1000)).ended("x", 9000, 8100, 8300, 8400), "NO_FAULT"},
		{"both down", bothDownDelete().Judge, away().fault(faultKubeletStop, 1000, 5000).ended("x", 9000, 8100, 8300, 8400), "DURABLE EXCLUSIVE CLEAN"},
		{"both down, and the kubelet was not", bothDownDelete().Judge, away().fault(faultKubeletStop, 1000, 2500).ended("x", 9000, 8100, 8300, 8400), "NO_FAULT"},

		{
			"kubelet up beside a dead server", judgeDeadServerRestart,
			dark().saw(12_000, eventKubeletHealthy, "").saw(14_000, eventNodeReady, "").saw(20_000, eventBystander, ""),
			"start: UNINTERRUPTED; writer: DURABLE RECOVERED STAYED; CLEAN",
		},
		{
			"kubelet up when the server is back", judgeDeadServerRestart,
			dark().saw(60_100, eventKubeletHealthy, "").saw(61_000, eventNodeReady, "").saw(70_000, eventBystander, ""),
			"start: RECOVERED; writer: DURABLE RECOVERED STAYED; CLEAN",
		},
		{
			"kubelet up and of no use", judgeDeadServerRestart,
			dark().saw(12_000, eventKubeletHealthy, "").saw(14_000, eventNodeReady, ""),
			"start: KUBELET_WEDGED; writer: DURABLE RECOVERED STAYED; CLEAN",
		},
		{"kubelet was healthy before it was stopped", judgeDeadServerRestart, dark().saw(1000, eventKubeletHealthy, ""), "start: KUBELET_WEDGED; writer: DURABLE RECOVERED STAYED; CLEAN"},
		{"a server that was not dark", judgeDeadServerRestart, dark().append("pod", log, 21, 30_000, false), "NO_FAULT"},

		{
			"reset and revived", judgeNodeReset,
			newPodTrial().fault(faultReset, 2000, 40_000).kept("").appends("pod", log, 100, 2000).appends(secondLife, log, 80_000, 82_000),
			"DURABLE RECOVERED STAYED CLEAN",
		},
		{"reset and not revived", judgeNodeReset, newPodTrial().fault(faultReset, 2000, 40_000).appends("pod", log, 100, 2000), "DURABLE HUNG INCONCLUSIVE CLEAN"},

		{"claim deleted, all kept", judgePVCDeletedRestart, claimDeleted().kept(modeRestarted).appends(secondLife, log, 9000, 11_000), "running: DURABLE UNINTERRUPTED STAYED; restarted: STAYED; CLEAN"},
		{"claim deleted, new container without the volume", judgePVCDeletedRestart, func() *podTrial {
			tr := claimDeleted().fact("mount_kept_container"+modeRestarted, false)
			for seq := int64(1); seq <= 20; seq++ {
				tr.append(secondLife, log, seq, 9000+seq*100, true)
			}
			return tr
		}(), "running: ACKED_LOST UNINTERRUPTED STAYED; restarted: SHADOW_WRITE; CLEAN"},
		{"claim deleted, no new container", judgePVCDeletedRestart, claimDeleted().saw(9000, eventNotBack, "x"), "running: DURABLE UNINTERRUPTED STAYED; restarted: NOT_REBUILT; CLEAN"},
		{"claim was not Terminating", judgePVCDeletedRestart, claimDeleted().fact(factClaimTerminating, false), "NO_FAULT"},

		{
			"long outage", judgeLongOutage, outageOfPods().
				saw(70_000, eventSuccessor, modeDeployment).appends(modeDeployment+successorSuffix, modeDeployment, 71_000, 90_000).
				saw(95_000, eventSuccessor, modeStatefulSet).appends(modeStatefulSet+successorSuffix, modeStatefulSet, 96_000, 98_000).
				ended(modeDeployment, 82_500, 82_000, 82_200, 82_300).ended(modeStatefulSet, 82_500, 82_000, 82_200, 82_300),
			"deployment: DURABLE TWO_WRITERS MOVED EXCLUSIVE; statefulset: DURABLE EXCLUSIVE MOVED_LATE EXCLUSIVE; CLEAN",
		},
		{
			"long outage, no successors, and one stays Terminating", judgeLongOutage,
			outageOfPods().ended(modeDeployment, 82_500, 82_000, 82_200, 82_300),
			"deployment: INCONCLUSIVE INCONCLUSIVE NOT_REBUILT EXCLUSIVE; statefulset: INCONCLUSIVE INCONCLUSIVE NOT_REBUILT TERMINATING_STUCK; CLEAN",
		},
		{
			"an outage that was not long", judgeLongOutage, newPodTrial().fault(faultKubeletStop, 1000, 80_000).appends(modeDeployment, modeDeployment, 100, 3000),
			"deployment: NO_FAULT; statefulset: NO_FAULT; CLEAN",
		},
		{"killed midway, and all is well", judgeKubeletKill, midway(1, true), "kill: NO_FAULT; freeze: NO_FAULT; mid-mount: DURABLE STAYED; mid-unmount: DURABLE EXCLUSIVE; CLEAN"},
		{"killed midway, mounted twice, and unmounted too early", judgeKubeletKill, midway(2, false), "kill: NO_FAULT; freeze: NO_FAULT; mid-mount: DURABLE LEAKED; mid-unmount: NO_FAULT; CLEAN"},

		{
			"killed, then frozen", judgeKubeletKill,
			newPodTrial().fault("kubelet-kill", 2000, 6000).fault("kubelet-freeze", 12_000, 16_000).
				appends("pod", modeKill, 100, 9000).appends("pod", modeFreeze, 10_000, 19_000).look(modeKill, 5000, 49).look(modeFreeze, 15_000, 149).
				saw(7000, eventNodeReady, "").saw(17_000, eventNodeReady, "").kept(modeKill).kept(modeFreeze),
			"kill: DURABLE CLOSE_TO_OPEN UNINTERRUPTED STAYED; freeze: DURABLE CLOSE_TO_OPEN UNINTERRUPTED STAYED; CLEAN",
		},
		{
			"killed, and not frozen", judgeKubeletKill,
			newPodTrial().fault("kubelet-kill", 2000, 6000).appends("pod", modeKill, 100, 9000).look(modeKill, 5000, 10).kept(modeKill),
			"kill: DURABLE UNBOUNDED_STALE UNINTERRUPTED STAYED; freeze: NO_FAULT; CLEAN",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, verdictOf(tc.judge(tc.e.e))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// claimDeleted is a trial of pvc-deleted-restart up to the container's restart.
func claimDeleted() *podTrial {
	return newPodTrial().fault(faultKubeletStop, 2000, 6000).fact(factClaimTerminating, true).kept("").
		appends("pod", logFile, 100, 8500).saw(8000, eventBystander, "")
}

// outageOfPods is a trial of long-outage up to the kubelet's return.
func outageOfPods() *podTrial {
	return newPodTrial().fault(faultKubeletStop, 2000, 80_000).saw(60_000, eventEvicted, modeDeployment).saw(60_100, eventEvicted, modeStatefulSet).
		appends(modeDeployment, modeDeployment, 100, 82_000).appends(modeStatefulSet, modeStatefulSet, 100, 82_000)
}

// midway is the second half of a full trial of kubelet-kill.
func midway(mounts int64, mounted bool) *podTrial {
	return newPodTrial().saw(3000, eventMountWaits, modeMidMount).fault(modeMidMount, 4000, 5000).fact(factMounts+modeMidMount, mounts).
		appends(modeMidMount, modeMidMount, 10_000, 12_000).
		appends("pod", modeMidUnmount, 20_000, 22_000).fault(modeMidUnmount, 22_300, 25_000).fact(factMountedAtKill, mounted).
		ended("x", 40_000, 22_100, 39_000, 39_100)
}

func (t *podTrial) truth(value string) *podTrial {
	t.e.Ops = append(t.e.Ops, history.Op{
		Client: history.ClientDisk, Func: history.Truth, File: logFile, Kind: history.KindToken, Value: value,
		Seq: int64(len(t.e.Ops)), Size: 64, Invoke: at(1_000_000), Return: at(1_000_001), Result: history.OK,
	})
	return t
}

// look adds a look of the second client that saw records up to seq.
func (t *podTrial) look(file string, when, seq int64) *podTrial {
	t.e.Ops = append(t.e.Ops, history.Op{
		Client: secondName, Lane: "look", Func: history.Read, File: file, Mode: history.ModeReopen, Seq: seq,
		Invoke: at(when), Return: at(when + 5), Result: history.OK,
	})
	return t
}

// TestZombieClockIsOfOneClient checks that the records of others stop no clock.
func TestZombieClockIsOfOneClient(t *testing.T) {
	t.Parallel()
	e := newPodTrial().appends("pod", logFile, 100, 5000).appends(replacementName, logFile, 3000, 90_000).e
	o := zombie(e, "pod", "", at(2000))
	if o.Figure == nil || o.Figure.Value != 2.91 {
		t.Errorf("%v, want ZOMBIE_WRITER(2.91 s): the last record of the pod arrives at 4.91 s", o)
	}
}

// TestArrivalsCountOnce checks that a look at the file that begins anew, and
// tells of all its records again, makes no zombie and no second writer.
func TestArrivalsCountOnce(t *testing.T) {
	t.Parallel()
	tr := newPodTrial().appends("pod", logFile, 100, 5000).appends(replacementName, logFile, 6000, 9000)
	for _, o := range slices.Clone(tr.e.Observations) {
		o.T += at(50_000) - at(0)
		tr.e.Observations = append(tr.e.Observations, o)
	}
	if o := zombie(tr.e, "pod", "", at(5500)); o.Word != outcome.Exclusive {
		t.Errorf("%v, want EXCLUSIVE: every record of the pod arrived before 5.5 s", o)
	}
	if o := judgeBeside(tr.e, "pod", replacementName); o.Word != outcome.Exclusive {
		t.Errorf("%v, want EXCLUSIVE: the replacement began after the pod's last record", o)
	}
}

// TestFiguresOfAnEnd checks the zombie clocks and the times of a pod's ends: of
// its own records and ends alone, 0 for a writer that ended in time, and nothing
// where nothing was seen.
func TestFiguresOfAnEnd(t *testing.T) {
	t.Parallel()
	end := podEnd{client: podAppends, since: at(6000), what: "the fault"}
	other := func(tr *podTrial) *podTrial {
		return tr.appends(replacementName, logFile, 3000, 90_000)
	}
	for _, tc := range []struct {
		name string
		e    *podTrial
		want string
	}{
		{
			"a zombie", other(newPodTrial().fact(factDeleteInvoke, at(3500)).appends(podAppends, logFile, 100, 8000).ended("x", 3700, 8100, 7000, 0)),
			"zombie clock from the API's delete 4.4 s, zombie clock from the end of the API's object 4.2 s, host-unmounted after the fault 1.0 s, writer-dead after the fault 2.1 s",
		},
		{
			"ended in time", newPodTrial().fact(factDeleteInvoke, at(3500)).appends(podAppends, logFile, 100, 3000).ended("x", 9000, 3100, 7000, 7200),
			"zombie clock from the API's delete 0 s, zombie clock from the end of the API's object 0 s, host-unmounted after the fault 1.0 s, poddir-gone after the fault 1.2 s, api-gone after the fault 3.0 s",
		},
		{"nothing seen", other(newPodTrial().fact(factDeleteInvoke, at(3500))), ""},
		{"not deleted by nfsim", newPodTrial().appends(podAppends, logFile, 100, 8000).ended("x", 3700, 0, 0, 0), "zombie clock from the end of the API's object 4.2 s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, m := range end.figures(tc.e.e) {
				got = append(got, m.Name+" "+m.Figure.String())
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseBlocked(t *testing.T) {
	t.Parallel()
	got := parseBlocked("kubelet\t12/34\trpc_wait_bit_killable<__rpc_wait_for_completion_task<nfs4_run_open_task<\nnfsd\nmount.nfs\t5/5\t\n")
	want := []blockedTask{
		{"kubelet", "12/34", "rpc_wait_bit_killable < __rpc_wait_for_completion_task < nfs4_run_open_task"},
		{"mount.nfs", "5/5", ""},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(blockedTask{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEndingAwait checks that an end that has come is not waited for again, and
// that one that does not come is no error.
func TestEndingAwait(t *testing.T) {
	t.Parallel()
	came, open := make(chan error, 1), make(chan error, 1)
	n := &ending{left: map[string]<-chan error{eventWriterDead: came, eventAPIGone: open}}
	came <- nil
	if complete, err := n.await(context.Background(), 1); complete || err != nil {
		t.Errorf("await: %v, %v; want an incomplete end", complete, err)
	}
	open <- nil
	if complete, err := n.await(context.Background(), endTimeout); !complete || err != nil {
		t.Errorf("await: %v, %v; want a complete end", complete, err)
	}
}
