package scenarios

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfsim/nfsim/pkg/lab"
	"github.com/nfsim/nfsim/pkg/nfs"
	"github.com/nfsim/nfsim/pkg/rundir"
)

// shaped says that the trial has a pod of the shape.
func (t *podTrial) shaped(shape string) *podTrial { return t.fact(factShape+shape, "worker1") }

// wrote adds a record every 100 ms up to 9 s, all of which the disk has, and a
// look of the second client then.
func (t *podTrial) wrote(client, file string, from int64) *podTrial {
	const to = 9000
	t.appends(client, file, from, to)
	return t.look(file, to+100, (to-100)/100)
}

// TestJudgesOfShapes checks that each shape is judged by what was seen of its
// own pod, and a cell's first pod by nothing of theirs.
func TestJudgesOfShapes(t *testing.T) {
	t.Parallel()
	const first, sub = "DURABLE CLOSE_TO_OPEN UNINTERRUPTED STAYED CLEAN", shapeSubPathDir + "/" + logFile
	restart := func() *podTrial {
		return newPodTrial().fault(faultKubeletStop, 2000, 6000).saw(8900, eventNodeReady, "").
			wrote(podAppends, logFile, 100).kept("").shaped(shapeSubPathDir).shaped(shapeSameNode)
	}
	down := func(shapes ...string) *podTrial {
		tr := newPodTrial().fault(faultKubeletStop, 2000, 6000).fact(factDeleteInvoke, at(3500)).fact(factDeleteReturn, at(3600)).
			appends(podAppends, logFile, 100, 8000).ended("x", 9000, 8100, 8300, 8400)
		for _, shape := range shapes {
			tr.shaped(shape).fact(factDeleteInvoke+shape, at(3500)).fact(factDeleteReturn+shape, at(3600))
		}
		return tr
	}
	away := func(shape, file string) *podTrial {
		return newPodTrial().fault(faultNFSStop, 2000, 60_000).saw(1900, injectBegins, faultNFSStop).saw(59_000, healBegins, faultNFSStop).
			fact(factDeleteInvoke, at(3000)).appends(podAppends, logFile, 100, 2000).ended("x", 61_000, 8100, 60_300, 60_400).
			shaped(shape).appends(shape, file, 100, 2000)
	}
	const late = "DURABLE EXCLUSIVE RECLAIMED_LATE CLEAN"
	reset := func(shape, file string) *podTrial {
		return newPodTrial().fault(faultReset, 2000, 40_000).saw(70_000, eventNodeReady, "").kept("").
			appends(podAppends, logFile, 100, 2000).appends(secondLife, logFile, 80_000, 82_000).shaped(shape).kept(shape).appends(shape, file, 100, 2000)
	}
	for _, tc := range []struct {
		name  string
		judge func(*Evidence) Judgement
		e     *podTrial
		want  string
	}{
		{
			"deleted without the server, the bind mount waits for it", judgeServerDownDelete,
			away(shapeSubPathFile, shapeSubPathFile).fact(factDeleteInvoke+shapeSubPathFile, at(3000)).
				ended(shapeSubPathFile, 9000, 8100, 8300, 8400).saw(60_200, eventSubPathUnmounted, shapeSubPathFile),
			"subpath-file: DURABLE EXCLUSIVE RECLAIMED_LATE CLEAN; " + late,
		},
		{
			"deleted without the server, and never unmounted", judgeServerDownDelete,
			away(shapeSubPathDir, sub).fact(factDeleteInvoke+shapeSubPathDir, at(3000)).ended(shapeSubPathDir, 0, 8100, 0, 0),
			"subpath-dir: DURABLE TERMINATING_STUCK MOUNT_LEFT MOUNT_LEFT PODDIR_LEFT; " + late,
		},
		{
			"deleted before the server was away", judgeServerDownDelete,
			away(shapeInline, shapeInline).fact(factDeleteInvoke+shapeInline, at(1000)).ended(shapeInline, 9000, 8100, 8300, 8400),
			"inline: NO_FAULT; " + late,
		},
		{
			"one deleted without the server, the other on its claim goes on", judgeServerDownDelete,
			away(shapeSameNode, shapeSameNode).appends(shapeSameNode, shapeSameNode, 60_500, 63_000).kept(shapeSameNode),
			"same-node: DURABLE RECOVERED STAYED; " + late,
		},
		{
			"one deleted without the server, the other on its claim never goes on", judgeServerDownDelete,
			away(shapeOtherNode, shapeOtherNode).kept(shapeOtherNode), "other-node: DURABLE HUNG STAYED; " + late,
		},
		{
			"reset, and revived", judgeNodeReset, reset(shapeSubPathDir, sub).appends(shapeSubPathDir+secondSuffix, sub, 80_000, 82_000),
			"subpath-dir: DURABLE RECOVERED STAYED; DURABLE RECOVERED STAYED CLEAN",
		},
		{
			"reset, and one is not revived", judgeNodeReset, reset(shapeInline, shapeInline),
			"inline: DURABLE HUNG STAYED; DURABLE RECOVERED STAYED CLEAN",
		},
		{
			"reset, and the pod on the other node does not notice", judgeNodeReset, reset(shapeOtherNode, shapeOtherNode).appends(shapeOtherNode, shapeOtherNode, 2000, 72_000),
			"other-node: DURABLE UNINTERRUPTED STAYED; DURABLE RECOVERED STAYED CLEAN",
		},
		{
			"reset, and the pod on the other node stops", judgeNodeReset, reset(shapeOtherNode, shapeOtherNode),
			"other-node: DURABLE HUNG STAYED; DURABLE RECOVERED STAYED CLEAN",
		},
		{
			"one deleted with the kubelet down, the other goes on until the trial is taken down", judgeDeleteWhileDown,
			down(shapeSameNode).appends(shapeSameNode, shapeSameNode, 100, 9000).kept(shapeSameNode).saw(20_000, eventPodDirGone, shapeSameNode).saw(21_000, eventPodDirGone, "x"),
			"same-node: DURABLE UNINTERRUPTED STAYED; DURABLE EXCLUSIVE CLEAN",
		},
		{
			"one deleted with the kubelet down, the other stops when it is back", judgeDeleteWhileDown,
			down(shapeSameNode).appends(shapeSameNode, shapeSameNode, 100, 6100).ended(shapeInline, 9500, 9000, 9200, 19_000).kept(shapeSameNode),
			"same-node: DURABLE RECOVERED STAYED; DURABLE EXCLUSIVE CLEAN",
		},
		{
			"all kept", judgeKubeletRestart,
			restart().wrote(shapeSubPathDir, sub, 100).kept(shapeSubPathDir).wrote(shapeSameNode, shapeSameNode, 100).kept(shapeSameNode),
			"subpath-dir: DURABLE CLOSE_TO_OPEN UNINTERRUPTED STAYED; same-node: DURABLE CLOSE_TO_OPEN UNINTERRUPTED STAYED; " + first,
		},
		{
			"a bind mount gone, and a pod that wrote nothing", judgeKubeletRestart,
			restart().wrote(shapeSubPathDir, sub, 100).kept(shapeSubPathDir).fact("mount_kept_host"+shapeSubPathDir, false).kept(shapeSameNode),
			"subpath-dir: DURABLE CLOSE_TO_OPEN UNINTERRUPTED UNMOUNTED_UNDER_POD; same-node: INCONCLUSIVE; " + first,
		},
		{
			"a record lost, a gap, and another container", judgeKubeletRestart,
			restart().wrote(shapeSubPathDir, sub, 100).append(shapeSubPathDir, sub, 1000, 8950, true).kept(shapeSubPathDir).
				appends(shapeSameNode, shapeSameNode, 100, 3100).wrote(shapeSameNode, shapeSameNode, 8300).fact("container_kept"+shapeSameNode, false),
			"subpath-dir: ACKED_LOST UNBOUNDED_STALE UNINTERRUPTED STAYED; same-node: DURABLE CLOSE_TO_OPEN RECOVERED MOVED; " + first,
		},
		{
			"a fault that was not proven", judgeKubeletRestart,
			func() *podTrial {
				tr := restart().wrote(shapeSubPathDir, sub, 100).kept(shapeSubPathDir)
				tr.e.Faults[0].Proven = false
				return tr
			}(),
			"subpath-dir: NO_FAULT; same-node: NO_FAULT; NO_FAULT",
		},
		{
			"deleted, and all clean", judgeDeleteWhileDown,
			down(shapeSubPathFile).appends(shapeSubPathFile, shapeSubPathFile, 100, 8000).ended(shapeSubPathFile, 9000, 8100, 8300, 8400).saw(8250, eventSubPathUnmounted, shapeSubPathFile),
			"subpath-file: DURABLE EXCLUSIVE CLEAN; DURABLE EXCLUSIVE CLEAN",
		},
		{
			"deleted, the bind mount and the directory stay", judgeDeleteWhileDown,
			down(shapeSubPathFile).appends(shapeSubPathFile, shapeSubPathFile, 100, 8000).ended(shapeSubPathFile, 9000, 8100, 8300, 0),
			"subpath-file: DURABLE EXCLUSIVE MOUNT_LEFT PODDIR_LEFT; DURABLE EXCLUSIVE CLEAN",
		},
		{
			"deleted, and stays in the API", judgeDeleteWhileDown,
			down(shapeInline).appends(shapeInline, shapeInline, 100, 8000).ended(shapeInline, 0, 8100, 0, 0),
			"inline: DURABLE TERMINATING_STUCK MOUNT_LEFT PODDIR_LEFT; DURABLE EXCLUSIVE CLEAN",
		},
		{
			"one deleted, the other on its claim stays", judgeDeleteWhileDown,
			down(shapeSameNode, shapeOtherNode).appends(shapeSameNode, shapeSameNode, 100, 10_000).kept(shapeSameNode).
				appends(shapeOtherNode, shapeOtherNode, 100, 10_000).kept(shapeOtherNode).fact("mount_kept_host"+shapeOtherNode, false),
			"same-node: DURABLE UNINTERRUPTED STAYED; other-node: DURABLE UNINTERRUPTED UNMOUNTED_UNDER_POD; DURABLE EXCLUSIVE CLEAN",
		},
		{
			"one deleted, and the other on its claim dies with it", judgeForceDelete,
			down(shapeSameNode).appends(shapeSameNode, shapeSameNode, 100, 8000).saw(20_000, eventPodDirGone, shapeInline).kept(shapeSameNode),
			"same-node: DURABLE RECOVERED STAYED; DURABLE EXCLUSIVE CLEAN",
		},
		{
			"forced, each with a zombie of its own", judgeForceDelete,
			down(shapeInline, shapeSubPathDir).
				appends(shapeInline, shapeInline, 100, 12_000).ended(shapeInline, 3700, 12_100, 8300, 12_400).
				appends(shapeSubPathDir, sub, 100, 12_000).ended(shapeSubPathDir, 3700, 12_100, 12_300, 12_400).saw(8250, eventSubPathUnmounted, shapeSubPathDir),
			"inline: DURABLE ZOMBIE_WRITER UNMOUNTED_UNDER_POD CLEAN; subpath-dir: DURABLE ZOMBIE_WRITER UNMOUNTED_UNDER_POD CLEAN; DURABLE EXCLUSIVE CLEAN",
		},
		{
			"forced, and the writer never ends", judgeForceDelete,
			down(shapeSubPathDir).appends(shapeSubPathDir, sub, 100, 12_000).ended(shapeSubPathDir, 3700, 0, 0, 0).saw(8250, eventSubPathUnmounted, shapeSubPathDir),
			"subpath-dir: DURABLE ZOMBIE_WRITER LEAKED UNMOUNTED_UNDER_POD MOUNT_LEFT PODDIR_LEFT; DURABLE EXCLUSIVE CLEAN",
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

// TestFirstPodIsJudgedAlone checks that neither records nor ends of another
// shape's pod are taken for those of the cell's first pod.
func TestFirstPodIsJudgedAlone(t *testing.T) {
	t.Parallel()
	tr := newPodTrial().fault(faultKubeletStop, 2000, 6000).fact(factDeleteReturn, at(3600)).shaped(shapeInline).
		ended(shapeInline, 3700, 5000, 5100, 5200).appends(shapeInline, shapeInline, 100, 20_000).
		append(shapeInline, shapeInline, 1000, 20_100, true).appends(podAppends, logFile, 100, 8000).ended("x", 9000, 8100, 8300, 8400)
	if got, want := words(judgeDeleteWhileDown(tr.e).Outcomes), "DURABLE EXCLUSIVE CLEAN"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// oneServer is a lab of which only the server's address is asked.
type oneServer struct {
	lab.Lab
	addr string
}

func (l oneServer) Machines() []lab.Machine {
	return []lab.Machine{{Name: "server", Role: lab.Server, Addr: l.addr}}
}

// TestShapesOfPods checks what is asked of the API server for each shape, and
// where the writer and the server find its file.
func TestShapesOfPods(t *testing.T) {
	t.Parallel()
	type asked struct {
		Node, Claim, Inline, SubPath, MountPath, Path, File string
	}
	run, err := rundir.Create(t.TempDir(), rundir.RunMeta{})
	if err != nil {
		t.Fatal(err)
	}
	l := oneServer{addr: "192.168.127.10"}
	for _, tc := range []struct {
		profile string
		shapes  bool
		want    map[string]asked
	}{
		{"async", true, map[string]asked{
			shapeInline:      {"worker1", "", "192.168.127.10:/srv/x", "", "/data", "/data/inline", "inline"},
			shapeSubPathDir:  {"worker1", "c-1", "", "subpath-dir", "/data", "/data/log", "subpath-dir/log"},
			shapeSubPathFile: {"worker1", "c-1", "", "subpath-file", "/data/subpath-file", "/data/subpath-file", "subpath-file"},
			shapeSameNode:    {"worker1", "c-1", "", "", "/data", "/data/same-node", "same-node"},
			shapeOtherNode:   {"worker2", "c-1", "", "", "/data", "/data/other-node", "other-node"},
		}},
		{"soft", true, map[string]asked{
			shapeSubPathDir:  {"worker1", "c-1", "", "subpath-dir", "/data", "/data/log", "subpath-dir/log"},
			shapeSubPathFile: {"worker1", "c-1", "", "subpath-file", "/data/subpath-file", "/data/subpath-file", "subpath-file"},
			shapeSameNode:    {"worker1", "c-1", "", "", "/data", "/data/same-node", "same-node"},
			shapeOtherNode:   {"worker2", "c-1", "", "", "/data", "/data/other-node", "other-node"},
		}},
		{"default", false, map[string]asked{}},
	} {
		t.Run(tc.profile, func(t *testing.T) {
			t.Parallel()
			profiles, err := nfs.Match(nfs.Builtin(), []string{tc.profile})
			if err != nil {
				t.Fatal(err)
			}
			b := &Batch{RunID: "r", Lab: l, Target: lab.Machine{Name: "worker1"}, Other: lab.Machine{Name: "worker2"}}
			trial, err := run.NewTrial(rundir.TrialMeta{Scenario: "kubelet.x", Profile: tc.profile, Repeat: 1})
			if err != nil {
				t.Fatal(err)
			}
			c := &Cell{Key: "c-1", Profile: profiles[0], Trial: trial, Shapes: tc.shapes, Export: nfs.Export{Path: "/srv/x"}}
			got := map[string]asked{}
			for _, p := range b.shapePlans(c) {
				w := b.planned(c, p)
				spec := b.podSpec(w)
				a := asked{Node: w.at.Name, Claim: spec.Claim, SubPath: spec.SubPath, MountPath: spec.MountPath, Path: w.path(), File: w.file()}
				if spec.NFS != nil {
					a.Inline = spec.NFS.Server + ":" + spec.NFS.Path
				}
				got[p.label] = a
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			leftOut := false
			trial.Update(func(m *rundir.TrialMeta) { _, leftOut = m.Facts[factNoInline] })
			if want := tc.profile == "soft"; leftOut != want {
				t.Errorf("no inline volume, with a reason: %v, want %v", leftOut, want)
			}
		})
	}
}
