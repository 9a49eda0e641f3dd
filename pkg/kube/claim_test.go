package kube

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"
)

var testClaim = NFSClaim{
	Name: "data", Namespace: testNamespace, Server: "192.168.127.10", Path: "/srv/nfsim/t1",
	MountOptions: []string{"vers=4.2", "noac"}, ReadWriteMany: true,
}

// bindAtOnce is a volume binder without delay.
func bindAtOnce(api *fake.Clientset) {
	api.PrependReactor("create", "persistentvolumeclaims", func(action kubetesting.Action) (bool, runtime.Object, error) {
		claim := action.(kubetesting.CreateAction).GetObject().(*corev1.PersistentVolumeClaim)
		claim.Status.Phase = corev1.ClaimBound
		return false, nil, nil
	})
}

func TestCreateNFSClaim(t *testing.T) {
	t.Parallel()
	api := fake.NewClientset()
	bindAtOnce(api)
	made, err := NewFor(api).WithRun(testRun).CreateNFSClaim(testContext(t), testClaim)
	if err != nil {
		t.Fatal(err)
	}
	volume, err := api.CoreV1().PersistentVolumes().Get(t.Context(), made.Volume, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	claim, err := api.CoreV1().PersistentVolumeClaims(testNamespace).Get(t.Context(), "data", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "volume.yaml", volume)
	golden(t, "claim.yaml", claim)
}

func TestCreateNFSClaimWhoseAnswersAreLost(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		run string // of what is there when it is asked again
		ok  bool
	}{
		"our own":      {testRun, true},
		"a stranger's": {"run-0", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := fake.NewClientset()
			bindAtOnce(api)
			loseFirstAnswer(api, "create", "persistentvolumes", func(action kubetesting.Action) {
				volume := action.(kubetesting.CreateAction).GetObject().DeepCopyObject().(*corev1.PersistentVolume)
				volume.Labels[RunLabel] = tc.run
				if err := api.Tracker().Add(volume); err != nil {
					t.Error(err)
				}
			})
			_, err := NewFor(api).WithRun(testRun).CreateNFSClaim(testContext(t), testClaim)
			if tc.ok != (err == nil) || !tc.ok && !apierrors.IsAlreadyExists(err) {
				t.Errorf("CreateNFSClaim: %v", err)
			}
		})
	}
}

func TestCreateNFSClaimThatStaysUnbound(t *testing.T) {
	t.Parallel()
	api := fake.NewClientset()
	ctx := endedByWatch(t, api, "persistentvolumeclaims")
	made, err := NewFor(api).CreateNFSClaim(ctx, testClaim)
	var await *AwaitError
	if !errors.As(err, &await) || made.Name != "data" {
		t.Errorf("CreateNFSClaim: %v, made %+v, want an *AwaitError and the claim", err, made)
	}
}

func TestCreateNFSClaimIncomplete(t *testing.T) {
	t.Parallel()
	api := fake.NewClientset()
	if _, err := NewFor(api).CreateNFSClaim(testContext(t), NFSClaim{Name: "data", Namespace: testNamespace}); err == nil || len(api.Actions()) != 0 {
		t.Errorf("CreateNFSClaim: %v after %d requests, want an error before the first", err, len(api.Actions()))
	}
}
