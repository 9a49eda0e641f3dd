// Package shareserver runs NFS servers as pods. A ShareServer is a resource of
// the cluster (definition.yaml); for each of them the reconciler keeps one pod of
// NFS-Ganesha with its configuration, at an address that stays the same for as
// long as the resource exists: the node's own, and a port that the reconciler
// gives out. Pods use the node's network, so that it takes neither a pod network
// nor a service proxy.
//
//	shares, err := shareserver.New(kubeconfig, namespace, runID)
//	err = shares.Define(ctx)
//	go shares.Reconciler(log.Printf).Run(ctx)
//	made, err := shares.Create(ctx, "data", shareserver.Spec{Node: "worker1", DataDir: dir, StateDir: state, Image: image, LeaseSeconds: 90, GraceSeconds: 90})
//	ready, err := shares.Await(ctx, "data", shareserver.Serves)
//	// mount -t nfs -o port=$ready.Status.Port $ready.Status.Address:/share /mnt
//
// What belongs to a resource is owned by it, so that the garbage collector of the
// cluster takes it away with the resource; the recovery directory is named after
// the resource's UID, the data directory by its spec: a resource that is made
// anew finds the data, and nothing of who had it open or locked.
//
// The reconciler has no leader election: whatever it makes has a fixed name, so
// that a second one finds it made.
package shareserver
