package scenarios

import "slices"

// expectedKubelet are the rows of family kubelet.
func expectedKubelet() []Expectation {
	return slices.Concat(expectedShapes(), expectedKubeletAway(), expectedPodEnds(), expectedReplaced(), expectedServerAway(), expectedNewContainers())
}

// expectedKubeletAway are the rows of a kubelet that goes away and comes back.
func expectedKubeletAway() []Expectation {
	any := []string{"*"}
	const (
		why    = "containers live in containerd's shims and the mount in the host's namespace; a kubelet with KillMode=process takes neither along"
		source = "systemd.kill(5); kubernetes test/e2e/storage/utils TestKubeletRestartsAndRestoresMount"
	)
	return []Expectation{
		{
			Scenario: "kubelet/kubelet-restart", Profiles: any,
			Allowed: allow("DURABLE", "UNINTERRUPTED", "STAYED", "CLEAN", "LINEARIZABLE", "CLOSE_TO_OPEN"),
			Why:     why,
			Source:  source,
		},
		{
			Scenario: "kubelet/kubelet-kill", Modes: []string{modeKill, modeFreeze}, Profiles: any,
			Allowed: allow("DURABLE", "UNINTERRUPTED", "STAYED", "CLOSE_TO_OPEN"),
			Why:     why + "; signals to it reach nobody else",
			Source:  source + "; signal(7)",
		},
		{
			Scenario: "kubelet/kubelet-kill", Modes: []string{modeMidMount}, Profiles: any,
			Allowed: allow("DURABLE", "STAYED"),
			Why:     "the mount command outlives the kubelet, and the next kubelet starts another; the kernel refuses to mount one superblock twice on one mount point (EBUSY), after which the kubelet finds the first one in the table",
			Source:  "systemd.kill(5) KillMode=process; fs/namespace.c do_add_mount; pkg/volume/nfs/nfs.go SetUpAt",
		},
		{
			Scenario: "kubelet/kubelet-kill", Modes: []string{modeMidUnmount}, Profiles: any,
			Allowed: allow("DURABLE", "EXCLUSIVE"),
			Why:     "the object goes last: the next kubelet finds the pod Terminating and its volume in the pod's directory",
			Source:  "pkg/kubelet/volumemanager/reconciler/reconstruct.go; pkg/kubelet/kubelet.go SyncTerminatedPod",
		},
		{
			Scenario: "kubelet/kubelet-kill", Modes: []string{""}, Profiles: any,
			Allowed: allow("CLEAN"),
			Why:     "a kubelet rebuilds what it knows of volumes from the pods' directories and the mount table, so that a pod's end is as clean as without the fault",
			Source:  "pkg/kubelet/volumemanager/reconciler/reconstruct.go",
		},
	}
}

// expectedPodEnds are the rows of pods that are deleted, and nothing else is
// broken than the kubelet.
func expectedPodEnds() []Expectation {
	any := []string{"*"}
	return []Expectation{
		{
			Scenario: "kubelet/force-delete-while-down", Profiles: any,
			Allowed: allow("DURABLE", "ZOMBIE_WRITER", "UNMOUNTED_UNDER_POD", "CLEAN"),
			Why:     "a force delete removes the API object without asking the kubelet, so the container writes on until a kubelet finds it; the volume's tear-down and the container's end are not ordered",
			Source:  "Kubernetes documentation, Force Stateful Set Pod deletion; pkg/kubelet/volumemanager/reconciler/reconstruct.go",
		},
		{
			Scenario: "kubelet/delete-while-down", Profiles: any,
			Allowed: allow("DURABLE", "EXCLUSIVE", "CLEAN"),
			Why:     "a graceful delete only marks the object; the kubelet that comes back ends the container, then unmounts, then lets the object go. Before v1.27 it unmounted under the container (kubernetes issue 113979)",
			Source:  "pkg/kubelet/kubelet.go SyncTerminatedPod; pkg/kubelet/volumemanager/populator findAndAddNewPods: on the first pass pods whose containers may still run are added",
		},
		{
			Scenario: "kubelet/force-delete-live", Modes: []string{modeForce}, Profiles: any,
			Allowed: allow("DURABLE", "ZOMBIE_WRITER<=40", "EXCLUSIVE"),
			Why:     "the API server writes the grace period of 0 into the object before it removes it; a kubelet that watches kills the container after the least that it gives, 2 s, whatever the pod's own grace period of 60 s, of which at least 40 s would be left when the object is gone: the rest is how slow the machine is. Whether that or the removal comes first is not ordered (docs/findings.md 18). The volume is unmounted when the container is dead",
			Source:  "pkg/registry/core/pod/strategy.go CheckGracefulDelete; pkg/kubelet/pod_workers.go calculateEffectiveGracePeriod; pkg/kubelet/kuberuntime minimumGracePeriodInSeconds",
		},
		{
			Scenario: "kubelet/force-delete-live", Modes: []string{modeGracefulForce}, Profiles: any,
			Allowed: allow("DURABLE", "ZOMBIE_WRITER<=90"),
			Why:     "a container that is being ended with 60 s is not hurried by the force delete: the call to the runtime is under way (kubernetes issues 120449, 113717). The volume is unmounted when the container is dead",
			Source:  "pkg/kubelet/pod_workers.go UpdatePod; pkg/kubelet/kubelet.go SyncTerminatedPod",
		},
		{
			Scenario: "kubelet/force-delete-live", Modes: []string{""}, Profiles: any,
			Allowed: allow("CLEAN"),
			Why:     "the kubelet is alive and tidies up behind the container",
			Source:  "pkg/kubelet/kubelet.go HandlePodCleanups",
		},
	}
}

// expectedReplaced are the rows of pods that are replaced while they run.
func expectedReplaced() []Expectation {
	any := []string{"*"}
	const appends = "O_APPEND on NFS is a write to where the client believes the end to be, so that each writes over the other's records"
	return []Expectation{
		{
			Scenario: "kubelet/two-writers", Profiles: any,
			Allowed: allow("DURABLE", "LOST_UPDATE", "TORN", "CORRUPT", "TWO_WRITERS", "ZOMBIE_WRITER", "UNMOUNTED_UNDER_POD", "CLEAN"),
			Why:     "nothing keeps a second pod off the volume: ReadWriteOnce is checked by the attach controller, and NFS is not attached. " + appends,
			Source:  "Kubernetes documentation, Persistent Volumes: access modes; open(2), O_APPEND; pkg/volume/nfs has no attacher",
		},
		{
			Scenario: "kubelet/fencing-taint", Profiles: any,
			Allowed: allow("DURABLE", "LOST_UPDATE", "TORN", "CORRUPT", "TWO_WRITERS", "ZOMBIE_WRITER", "UNMOUNTED_UNDER_POD", "CLEAN"),
			Why:     "the taint is a promise of the administrator that the machine is off: the pods' objects are removed and attachable volumes detached; nobody asks the node, and NFS has nothing to detach. " + appends,
			Source:  "Kubernetes documentation, Non-graceful node shutdown; pkg/controller/podgc gcTerminating; KEP 2268",
		},
		{
			Scenario: "kubelet/long-outage", Modes: []string{modeDeployment}, Profiles: any,
			Allowed: allow("DURABLE", "LOST_UPDATE", "TORN", "CORRUPT", "TWO_WRITERS", "MOVED", "EXCLUSIVE"),
			Why:     "after --node-monitor-grace-period (50 s) the node is not Ready, after the pod's toleration (10 s) it is evicted; a Deployment does not count a pod that is Terminating, and starts another at once, which runs as soon as its node can start it; the old container writes on until its kubelet is back. It ends before its object goes, so that it is no zombie. " + appends,
			Source:  "Kubernetes documentation, Taint based evictions; pkg/controller FilterActivePods; open(2), O_APPEND",
		},
		{
			Scenario: "kubelet/long-outage", Modes: []string{modeStatefulSet}, Profiles: any,
			Allowed: allow("DURABLE", "EXCLUSIVE", "MOVED_LATE"),
			Why:     "a StatefulSet has at most one pod of a name: it waits until the kubelet has ended the old one",
			Source:  "Kubernetes documentation, Force Stateful Set Pod deletion: at most one semantics",
		},
		{
			Scenario: "kubelet/long-outage", Modes: []string{""}, Profiles: any,
			Allowed: allow("CLEAN"),
			Why:     "the kubelet that comes back ends what was evicted meanwhile",
			Source:  "pkg/kubelet/kubelet.go SyncTerminatedPod",
		},
	}
}

// expectedServerAway are the rows of kubelets without their NFS server.
func expectedServerAway() []Expectation {
	any := []string{"*"}
	const restart, ends = "kubelet/dead-server-restart", "pkg/volume/nfs/nfs.go TearDownAt; k8s.io/mount-utils CleanupMountWithForce, IsCorruptedMnt; nfs(5) soft, softerr"
	const noLimit = "github.com/google/cadvisor fs getVfsStats, without a limit in v0.48.1 (Kubernetes v1.29), with one in v0.52.1 (v1.34); google/cadvisor pull request 3541; kubernetes-sigs/nfs-subdir-external-provisioner issue 361"
	const why = "the kubelet looks at the mount point before it unmounts: with a hard mount that waits for the server once the cached attributes have expired, up to 60 s, after which nothing goes on without the server"
	return []Expectation{
		{
			Scenario: restart, Modes: []string{modeStart}, Profiles: []string{"soft*"}, Kubelet: "<1.32",
			Allowed: allow("UNINTERRUPTED", "RECOVERED"),
			Why:     "at its start the kubelet asks every mount for its size, and waits for the answer (kubernetes issue 122491); a soft mount gives one in the end",
			Source:  noLimit,
		},
		{
			Scenario: restart, Modes: []string{modeStart}, Profiles: any, Kubelet: "<1.32",
			Allowed: allow("RECOVERED"),
			Why:     "at its start the kubelet asks every mount for its size, and waits for the answer (kubernetes issue 122491): with a hard mount until the server is back",
			Source:  noLimit,
		},
		{
			Scenario: restart, Modes: []string{modeStart}, Profiles: any,
			Allowed: allow("UNINTERRUPTED"),
			Why:     "at its start the kubelet asks every mount for its size, and waits for 2 s for each answer",
			Source:  noLimit,
		},
		{
			Scenario: restart, Modes: []string{modeWriter}, Profiles: []string{"soft", "soft-v3"},
			Allowed: allow("DURABLE", "EIO", "RECOVERED", "UNINTERRUPTED", "STAYED"),
			Why:     "a soft mount gives up after timeo x (retrans + 1), which the server's absence may be longer or shorter than; the restart of the kubelet adds nothing",
			Source:  "nfs(5) soft",
		},
		{
			Scenario: restart, Modes: []string{modeWriter}, Profiles: []string{"softerr"},
			Allowed: allow("DURABLE", "ETIMEDOUT", "RECOVERED", "UNINTERRUPTED", "STAYED"),
			Why:     "as soft, with ETIMEDOUT",
			Source:  "nfs(5) softerr",
		},
		{
			Scenario: restart, Modes: []string{modeWriter}, Profiles: any,
			Allowed: allow("DURABLE", "RECOVERED", "STAYED"),
			Why:     "a hard mount waits for its server; the restart of the kubelet adds nothing",
			Source:  "nfs(5) hard",
		},
		{
			Scenario: restart, Modes: []string{""}, Profiles: any,
			Allowed: allow("CLEAN"),
			Why:     "the server is back before the pods are deleted",
			Source:  "docs/scenarios.md, how a trial goes",
		},
		{
			Scenario: "kubelet/dead-server-delete", Profiles: any,
			Allowed: allow("DURABLE", "EXCLUSIVE", "RECLAIMED_LATE", "CLEAN"),
			Why:     why + "; with soft the look fails with EIO, which counts as a broken mount and is unmounted. The object goes last, so nobody writes after it (kubernetes issues 72048, 31272)",
			Source:  ends,
		},
		{
			Scenario: "kubelet/both-down-delete", Profiles: any,
			Allowed: allow("DURABLE", "EXCLUSIVE", "RECLAIMED_LATE", "CLEAN"),
			Why:     why + "; a kubelet that has just started finds the pod in the API, Terminating, and goes the same way",
			Source:  ends,
		},
	}
}

// expectedNewContainers are the rows of pods whose container is started again.
func expectedNewContainers() []Expectation {
	any := []string{"*"}
	return []Expectation{
		{
			Scenario: "kubelet/node-reset", Profiles: any,
			Allowed: allow("DURABLE", "RECOVERED", "MOVED", "STAYED", "CLEAN"),
			Why:     "what fsync has acknowledged is the server's; the pod's object stays bound to its node, whose kubelet mounts the volume and starts a container again",
			Source:  "fsync(2); RFC 8881 section 18.3; Kubernetes documentation, Pod Lifecycle: restart policy",
		},
		{
			Scenario: "kubelet/pvc-deleted-restart", Modes: []string{modeRunning}, Profiles: any,
			Allowed: allow("DURABLE", "UNINTERRUPTED", "STAYED"),
			Why:     "a claim that its finalizer keeps counts as there; kubelets without kubernetes pull request 130335, which went into v1.33 and was picked to v1.30, v1.31 and v1.32, unmounted it under the pod",
			Source:  "pkg/kubelet/volumemanager/populator getPVCExtractPV",
		},
		{
			Scenario: "kubelet/pvc-deleted-restart", Modes: []string{modeRestarted}, Profiles: any,
			Allowed: allow("STAYED"),
			Why:     "the volume is mounted, so that the pod's next container is given it",
			Source:  "pkg/kubelet/kubelet.go SyncPod: WaitForAttachAndMount before any container",
		},
		{
			Scenario: "kubelet/pvc-deleted-restart", Modes: []string{""}, Profiles: any,
			Allowed: allow("CLEAN"),
			Why:     "the pod's end takes volume and claim along as ever",
			Source:  "Kubernetes documentation, Storage Object in Use Protection",
		},
	}
}
