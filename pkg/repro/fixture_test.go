package repro

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/nfsim/nfsim/pkg/outcome"
	"github.com/nfsim/nfsim/pkg/rundir"
)

const sec = int64(time.Second)

// request is a step that changes the API at s seconds.
func request(s int64, verb, resource, namespace, name, body string) rundir.Step {
	r := &rundir.StepRequest{Verb: verb, Version: "v1", Resource: resource, Namespace: namespace, Name: name, Type: "application/json", Status: 201}
	if body != "" {
		r.Body = json.RawMessage(body)
	}
	if resource == "deployments" {
		r.Group = "apps"
	}
	step := rundir.Step{T: s * sec, End: s*sec + sec/4, Do: rundir.DoRequest, Request: r}
	if resource == "namespaces" { // an earlier trial of the run made it
		r.Status, step.Error = conflict, "status 409"
	}
	return step
}

const (
	testSpace  = "nfsim-20010203-040506-abcd"
	testExport = "/srv/nfsim/20010203-040506-abcd/cell-1"
	testPod    = `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"cell-1","namespace":"` + testSpace + `","creationTimestamp":null,"labels":{"nfsim.io/run":"20010203-040506-abcd"}},
"spec":{"nodeName":"worker2","hostNetwork":true,"terminationGracePeriodSeconds":5,
"volumes":[{"name":"data","persistentVolumeClaim":{"claimName":"cell-1"}},{"name":"socket","hostPath":{"path":"/run/nfsim/x","type":"DirectoryOrCreate"}}],
"containers":[{"name":"agent","image":"nfsim.local/workload:1","imagePullPolicy":"Never","args":["listen","/run/nfsim/agent.sock"],"resources":{},
"volumeMounts":[{"name":"data","mountPath":"/data"},{"name":"socket","mountPath":"/run/nfsim"}]}]},"status":{}}`
	testVolume = `{"kind":"PersistentVolume","apiVersion":"v1","metadata":{"name":"` + testSpace + `-cell-1"},
"spec":{"capacity":{"storage":"1Gi"},"nfs":{"server":"192.168.127.10","path":"` + testExport + `"},"accessModes":["ReadWriteMany"],"mountOptions":["vers=4.2","hard"],
"claimRef":{"kind":"PersistentVolumeClaim","namespace":"` + testSpace + `","name":"cell-1","apiVersion":"v1"}},"status":{}}`
)

// kubeletSteps are those of a force delete with the kubelet down. The times are
// invented.
func kubeletSteps() []rundir.Step {
	uid := "11111111-2222-3333-4444-555555555555"
	dir := "/var/lib/kubelet/pods/" + uid
	host := dir + "/volumes/kubernetes.io~nfs/" + testSpace + "-cell-1"
	container := "c0ffee"
	watch := func(stream, event, kind, path string) rundir.Step {
		return rundir.Step{T: 9 * sec, Do: rundir.DoWatch, Stream: stream, Name: event, Machine: "worker2", In: "cell-1", Path: path, Options: kind}
	}
	ended := func(event string, at int64) rundir.Step {
		return rundir.Step{T: 30 * sec, End: at * sec, Do: rundir.DoAwait, Name: event, Machine: "worker2", In: "cell-1", WithinNS: 180 * sec}
	}
	return []rundir.Step{
		{T: 1, Do: rundir.DoPhase, Name: "connect agents"},
		{T: 2, Do: rundir.DoExport, Machine: "server", Path: testExport, Options: "rw,sync,no_root_squash"},
		{T: 1 * sec, Do: rundir.DoPhase, Name: "start pods"},
		request(1, "create", "namespaces", "", "", `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"`+testSpace+`","labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`),
		{T: 1*sec + 1, End: 2 * sec, Do: rundir.DoMount, Machine: "worker1", Source: "192.168.127.10:" + testExport, Path: "/mnt/nfsim/cell-1", Options: "vers=4.2,hard", WithinNS: 60 * sec},
		request(2, "create", "persistentvolumes", "", "", testVolume),
		request(3, "create", "persistentvolumeclaims", testSpace, "", `{"kind":"PersistentVolumeClaim","apiVersion":"v1","metadata":{"name":"cell-1","namespace":"`+testSpace+`"},"spec":{"volumeName":"`+testSpace+`-cell-1"}}`),
		request(4, "create", "pods", testSpace, "", testPod),
		{T: 4*sec + 1, End: 6 * sec, Do: rundir.DoAwait, Name: "pod-running", Machine: "worker2", In: "cell-1", WithinNS: 180 * sec},
		{T: 6 * sec, Do: rundir.DoPod, Name: "cell-1", Machine: "worker2", Pod: &rundir.StepPod{
			UID: uid, Container: container, PID: 4711, PIDFile: "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + container + "/init.pid", Dir: dir, HostMount: host, Mount: "/data",
		}},
		{T: 7 * sec, Do: rundir.DoPoll, Stream: "server s1", Machine: "server", Path: testExport + "/log", Options: "tail"},
		{T: 7*sec + 1, Do: rundir.DoAppend, Stream: "pod s1", Machine: "worker2", In: "cell-1", Name: "pod", Path: "/data/log", Source: "log", Options: "fsync", EveryNS: sec / 10},
		{T: 7*sec + 2, End: 8 * sec, Do: rundir.DoAwait, Stream: "pod s1", Count: 10, WithinNS: 180 * sec},
		{T: 8 * sec, End: 8*sec + 1, Do: rundir.DoAwait, Stream: "server s1", Count: 3},
		watch("worker2 s1", "host-unmounted", "mounts", host),
		watch("worker2 s2", "writer-dead", "process", ""),
		watch("worker2 s3", "poddir-gone", "poller", dir),
		{T: 10 * sec, Do: rundir.DoPhase, Name: "fault: kubelet-stop on worker2"},
		{T: 10 * sec, End: 12 * sec, Do: rundir.DoInject, Name: "kubelet-stop", Machine: "worker2", Script: "systemctl stop 'kubelet.service'\n", Proof: "state=$(systemctl is-active kubelet)\n[ \"$state\" != active ]\n", WithinNS: 60 * sec},
		{T: 13 * sec, Do: rundir.DoPhase, Name: "delete with the kubelet down"},
		request(14, "delete", "pods", testSpace, "cell-1", `{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0}`),
		{T: 14*sec + 2, End: 15 * sec, Do: rundir.DoAwait, Name: "api-gone", In: "cell-1"},
		{T: 15 * sec, End: 17 * sec, Do: rundir.DoAwait, Stream: "pod s1", Count: 20, WithinNS: 180 * sec},
		{T: 17 * sec, End: 17*sec + 5, Do: rundir.DoCall, Machine: "worker2", Call: &rundir.StepCall{Op: "mountinfo", Path: "/proc/1/mountinfo"}},
		{T: 17*sec + 6, End: 17*sec + 9, Do: rundir.DoCall, Machine: "worker2", Call: &rundir.StepCall{Op: "mountinfo", Path: "/proc/4711/mountinfo"}},
		{T: 18 * sec, End: 20 * sec, Do: rundir.DoHeal, Name: "kubelet-stop", Machine: "worker2", Script: "systemctl start 'kubelet.service'\n", Proof: "systemctl is-active kubelet\n", WithinNS: 120 * sec},
		{T: 20 * sec, End: 24 * sec, Do: rundir.DoAwait, Name: "kubelet-healthy", Machine: "worker2", WithinNS: 120 * sec},
		ended("host-unmounted", 33), ended("writer-dead", 60), ended("poddir-gone", 61),
		{T: 62 * sec, Do: rundir.DoTeardown},
		{T: 63 * sec, End: 64 * sec, Do: rundir.DoUnmount, Machine: "worker1", Path: "/mnt/nfsim/cell-1"},
	}
}

// nfsSteps have the calls on files that scenarios of family nfs make, and a
// fault on the server that another one goes on beside.
func nfsSteps() []rundir.Step {
	mnt := "/mnt/nfsim/cell-1/"
	call := func(from, to int64, machine, errno string, c rundir.StepCall) rundir.Step {
		return rundir.Step{T: from * sec, End: to * sec, Do: rundir.DoCall, Machine: machine, Error: errno, Call: &c}
	}
	mount := func(machine string) rundir.Step {
		return rundir.Step{T: 1 * sec, End: 2 * sec, Do: rundir.DoMount, Machine: machine, Source: "192.168.127.10:" + testExport, Path: "/mnt/nfsim/cell-1", Options: "vers=3,soft"}
	}
	contest := call(20, 30, "worker1", "EAGAIN", rundir.StepCall{Op: "lock", FD: 1, Lock: "posix write", Lane: "l"})
	contest.Times = 12
	partition := "nft -f - <<'EOF'\ntable inet nfsim_x {\n\tchain output {\n\t\ttype filter hook output priority -150; policy accept;\n\t\tip daddr 192.168.127.10 tcp dport { 2049 } counter drop\n\t}\n}\nEOF\n"
	return []rundir.Step{
		{T: 1, Do: rundir.DoExport, Machine: "server", Path: testExport, Options: "rw,sync"},
		mount("worker2"), mount("worker1"),
		{T: 3 * sec, Do: rundir.DoPhase, Name: "write and read"},
		call(3, 3, "server", "", rundir.StepCall{Op: "mkdir", Path: testExport + "/d"}),
		call(3, 4, "worker2", "", rundir.StepCall{Op: "write_record", Path: mnt + "d/r", Flags: []string{"wronly", "creat", "trunc"}, Token: "a1", Size: 8192, Close: true}),
		call(4, 5, "worker1", "", rundir.StepCall{Op: "read_record", Path: mnt + "d/r", Flags: []string{"rdonly"}, Close: true}),
		call(5, 6, "worker2", "", rundir.StepCall{Op: "write_record", Path: mnt + "d/r", Flags: []string{"wronly", "direct"}, Token: "a2", Size: 8192, Fsync: true, Close: true}),
		call(6, 7, "worker2", "", rundir.StepCall{Op: "rename", Path: mnt + "d/r", To: mnt + "d/s"}),
		call(7, 8, "worker1", "ENOENT", rundir.StepCall{Op: "stat", Path: mnt + "d/r"}),
		call(8, 9, "worker2", "", rundir.StepCall{Op: "open", FD: 4, Path: mnt + "d/lock", Flags: []string{"rdwr", "creat"}, Lane: "l"}),
		call(9, 10, "worker1", "", rundir.StepCall{Op: "open", FD: 1, Path: mnt + "d/lock", Flags: []string{"rdwr", "creat"}, Lane: "l"}),
		call(10, 11, "worker2", "", rundir.StepCall{Op: "lock", FD: 4, Lock: "posix write", Lane: "l"}),
		{T: 12 * sec, Do: rundir.DoAppend, Stream: "worker2 s1", Machine: "worker2", Name: "worker2", Path: mnt + "d/log", Source: "d/log", Options: "fsync", EveryNS: 4 * sec / 10},
		{T: 12*sec + 1, Do: rundir.DoAppend, Stream: "worker2 s2", Machine: "worker2", Name: "worker2", Path: mnt + "d/unflushed", Source: "d/unflushed", Options: "none", EveryNS: 4 * sec / 10, Count: 20},
		{T: 13 * sec, Do: rundir.DoPoll, Stream: "worker1 s1", Machine: "worker1", Path: mnt + "d/s", Options: "reopen", EveryNS: sec},
		{T: 13*sec + 1, Do: rundir.DoPoll, Stream: "worker1 s2", Machine: "worker1", Path: mnt + "d/s", Options: "read_held_ro", EveryNS: sec / 20},
		{T: 14 * sec, End: 15 * sec, Do: rundir.DoAwait, Stream: "worker2 s1", Count: 3},
		{T: 15 * sec, End: 16 * sec, Do: rundir.DoAwait, Stream: "worker1 s1", Count: 1},
		{T: 17 * sec, End: 19 * sec, Do: rundir.DoInject, Name: "drop-short", Machine: "worker2", Script: partition, Proof: "nft list table inet nfsim_x | grep -E 'counter packets [1-9]'\n", WithinNS: 60 * sec},
		contest,
		{T: 21 * sec, Do: rundir.DoWait, WithinNS: 5 * sec},
		{T: 26 * sec, End: 27 * sec, Do: rundir.DoHeal, Name: "drop-short", Machine: "worker2", Script: "nft delete table inet nfsim_x\n", Proof: "! nft list table inet nfsim_x\n", WithinNS: 60 * sec},
		{T: 27 * sec, End: 29 * sec, Do: rundir.DoAwait, Stream: "worker2 s1", Count: 3, WithinNS: 100 * sec, Error: "not in time"},
		call(31, 32, "worker2", "", rundir.StepCall{Op: "write_record", FD: 4, Token: "end", Size: 8192, Fsync: true, Lane: "l"}),
		call(32, 33, "worker2", "", rundir.StepCall{Op: "lock", FD: 4, Lock: "posix unlock", Lane: "l"}),
		{T: 33 * sec, Do: rundir.DoStop, Stream: "worker2 s1"},
		{T: 33*sec + 1, Do: rundir.DoStop, Stream: "worker1 s1"},
		{T: 33*sec + 2, End: 34 * sec, Do: rundir.DoAwait, Stream: "worker1 s2", Name: "change", Count: 1, WithinNS: 70 * sec},
		call(34, 35, "worker2", "", rundir.StepCall{Op: "close", FD: 4, Lane: "l"}),
		call(35, 36, "worker1", "", rundir.StepCall{Op: "store", Path: "mapping 1", Token: "m1"}),
		{T: 40 * sec, End: 60 * sec, Do: rundir.DoInject, Name: "reset", Machine: "server", Proof: "true", WithinNS: 600 * sec},
		{T: 60 * sec, End: 61 * sec, Do: rundir.DoHeal, Name: "reset", Machine: "server"},
		{T: 62 * sec, End: 63 * sec, Do: rundir.DoInject, Name: "link-down", Machine: "server", Proof: "echo gone", WithinNS: 60 * sec},
		{T: 63 * sec, End: 64 * sec, Do: rundir.DoHeal, Name: "link-down", Machine: "server", Proof: "echo back", WithinNS: 60 * sec},
		{T: 70 * sec, Do: rundir.DoTeardown},
	}
}

// trialOf records a trial with these steps.
func trialOf(t testing.TB, scenario string, steps []rundir.Step) (*rundir.Run, *rundir.Trial) {
	t.Helper()
	run, err := rundir.Create(t.TempDir(), rundir.RunMeta{ID: "20010203-040506-abcd", NfsimVersion: "v0.0.0-synthetic", Lab: rundir.LabMeta{Provider: "qemu", Name: "default"}})
	check(t, err)
	check(t, run.WriteFingerprint(rundir.Fingerprint{"worker2": {"kernel": "0.0.1-synthetic", "kubelet": "v0.0.1"}}))
	tw, err := run.NewTrial(rundir.TrialMeta{
		Scenario: scenario, Profile: "default", Repeat: 1, Asked: "vers=4.2,hard", GrantedRaw: "rw,vers=4.2,hard",
		Resources: []string{"worker2", "worker1", "export " + testExport},
		Pauses:    []rundir.Pause{{Before: "fault", BeganNS: 9 * sec, EndedNS: 10 * sec}},
	})
	check(t, err)
	check(t, tw.Steps(steps))
	check(t, tw.Observe(rundir.Observation{T: 33 * sec, Source: "node", Event: "host-unmounted", Subject: "cell-1"}))
	check(t, tw.Observe(rundir.Observation{T: 63 * sec, Source: "node", Event: "host-unmounted", Subject: "cell-1"}))
	check(t, tw.Observe(rundir.Observation{T: 59 * sec, Source: "disk", Event: "record-arrived", Subject: "pod", Value: "17"}))
	check(t, tw.Finish(nil))
	check(t, run.WriteVerdict(rundir.Verdict{Scenario: scenario, Profile: "default", Repeat: 1, Outcomes: []outcome.Outcome{
		outcome.New(outcome.ZombieWriter, "records arrived\nfor long"),
	}, Modes: []rundir.ModeVerdict{{Mode: "m", Outcomes: []outcome.Outcome{outcome.New(outcome.Clean, "nothing left")}}}}))
	trials, err := run.Trials()
	check(t, err)
	return run, trials[0]
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
