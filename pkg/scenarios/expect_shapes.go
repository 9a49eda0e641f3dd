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
		own     = "NFS has no mount that pods share (NodeStageVolume is for CSI alone): each pod has one of its own, and the end of another is nothing to it"
	)
	return []Expectation{
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
