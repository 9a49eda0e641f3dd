package shareserver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"
)

const (
	testNamespace = "trial-1"
	testRun       = "run-1"
)

// cluster is a reconciler over client-go's fakes, which take what they are given:
// UIDs and what a kubelet says are the test's.
type cluster struct {
	t          *testing.T
	api        *fake.Clientset
	client     *Client
	reconciler *Reconciler

	mu   sync.Mutex
	uids int
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker1"}, Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
		{Type: corev1.NodeHostName, Address: "worker1"}, {Type: corev1.NodeInternalIP, Address: "10.0.0.1"},
	}}}
	c := &cluster{t: t, api: fake.NewClientset(node)}
	// What an API server does and the fake does not.
	c.api.PrependReactor("create", "*", func(a kubetesting.Action) (bool, runtime.Object, error) {
		o := a.(kubetesting.CreateAction).GetObject().(metav1.Object)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.uids++
		o.SetUID(types.UID(fmt.Sprintf("made-%d", c.uids)))
		return false, nil, nil
	})
	dyn := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		resource(): kind + "List", definitions(): "CustomResourceDefinitionList",
	})
	c.client = NewFor(c.api, dyn, testNamespace, testRun)
	c.reconciler = c.client.Reconciler(t.Logf)
	return c
}

func testSpec() Spec {
	return Spec{Node: "worker1", DataDir: "/srv/data", StateDir: "/srv/state", Image: "nfsim.local/ganesha:1", LeaseSeconds: 15, GraceSeconds: 20}
}

// add makes a resource with a UID, as an API server would.
func (c *cluster) add(name, uid string, spec Spec) {
	c.t.Helper()
	s := &ShareServer{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: testNamespace, UID: types.UID(uid), Labels: map[string]string{"a": "b"}}, Spec: spec}
	object, err := s.object()
	if err == nil {
		_, err = c.client.shares().Create(c.t.Context(), object, metav1.CreateOptions{})
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// settle reconciles until nothing changes any more.
func (c *cluster) settle(name string) {
	c.t.Helper()
	for range 5 {
		if err := c.reconciler.Reconcile(c.t.Context(), name); err != nil && !apierrors.IsAlreadyExists(err) {
			c.t.Fatal(err)
		}
	}
}

func (c *cluster) share(name string) *ShareServer {
	c.t.Helper()
	s, err := c.client.Get(c.t.Context(), name)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// pod is the pod of a resource, nil when there is none.
func (c *cluster) pod(name string) *corev1.Pod {
	c.t.Helper()
	pod, err := c.api.CoreV1().Pods(testNamespace).Get(c.t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return pod
}

// change writes a pod as a kubelet or a user would.
func (c *cluster) change(name string, how func(*corev1.Pod)) {
	c.t.Helper()
	pod := c.pod(name)
	how(pod)
	if _, err := c.api.CoreV1().Pods(testNamespace).Update(c.t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) drop(name string) {
	c.t.Helper()
	if err := c.api.CoreV1().Pods(testNamespace).Delete(c.t.Context(), name, metav1.DeleteOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// serve is a kubelet that has started the container.
func serve(id string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{ContainerID: "containerd://" + id}}
	}
}

func TestReconcileMakesAndRebuilds(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.add("a", "u1", testSpec())
	c.settle("a")
	first := c.pod("a")
	if first == nil {
		t.Fatal("no pod")
	}
	port := c.share("a").Status.Port
	want := Status{Phase: Pending, Address: "10.0.0.1", Port: port, PodUID: string(first.UID)}
	if diff := cmp.Diff(want, c.share("a").Status); diff != "" || port < firstPort || port >= firstPort+ports {
		t.Errorf("status: %s", diff)
	}
	if o := metav1.GetControllerOf(first); o == nil || o.UID != "u1" || o.Kind != kind || first.Labels[NameLabel] != "a" || first.Labels["a"] != "b" {
		t.Errorf("owner %v, labels %v", o, first.Labels)
	}
	if security := first.Spec.Containers[0].SecurityContext; security.Privileged != nil || !slices.Contains(security.Capabilities.Add, "DAC_READ_SEARCH") {
		t.Errorf("security context %+v", security)
	}
	dirs := map[string]string{}
	for _, v := range first.Spec.Volumes {
		if v.HostPath != nil {
			dirs[v.Name] = v.HostPath.Path
		}
	}
	if diff := cmp.Diff(map[string]string{"data": "/srv/data", "recovery": "/srv/state/u1"}, dirs); diff != "" {
		t.Error(diff)
	}
	if text := first.Annotations[configNote]; !strings.Contains(text, fmt.Sprintf("NFS_Port = %d;", port)) {
		t.Errorf("configuration %q", text)
	}

	c.change("a", serve("c1"))
	c.settle("a")
	if s := c.share("a"); !Serves(s) || s.Status.ContainerID != "c1" {
		t.Errorf("status %+v, want Ready", s.Status)
	}

	c.change("a", func(pod *corev1.Pod) { pod.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} })
	c.settle("a")
	if s := c.share("a"); Serves(s) || c.pod("a").UID != first.UID {
		t.Errorf("while its pod goes: status %+v", s.Status)
	}

	c.drop("a")
	c.settle("a")
	second := c.pod("a")
	if second == nil || second.UID == first.UID || c.share("a").Status.Port != port {
		t.Errorf("rebuilt pod %v at port %d, want another one at port %d", second, c.share("a").Status.Port, port)
	}

	c.change("a", func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodFailed })
	c.settle("a")
	if third := c.pod("a"); third == nil || third.UID == second.UID {
		t.Errorf("a pod that has failed is left: %v", third)
	}
}

// TestAnotherResourceOfTheName is a resource that was deleted and made anew before
// the garbage collector took what the first one owned.
func TestAnotherResourceOfTheName(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		pinned bool
	}{{"anew", false}, {"address kept", true}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.add("a", "u1", testSpec())
			c.settle("a")
			port, pod := c.share("a").Status.Port, c.pod("a")
			if err := c.client.Delete(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			spec := testSpec()
			if tc.pinned {
				spec.Port = port
			}
			c.add("a", "u2", spec)
			c.settle("a")
			now, s := c.pod("a"), c.share("a")
			if now == nil || now.UID == pod.UID || metav1.GetControllerOf(now).UID != "u2" || s.Status.PodUID != string(now.UID) {
				t.Errorf("pod %v, status %+v", now, s.Status)
			}
			if s.Status.Port == port != tc.pinned {
				t.Errorf("port %d, before %d", s.Status.Port, port)
			}
			for _, v := range now.Spec.Volumes {
				if v.Name == "recovery" && v.HostPath.Path != "/srv/state/u2" {
					t.Errorf("recovery directory %s is not its own", v.HostPath.Path)
				}
			}
			if text := now.Annotations[configNote]; !strings.Contains(text, fmt.Sprintf("NFS_Port = %d;", s.Status.Port)) {
				t.Errorf("configuration %q", text)
			}
		})
	}
}

func TestFinalizer(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.add("a", "u1", testSpec())
	c.settle("a")
	if c.share("a").Kept() {
		t.Fatal("it has a finalizer that nobody asked for")
	}
	if err := c.client.Keep(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	c.settle("a")
	s := c.share("a")
	if !s.Kept() {
		t.Fatal("no finalizer")
	}
	s.Finalizers = append(s.Finalizers, "example.org/other")
	s.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	object, err := s.object()
	if err == nil {
		_, err = c.client.shares().Update(t.Context(), object, metav1.UpdateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := c.reconciler.Reconcile(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if s := c.share("a"); !s.Kept() || s.Status.Phase != Terminating || c.pod("a") == nil {
		t.Errorf("at first: %+v", s)
	}
	c.settle("a")
	if s := c.share("a"); c.pod("a") != nil || cmp.Diff([]string{"example.org/other"}, s.Finalizers) != "" {
		t.Errorf("in the end: pod %v, finalizers %q", c.pod("a"), s.Finalizers)
	}
}

func TestReconcileErrors(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	spec := testSpec()
	spec.Node = "nobody"
	c.add("a", "u1", spec)
	if err := c.reconciler.Reconcile(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "find its node") {
		t.Errorf("unknown node: %v", err)
	}
	if err := c.reconciler.Reconcile(t.Context(), "none"); err != nil {
		t.Errorf("a resource that is gone: %v", err)
	}
}

// TestRun checks that what changes is noticed: a new resource, and a pod that goes.
func TestRun(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c.add("a", "u1", testSpec()) // was there before
	over := make(chan struct{})
	go func() {
		defer close(over)
		c.reconciler.Run(ctx)
	}()
	has := func(not types.UID) types.UID {
		t.Helper()
		var uid types.UID
		err := look(ctx, "a pod", func(context.Context) (string, bool, error) {
			if pod := c.pod("a"); pod != nil {
				uid = pod.UID
			}
			return "", uid != "" && uid != not, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return uid
	}
	first := has("")
	if _, err := c.client.Await(ctx, "a", func(s *ShareServer) bool { return s.Status.PodUID == string(first) }); err != nil {
		t.Fatal(err)
	}
	c.drop("a")
	has(first)
	cancel()
	<-over
}

func TestAllocator(t *testing.T) {
	t.Parallel()
	var a allocator
	first, err := a.next("u1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := a.next("u1", nil); err != nil || again != first {
		t.Errorf("the same resource: %d, %v, want %d", again, err, first)
	}
	var b allocator
	if elsewhere, err := b.next("u1", map[int64]bool{first: true}); err != nil || elsewhere == first {
		t.Errorf("taken: %d, %v", elsewhere, err)
	}
	seen := map[int64]bool{first: true}
	for i := range ports - 1 {
		port, err := a.next(types.UID(fmt.Sprint(i)), nil)
		if err != nil || seen[port] || port < firstPort || port >= firstPort+ports {
			t.Fatalf("port %d of %d: %d, %v", i, ports, port, err)
		}
		seen[port] = true
	}
	if port, err := a.next("one too many", nil); err == nil {
		t.Errorf("a port of none: %d", port)
	}
}
