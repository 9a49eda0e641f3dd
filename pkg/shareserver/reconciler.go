package shareserver

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/nfsim/nfsim/pkg/kube"
)

// Logf takes one line of progress.
type Logf func(format string, args ...any)

// Pauses between two attempts at a resource that could not be brought in order,
// and the time that one attempt may take.
const (
	firstRetry       = 200 * time.Millisecond
	longestRetry     = 5 * time.Second
	reconcileTimeout = 30 * time.Second
)

// Reconciler makes what the resources of one namespace ask for. Run it once.
type Reconciler struct {
	api       kubernetes.Interface
	dynamic   dynamic.Interface
	namespace string
	logf      Logf
	ports     allocator
}

// NewReconciler makes a reconciler over existing clients, such as client-go's
// fakes. A nil logf is silent.
func NewReconciler(api kubernetes.Interface, dyn dynamic.Interface, namespace string, logf Logf) *Reconciler {
	if logf == nil {
		logf = func(string, ...any) {}
	}
	return &Reconciler{api: api, dynamic: dyn, namespace: namespace, logf: logf}
}

// Run watches the resources and their pods and brings in order what changes, until
// ctx ends. It goes on when the API server or the definition is away for a while;
// what it cannot do it tries again.
func (r *Reconciler) Run(ctx context.Context) {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, longestRetry))
	shares := dynamicinformer.NewFilteredDynamicInformer(r.dynamic, resource(), r.namespace, 0, cache.Indexers{}, nil).Informer()
	ofShares := func(o *metav1.ListOptions) { o.LabelSelector = NameLabel }
	pods := informers.NewSharedInformerFactoryWithOptions(r.api, 0, informers.WithNamespace(r.namespace), informers.WithTweakListOptions(ofShares)).Core().V1().Pods().Informer()
	for _, watched := range []struct {
		informer cache.SharedIndexInformer
		name     func(o metav1.Object) string
	}{
		{shares, metav1.Object.GetName},
		{pods, func(o metav1.Object) string { return o.GetLabels()[NameLabel] }},
	} {
		// Errors of a watch are tried again; client-go would write them to standard
		// error. Neither call fails before the informer has started.
		_ = watched.informer.SetWatchErrorHandler(func(_ *cache.Reflector, err error) { r.quietly(ctx, err) })
		_, _ = watched.informer.AddEventHandler(enqueue(queue, watched.name))
	}
	var running sync.WaitGroup
	running.Go(func() { shares.RunWithContext(ctx) })
	running.Go(func() { pods.RunWithContext(ctx) })
	running.Go(func() {
		<-ctx.Done()
		queue.ShutDown()
	})
	for {
		name, over := queue.Get()
		if over {
			break
		}
		r.one(ctx, queue, name)
	}
	running.Wait()
}

// quietly says what a watch failed with, unless it is what an end of the watch or
// a definition that is not there looks like.
func (r *Reconciler) quietly(ctx context.Context, err error) {
	if ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsResourceExpired(err) {
		r.logf("share servers: watch: %v", err)
	}
}

// enqueue puts the name of the resource that an event is about into the queue.
func enqueue(queue workqueue.TypedRateLimitingInterface[string], name func(metav1.Object) string) cache.ResourceEventHandler {
	add := func(object any) {
		if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = tombstone.Obj
		}
		if o, err := meta.Accessor(object); err == nil {
			queue.Add(name(o))
		}
	}
	return cache.ResourceEventHandlerFuncs{AddFunc: add, UpdateFunc: func(_, o any) { add(o) }, DeleteFunc: add}
}

// one brings one resource in order, or puts it back into the queue.
func (r *Reconciler) one(ctx context.Context, queue workqueue.TypedRateLimitingInterface[string], name string) {
	defer queue.Done(name)
	bounded, cancel := context.WithTimeout(ctx, reconcileTimeout)
	defer cancel()
	err := r.Reconcile(bounded, name)
	if err == nil {
		queue.Forget(name)
		return
	}
	// Somebody else was quicker: what is there now is looked at.
	if ctx.Err() == nil && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
		r.logf("share server %s: %v", name, err)
	}
	queue.AddRateLimited(name)
}

// Reconcile brings one resource in order as far as it goes now; what has to be
// waited for comes with a later event. A resource that is gone needs nothing:
// what it owned is the garbage collector's.
func (r *Reconciler) Reconcile(ctx context.Context, name string) error {
	object, err := r.dynamic.Resource(resource()).Namespace(r.namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	s, err := fromObject(object)
	if err != nil {
		return err
	}
	switch {
	case s.DeletionTimestamp != nil:
		return r.tearDown(ctx, s)
	case s.Spec.Finalizer && !s.Kept():
		s.Finalizers = append(s.Finalizers, Finalizer)
		return r.update(ctx, s)
	}
	if s.Status.Port == 0 || s.Status.Address == "" {
		return r.place(ctx, s)
	}
	r.ports.seen(s.Status.Port, s.UID)
	pod, err := r.ensurePod(ctx, s)
	if err != nil {
		return err
	}
	return r.tell(ctx, s, pod)
}

// place gives a resource its address, before anything else is made, and for good.
func (r *Reconciler) place(ctx context.Context, s *ShareServer) error {
	node, err := r.api.CoreV1().Nodes().Get(ctx, s.Spec.Node, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("find its node: %w", err)
	}
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			s.Status.Address = a.Address
			break
		}
	}
	if s.Status.Address == "" {
		return fmt.Errorf("find its node: %s has no internal address", s.Spec.Node)
	}
	if s.Status.Port, err = r.portFor(ctx, s); err != nil {
		return err
	}
	s.Status.Phase, s.Status.ObservedGeneration = Pending, s.Generation
	return r.updateStatus(ctx, s)
}

// portFor is the port that the spec pins, or one that no other resource has.
func (r *Reconciler) portFor(ctx context.Context, s *ShareServer) (int64, error) {
	if s.Spec.Port != 0 {
		return s.Spec.Port, nil
	}
	list, err := r.dynamic.Resource(resource()).Namespace(r.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, fmt.Errorf("list the ports that are taken: %w", err)
	}
	taken := map[int64]bool{}
	for i := range list.Items {
		other, err := fromObject(&list.Items[i])
		if err != nil {
			return 0, err
		}
		if other.UID != s.UID {
			taken[other.Status.Port], taken[other.Spec.Port] = true, true
		}
	}
	return r.ports.next(s.UID, taken)
}

// ensurePod makes the pod, at most one at a time, and returns it; nil while none
// can be made, because another of its name has yet to go. A pod that has ended, or
// is an earlier resource's, is removed.
func (r *Reconciler) ensurePod(ctx context.Context, s *ShareServer) (*corev1.Pod, error) {
	pods := r.api.CoreV1().Pods(s.Namespace)
	there, err := pods.Get(ctx, s.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		want, err := s.pod()
		if err != nil {
			return nil, err
		}
		made, err := pods.Create(ctx, want, metav1.CreateOptions{})
		if err != nil {
			return nil, fmt.Errorf("make its pod: %w", err)
		}
		r.logf("share server %s: pod %s made on %s", s.Name, made.UID, s.Spec.Node)
		return made, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read its pod: %w", err)
	}
	ended := there.Status.Phase == corev1.PodFailed || there.Status.Phase == corev1.PodSucceeded
	switch {
	case there.DeletionTimestamp != nil:
		return nil, nil
	case ended || !s.owns(there):
		if err := pods.Delete(ctx, there.Name, only(there)); err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("remove a pod that has ended or is another resource's: %w", err)
		}
		return nil, nil
	}
	return there, nil
}

// only limits a deletion to this very object.
func only(o metav1.Object) metav1.DeleteOptions {
	uid := o.GetUID()
	return metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}}
}

// tell writes how the server stands into the resource's status.
func (r *Reconciler) tell(ctx context.Context, s *ShareServer, pod *corev1.Pod) error {
	now := Status{Phase: Pending, Address: s.Status.Address, Port: s.Status.Port, ObservedGeneration: s.Generation}
	if pod != nil {
		now.PodUID, now.ContainerID = string(pod.UID), kube.ContainerID(pod)
		if kube.PodReady(pod) {
			now.Phase = Ready
		}
	}
	if s.Status == now {
		return nil
	}
	s.Status = now
	return r.updateStatus(ctx, s)
}

// tearDown ends the server of a resource that is being deleted, and lets the
// resource go when it has ended. Without our finalizer the garbage collector does
// the same.
func (r *Reconciler) tearDown(ctx context.Context, s *ShareServer) error {
	if !s.Kept() {
		return nil
	}
	if s.Status.Phase != Terminating {
		s.Status.Phase = Terminating
		return r.updateStatus(ctx, s)
	}
	pod, err := r.api.CoreV1().Pods(s.Namespace).Get(ctx, s.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) || err == nil && !s.owns(pod):
		s.Finalizers = slices.DeleteFunc(s.Finalizers, func(f string) bool { return f == Finalizer })
		return r.update(ctx, s)
	case err != nil:
		return fmt.Errorf("read its pod: %w", err)
	case pod.DeletionTimestamp != nil:
		return nil
	}
	if err := r.api.CoreV1().Pods(s.Namespace).Delete(ctx, s.Name, only(pod)); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove its pod: %w", err)
	}
	return nil
}

// update writes the resource itself. That it is gone meanwhile is no error.
func (r *Reconciler) update(ctx context.Context, s *ShareServer) error {
	object, err := s.object()
	if err != nil {
		return err
	}
	if _, err := r.dynamic.Resource(resource()).Namespace(s.Namespace).Update(ctx, object, metav1.UpdateOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("update it: %w", err)
	}
	return nil
}

// updateStatus is update for the status alone.
func (r *Reconciler) updateStatus(ctx context.Context, s *ShareServer) error {
	object, err := s.object()
	if err != nil {
		return err
	}
	if _, err := r.dynamic.Resource(resource()).Namespace(s.Namespace).UpdateStatus(ctx, object, metav1.UpdateOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("update its status: %w", err)
	}
	return nil
}
