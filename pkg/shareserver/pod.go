package shareserver

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"path"
	"text/template"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	configFile = "ganesha.conf"
	configDir  = "/etc/ganesha-share"
	// configNote is the pod's annotation that has the configuration. The kubelet
	// makes a file of it without asking the API server, which a ConfigMap in its
	// place would wait for at every start.
	configNote = group + "/config"
	// recoveryDir is where NFS-Ganesha keeps which clients may reclaim their state
	// after a restart, unless it is told otherwise (ganesha-core-config(8),
	// RecoveryRoot).
	recoveryDir = "/var/lib/nfs/ganesha"
	// runtimeDir is where the server writes its pid. Not the image's: it is empty
	// there, as every /run of a Debian system is.
	runtimeDir = "/run/ganesha"
	// podGraceSeconds is how long the server has to end by itself. It takes a second
	// or two.
	podGraceSeconds = 10
	container       = "ganesha"
)

//go:embed ganesha.conf.tmpl
var configText string

// config is ganesha.conf of a share server, whose status has its address.
func config(s *ShareServer) (string, error) {
	t, err := template.New(configFile).Parse(configText)
	if err != nil {
		return "", fmt.Errorf("parse the template of %s: %w", configFile, err)
	}
	var out bytes.Buffer
	err = t.Execute(&out, struct {
		Port, Lease, Grace int64
		Owner, Path        string
	}{s.Status.Port, s.Spec.LeaseSeconds, s.Spec.GraceSeconds, s.Namespace + "/" + s.Name, ExportPath})
	if err != nil {
		return "", fmt.Errorf("write %s of %s: %w", configFile, s.Name, err)
	}
	return out.String(), nil
}

// meta is that of an object that belongs to s: its name, its labels and an owner.
func (s *ShareServer) meta() metav1.ObjectMeta {
	labels := maps.Clone(s.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[NameLabel] = s.Name
	return metav1.ObjectMeta{Name: s.Name, Namespace: s.Namespace, Labels: labels, OwnerReferences: s.owned()}
}

// RecoveryDir is the resource's recovery directory on the node.
func (s *ShareServer) RecoveryDir() string { return path.Join(s.Spec.StateDir, string(s.UID)) }

// pod is that of a share server. It is not privileged, which API servers refuse
// unless they are told otherwise (kube-apiserver --allow-privileged): beside what
// every container may, FSAL VFS opens files by handle (CAP_DAC_READ_SEARCH,
// open_by_handle_at(2)), and the server marks itself as one that writes pages back
// (CAP_SYS_RESOURCE, prctl(2) PR_SET_IO_FLUSHER).
func (s *ShareServer) pod() (*corev1.Pod, error) {
	text, err := config(s)
	if err != nil {
		return nil, err
	}
	about := s.meta()
	about.Annotations = map[string]string{configNote: text}
	no := false
	grace := int64(podGraceSeconds)
	host := func(name, dir string) corev1.Volume {
		create := corev1.HostPathDirectoryOrCreate
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: dir, Type: &create}}}
	}
	return &corev1.Pod{
		ObjectMeta: about,
		Spec: corev1.PodSpec{
			NodeName:                      s.Spec.Node,
			HostNetwork:                   true,
			DNSPolicy:                     corev1.DNSDefault,
			RestartPolicy:                 corev1.RestartPolicyAlways,
			TerminationGracePeriodSeconds: &grace,
			AutomountServiceAccountToken:  &no,
			EnableServiceLinks:            &no,
			Volumes: []corev1.Volume{
				host("data", s.Spec.DataDir),
				host("recovery", s.RecoveryDir()),
				{Name: "runtime", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}},
				{Name: "config", VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{
					{Path: configFile, FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.annotations['" + configNote + "']"}},
				}}}},
			},
			Containers: []corev1.Container{{
				Name:            container,
				Image:           s.Spec.Image,
				ImagePullPolicy: corev1.PullNever,
				Command:         []string{"/usr/bin/ganesha.nfsd", "-F", "-L", "STDOUT", "-p", runtimeDir + "/pid", "-f", configDir + "/" + configFile},
				SecurityContext: &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"DAC_READ_SEARCH", "SYS_RESOURCE"}}},
				VolumeMounts: []corev1.VolumeMount{
					{Name: "data", MountPath: ExportPath},
					{Name: "recovery", MountPath: recoveryDir},
					{Name: "runtime", MountPath: runtimeDir},
					{Name: "config", MountPath: configDir, ReadOnly: true},
				},
				ReadinessProbe: &corev1.Probe{
					ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(int32(s.Status.Port))}},
					PeriodSeconds: 1,
				},
			}},
		},
	}, nil
}
