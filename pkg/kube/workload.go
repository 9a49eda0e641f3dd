package kube

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WorkloadImage is what a workload pod runs unless it says otherwise: the
// agent, imported into every worker of the built-in lab.
const WorkloadImage = "nfsim.local/workload:1"

// Where things are inside a workload pod.
const (
	DefaultMountPath = "/data"      // the NFS volume
	SocketDir        = "/run/nfsim" // what the host has at SocketHostDir
	agentContainer   = "agent"
)

// NFSSource is an NFS volume written into the pod itself; it takes no mount
// options, as the API has no field for them.
type NFSSource struct{ Server, Path string }

// WorkloadPod asks for a pod with one container and one NFS volume.
//
// The node is set as spec.nodeName: the kubelet admits the pod itself and the
// scheduler is not asked, which is faster and leaves no doubt about where it
// runs. It also means that cordons and NoSchedule taints do not keep it away.
// Leave Node empty where the scheduler is part of the question.
type WorkloadPod struct {
	Name, Namespace string
	Node            string            // spec.nodeName; empty: the scheduler decides
	NodeSelector    map[string]string // for the scheduler
	Labels          map[string]string

	Image   string   // empty: WorkloadImage
	Command []string // empty: the image's entry point, the agent
	Args    []string

	Claim     string     // name of a claim in the same namespace; or
	NFS       *NFSSource // an inline volume
	SubPath   string     // directory below the volume's root to mount
	MountPath string     // empty: DefaultMountPath
	ReadOnly  bool

	// SocketHostDir is a directory on the node, made when missing, mounted at
	// SocketDir: through it the controller reaches the agent's socket over SSH
	// while the kubelet is down.
	SocketHostDir string

	Privileged                    bool
	PodNetwork                    bool   // else the host's network: see the doc of pkg/cluster
	TerminationGracePeriodSeconds *int64 // s; nil: 30, the API's default
	RestartPolicy                 corev1.RestartPolicy
	Tolerations                   []corev1.Toleration
	Affinity                      *corev1.Affinity // for the scheduler
	ReadinessExec, LivenessExec   []string         // commands of probes; empty: none
	ProbeTimeoutSeconds           int32            // 0: 1 s, the API's default
}

const (
	dataVolume   = "data"
	socketVolume = "socket"
	// probePeriodSeconds is short, as what a probe notices is measured.
	probePeriodSeconds = 2
)

// CreateWorkloadPod makes the pod and returns it as the API server took it.
func (c *Client) CreateWorkloadPod(ctx context.Context, w WorkloadPod) (*corev1.Pod, error) {
	if w.Name == "" || w.Namespace == "" {
		return nil, errors.New("make pod: name and namespace are needed")
	}
	if w.Claim != "" && w.NFS != nil {
		return nil, fmt.Errorf("make pod %s/%s: it cannot have a claim and an inline NFS volume at once", w.Namespace, w.Name)
	}
	pod := c.workloadPod(w)
	api := c.api.CoreV1().Pods(w.Namespace)
	return create(ctx, c, fmt.Sprintf("make pod %s/%s", w.Namespace, w.Name), w.Name, api.Get, func(ctx context.Context) (*corev1.Pod, error) {
		return api.Create(ctx, pod, metav1.CreateOptions{})
	})
}

func (c *Client) workloadPod(w WorkloadPod) *corev1.Pod {
	no := false
	volumes, mounts := w.volumes()
	image := w.Image
	if image == "" {
		image = WorkloadImage
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: w.Name, Namespace: w.Namespace, Labels: c.labels(w.Labels)},
		Spec: corev1.PodSpec{
			NodeName:                      w.Node,
			NodeSelector:                  w.NodeSelector,
			HostNetwork:                   !w.PodNetwork,
			DNSPolicy:                     corev1.DNSDefault,
			RestartPolicy:                 w.RestartPolicy,
			TerminationGracePeriodSeconds: w.TerminationGracePeriodSeconds,
			AutomountServiceAccountToken:  &no,
			EnableServiceLinks:            &no,
			Tolerations:                   w.Tolerations,
			Affinity:                      w.Affinity,
			Volumes:                       volumes,
			Containers: []corev1.Container{{
				Name:            agentContainer,
				Image:           image,
				ImagePullPolicy: corev1.PullNever,
				Command:         w.Command,
				Args:            w.Args,
				VolumeMounts:    mounts,
				SecurityContext: &corev1.SecurityContext{Privileged: &w.Privileged},
				ReadinessProbe:  probe(w.ReadinessExec, w.ProbeTimeoutSeconds),
				LivenessProbe:   probe(w.LivenessExec, w.ProbeTimeoutSeconds),
			}},
		},
	}
}

func (w WorkloadPod) volumes() ([]corev1.Volume, []corev1.VolumeMount) {
	var volumes []corev1.Volume
	var mounts []corev1.VolumeMount
	var data corev1.VolumeSource
	switch {
	case w.Claim != "":
		data.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: w.Claim}
	case w.NFS != nil:
		data.NFS = &corev1.NFSVolumeSource{Server: w.NFS.Server, Path: w.NFS.Path}
	}
	if data != (corev1.VolumeSource{}) {
		path := w.MountPath
		if path == "" {
			path = DefaultMountPath
		}
		volumes = append(volumes, corev1.Volume{Name: dataVolume, VolumeSource: data})
		mounts = append(mounts, corev1.VolumeMount{Name: dataVolume, MountPath: path, SubPath: w.SubPath, ReadOnly: w.ReadOnly})
	}
	if w.SocketHostDir != "" {
		create := corev1.HostPathDirectoryOrCreate
		volumes = append(volumes, corev1.Volume{Name: socketVolume, VolumeSource: corev1.VolumeSource{
			HostPath: &corev1.HostPathVolumeSource{Path: w.SocketHostDir, Type: &create},
		}})
		mounts = append(mounts, corev1.VolumeMount{Name: socketVolume, MountPath: SocketDir})
	}
	return volumes, mounts
}

func probe(command []string, timeoutSeconds int32) *corev1.Probe {
	if len(command) == 0 {
		return nil
	}
	return &corev1.Probe{
		ProbeHandler:   corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: command}},
		PeriodSeconds:  probePeriodSeconds,
		TimeoutSeconds: timeoutSeconds,
	}
}
