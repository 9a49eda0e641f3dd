package shareserver

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/nfsim/nfsim/pkg/kube"
)

//go:embed definition.yaml
var definitionText []byte

// lookEvery is the pause between two looks at something that is awaited: the
// resolution of its time.
const lookEvery = 200 * time.Millisecond

// definitions names the collection of resource definitions in the API.
func definitions() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
}

// Client is what asks for share servers in one namespace. It is safe for
// concurrent use.
type Client struct {
	api       kubernetes.Interface
	dynamic   dynamic.Interface
	namespace string
	run       string
}

// New makes a client from a kubeconfig; nothing is sent yet. All that it makes is
// labelled with the run, and what Cleanup removes is so labelled.
func New(kubeconfig []byte, namespace, run string) (*Client, error) {
	config, err := kube.RESTConfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make Kubernetes client: %w", err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make Kubernetes client: %w", err)
	}
	return NewFor(api, dyn, namespace, run), nil
}

// NewFor makes a client over existing ones, such as client-go's fakes.
func NewFor(api kubernetes.Interface, dyn dynamic.Interface, namespace, run string) *Client {
	return &Client{api: api, dynamic: dyn, namespace: namespace, run: run}
}

// Reconciler makes a reconciler for the client's namespace.
func (c *Client) Reconciler(logf Logf) *Reconciler {
	return NewReconciler(c.api, c.dynamic, c.namespace, logf)
}

func (c *Client) shares() dynamic.ResourceInterface {
	return c.dynamic.Resource(resource()).Namespace(c.namespace)
}

func (c *Client) definitions() dynamic.ResourceInterface { return c.dynamic.Resource(definitions()) }

// Definition is the definition as it is sent to the API server.
func (c *Client) Definition() (*unstructured.Unstructured, error) {
	d := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(definitionText, &d.Object); err != nil {
		return nil, fmt.Errorf("read definition.yaml: %w", err)
	}
	d.SetLabels(map[string]string{kube.RunLabel: c.run})
	return d, nil
}

// Define makes the definition, if it is not there, and waits until the API server
// serves it.
func (c *Client) Define(ctx context.Context) error {
	d, err := c.Definition()
	if err != nil {
		return err
	}
	if _, err := c.definitions().Create(ctx, d, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("make the definition of share servers: %w", err)
	}
	return look(ctx, "the definition of share servers to be served", func(ctx context.Context) (last string, ok bool, err error) {
		d, err := c.definitions().Get(ctx, DefinitionName, metav1.GetOptions{})
		if err != nil {
			return "", false, err
		}
		if !condition(d, "Established") {
			return "not established", false, nil
		}
		// Established is said a moment before the collection is there.
		_, err = c.shares().List(ctx, metav1.ListOptions{})
		return "established", err == nil, ignoreNotFound(err)
	})
}

// condition reports whether a condition of an object is true.
func condition(o *unstructured.Unstructured, name string) bool {
	list, _, err := unstructured.NestedSlice(o.Object, "status", "conditions")
	if err != nil {
		return false
	}
	return slices.ContainsFunc(list, func(one any) bool {
		c, ok := one.(map[string]any)
		return ok && c["type"] == name && c["status"] == "True"
	})
}

// Undefine asks for the deletion of the definition, and with it of every resource,
// and does not wait for it.
func (c *Client) Undefine(ctx context.Context) error {
	if err := c.definitions().Delete(ctx, DefinitionName, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the definition of share servers: %w", err)
	}
	return nil
}

// DefinitionState is how the definition stands: "gone", "served", or
// "terminating" with why, as the API server says it.
func (c *Client) DefinitionState(ctx context.Context) (string, error) {
	d, err := c.definitions().Get(ctx, DefinitionName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return DefinitionGone, nil
	case err != nil:
		return "", fmt.Errorf("read the definition of share servers: %w", err)
	case d.GetDeletionTimestamp() == nil:
		return DefinitionServed, nil
	}
	return DefinitionTerminating, nil
}

// How the definition stands.
const (
	DefinitionGone        = "gone"
	DefinitionServed      = "served"
	DefinitionTerminating = "terminating"
)

// AwaitDefinition waits until the definition stands as wanted.
func (c *Client) AwaitDefinition(ctx context.Context, want string) error {
	return look(ctx, "the definition of share servers to be "+want, func(ctx context.Context) (string, bool, error) {
		state, err := c.DefinitionState(ctx)
		return state, state == want, err
	})
}

// Create asks for a share server.
func (c *Client) Create(ctx context.Context, name string, spec Spec) (*ShareServer, error) {
	s := &ShareServer{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.namespace, Labels: map[string]string{kube.RunLabel: c.run}}, Spec: spec}
	object, err := s.object()
	if err != nil {
		return nil, err
	}
	made, err := c.shares().Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("make share server %s: %w", name, err)
	}
	return fromObject(made)
}

// Keep gives a share server the finalizer, by its spec.
func (c *Client) Keep(ctx context.Context, name string) error {
	patch := []byte(`{"spec":{"finalizer":true}}`)
	if _, err := c.shares().Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("ask for the finalizer of share server %s: %w", name, err)
	}
	return nil
}

// Get reads a share server; one that is not there is nil.
func (c *Client) Get(ctx context.Context, name string) (*ShareServer, error) {
	object, err := c.shares().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read share server %s: %w", name, err)
	}
	return fromObject(object)
}

// Delete asks for the deletion of a share server and does not wait for it. That it
// is not there is no error.
func (c *Client) Delete(ctx context.Context, name string) error {
	if err := ignoreNotFound(c.shares().Delete(ctx, name, metav1.DeleteOptions{})); err != nil {
		return fmt.Errorf("delete share server %s: %w", name, err)
	}
	return nil
}

// Await waits until a share server is as cond wants it; cond is told nil while it
// is not there. The error is a *kube.AwaitError when ctx ends.
func (c *Client) Await(ctx context.Context, name string, cond func(*ShareServer) bool) (*ShareServer, error) {
	var found *ShareServer
	err := look(ctx, "share server "+name, func(ctx context.Context) (string, bool, error) {
		s, err := c.Get(ctx, name)
		if err != nil {
			return "", false, err
		}
		found = s
		return describe(s), cond(s), nil
	})
	return found, err
}

// AwaitGone waits until the resource with this UID is no more, whether or not
// another has its name. The pod that it had may be there still.
func (c *Client) AwaitGone(ctx context.Context, name string, uid types.UID) error {
	_, err := c.Await(ctx, name, func(s *ShareServer) bool { return s == nil || s.UID != uid })
	return err
}

func describe(s *ShareServer) string {
	if s == nil {
		return "not there"
	}
	text := fmt.Sprintf("%s at %s:%d", s.Status.Phase, s.Status.Address, s.Status.Port)
	if s.DeletionTimestamp != nil {
		text += ", being deleted"
	}
	return text
}

// Log is what a share server's pod has written so far; previous is what its
// container before this one had.
func (c *Client) Log(ctx context.Context, name string, previous bool) (string, error) {
	text, err := c.api.CoreV1().Pods(c.namespace).GetLogs(name, logOptions(previous)).DoRaw(ctx)
	if err != nil {
		return "", fmt.Errorf("read the log of share server %s: %w", name, err)
	}
	return string(text), nil
}

// Ledger lists what there is of this run, definitions and resources,
// sorted and free of anything that changes by itself.
func (c *Client) Ledger(ctx context.Context) (map[string][]string, error) {
	ledger := map[string][]string{}
	note := func(category string, o metav1.Object) {
		entry := o.GetName() + " uid=" + string(o.GetUID())
		if o.GetDeletionTimestamp() != nil {
			entry += " terminating"
		}
		ledger[category] = append(ledger[category], entry)
	}
	for category, from := range map[string]dynamic.ResourceInterface{"definitions": c.definitions(), "shareservers": c.shares()} {
		list, err := from.List(ctx, c.selection())
		if ignoreNotFound(err) != nil {
			return nil, fmt.Errorf("list %s: %w", category, err)
		}
		for i := 0; err == nil && i < len(list.Items); i++ {
			note(category, &list.Items[i])
		}
	}
	for _, entries := range ledger {
		slices.Sort(entries)
	}
	return ledger, nil
}

func (c *Client) selection() metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: kube.RunLabel + "=" + c.run}
}

// Cleanup removes the run's resources, with the finalizer of a reconciler that is
// no more, and its definition, and waits until they are gone. Pods go
// with them; those that do not are the namespace's.
func (c *Client) Cleanup(ctx context.Context) error {
	return look(ctx, "share servers and their definition to be gone", func(ctx context.Context) (string, bool, error) {
		list, err := c.shares().List(ctx, c.selection())
		if ignoreNotFound(err) != nil {
			return "", false, err
		}
		left := 0
		if err == nil {
			left = len(list.Items)
			for i := range list.Items {
				if err := c.remove(ctx, &list.Items[i]); err != nil {
					return "", false, err
				}
			}
		}
		defs, err := c.definitions().List(ctx, c.selection())
		if err != nil {
			return "", false, err
		}
		if len(defs.Items) > 0 && defs.Items[0].GetDeletionTimestamp() == nil {
			if err := ignoreNotFound(c.Undefine(ctx)); err != nil {
				return "", false, err
			}
		}
		return fmt.Sprintf("%d share servers, %d definitions", left, len(defs.Items)), left+len(defs.Items) == 0, nil
	})
}

// remove deletes a resource, and takes its finalizer away.
func (c *Client) remove(ctx context.Context, o *unstructured.Unstructured) error {
	if o.GetDeletionTimestamp() == nil {
		if err := c.Delete(ctx, o.GetName()); err != nil {
			return err
		}
	}
	if len(o.GetFinalizers()) == 0 {
		return nil
	}
	_, err := c.shares().Patch(ctx, o.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	return ignoreNotFound(err)
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// look asks again and again until ok, or until ctx ends. An error of one look may
// be the API server's for a moment: the last one is told when time is up.
func look(ctx context.Context, what string, once func(ctx context.Context) (last string, ok bool, err error)) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last string
	for {
		now, ok, err := once(ctx)
		switch {
		case err == nil && ok:
			return nil
		case err == nil:
			last = now
		case ctx.Err() == nil && !errors.Is(err, context.Canceled):
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return &kube.AwaitError{What: what, Last: last, Err: ctx.Err()}
		case <-tick.C:
		}
	}
}

// logLines bounds what is kept of a pod's log.
const logLines = 2000

func logOptions(previous bool) *corev1.PodLogOptions {
	lines := int64(logLines)
	return &corev1.PodLogOptions{Container: container, Previous: previous, TailLines: &lines}
}
