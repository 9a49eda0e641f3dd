package shareserver

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	group   = "share.nfsim.io"
	version = "v1alpha1"
	kind    = "ShareServer"

	// DefinitionName is the name of the definition.
	DefinitionName = "shareservers." + group
	// Finalizer keeps a resource that asks for it until the reconciler has ended
	// its server.
	Finalizer = group + "/server"
	// NameLabel marks what belongs to a resource with the resource's name.
	NameLabel = group + "/name"
	// Root is the directory of a node below which runs have their shares' data and
	// recovery directories: one for each run, and in it one for each share.
	Root = "/var/lib/nfsim-share"
	// ExportPath is what clients mount from the server's address.
	ExportPath = "/share"
)

// resource names the collection in the API.
func resource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: version, Resource: "shareservers"}
}

// ShareServer is an NFS server that is wanted, and how it stands.
type ShareServer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   Spec   `json:"spec"`
	Status Status `json:"status,omitzero"`
}

// Spec is what is wanted; definition.yaml says what each field may be.
type Spec struct {
	Node         string `json:"node"`
	DataDir      string `json:"dataDir"`
	StateDir     string `json:"stateDir"`
	Image        string `json:"image"`
	LeaseSeconds int64  `json:"leaseSeconds"`
	GraceSeconds int64  `json:"graceSeconds"`
	Port         int64  `json:"port,omitempty"`
	Finalizer    bool   `json:"finalizer,omitempty"`
}

// Phase is how a share server stands, in one word.
type Phase string

// The phases.
const (
	Pending     Phase = "Pending"     // its pod does not serve yet
	Ready       Phase = "Ready"       // its pod listens at the address
	Terminating Phase = "Terminating" // the resource is being deleted
)

// Status is what the reconciler says of a share server.
type Status struct {
	Phase              Phase  `json:"phase,omitempty"`
	Address            string `json:"address,omitempty"` // of the node
	Port               int64  `json:"port,omitempty"`
	PodUID             string `json:"podUID,omitempty"`
	ContainerID        string `json:"containerID,omitempty"` // without the runtime's name
	ObservedGeneration int64  `json:"observedGeneration,omitempty"`
}

// Serves is a condition for Await: the server listens at its address.
func Serves(s *ShareServer) bool { return s != nil && s.Status.Phase == Ready }

// Kept reports whether the resource has our finalizer.
func (s *ShareServer) Kept() bool { return slices.Contains(s.Finalizers, Finalizer) }

func (s *ShareServer) object() (*unstructured.Unstructured, error) {
	s.TypeMeta = metav1.TypeMeta{APIVersion: group + "/" + version, Kind: kind}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(s)
	if err != nil {
		return nil, fmt.Errorf("write share server %s: %w", s.Name, err)
	}
	return &unstructured.Unstructured{Object: content}, nil
}

func fromObject(u *unstructured.Unstructured) (*ShareServer, error) {
	s := &ShareServer{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, s); err != nil {
		return nil, fmt.Errorf("read share server %s: %w", u.GetName(), err)
	}
	return s, nil
}

// owned is the owner reference of what belongs to s.
func (s *ShareServer) owned() []metav1.OwnerReference {
	return []metav1.OwnerReference{*metav1.NewControllerRef(s, schema.GroupVersionKind{Group: group, Version: version, Kind: kind})}
}

// owns reports whether an object belongs to this very resource, and not to an
// earlier one of its name.
func (s *ShareServer) owns(o metav1.Object) bool {
	owner := metav1.GetControllerOf(o)
	return owner != nil && owner.UID == s.UID
}
