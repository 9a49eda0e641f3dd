// Package cluster makes everything that turns the plain machine image into a
// Kubernetes cluster, as a list of files for each machine: certificates and
// kubeconfigs, SSH keys, systemd units, configuration, container images and
// the Kubernetes binaries themselves. Nothing here talks to a machine; a
// provider packs the files (WriteTar) or uploads them before services start.
//
//	product, err := cluster.Build(cluster.Spec{
//		Machines: []cluster.Machine{
//			{Name: "server", Role: cluster.Server, Addr: "192.168.127.10"},
//			{Name: "worker1", Role: cluster.Worker, Addr: "192.168.127.11"},
//			{Name: "worker2", Role: cluster.Worker, Addr: "192.168.127.12"},
//		},
//		Kubernetes: "v1.36.3", Kubelet: "v1.36.3",
//		Binaries:    cluster.Binaries{ControlPlaneDir: cp, KubeletDir: kl, EtcdDir: etcd},
//		AgentBinary: agentELF,
//		BusyboxPath: "/home/me/.cache/nfsim/images/KEY/busybox",
//	})
//	err = cluster.WriteTar(seed, product.Files["worker1"])
//	admin := product.AdminKubeconfig("https://127.0.0.1:40123")
//
// # Network
//
// Workload pods of the NFS scenarios run with hostNetwork. The kubelet makes
// their NFS mounts in the host's network namespace in any case, so that a pod
// network would not be on the path that is measured, and each sandbox saves
// one CNI call, which is slow under emulation. A bridge network with one
// subnet a node (10.244.N.0/24) and static routes exists all the same: the
// kubelet reports Ready only when a CNI configuration is there, and pods that
// need an address of their own (an NFS server in a pod) get one. There is no
// kube-proxy: the address of a Service reaches nothing.
//
// # Trust
//
// Three certificate authorities (cluster, etcd, front proxy) are made for each
// product. Their private keys are dropped when Build returns and are never
// written anywhere. Every connection is verified in both directions.
package cluster
