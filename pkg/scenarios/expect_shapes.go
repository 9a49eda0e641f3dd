package scenarios

// expectedShapes are the rows of volumes in other shapes than a claim's whole
// volume in one pod. They come before the rows of the scenarios as a whole.
func expectedShapes() []Expectation {
	any := []string{"*"}
	gone := []string{shapeInline, shapeSubPathDir, shapeSubPathFile}
	beside := []string{shapeSameNode, shapeOtherNode}
	const (
		unmount = "the kubelet's unmount of a volume first unmounts what is bound below the pod's volume-subpaths, then the volume; an inline volume is unmounted as one behind a claim is"
		source  = "pkg/volume/util/operationexecutor GenerateUnmountVolumeFunc; pkg/volume/util/subpath/subpath_linux.go doCleanSubPaths; pkg/volume/nfs/nfs.go TearDown"
		dark    = "the kubelet looks at the place of each subPath, and at the volume's, before it unmounts them: with a hard mount that waits for the server once the cached attributes have expired; the object goes last. " + unmount
		own     = "NFS has no mount that pods share (NodeStageVolume is for CSI alone): each pod has one of its own, and the end of another is nothing to it"
	)
	return []Expectation{
		{
			Scenario: "kubelet/dead-server-delete", Modes: gone, Profiles: any,
			Allowed: allow("DURABLE", "EXCLUSIVE", "RECLAIMED_LATE", "CLEAN"),
			Why:     dark,
			Source:  source,
		},
		{
			Scenario: "kubelet/both-down-delete", Modes: gone, Profiles: any,
			Allowed: allow("DURABLE", "EXCLUSIVE", "RECLAIMED_LATE", "CLEAN"),
			Why:     dark,
			Source:  source,
		},
		{
			Scenario: "kubelet/*-delete", Modes: beside, Profiles: []string{"soft", "soft-v3"},
			Allowed: allow("DURABLE", "EIO", "RECOVERED", "UNINTERRUPTED", "STAYED"),
			Why:     own + "; a soft mount gives up after timeo x (retrans + 1), which the server's absence may be longer or shorter than",
			Source:  "pkg/volume/nfs/nfs.go SetUpAt, GetPath; nfs(5) soft",
		},
		{
			Scenario: "kubelet/*-delete", Modes: beside, Profiles: []string{"softerr"},
			Allowed: allow("DURABLE", "ETIMEDOUT", "RECOVERED", "UNINTERRUPTED", "STAYED"),
			Why:     own + "; as soft, with ETIMEDOUT",
			Source:  "pkg/volume/nfs/nfs.go SetUpAt, GetPath; nfs(5) softerr",
		},
		{
			Scenario: "kubelet/*-delete", Modes: beside, Profiles: any,
			Allowed: allow("DURABLE", "RECOVERED", "STAYED"),
			Why:     own + "; it waits for its server",
			Source:  "pkg/volume/nfs/nfs.go SetUpAt, GetPath; nfs(5) hard",
		},
		{
			Scenario: "kubelet/node-reset", Modes: []string{shapeOtherNode}, Profiles: any,
			Allowed: allow("DURABLE", "UNINTERRUPTED", "STAYED"),
			Why:     own,
			Source:  "pkg/volume/nfs/nfs.go SetUpAt, GetPath",
		},
		{
			Scenario: "kubelet/node-reset", Modes: shapes(), Profiles: any,
			Allowed: allow("DURABLE", "RECOVERED", "STAYED"),
			Why:     "what fsync has acknowledged is the server's; the kubelet mounts the volume again, and binds a subPath over what is left of the place that it had before the boot",
			Source:  "fsync(2); pkg/volume/util/subpath/subpath_linux.go prepareSubpathTarget; Kubernetes documentation, Pod Lifecycle: restart policy",
		},
		{
			Scenario: "kubelet/kubelet-restart", Modes: shapes(), Profiles: any,
			Allowed: allow("DURABLE", "UNINTERRUPTED", "STAYED", "CLOSE_TO_OPEN"),
			Why:     "mounts and containers outlive the kubelet in every shape; the next one finds the volumes in the pods' directories, and binds a subPath only for a container that it starts",
			Source:  "pkg/kubelet/volumemanager/reconciler/reconstruct.go; pkg/kubelet/kubelet_pods.go makeMounts; Kubernetes documentation, Volumes: using subPath",
		},
		{
			Scenario: "kubelet/delete-while-down", Modes: gone, Profiles: any,
			Allowed: allow("DURABLE", "EXCLUSIVE", "CLEAN"),
			Why:     unmount,
			Source:  source,
		},
		{
			Scenario: "kubelet/delete-while-down", Modes: beside, Profiles: any,
			Allowed: allow("DURABLE", "UNINTERRUPTED", "STAYED"),
			Why:     own,
			Source:  "pkg/volume/nfs/nfs.go SetUpAt, GetPath; mount(2)",
		},
		{
			Scenario: "kubelet/force-delete-while-down", Modes: gone, Profiles: any,
			Allowed: allow("DURABLE", "ZOMBIE_WRITER", "UNMOUNTED_UNDER_POD", "CLEAN"),
			Why:     "the container writes on until a kubelet finds it, whatever the shape of its volume. A volume found on disk alone keeps its name, so that what was bound of it is found below volume-subpaths: " + unmount,
			Source:  "pkg/kubelet/volumemanager/reconciler/reconstruct.go; " + source,
		},
		{
			Scenario: "kubelet/force-delete-while-down", Modes: beside, Profiles: any,
			Allowed: allow("DURABLE", "UNINTERRUPTED", "STAYED"),
			Why:     own,
			Source:  "pkg/volume/nfs/nfs.go SetUpAt, GetPath; mount(2)",
		},
	}
}
