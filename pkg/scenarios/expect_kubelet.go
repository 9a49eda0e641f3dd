package scenarios

// expectedKubelet are the rows of the families kubelet and share-server.
func expectedKubelet() []Expectation {
	any := []string{"*"}
	return []Expectation{
		{
			Scenario: "kubelet/kubelet-restart", Profiles: any,
			Allowed: allow("DURABLE", "UNINTERRUPTED", "STAYED", "CLEAN", "LINEARIZABLE", "CLOSE_TO_OPEN"),
			Why:     "containers live in containerd's shims and the mount in the host's namespace; a kubelet with KillMode=process takes neither along",
			Source:  "systemd.kill(5); kubernetes test/e2e/storage/utils TestKubeletRestartsAndRestoresMount",
		},
		{
			Scenario: "kubelet/force-delete-while-down", Profiles: any,
			Allowed: allow("DURABLE", "ZOMBIE_WRITER", "UNMOUNTED_UNDER_POD", "CLEAN"),
			Why:     "a force delete removes the API object without asking the kubelet, so the container writes on until a kubelet finds it; the volume's tear-down and the container's end are not ordered",
			Source:  "Kubernetes documentation, Force Stateful Set Pod deletion; pkg/kubelet/volumemanager/reconciler/reconstruct.go",
		},
	}
}
