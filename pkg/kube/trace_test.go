package kube

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// TestTrace looks at what a real client sends, not at what it was asked.
func TestTrace(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/api/v1/namespaces/refused" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, `{"kind":"Pod","apiVersion":"v1"}`)
	}))
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL}
	config.Wrap(trace)
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	var changes []Change
	ctx := WithTrace(t.Context(), func(c Change) { changes = append(changes, c) })
	grace := int64(0)
	core, apps := api.CoreV1(), api.AppsV1()
	_, _ = core.Pods("n").Get(ctx, "p", metav1.GetOptions{}) // changes nothing
	_, _ = core.Pods("n").Create(t.Context(), &corev1.Pod{}, metav1.CreateOptions{})
	_, _ = core.Pods("n").Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}}, metav1.CreateOptions{})
	_ = core.Pods("n").Delete(ctx, "p", metav1.DeleteOptions{GracePeriodSeconds: &grace})
	_ = core.Namespaces().Delete(ctx, "refused", metav1.DeleteOptions{})
	_, _ = core.Nodes().Update(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "w"}}, metav1.UpdateOptions{})
	_ = apps.Deployments("n").Delete(ctx, "d", metav1.DeleteOptions{})
	_, _ = core.Secrets("n").Create(ctx, &corev1.Secret{StringData: map[string]string{"a": "hidden"}}, metav1.CreateOptions{})
	_, _ = core.Events("n").Create(ctx, &corev1.Event{}, metav1.CreateOptions{}) // says nothing about an experiment

	var got []string
	for _, c := range changes {
		if c.Invoke == 0 || c.Return < c.Invoke {
			t.Errorf("%s %s: from %d to %d", c.Verb, c.Resource, c.Invoke, c.Return)
		}
		if strings.Contains(string(c.Body), "hidden") {
			t.Error("a secret was noted")
		}
		got = append(got, strings.Join([]string{c.Verb, c.Group, c.Version, c.Namespace, c.Resource, c.Name, http.StatusText(c.Status)}, " "))
	}
	want := []string{
		"create  v1 n pods  OK",
		"delete  v1 n pods p OK",
		"delete  v1  namespaces refused Not Found",
		"update  v1  nodes w OK",
		"delete apps v1 n deployments d OK",
		"create  v1 n secrets  OK",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if !strings.Contains(string(changes[0].Body), `"kind":"Pod"`) || !strings.Contains(string(changes[1].Body), `"gracePeriodSeconds":0`) {
		t.Errorf("bodies %s, %s", changes[0].Body, changes[1].Body)
	}
}

func TestLocate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		path string
		want Change
		ok   bool
	}{
		{"/api/v1/namespaces/n", Change{Version: "v1", Resource: "namespaces", Name: "n"}, true},
		{"/api/v1/namespaces/n/finalize", Change{Version: "v1", Resource: "namespaces", Name: "n", Subresource: "finalize"}, true},
		{"/api/v1/namespaces/n/pods/p/eviction", Change{Version: "v1", Namespace: "n", Resource: "pods", Name: "p", Subresource: "eviction"}, true},
		{"/apis/apps/v1/namespaces/n/deployments", Change{Group: "apps", Version: "v1", Namespace: "n", Resource: "deployments"}, true},
		{"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/a.b", Change{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions", Name: "a.b"}, true},
		{"/healthz", Change{}, false},
		{"/api/v1", Change{}, false},
		{"", Change{}, false},
	} {
		var got Change
		if ok := got.locate(tt.path); ok != tt.ok {
			t.Errorf("%s: %v", tt.path, ok)
		} else if diff := cmp.Diff(tt.want, got); tt.ok && diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.path, diff)
		}
	}
}
