// Package kube is what nfsim asks of a Kubernetes API server: is it ready, are
// the nodes alive, static NFS volumes and their claims, workload pods, and
// watches whose events carry the controller's monotonic clock.
//
//	client, err := kube.New(kubeconfig)
//	client = client.WithRun("20261120-101500")
//	err = client.AwaitNodesReady(ctx, []string{"worker1", "worker2"}, restoredAt)
//	err = client.EnsureNamespace(ctx, "trial-1")
//	claim, err := client.CreateNFSClaim(ctx, kube.NFSClaim{
//		Name: "data", Namespace: "trial-1", Server: "192.168.127.10", Path: "/srv/nfsim/t1",
//		MountOptions: []string{"vers=4.2"}, ReadWriteMany: true,
//	})
//	pod, err := client.CreateWorkloadPod(ctx, kube.WorkloadPod{
//		Name: "writer", Namespace: "trial-1", Node: "worker1", Image: cluster.WorkloadImage,
//		Args: []string{"listen", "/run/nfsim/agent.sock"}, Claim: claim.Name, SocketHostDir: "/run/nfsim/t1-writer",
//	})
//	pod, err = client.AwaitPod(ctx, "trial-1", "writer", kube.PodReady)
//
// Every call ends with its context. A failure of the transport (refused,
// reset, cut off, overloaded) is tried again with growing pauses until then;
// an answer of the API server is final. Errors are *TransportError,
// *AwaitError, *GoneError, or wrap the server's own status error, which
// k8s.io/apimachinery/pkg/api/errors tells apart.
package kube
