package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// privileged lets a namespace have pods that use the host's network and
// directories, in clusters whose default is stricter
// (https://kubernetes.io/docs/concepts/security/pod-security-admission/).
const privileged = "pod-security.kubernetes.io/enforce"

// EnsureNamespace makes a namespace unless it is there, and waits for its
// default service account, without which the API server admits no pod.
func (c *Client) EnsureNamespace(ctx context.Context, name string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: c.labels(map[string]string{privileged: "privileged"})}}
	err := try(ctx, "make namespace "+name, func(ctx context.Context, _ int) error {
		_, err := c.api.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	accounts := c.api.CoreV1().ServiceAccounts(name)
	events := follow(watching, "watch service accounts", named("default"), source[*corev1.ServiceAccount]{
		list: func(ctx context.Context, o metav1.ListOptions) ([]*corev1.ServiceAccount, string, error) {
			list, err := accounts.List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return pointers(list.Items), list.ResourceVersion, nil
		},
		watch: accounts.Watch,
	})
	last := "the controller manager has not made it"
	for e := range events {
		switch {
		case e.Kind == Gap:
			last = gapReason(e.Err, last)
		case e.Present() && e.Object.Name == "default":
			return nil
		}
	}
	return &AwaitError{What: "the default service account of namespace " + name, Last: last, Err: ctx.Err()}
}
