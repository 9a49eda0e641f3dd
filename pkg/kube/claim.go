package kube

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// NFSClaim asks for a claim with a static volume of its own, bound to each
// other from the start.
type NFSClaim struct {
	Name, Namespace string
	Server, Path    string                               // of the export
	MountOptions    []string                             // as after mount -o, one each
	ReadWriteMany   bool                                 // else ReadWriteOnce; NFS itself enforces neither
	Reclaim         corev1.PersistentVolumeReclaimPolicy // empty: Retain
}

// Claim is a claim that is bound to its volume.
type Claim struct {
	Name, Namespace, Volume string
	UID, VolumeUID          types.UID
}

// volumeName is the cluster-wide name of the volume behind a claim.
func (n NFSClaim) volumeName() string { return n.Namespace + "-" + n.Name }

// claimSize is nominal: no NFS server limits a volume to its capacity.
const claimSize = "1Gi"

// CreateNFSClaim makes the volume and the claim and waits until the binder has
// bound them, because a kubelet mounts nothing before.
func (c *Client) CreateNFSClaim(ctx context.Context, n NFSClaim) (Claim, error) {
	if n.Name == "" || n.Namespace == "" || n.Server == "" || n.Path == "" {
		return Claim{}, errors.New("make NFS claim: name, namespace, server and path are needed")
	}
	volume, err := c.createVolume(ctx, n)
	if err != nil {
		return Claim{}, err
	}
	claim, err := c.createClaim(ctx, n)
	if err != nil {
		return Claim{}, err
	}
	made := Claim{Name: claim.Name, Namespace: claim.Namespace, Volume: volume.Name, UID: claim.UID, VolumeUID: volume.UID}
	return made, c.awaitBound(ctx, n.Namespace, n.Name)
}

func (n NFSClaim) access() []corev1.PersistentVolumeAccessMode {
	if n.ReadWriteMany {
		return []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
	}
	return []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
}

func (c *Client) createVolume(ctx context.Context, n NFSClaim) (*corev1.PersistentVolume, error) {
	reclaim := n.Reclaim
	if reclaim == "" {
		reclaim = corev1.PersistentVolumeReclaimRetain
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: n.volumeName(), Labels: c.labels(nil)},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(claimSize)},
			AccessModes:                   n.access(),
			PersistentVolumeReclaimPolicy: reclaim,
			MountOptions:                  n.MountOptions,
			ClaimRef:                      &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: n.Namespace, Name: n.Name},
			PersistentVolumeSource:        corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: n.Server, Path: n.Path}},
		},
	}
	api := c.api.CoreV1().PersistentVolumes()
	return create(ctx, c, "make volume "+volume.Name, volume.Name, api.Get, func(ctx context.Context) (*corev1.PersistentVolume, error) {
		return api.Create(ctx, volume, metav1.CreateOptions{})
	})
}

func (c *Client) createClaim(ctx context.Context, n NFSClaim) (*corev1.PersistentVolumeClaim, error) {
	noClass := ""
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, Namespace: n.Namespace, Labels: c.labels(nil)},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      n.access(),
			StorageClassName: &noClass,
			VolumeName:       n.volumeName(),
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(claimSize)}},
		},
	}
	api := c.api.CoreV1().PersistentVolumeClaims(n.Namespace)
	return create(ctx, c, fmt.Sprintf("make claim %s/%s", n.Namespace, n.Name), n.Name, api.Get, func(ctx context.Context) (*corev1.PersistentVolumeClaim, error) {
		return api.Create(ctx, claim, metav1.CreateOptions{})
	})
}

// create sends an object until there is an answer. When an earlier attempt had
// its effect and only the answer was lost, what is there is taken if it is of
// this run.
func create[T metav1.Object](
	ctx context.Context, c *Client, op, name string,
	get func(context.Context, string, metav1.GetOptions) (T, error), send func(context.Context) (T, error),
) (T, error) {
	var made T
	err := try(ctx, op, func(ctx context.Context, attempt int) error {
		var err error
		made, err = send(ctx)
		if attempt == 0 || !apierrors.IsAlreadyExists(err) {
			return err
		}
		there, getErr := get(ctx, name, metav1.GetOptions{})
		if getErr != nil {
			return getErr
		}
		if !c.ours(there.GetLabels()) {
			return err
		}
		made = there
		return nil
	})
	return made, err
}

func (c *Client) awaitBound(ctx context.Context, namespace, name string) error {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	claims := c.api.CoreV1().PersistentVolumeClaims(namespace)
	events := follow(watching, "watch claims", named(name), source[*corev1.PersistentVolumeClaim]{
		list: func(ctx context.Context, o metav1.ListOptions) ([]*corev1.PersistentVolumeClaim, string, error) {
			list, err := claims.List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return pointers(list.Items), list.ResourceVersion, nil
		},
		watch: claims.Watch,
	})
	what, last := fmt.Sprintf("claim %s/%s to be bound", namespace, name), ""
	for e := range events {
		switch {
		case e.Kind == Gap:
			last = gapReason(e.Err, last)
		case e.Object == nil || e.Object.Name != name:
		case e.Gone():
			return &GoneError{What: what, UID: e.Object.UID}
		case e.Object.Status.Phase == corev1.ClaimBound:
			return nil
		default:
			last = "phase " + string(e.Object.Status.Phase)
		}
	}
	return &AwaitError{What: what, Last: last, Err: ctx.Err()}
}
